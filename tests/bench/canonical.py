"""The canonical Message as a format of its own, for benches: what a unit says is exactly what enters the gateway."""

from __future__ import annotations

from collections.abc import Sequence

from adapters import DecodeError, Encoded, Fault
from protocols.body import Chat, Track
from protocols.message import Message, from_json, to_json

EDITION = "canonical JSON"
MEDIA_TYPE = "application/json"
READS = WRITES = frozenset(str(kind.__struct_config__.tag) for kind in (Chat, Track))


def decode(data: bytes, /) -> Sequence[Message]:
    """See Adapter."""
    try:
        return (from_json(data),)
    except ValueError:
        raise DecodeError(Fault.MALFORMED, "$") from None


def encode(message: Message, /) -> Encoded:
    """See Adapter."""
    return Encoded(to_json(message))
