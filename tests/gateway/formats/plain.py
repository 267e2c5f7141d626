"""A format of the tests: canonical Messages as JSON, one a line, and words that make it fail."""

from __future__ import annotations

from collections.abc import Sequence

from adapters import DecodeError, Encoded, EncodeError, Fault
from protocols.body import Chat
from protocols.message import Message, from_json, to_json

EDITION = "tests"
MEDIA_TYPE = "application/json"
READS = WRITES = frozenset({"track", "chat", "delete"})


def decode(data: bytes) -> Sequence[Message]:
    if data == b"crash":
        raise KeyError("HAWK-1 Kowalski")
    if data == b"no messages":
        return ["a text"]  # type: ignore[list-item]
    try:
        return [from_json(line) for line in data.splitlines()]
    except ValueError:
        raise DecodeError(Fault.MALFORMED, "$") from None


def encode(message: Message) -> Encoded:
    if isinstance(message.body, Chat) and message.body.text == "crash":
        raise KeyError("HAWK-1 Kowalski")
    if isinstance(message.body, Chat) and message.body.text == "unsayable":
        raise EncodeError("no text in this format")
    return Encoded(to_json(message))
