"""The line grammar of SEDAP-Express (chapter IV.1): header, fields, hexadecimal times, and how subjects are named."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import compress, product

import msgspec

from adapters import DecodeError, Fault
from protocols.body import Body
from protocols.message import Extra, Loss, LossReason, Message, Mode, Reference
from protocols.moment import EPOCH

FORMAT = "sedap"
RELAY = "COMITY"  # Sender of a line that a gateway wrote for another format's message: its ids are subjects
OWN = "own"  # id of an OWNUNIT without a name
TYPES = frozenset(
    {
        "OWNUNIT", "CONTACT", "EMISSION", "METEO", "TEXT", "GRAPHIC", "COMMAND", "STATUS",
        "ACKNOWLEDGE", "RESEND", "GENERIC", "HEARTBEAT", "TIMESYNC", "KEYEXCHANGE",
    }
)  # fmt: skip
NAME_BYTES = 64
TEXT_BYTES = 2048
IMAGE_BYTES = 8192
HEADER = 7  # fields before the content
_FIELDS_MAX = 64  # of one line; the longest, CONTACT, has 30
_PADDING = [""] * (HEADER + 30)
_HINTS = {"": None, "-": None} | {each: f"classification={each.upper()}" for each in "PURCSTpurcst"}
_NUMBERS = {"": ""} | {each: f"{n:02X}" for n in range(256) for each in (f"{n:02X}", f"{n:X}", f"{n:02x}", f"{n:x}")}
_LARGEST = 1e12  # of any number; SEDAP-Express frequencies end far below 1 THz
_SECONDS_BELOW = 100_000_000_000  # a time below was written in seconds, as reference implementations do
_MILLISECOND = timedelta(milliseconds=1)
_PREFIX = ("x", "X")  # second character of ``0x``; no other x is hexadecimal
_KEPT_MAX = 12_000  # characters of one field that is kept for the way home: an image of 8192 bytes in base64
_NUMBER = re.compile(r"[+-]?\d{1,9}(?:\.\d{0,12})?")
_KEPT = dict.fromkeys(("relative_x", "relative_y", "relative_z", "roll", "pitch", "width"), _NUMBER) | {
    "image": re.compile(r"[A-Za-z0-9+/]+={0,2}"),
    "battery": re.compile(r"[^;\x00-\x1f\x7f]+"),
    "command_id": re.compile(r"[0-9A-Fa-f]{1,4}"),
    "command_state": re.compile(r"0?[0-5]"),
    "host": re.compile(r"[\w.:+/=-]+", re.ASCII),
    "media": re.compile(r"[\w.:+/=#-]+", re.ASCII),
}
_json = msgspec.json.Encoder().encode  # writes numbers as repr() does, at a tenth of what that takes
_LOSABLE = ("acknowledgement", "mac", "fields")  # the number counts the lines of one way, and says nothing further on
_LOST = {  # by which of these are said and held by no field
    said: tuple([Loss(field=field, reason=LossReason.NO_FIELD) for field in compress(_LOSABLE, said)])
    for said in product((False, True), repeat=len(_LOSABLE))
}
_END = dict.fromkeys(TYPES, HEADER + 64) | {  # fields of a whole line
    "OWNUNIT": 17, "CONTACT": 30, "TEXT": 12, "STATUS": 17, "ACKNOWLEDGE": 10, "HEARTBEAT": 8,
}  # fmt: skip
FIELDS_LOST = _LOST[False, False, True][0]  # of content that the type does not have, or that is not read
_read_numbers = msgspec.json.Decoder(list[float | None]).decode
_HEX = re.compile(r"[0-9A-Fa-f]+")
_BREAKING = re.compile(r"[;\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
_UNSAFE = re.compile(r"[^\t\x20-\x22\x24\x26-\x3a\x3c-\x7e\xa0-\xff]")  # not Latin-1 text, or one of % ; #
_ESCAPED = re.compile(r"(?:%[0-9A-F]{2})+")


class Line(msgspec.Struct, frozen=True, gc=False):
    """One message: its header, and its content fields padded so that any of them can be looked at."""

    name: str
    number: str  # two upper-case hexadecimal digits, or empty
    time: datetime | None
    at_ms: int | None  # the same in milliseconds since 1970
    whole_seconds: bool
    sender: str
    label_hint: str | None
    content: list[str]
    text: str  # the whole line
    losses: tuple[Loss, ...]  # what is said in its header that no field holds, or behind its last field

    def subject(self, own_id: str) -> str:
        """Name what a line is about: an id is unique only together with its sender, a relayed one is a subject."""
        return unescape(own_id) if self.sender == RELAY else self.of(self.sender, own_id)

    def event_subject(self) -> str:
        """Name a line that has no id: by its type, number and time, or by its content where it has no time."""
        stamp = digest(";".join(self.content)) if self.at_ms is None else f"{self.at_ms:012X}"
        return self.of(self.sender, f"{self.name}-{self.number}-{stamp}")

    @staticmethod
    def of(sender: str, own_id: str) -> str:
        """The subject of a sender's id."""
        plain = sender if sender.isalnum() and sender.isascii() else escape(sender).replace(":", "%3A")
        return f"sedap:{plain}:{own_id}"


class Meaning(msgspec.Struct, frozen=True, gc=False):
    """What one line says, before it becomes a Message."""

    subject: str
    body: Body
    losses: Sequence[Loss] = ()
    references: tuple[Reference, ...] = ()
    addressees: tuple[str, ...] = ()
    dialect: str | None = None
    mode: Mode = Mode.UNSTATED
    extras: tuple[Extra, ...] = ()


def read_line(text: str) -> Line:
    """Split one line and check its header. Raise DecodeError."""
    fields = text.split(";")
    name = fields[0]
    if name not in TYPES:
        name = name.upper()
        if name not in TYPES:
            raise DecodeError(Fault.UNSUPPORTED if name.isalpha() else Fault.MALFORMED, "name")
    if len(fields) > _FIELDS_MAX:
        raise DecodeError(Fault.MALFORMED, "too many fields")
    said = len(fields)
    fields += _PADDING[len(fields) :]
    _, own_number, time, sender, letter, acknowledgement, mac, *content = fields
    if own_number not in _NUMBERS:
        raise DecodeError(Fault.MALFORMED, "number")
    if acknowledgement and acknowledgement.upper() not in ("TRUE", "FALSE"):
        raise DecodeError(Fault.MALFORMED, "acknowledgement")
    if mac and (len(mac) > 64 or not _HEX.fullmatch(mac)):
        raise DecodeError(Fault.MALFORMED, "mac")
    if letter not in _HINTS:
        raise DecodeError(Fault.MALFORMED, "classification")
    at, at_ms, whole = _read_time(time) if time else (None, None, False)
    losses: tuple[Loss, ...] = ()
    if acknowledgement or mac or said > _END[name]:
        more = any(content[_END[name] - HEADER :])
        losses = _LOST[acknowledgement.upper() == "TRUE", mac != "", more]
    return Line(name, _NUMBERS[own_number], at, at_ms, whole, sender, _HINTS[letter], content, text, losses)


def _read_time(text: str) -> tuple[datetime, int, bool]:
    """Read a time, also in milliseconds since 1970, and say whether it was in seconds.

    The document says milliseconds; some senders write seconds.
    """
    if len(text) > 16 or not text.isalnum() or text[1:2] in _PREFIX:  # all that int() takes beside digits
        raise DecodeError(Fault.MALFORMED, "time")
    try:
        value = int(text, 16)
    except ValueError:
        raise DecodeError(Fault.MALFORMED, "time") from None
    whole = value < _SECONDS_BELOW
    at_ms = value * 1000 if whole else value
    if at_ms < _SECONDS_BELOW:  # a clock that was never set
        raise DecodeError(Fault.OUT_OF_RANGE, "time")
    try:
        return EPOCH + _MILLISECOND * at_ms, at_ms, whole
    except OverflowError:
        raise DecodeError(Fault.OUT_OF_RANGE, "time") from None


def milliseconds(time: datetime) -> int:
    """Milliseconds since 1970, rounded as the canonical id rounds them."""
    return int((time - EPOCH).total_seconds() * 1000 + 0.5)


def write_time(time: datetime) -> str | None:
    """A time as twelve hexadecimal digits; None when it is so early that a reader would take it for seconds."""
    value = milliseconds(time)
    return f"{value:012X}" if value >= _SECONDS_BELOW else None


def number(text: str, where: str, low: float = -_LARGEST, high: float = _LARGEST) -> float | None:
    """Read an optional number with a decimal point, in the field's own unit; None when the field is empty."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise DecodeError(Fault.MALFORMED, where) from None
    if low <= value <= high and "_" not in text:
        return value
    raise DecodeError(Fault.MALFORMED if "_" in text else Fault.OUT_OF_RANGE, where)


def numbers(texts: Sequence[str], names: Sequence[str]) -> list[float | None]:
    """Read several optional numbers, which the caller's structs keep in their ranges; an empty field is None."""
    said = "".join(texts)
    if "n" not in said and "-0" not in said:  # no null, NaN or negative zero: as a list in JSON, in half the time
        try:
            values = _read_numbers(f"[{','.join([text or 'null' for text in texts])}]")
        except ValueError:
            values = []
        if len(values) == len(texts):
            return values
    return [number(text, name) for text, name in zip(texts, names, strict=True)]


def write_number(value: float) -> str:
    """A number in the shortest form that reads back the same, without an exponent."""
    text = _json(value).decode()
    if "e" in text:
        text = f"{value:.12f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def read_base64(text: str, where: str, limit: int) -> bytes:
    """Read a base64 field of at most so many bytes."""
    if len(text) > 2 * limit:
        raise DecodeError(Fault.TOO_LARGE, where)
    try:
        return b64decode(text.encode("latin-1"), validate=True)
    except ValueError:
        raise DecodeError(Fault.MALFORMED, where) from None


def read_words(data: bytes) -> str:
    """Text of a base64 field: UTF-8, as the reference implementation writes it, else ISO-8859-1."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def write_base64(text: str) -> str:
    """Text as a base64 field."""
    return b64encode(text.encode()).decode()


def escape(subject: str) -> str:
    """A subject as an id: itself where that fits, else with percent escapes, so that it reads back the same."""
    return _UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), subject)


def unescape(text: str) -> str:
    """The subject that ``escape`` wrote."""
    if "%" not in text:
        return text
    return _ESCAPED.sub(lambda match: _plain(match[0]), text)


def _plain(escaped: str) -> str:
    try:
        return bytes.fromhex(escaped.replace("%", "")).decode()
    except UnicodeDecodeError:
        return escaped


def keep(losses: list[Loss], **fields: str) -> tuple[Extra, ...]:
    """What no canonical field holds is kept for the way home; what is not what it should be is a loss."""
    given = {name: text for name, text in fields.items() if text}
    losses += [Loss(field=name, reason=LossReason.UNREADABLE) for name in given if not may_keep(name, given[name])]
    return tuple(Extra(format=FORMAT, name=name, inner=text) for name, text in given.items() if may_keep(name, text))


def may_keep(name: str, text: str) -> bool:
    """Whether a text is what a kept field of this name must be."""
    pattern = _KEPT.get(name)
    return pattern is not None and len(text) <= _KEPT_MAX and pattern.fullmatch(text) is not None


def is_field(text: str) -> bool:
    """Whether a text can stand in a line as it is."""
    return _BREAKING.search(text) is None


def native(subject: str) -> tuple[str, str] | None:
    """Sender and id of a subject that a SEDAP-Express sender named; None for every other format's."""
    if not subject.startswith("sedap:"):
        return None
    sender, _, own_id = subject[6:].partition(":")
    sender = unescape(sender)
    return (sender, own_id) if own_id and sender != RELAY and is_field(sender) and is_field(own_id) else None


def digest(text: str) -> str:
    """Twelve digits that stand for a content."""
    return "c" + sha256(text.encode()).hexdigest()[:12]


def reported_at(message: Message) -> datetime | None:
    """The time of a report: when it was observed, else when it was written."""
    return message.times.observed or message.times.created
