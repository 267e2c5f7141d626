"""The account of one translation: what an adapter dropped, approximated or computed while reading or writing.

Fields are named by their path in the JSON form of a Message (``body.kinematics.speed_mps``, ``times.observed``); a path
stands for everything below it.
"""

from __future__ import annotations

from protocols.message import Derived, Loss, LossReason
from protocols.quantity import Value

LOSSES_MAX = 64  # one message; past that the account says less, never the message


class Ledger:
    """Collects Losses and Deriveds while one message is written or read."""

    __slots__ = ("_derived", "_loss")

    def __init__(self) -> None:
        self._loss: list[Loss] = []
        self._derived: list[Derived] = []

    @property
    def loss(self) -> tuple[Loss, ...]:
        """What did not come through whole, in order."""
        return tuple(self._loss)

    @property
    def derived(self) -> tuple[Derived, ...]:
        """What was computed, in order."""
        return tuple(self._derived)

    def drop(self, field: str, reason: LossReason = LossReason.NO_FIELD) -> None:
        """Nothing of this field comes through."""
        self._add(Loss(field=field, reason=reason))

    def approximate(self, field: str, reason: LossReason) -> None:
        """Something of this field comes through, not all."""
        self._add(Loss(field=field, reason=reason, approximated=True))

    def derive(self, field: str, source: str, rule: str) -> None:
        """This field is computed from another, by a named rule."""
        entry = Derived(field=field, source=source, rule=rule)
        if entry not in self._derived and len(self._derived) < LOSSES_MAX:
            self._derived.append(entry)

    def drop_given(self, prefix: str, value: Value, *names: str) -> None:
        """Drop those of a value's fields that say anything."""
        for name in names:
            given = getattr(value, name)
            if given is not None and given != ():
                self.drop(f"{prefix}.{name}" if prefix else name)

    def _add(self, loss: Loss) -> None:
        if loss not in self._loss and len(self._loss) < LOSSES_MAX:
            self._loss.append(loss)
