"""Envelopes on a removable medium: a file of parts, each with its length and checksums. Pure.

    part   c1 43 4d 42 | kind u8 | size u32 | crc32 of kind and size u32 | payload | crc32 of the payload u32

The first part says from whom to whom the file is, and how many stand between it and the last, which says the same. A
medium that is torn or spoilt is noticed, and every part that is whole is still taken: after a damaged one reading goes
on at the next mark. The file needs no signature. What is in it is sealed and signed; an envelope that was changed,
added or repeated is refused by who opens it; and one that was left out is kept by its sender until custody of it is
acknowledged, in the next bundle the other way or over the air.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from struct import Struct
from typing import Annotated, Final, NamedTuple
from zlib import crc32

import msgspec

from protocols.envelope import ANNOUNCEMENT_MAX, ENVELOPE_MAX, unpack_envelope
from protocols.topics import control_topic, data_topic, key_topic
from protocols.unit import is_partner_id

FILE_MAX: Final = 67_108_864  # bytes of one file; what is more goes into another
DAMAGED_MAX: Final = 1_000  # marks that no whole part follows, after which the rest is given up
VERSION: Final = 1

_MARK: Final = b"\xc1CMB"
_HEAD: Final = Struct(">BII")
_CHECK: Final = Struct(">I")
_AROUND: Final = len(_MARK) + _HEAD.size + _CHECK.size
_EID: Final = 8


class Kind(IntEnum):
    """What a part holds."""

    FIRST = 1
    KEYS = 2  # the id of an epoch, and its announcement
    DATA = 3  # an envelope
    CONTROL = 4  # an envelope of a control record
    LAST = 5


_SIZES_MAX: Final = {
    Kind.FIRST: 1_024,
    Kind.KEYS: ANNOUNCEMENT_MAX + _EID,
    Kind.DATA: ENVELOPE_MAX,
    Kind.CONTROL: ENVELOPE_MAX,
    Kind.LAST: 1_024,
}
_KINDS: Final = {int(kind): kind for kind in Kind}


class CarrierError(Exception):
    """A file is no such file, or not for us. One line, for operators."""


class Header(msgspec.Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """From whom to whom a file is. ``number``: which of one export; ``parts`` stand between first and last."""

    version: Annotated[int, msgspec.Meta(ge=VERSION, le=VERSION)] = VERSION
    sender: str
    to: str
    made_s: Annotated[int, msgspec.Meta(ge=0)]
    number: Annotated[int, msgspec.Meta(ge=1)] = 1
    parts: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        if not is_partner_id(self.sender) or not is_partner_id(self.to):
            raise ValueError("not a partner id")


class Part(NamedTuple):
    """Something for a mailbox. ``eid``: the epoch that an announcement opens, else empty."""

    kind: Kind
    data: bytes
    eid: bytes = b""

    @property
    def size(self) -> int:
        """Bytes that it takes in a file."""
        return _AROUND + len(self.eid) + len(self.data)

    def topic(self, header: Header) -> str:
        """The mailbox that it is for. Raise Reject when the data is no envelope."""
        if self.kind is Kind.KEYS:
            return key_topic(header.to, header.sender, self.eid)
        if self.kind is Kind.CONTROL:
            return control_topic(header.to, header.sender)
        return data_topic(header.to, header.sender, unpack_envelope(self.data)[0].eid)


class Contents(NamedTuple):
    """What a file holds. ``damaged``: stretches that could not be read; ``missing``: parts that lack."""

    header: Header
    parts: list[Part]
    damaged: int
    missing: int


def pack(header: Header, parts: Sequence[Part]) -> Iterator[bytes]:
    """A file, piece by piece."""
    around = msgspec.msgpack.encode(msgspec.structs.replace(header, parts=len(parts)))
    yield _pack(Kind.FIRST, around)
    for part in parts:
        yield _pack(part.kind, part.eid + part.data)
    yield _pack(Kind.LAST, around)


def unpack(data: bytes | bytearray) -> Contents:
    """Everything of a file that is whole. Raise CarrierError."""
    headers: list[Header] = []
    parts: list[Part] = []
    damaged = 0
    for found in _scan(data):
        match found:
            case Header():
                headers.append(found)
            case Part():
                parts.append(found)
            case None:
                damaged += 1
    if not headers:
        raise CarrierError("not a bundle, or neither its first nor its last part can be read")
    if any(header != headers[0] for header in headers):
        raise CarrierError("parts of different bundles in one file")
    return Contents(headers[0], parts, damaged, max(0, headers[0].parts - len(parts)))


def _scan(data: bytes | bytearray) -> Iterator[Header | Part | None]:
    """Every part in turn, and None once for each stretch of bytes that is none."""
    at = failed = 0
    lost = False
    while at < len(data) and failed < DAMAGED_MAX:
        start = data.find(_MARK, at)
        found, after = _read(data, start) if start >= 0 else (None, len(data))
        if (start != at or found is None) and not lost:
            lost = True
            yield None
        failed += found is None
        at = after
        if found is not None:
            lost = False
            yield found


def _read(data: bytes | bytearray, start: int) -> tuple[Header | Part | None, int]:
    """The part at a mark, and where to go on; None when it is not whole."""
    next_mark = start + len(_MARK)
    begin = next_mark + _HEAD.size
    if begin > len(data):
        return None, len(data)
    number, size, check = _HEAD.unpack_from(data, next_mark)
    kind, end = _KINDS.get(number), begin + size
    if kind is None or size > _SIZES_MAX[kind] or crc32(data[next_mark : begin - _CHECK.size]) != check:
        return None, next_mark
    payload = bytes(data[begin:end])
    if end + _CHECK.size > len(data) or _CHECK.unpack_from(data, end)[0] != crc32(payload):
        return None, next_mark
    return _part(kind, payload), end + _CHECK.size


def _part(kind: Kind, payload: bytes) -> Header | Part | None:
    """What a part says; None when that makes no sense."""
    if kind is Kind.KEYS:
        return Part(kind, payload[_EID:], payload[:_EID]) if len(payload) > _EID else None
    if kind not in {Kind.FIRST, Kind.LAST}:
        return Part(kind, payload)
    try:
        return _header(payload)
    except ValueError:
        return None


_header = msgspec.msgpack.Decoder(Header).decode


def _pack(kind: Kind, payload: bytes) -> bytes:
    head = _HEAD.pack(kind, len(payload), 0)[: -_CHECK.size]
    return b"".join((_MARK, head, _CHECK.pack(crc32(head)), payload, _CHECK.pack(crc32(payload))))
