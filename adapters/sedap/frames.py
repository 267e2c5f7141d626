"""From a frame to its lines: one a line feed, the REST form in JSON, and single lines compressed as chapter III.4 says.

An encrypted line is not read: its key would belong to the transport, and the document's ciphers protect nothing.
"""

from __future__ import annotations

import zlib
from base64 import b64decode

import msgspec

from adapters import INPUT_MAX, DecodeError, Fault

LINES_MAX = 256  # of one frame
INFLATED_MAX = 65_536  # bytes of one compressed line
_TEXT = bytes({*range(256)} - {*range(9), 11, 12, *range(14, 32), 127})  # all but control characters
_RAW = -15  # a deflate stream without the header of zlib


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    message: str


class _Rest(msgspec.Struct, forbid_unknown_fields=True):
    messages: list[_Entry]


_rest = msgspec.json.Decoder(_Rest)


def lines_of(data: bytes) -> list[str]:
    """The lines of a frame, at least one. Raise DecodeError."""
    if len(data) > INPUT_MAX:
        raise DecodeError(Fault.TOO_LARGE, "frame")
    text = data.decode("latin-1").strip("\r\n")
    if not text.isprintable() and data.translate(None, _TEXT):  # the first is fast, the second is exact
        raise DecodeError(Fault.MALFORMED, "control characters")
    if not text:
        raise DecodeError(Fault.MALFORMED, "empty")
    if "\n" not in text and ";" in text and text[0] != "{":  # what nearly every frame is
        return [text]
    lines = _entries(data) if text[0] == "{" else text.split("\n")
    lines = [line.removesuffix("\r") for line in lines if line not in ("", "\r")]
    if len(lines) > LINES_MAX:
        raise DecodeError(Fault.TOO_LARGE, "lines")
    inflated, room = [], INPUT_MAX
    for line in lines:
        inflated.append(line if ";" in line else _inflated(line))
        room -= len(inflated[-1])
        if room < 0:
            raise DecodeError(Fault.UNSAFE, "compressed")
    return inflated


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Cut what a stream has brought into whole lines, and the rest that waits for its line feed.

    Raise DecodeError when the rest is longer than any line may be.
    """
    *lines, rest = buffer.split(b"\n")
    if len(rest) > INPUT_MAX:
        raise DecodeError(Fault.TOO_LARGE, "line")
    return [line for line in lines if line.strip()], rest


def _entries(data: bytes) -> list[str]:
    try:
        lines = [entry.message for entry in _rest.decode(data).messages]
        bad = not lines or any("\n" in line or line.encode("latin-1").translate(None, _TEXT) for line in lines)
    except ValueError:  # not that JSON, or not ISO-8859-1
        bad = True
    if bad:
        raise DecodeError(Fault.MALFORMED, "messages")
    return lines


def _inflated(line: str) -> str:
    """A line without a field is a name alone, or compressed (chapter III.4)."""
    if line.isalpha() and line.isascii() and len(line) < 16:
        return line
    try:
        stream = zlib.decompressobj(_RAW)
        data = stream.decompress(b64decode(line, validate=True), INFLATED_MAX)
    except (ValueError, zlib.error):
        raise DecodeError(Fault.MALFORMED, "compressed") from None
    if stream.unconsumed_tail:
        raise DecodeError(Fault.UNSAFE, "compressed")
    if not stream.eof or data.translate(None, _TEXT) or b"\n" in data or b";" not in data:
        raise DecodeError(Fault.MALFORMED, "compressed")
    return data.decode("latin-1")
