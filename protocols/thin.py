"""One packed Message made small for a thin link, and back: inside the seal, each record alone. Pure.

A record is compressed before it is sealed, with nothing of any other record, so that its length tells nothing of them.
``grow`` takes what ``shrink`` gave, and gives back what was never shrunk as it is. What a record grows to is bounded
before anything is read (a ratio of at most 20), and every refusal is a ThinError.

    fields       A0 | version << 1      varint n, n bytes of numbers, squeezed words (``thin_streams``)
    whole        A1 | version << 1      the squeezed packed Message
    squeezed     varint 0, bytes as they are, or varint size << 1 | framed, zstd blocks (RFC 8878, 3.1.1.2)

A packed Message begins as a map (80.. de df) and a control record as an array (90.. dc dd), so that the first byte says
what a record is. Of a frame that has one compressed block only the content of that block travels; ``framed`` says that
the headers of its blocks do too.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Final

import msgspec
import zstandard

from protocols.message import MESSAGE_MAX
from protocols.thin_dictionary import DICTIONARY, STRUCTS, VERSION
from protocols.thin_fields import Fields
from protocols.thin_streams import BrokenError, Reader, UnusualError, append_varint, varint

RATIO_MAX: Final = 20  # what a record may grow to, as a multiple of its own size
SMALL: Final = 4096  # bytes that a record may grow to however short it is
FIELDS_MAX: Final = 16_384  # bytes of a packed Message that is written field by field, and of its words
LEVEL: Final = 19

_FIRST, _LAST = 0xA0, 0xBF  # the first byte of a shrunk record
_WHOLE = 1
_BLOCK_LAST, _BLOCK_COMPRESSED = 1, 2 << 1
_BLOCK_HEADER = 3  # bytes
_FRAME = b"\xa0"  # a frame header of one segment: four bytes of content size follow, no dictionary id, no checksum
_FRAME_SIZES = (1, 2, 4, 8)  # bytes of the content size, by the first two bits of a frame header of one segment


class ThinRefusal(StrEnum):
    """Why a record does not grow. Bounded."""

    UNKNOWN_DICTIONARY = "unknown-dictionary"  # it was shrunk by another version than ours
    DAMAGED = "damaged"
    TOO_LARGE = "too-large"  # it would grow beyond its bounds


class ThinError(ValueError):
    """A record is not accepted; ``reason`` is bounded."""

    def __init__(self, reason: ThinRefusal) -> None:
        super().__init__(str(reason))
        self.reason = reason


def shrink(packed: bytes, sender: str = "") -> bytes:
    """A packed Message as a shorter record, or as it is where none is shorter or the record would grow too far.

    ``sender`` is the unit that seals it: both sides know it, so an origin that is the same is left out.
    """
    record = _fields(packed, sender) if len(packed) <= FIELDS_MAX else None
    if record is None or not _grows_to(record, len(packed)):
        record = bytes((_FIRST | VERSION << 1 | _WHOLE,)) + _squeeze(packed)
    return record if len(record) < len(packed) and _grows_to(record, len(packed)) else packed


def grow(record: bytes, sender: str = "") -> bytes:
    """The packed Message of a record. Raise ThinError. ``sender`` is the unit whose signature was verified."""
    first = record[0] if record else 0
    if not _FIRST <= first <= _LAST:
        return record
    if (first - _FIRST) >> 1 != VERSION:
        raise ThinError(ThinRefusal.UNKNOWN_DICTIONARY)
    limit = min(MESSAGE_MAX, max(SMALL, RATIO_MAX * len(record)))
    try:
        packed = _expand(record, 1, limit) if first & _WHOLE else _gathered(record, sender, limit)
    except (BrokenError, zstandard.ZstdError):
        raise ThinError(ThinRefusal.DAMAGED) from None
    if len(packed) > limit:
        raise ThinError(ThinRefusal.TOO_LARGE)
    return packed


def _grows_to(record: bytes, size: int) -> bool:
    return size <= max(SMALL, RATIO_MAX * len(record))


def _fields(packed: bytes, sender: str) -> bytes | None:
    """A packed Message field by field; None where that form has no place for something in it."""
    try:
        streams = _form().spread(msgspec.msgpack.decode(packed), sender)
    except UnusualError:
        return None
    out = bytearray((_FIRST | VERSION << 1,))
    append_varint(len(streams.numbers), out)
    return bytes(out) + streams.numbers + _squeeze(bytes(streams.words))


def _gathered(record: bytes, sender: str, limit: int) -> bytes:
    count, start = varint(record, 1)
    end = start + count
    words = _expand(record, end, min(limit, FIELDS_MAX))
    return msgspec.msgpack.encode(_form().gather(Reader(record[start:end], words, limit), sender))


def _squeeze(data: bytes) -> bytes:
    """Bytes, compressed where that is shorter, with how many they are."""
    frame = _compressor().compress(data)
    blocks = frame[1 + _FRAME_SIZES[frame[0] >> 6] :]
    head = int.from_bytes(blocks[:_BLOCK_HEADER], "little")
    alone = head == _BLOCK_LAST | _BLOCK_COMPRESSED | len(blocks) - _BLOCK_HEADER << 3
    out = bytearray()
    append_varint(len(data) << 1 | (not alone), out)
    out += blocks[_BLOCK_HEADER:] if alone else blocks
    return bytes(out) if len(out) <= len(data) else b"\0" + data


def _expand(record: bytes, at: int, limit: int) -> bytes:
    """What was squeezed, from a place to the end. Raise ThinError, BrokenError, ZstdError."""
    shape, start = varint(record, at)
    blocks, size = record[start:], shape >> 1
    if (size or len(blocks)) > limit:
        raise ThinError(ThinRefusal.TOO_LARGE)
    if not size:
        return blocks
    head = _BLOCK_LAST | _BLOCK_COMPRESSED | len(blocks) << 3
    headers = b"" if shape & 1 else head.to_bytes(_BLOCK_HEADER, "little")
    return _decompressor().decompress(_FRAME + size.to_bytes(4, "little") + headers + blocks, allow_extra_data=False)


@cache
def _form() -> Fields:
    return Fields(STRUCTS)


@cache
def _dictionary() -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(DICTIONARY)


@cache
def _compressor() -> zstandard.ZstdCompressor:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=1, write_checksum=0, write_dict_id=0
    )
    return zstandard.ZstdCompressor(dict_data=_dictionary(), compression_params=parameters)


@cache
def _decompressor() -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(dict_data=_dictionary(), format=zstandard.FORMAT_ZSTD1_MAGICLESS)
