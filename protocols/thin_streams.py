"""Two short streams: numbers, which nothing compresses, and words, which a dictionary does. Written and read. Pure.

What predicts well (texts, units, places behind the point, which fields there are) goes into the words; digits go into
the numbers, in as many bytes as they need. A text that was said before is a reference; packed digits end a text that
ends in them. Nothing is rounded: whatever has no place here raises UnusualError.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Final

EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)  # the first time is counted from here, the others from the first
PLACES_MAX: Final = 9  # digits behind the point
EXACT: Final = 1 << 53  # whole numbers up to here are doubles; one divided by a power of ten is the nearest double
VARINT_MAX: Final = 9  # bytes, 63 bits
WHOLE_MAX: Final = 1 << 62
RAW: Final = 15  # in the place of how many digits are behind the point: the double itself follows

_UNITS: Final = (1_000_000, 1_000, 1)  # microseconds in the unit that a time is counted in
_SAME: Final = 3  # in the place of a unit: the first time again
_MICROSECOND: Final = timedelta(microseconds=1)
_END, _AGAIN, _DIGITS = b"\0\1\2"  # what ends a text: nothing more; it was said before; packed digits follow
_ENDS: Final = re.compile(rb"[\0-\2]")
_AGAIN_MIN: Final = 3  # characters; a reference takes two bytes
_UPPER, _UUID, _COUNT = 0x80, 0x40, 0x3F
_PACKED_MIN: Final = 8  # digits
_PACKED: Final = re.compile(
    r"(?:(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12})"
    r"|(?:[0-9a-f]{2}){4,63}|(?:[0-9A-F]{2}){4,63})\Z"
)
_double: Final = Struct(">d")


class UnusualError(Exception):
    """There is no place for this; the message travels whole."""


class BrokenError(Exception):
    """The streams are not what a sender writes."""


class Writer:
    """The streams as they grow."""

    def __init__(self) -> None:
        self.numbers = bytearray()
        self.words = bytearray()
        self._said: dict[str, int] = {}
        self._first: datetime | None = None

    def small(self, value: int) -> None:
        """A number that predicts well: a choice, a count, which fields there are."""
        if value > 0x7F:
            append_varint(value, self.words)
        else:
            self.words.append(value)

    def whole(self, value: object) -> None:
        """A whole number of either sign."""
        if type(value) is not int or abs(value) >= WHOLE_MAX:
            raise UnusualError
        append_varint(_fold(value), self.numbers)

    def raw(self, value: object) -> None:
        """Bytes with their length."""
        if not isinstance(value, bytes):
            raise UnusualError
        append_varint(len(value), self.words)
        self.words += value

    def real(self, value: object) -> None:
        """A double: as its shortest decimal digits where these are few, else as it is."""
        if not isinstance(value, float):
            raise UnusualError
        ahead, _, behind = repr(value).removesuffix(".0").partition(".")
        places = len(behind)
        try:
            digits = int(ahead + behind)
        except ValueError:  # an exponent
            digits = EXACT
        if places <= PLACES_MAX and abs(digits) < EXACT and (digits or ahead == "0"):
            self.words.append(places)
            append_varint(_fold(digits), self.numbers)
        else:
            self.words.append(RAW)
            self.numbers += _double.pack(value)

    def time(self, value: object) -> None:
        """A time, counted from the first one in the largest unit that says it whole."""
        if not isinstance(value, datetime):
            raise UnusualError
        if value == self._first:
            self.words.append(_SAME)
            return
        span = (value - (self._first or EPOCH)) // _MICROSECOND
        unit = next(place for place, size in enumerate(_UNITS) if span % size == 0)
        self.words.append(unit)
        append_varint(_fold(span // _UNITS[unit]), self.numbers)
        self._first = self._first or value

    def text(self, value: object) -> None:
        """A text."""
        if not isinstance(value, str):
            raise UnusualError
        words = self.words
        if (place := self._said.get(value)) is not None:
            words.append(_AGAIN)
            append_varint(place, words)
            return
        if len(value) >= _AGAIN_MIN:
            self._said[value] = len(self._said)
        packed = _PACKED.search(value) if len(value) >= _PACKED_MIN else None
        plain = (value if packed is None else value[: packed.start()]).encode()
        if _ENDS.search(plain):
            raise UnusualError
        words += plain
        if packed is None:
            words.append(_END)
            return
        digits = packed.group()
        uuid = packed["uuid"] is not None
        data = bytes.fromhex(digits.replace("-", ""))
        words += bytes((_DIGITS, len(data) | _UUID * uuid | _UPPER * digits.isupper()))
        self.numbers += data


class Reader:
    """The streams as they are read; every method raises BrokenError. ``room``: how many characters may come."""

    def __init__(self, numbers: bytes, words: bytes, room: int) -> None:
        self._numbers = numbers
        self._words = words
        self._room = room
        self._number_at = self._word_at = 0
        self._said: list[str] = []
        self._first: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether everything was read."""
        return self._number_at == len(self._numbers) and self._word_at == len(self._words)

    def small(self) -> int:
        """See Writer."""
        at = self._word_at
        if at < len(self._words) and (value := self._words[at]) < 0x80:
            self._word_at = at + 1
            return value
        value, self._word_at = varint(self._words, at)
        return value

    def whole(self) -> int:
        """See Writer."""
        value, self._number_at = varint(self._numbers, self._number_at)
        return _unfold(value)

    def raw(self) -> bytes:
        """See Writer."""
        end = self.small() + self._word_at
        if end > len(self._words):
            raise BrokenError
        start, self._word_at = self._word_at, end
        return self._words[start:end]

    def real(self) -> float:
        """See Writer."""
        places = self.small()
        if places == RAW:
            value: float = _double.unpack(self._take(_double.size))[0]
            return value
        digits = self.whole()
        if places > PLACES_MAX or abs(digits) >= EXACT:
            raise BrokenError
        return float(digits / 10**places)

    def time(self) -> datetime:
        """See Writer."""
        unit = self.small()
        if unit == _SAME and self._first is not None:
            return self._first
        if unit >= len(_UNITS):
            raise BrokenError
        try:
            value = (self._first or EPOCH) + self.whole() * _UNITS[unit] * _MICROSECOND
        except OverflowError:
            raise BrokenError from None
        self._first = self._first or value
        return value

    def text(self) -> str:
        """See Writer."""
        end = _ENDS.search(self._words, self._word_at)
        if end is None:
            raise BrokenError
        plain, kind, self._word_at = self._words[self._word_at : end.start()], end.group()[0], end.end()
        if kind == _AGAIN:
            place = self.small()
            if plain or place >= len(self._said):
                raise BrokenError
            return self._within(self._said[place])
        try:
            value = plain.decode()
        except UnicodeDecodeError:
            raise BrokenError from None
        if kind == _DIGITS:
            value += self._digits()
        if len(value) >= _AGAIN_MIN:
            self._said.append(value)
        return self._within(value)

    def _digits(self) -> str:
        shape = self._words[self._word_at] if self._word_at < len(self._words) else 0
        self._word_at += 1
        digits = self._take(shape & _COUNT).hex()
        if shape & _UUID:
            if len(digits) != 32:
                raise BrokenError
            digits = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
        return digits.upper() if shape & _UPPER else digits

    def _within(self, value: str) -> str:
        self._room -= len(value)
        if self._room < 0:
            raise BrokenError
        return value

    def _take(self, count: int) -> bytes:
        start = self._number_at
        self._number_at += count
        if self._number_at > len(self._numbers):
            raise BrokenError
        return self._numbers[start : self._number_at]


def _fold(value: int) -> int:
    """Either sign as a number that is not negative, small ones small."""
    return value << 1 if value >= 0 else (-value << 1) - 1


def _unfold(value: int) -> int:
    return -(value + 1 >> 1) if value & 1 else value >> 1


def append_varint(value: int, out: bytearray) -> None:
    """Seven bits a byte, the lowest first."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where the next one begins."""
    value = shift = 0
    for byte in data[at : at + VARINT_MAX]:
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise BrokenError
