"""The account of one translation: what an adapter dropped, approximated or computed while reading or writing.

Fields are named by their path in the JSON form of a Message (``body.kinematics.speed_mps``, ``times.observed``); a path
stands for everything below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import msgspec

from protocols.message import Derived, Loss, LossReason, Message
from protocols.quantity import Value
from protocols.remembered import Remembered

_NO_FIELD = LossReason.NO_FIELD
LOSSES_MAX = 64  # one message; past that the account says less, never the message


class Ledger:
    """Collects Losses and Deriveds while one message is written or read."""

    __slots__ = ("_derived", "_loss")

    def __init__(self) -> None:
        self._loss: dict[tuple[str, LossReason, bool], None] = {}  # once each, in order
        self._derived: dict[tuple[str, str, str], None] = {}

    @property
    def loss(self) -> tuple[Loss, ...]:
        """What did not come through whole, in order."""
        return tuple(map(_losses.__getitem__, islice(self._loss, LOSSES_MAX)))

    @property
    def derived(self) -> tuple[Derived, ...]:
        """What was computed, in order."""
        return tuple(map(_deriveds.__getitem__, islice(self._derived, LOSSES_MAX)))

    def drop(self, field: str, reason: LossReason = _NO_FIELD) -> None:
        """Nothing of this field comes through."""
        self._loss[field, reason, False] = None

    def approximate(self, field: str, reason: LossReason) -> None:
        """Something of this field comes through, not all."""
        self._loss[field, reason, True] = None

    def derive(self, field: str, source: str, rule: str) -> None:
        """This field is computed from another, by a named rule."""
        self._derived[field, source, rule] = None

    def repeat(self, other: Ledger) -> None:
        """Note everything that stands in another account."""
        self._loss |= other._loss
        self._derived |= other._derived

    def drop_given(self, prefix: str, value: Value, *names: str) -> None:
        """Drop those of a value's fields that say anything."""
        paths = [f"{prefix}.{name}" for name in names] if prefix else names
        self.drop_said(paths, [getattr(value, name) for name in names])

    def drop_said(self, fields: Sequence[str], values: Sequence[object]) -> None:
        """Drop those of these fields whose value says anything."""
        for field, given in zip(fields, values, strict=True):
            if given is not None and (given or given != ()):  # asked in this order, because most are true
                self._loss[field, _NO_FIELD, False] = None

    def approximate_texts(self, message: Message, carries: Callable[[str], bool]) -> None:
        """Every text of a message with a character that the format cannot carry."""
        fields = msgspec.to_builtins(message)
        for path, text in _texts(fields.pop("body") | fields, ""):
            if not carries(text):
                self.approximate(path, LossReason.CHARSET)


def _loss(entry: tuple[str, LossReason, bool]) -> Loss:
    field, reason, approximated = entry
    return Loss(field=field, reason=reason, approximated=approximated)


def _derived(entry: tuple[str, str, str]) -> Derived:
    field, source, rule = entry
    return Derived(field=field, source=source, rule=rule)


# A route loses the same fields of every message.
_losses: Remembered[tuple[str, LossReason, bool], Loss] = Remembered(_loss)
_deriveds: Remembered[tuple[str, str, str], Derived] = Remembered(_derived)


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
