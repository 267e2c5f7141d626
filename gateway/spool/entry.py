"""What stands in the log: entries that can be told from damage. Pure.

``magic, CRC-32 of what follows, length of all, kind, precedence, id`` and a body in MessagePack.
"""

from __future__ import annotations

import struct
from binascii import crc32
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec

MAGIC: Final = b"\xd7Sp\xb1"
_HEAD: Final = struct.Struct(">4sIIBBQ")
HEAD_BYTES: Final = _HEAD.size
ENTRY_MAX: Final = 1 << 27
_CHECKED_FROM: Final = 8  # what the checksum covers: all but the magic and itself


class Kind(IntEnum):
    """What an entry says."""

    THING = 1
    DONE = 2  # these ids wait no longer
    NOTE = 3


class Thing(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The body of one that waits. ``at``, ``due``, ``expires`` are spool time; ``wall`` and ``expires_s`` Unix."""

    lane: str
    at: float
    wall: float
    due: float | None
    expires: float | None
    expires_s: float | None
    key: bytes
    note: bytes
    subjects: tuple[bytes, ...]
    facts: bytes
    data: bytes


class Noted(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The body of a note. ``expires`` is spool time, ``expires_s`` Unix."""

    eid: bytes
    partner: str
    data: bytes
    expires: float
    expires_s: float


class Entry(NamedTuple):
    """One entry, found whole at ``offset`` of ``segment``."""

    kind: Kind
    precedence: int
    id: int
    segment: int
    offset: int
    length: int
    raw: bytes

    def thing(self) -> Thing:
        """Its body. The checksum held, so that this is as it was written."""
        return _thing(memoryview(self.raw)[HEAD_BYTES:])

    def noted(self) -> Noted:
        """Its body."""
        return _noted(memoryview(self.raw)[HEAD_BYTES:])

    def ids(self) -> list[int]:
        """Its body."""
        return _ids(memoryview(self.raw)[HEAD_BYTES:])


_encode = msgspec.msgpack.Encoder().encode
_thing = msgspec.msgpack.Decoder(Thing).decode
_noted = msgspec.msgpack.Decoder(Noted).decode
_ids = msgspec.msgpack.Decoder(list[int]).decode


def write(kind: Kind, body: Thing | Noted | list[int], number: int = 0, precedence: int = 0) -> bytes:
    """One entry as bytes."""
    packed = _encode(body)
    rest = _HEAD.pack(MAGIC, 0, HEAD_BYTES + len(packed), kind, precedence, number)[_CHECKED_FROM:]
    return b"".join((MAGIC, crc32(packed, crc32(rest)).to_bytes(4), rest, packed))


def whole(raw: bytes, start: int = 0) -> int:
    """The length of the entry that begins here; 0 when there is none that is whole and as it was written."""
    if len(raw) - start < HEAD_BYTES:
        return 0
    magic, checksum, length, kind, _, _ = _HEAD.unpack_from(raw, start)
    if magic != MAGIC or not HEAD_BYTES < length <= min(len(raw) - start, ENTRY_MAX) or kind not in _KINDS:
        return 0
    checked = memoryview(raw)[start + _CHECKED_FROM : start + length]
    return length if crc32(checked) == checksum else 0


def claimed(raw: bytes, start: int) -> int:
    """How long what begins here says that it is; 0 when it is nothing of ours."""
    if len(raw) - start < HEAD_BYTES:
        return 0
    magic, _, length, _, _, _ = _HEAD.unpack_from(raw, start)
    return length if magic == MAGIC and length <= ENTRY_MAX else 0


def entry(raw: bytes, segment: int, offset: int) -> Entry:
    """Read the head of an entry that is ``whole``."""
    _, _, length, kind, precedence, number = _HEAD.unpack_from(raw)
    return Entry(_KINDS[kind], precedence, number, segment, offset, length, raw)


def opened(raw: bytes, segment: int, offset: int) -> Entry | None:
    """The entry that these bytes are; None when they are not one that is whole."""
    if len(raw) < HEAD_BYTES:
        return None
    magic, checksum, length, kind, precedence, number = _HEAD.unpack_from(raw)
    if magic != MAGIC or length != len(raw) or crc32(memoryview(raw)[_CHECKED_FROM:]) != checksum:
        return None
    return Entry(_KINDS[kind], precedence, number, segment, offset, length, raw)


_KINDS: Final = {kind.value: kind for kind in Kind}
