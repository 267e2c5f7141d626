"""The account of one translation: what an adapter dropped, approximated or computed while reading or writing.

Fields are named by their path in the JSON form of a Message (``body.kinematics.speed_mps``, ``times.observed``); a path
stands for everything below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from protocols.message import Derived, Loss, LossReason, Message
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

    def approximate_texts(self, message: Message, carries: Callable[[str], bool]) -> None:
        """Every text of a message with a character that the format cannot carry."""
        fields = msgspec.to_builtins(message)
        for path, text in _texts(fields.pop("body") | fields, ""):
            if not carries(text):
                self.approximate(path, LossReason.CHARSET)

    def _add(self, loss: Loss) -> None:
        if loss not in self._loss and len(self._loss) < LOSSES_MAX:
            self._loss.append(loss)


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Every text in a tree with its path; the items of a list go by the name of the list."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple):
        for inner in value:
            for _, text in _texts(inner, path):
                yield path, text
