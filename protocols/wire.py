"""Protocol Buffers on the wire: reading fields of hostile bytes, and writing them. Only what TAK needs. Pure.

https://protobuf.dev/programming-guides/encoding: a field is a key (number << 3 | type) and a value of type varint (0),
8 bytes (1), length-prefixed (2) or 4 bytes (5). Groups (3, 4) are gone from proto3 and refused.
"""

from __future__ import annotations

from struct import Struct
from typing import TypeAlias

FIELDS_MAX = 4096  # of one message
VARINT_MAX = 10  # bytes

Value: TypeAlias = int | float | bytes
_double = Struct("<d")
_float = Struct("<f")


class WireError(ValueError):
    """The bytes are no message."""


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a varint: its value, and where the next byte stands. Raise WireError."""
    value = shift = 0
    for place in range(at, min(at + VARINT_MAX, len(data))):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, place + 1
        shift += 7
    raise WireError("varint")


def read_fields(data: bytes) -> dict[int, Value]:
    """Read every field of a message; of a repeated one the last counts, as proto3 says. Raise WireError."""
    fields: dict[int, Value] = {}
    at, end, count = 0, len(data), 0
    while at < end:
        key = data[at]
        if key < 0x80:
            at += 1
        else:
            key, at = read_varint(data, at)
        count += 1
        kind, number = key & 7, key >> 3
        if kind == 2:
            size = data[at] if at < end else 0x80
            if size < 0x80:
                at += 1
            else:
                size, at = read_varint(data, at)
            value: Value = data[at : at + size]
            at += size
        elif kind == 1:
            value = _double.unpack_from(data, at)[0] if at + 8 <= end else 0.0
            at += 8
        elif kind == 0:
            value, at = read_varint(data, at)
        elif kind == 5:
            value = _float.unpack_from(data, at)[0] if at + 4 <= end else 0.0
            at += 4
        else:
            raise WireError("wire type")
        if at > end or number == 0 or count > FIELDS_MAX:
            raise WireError("field")
        fields[number] = value
    return fields


def write_varint(value: int) -> bytes:
    """Write a varint of a number that is not negative."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def write_bytes(number: int, value: bytes) -> bytes:
    """Write a length-prefixed field; nothing for an empty one, which proto3 does not send."""
    return write_varint(number << 3 | 2) + write_varint(len(value)) + value if value else b""


def write_text(number: int, value: str | None) -> bytes:
    """Write a string field; nothing for None or empty. What UTF-8 cannot carry becomes U+FFFD."""
    return write_bytes(number, value.encode(errors="replace")) if value else b""


def write_double(number: int, value: float) -> bytes:
    """Write a double; nothing for zero, which is what the reader takes for absent."""
    return write_varint(number << 3 | 1) + _double.pack(value) if value else b""


def write_int(number: int, value: int) -> bytes:
    """Write an unsigned integer; nothing for zero."""
    return write_varint(number << 3) + write_varint(value) if value else b""
