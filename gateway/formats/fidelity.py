"""What a translation keeps: field by field for one message, and format by format for every kind, found by running.

Nothing here is written by hand: each cell of the matrix reads a full specimen in one format and writes it in another.
Pure: the adapters are the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from adapters import Adapter, DecodeError, Encoded, EncodeError
from gateway.formats.conformance import undeclared
from gateway.formats.specimens import FULL, specimen
from protocols.message import Message

_NOT_CONTENT = frozenset(
    {"id", "source", "loss", "derived", "version", "original", "authenticity", "origin", "subject"}
)


class Account(NamedTuple):
    """What became of every field that a message gives: paths as in its JSON form, body fields without ``body.``."""

    kept: tuple[str, ...]
    approximated: tuple[str, ...]
    derived: tuple[str, ...]
    dropped: tuple[str, ...]


class Cell(NamedTuple):
    """One kind from one format to another; ``account`` is None where the target cannot say it."""

    source: str
    target: str
    kind: str
    account: Account | None
    undeclared: tuple[str, ...] = ()


def account(message: Message, encoded: Encoded) -> Account:
    """What became of the fields of a message that was written."""
    approximated = {loss.field for loss in encoded.loss if loss.approximated}
    dropped = {loss.field for loss in encoded.loss if not loss.approximated}
    lost = approximated | dropped
    return Account(
        kept=tuple(path for path in given(message) if not any(_within(path, field) for field in lost)),
        approximated=tuple(sorted(approximated - dropped)),
        derived=tuple(sorted({derived.field for derived in encoded.derived})),
        dropped=tuple(sorted(dropped)),
    )


def given(message: Message) -> tuple[str, ...]:
    """The paths of all fields that a message gives a value."""
    fields = msgspec.to_builtins(message)
    body = fields.pop("body")
    content = {name: value for name, value in fields.items() if name not in _NOT_CONTENT}
    return tuple(_leaves(body | content, ""))


def matrix(adapters: Mapping[str, Adapter]) -> Iterator[Cell]:
    """Every kind that each format can write, as the others would write it; the first format is also its own target."""
    for name, source in adapters.items():
        for kind, message in _own(source):
            for target_name, target in adapters.items():
                yield _cell(name, target_name, kind, message, target)


def _cell(name: str, target_name: str, kind: str, message: Message, target: Adapter) -> Cell:
    try:
        encoded = target.encode(message)
    except EncodeError:
        return Cell(name, target_name, kind, None)
    again = _read_again(target, encoded)
    found = () if again is None else tuple(undeclared(message, again, encoded))
    return Cell(name, target_name, kind, account(message, encoded), found)


def _own(source: Adapter) -> Iterator[tuple[str, Message]]:
    """The specimens as this format has them: written by it and read back, the first of each kind."""
    done = set()
    for body in FULL:
        message = specimen(body)
        if message.kind in done:
            continue
        try:
            again = _read_again(source, source.encode(message))
        except EncodeError:
            continue
        if again is not None and again.kind == message.kind:
            done.add(message.kind)
            yield message.kind, again


def _read_again(adapter: Adapter, encoded: Encoded) -> Message | None:
    if not adapter.READS:
        return None
    try:
        messages = adapter.decode(encoded.data)
    except DecodeError:
        return None
    return messages[0] if len(messages) == 1 else None


def _leaves(value: object, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif value is not None and value not in ((), []):
        yield path


def _within(path: str, field: str) -> bool:
    return path == field or path.startswith(field + ".")
