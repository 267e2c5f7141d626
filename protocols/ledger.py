"""The account of one translation: what an adapter dropped, approximated or computed while reading or writing.

Fields are named by their path in the JSON form of a Message (``body.kinematics.speed_mps``, ``times.observed``); a path
stands for everything below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec

from protocols.message import Derived, Loss, LossReason, Message
from protocols.quantity import Value
from protocols.remembered import Remembered

_NO_FIELD = LossReason.NO_FIELD
_LossEntry: TypeAlias = tuple[str, LossReason, bool]
_DerivedEntry: TypeAlias = tuple[str, str, str]
LOSSES_MAX = 64  # one message; past that the account says less, never the message


class Ledger:
    """Collects Losses and Deriveds while one message is written or read."""

    __slots__ = ("_derived", "_loss")

    def __init__(self) -> None:
        self._loss: dict[_LossEntry, Loss] = {}  # once each, in order
        self._derived: dict[_DerivedEntry, Derived] = {}

    @property
    def loss(self) -> tuple[Loss, ...]:
        """What did not come through whole, in order."""
        return tuple(self._loss.values())[:LOSSES_MAX] if self._loss else ()

    @property
    def derived(self) -> tuple[Derived, ...]:
        """What was computed, in order."""
        return tuple(self._derived.values())[:LOSSES_MAX] if self._derived else ()

    def drop(self, field: str, reason: LossReason = _NO_FIELD) -> None:
        """Nothing of this field comes through."""
        entry = field, reason, False
        self._loss[entry] = _losses[entry]

    def approximate(self, field: str, reason: LossReason) -> None:
        """Something of this field comes through, not all."""
        entry = field, reason, True
        self._loss[entry] = _losses[entry]

    def derive(self, field: str, source: str, rule: str) -> None:
        """This field is computed from another, by a named rule."""
        entry = field, source, rule
        self._derived[entry] = _deriveds[entry]

    def repeat(self, other: Ledger) -> None:
        """Note everything that stands in another account."""
        self._loss |= other._loss
        self._derived |= other._derived

    def drop_given(self, prefix: str, value: Value, *names: str) -> None:
        """Drop those of a value's fields that say anything."""
        paths = tuple([f"{prefix}.{name}" for name in names]) if prefix else names
        self.drop_those(paths, tuple([getattr(value, name) not in (None, ()) for name in names]))

    def drop_those(self, fields: tuple[str, ...], are_said: tuple[bool, ...]) -> None:
        """Drop those of these fields that say anything."""
        self._loss |= _dropped[fields, are_said]

    def approximate_texts(self, message: Message, carries: Callable[[str], bool]) -> None:
        """Every text of a message with a character that the format cannot carry."""
        fields = msgspec.to_builtins(message)
        for path, text in _texts(fields.pop("body") | fields, ""):
            if not carries(text):
                self.approximate(path, LossReason.CHARSET)


def _loss(entry: _LossEntry) -> Loss:
    field, reason, approximated = entry
    return Loss(field=field, reason=reason, approximated=approximated)


def _derived(entry: _DerivedEntry) -> Derived:
    field, source, rule = entry
    return Derived(field=field, source=source, rule=rule)


def _drop(asked: tuple[tuple[str, ...], tuple[bool, ...]]) -> dict[_LossEntry, Loss]:
    entries = [(field, _NO_FIELD, False) for field, said in zip(*asked, strict=True) if said]
    return {entry: _losses[entry] for entry in entries}


# A route loses the same fields of every message.
_losses: Remembered[_LossEntry, Loss] = Remembered(_loss)
_deriveds: Remembered[_DerivedEntry, Derived] = Remembered(_derived)
_dropped: Remembered[tuple[tuple[str, ...], tuple[bool, ...]], dict[_LossEntry, Loss]] = Remembered(_drop)


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
