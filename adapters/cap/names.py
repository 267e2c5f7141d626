"""What the reader and the writer of CAP share: its code words, how subjects are named, and its units."""

from __future__ import annotations

import re
from decimal import Decimal

from protocols.message import Mode

NAMESPACES = {"urn:oasis:names:tc:emergency:cap:1.2": "1.2", "urn:oasis:names:tc:emergency:cap:1.1": "1.1"}
RELAY = "comity"  # sender of an alert that a gateway wrote for another format's message: identifiers are subjects
OURS = "comity."  # how the names of the parameters of a relayed alert begin
KIND = "comity.kind"  # parameter of a relayed alert: the description is a filled form of this kind
TIME = "comity.time"  # parameter of a relayed alert: when it was observed, with its fraction of a second
NO_INFO, NO_ONSET = "no-info", "no-onset"  # rules of what is derived while reading, and undone while writing
NOT_DESCRIBED = "not described"  # areaDesc is mandatory; this is read as no description
CATEGORIES = (
    "Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other",
)  # fmt: skip
MODES = {"Actual": Mode.OPERATION, "Exercise": Mode.EXERCISE, "Test": Mode.TEST}
RESPONSES = (
    "Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None",
)  # fmt: skip
SCOPES = ("Public", "Restricted", "Private")

_BLOCK_END = re.compile(r"%2C([2-9]|[1-4]\d|50)$")  # how an identifier names an info block after the first
_FORBIDDEN = re.compile(r"[\s,<&%\x00-\x1f\x7f-\x9f]")  # CAP 1.2, 3.2.1: no spaces, commas or restricted characters
_ESCAPED = re.compile(r"(?:%[0-9A-F]{2})+")
_METRES_A_FOOT = Decimal("0.3048")
_TENTH_MILLIMETRE = Decimal("0.0001")


def is_name(text: str) -> bool:
    """Whether a text may be an identifier or a sender."""
    return bool(text) and re.search(r"[\s,<&]", text) is None


def escape(subject: str) -> str:
    """A subject as an identifier: itself where that fits, else with percent escapes, so that it reads back the same."""
    return _FORBIDDEN.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), subject)


def unescape(identifier: str) -> str:
    """The subject that ``escape`` wrote."""
    return _ESCAPED.sub(lambda match: _plain(match[0]), identifier)


def _plain(escaped: str) -> str:
    try:
        return bytes.fromhex(escaped.replace("%", "")).decode()
    except UnicodeDecodeError:
        return escaped


def subject_of(sender: str, identifier: str) -> str:
    """Name an alert: an identifier is unique only together with its sender, a relayed one is a subject."""
    if sender == RELAY:
        return unescape(identifier)
    return f"cap:{sender}," + _BLOCK_END.sub(r",\1", identifier)


def native(subject: str) -> tuple[str, str] | None:
    """Sender and identifier of a subject that a CAP sender named; None for every other format's.

    An info block after the first, which is a document of its own when it is written, has its number in its identifier.
    """
    if not subject.startswith("cap:"):
        return None
    sender, _, identifier = subject[4:].partition(",")
    identifier, comma, place = identifier.partition(",")
    identifier += comma and f"%2C{place}"
    return (sender, identifier) if is_name(sender) and is_name(identifier) and sender != RELAY else None


def named(subject: str) -> tuple[str, str]:
    """Sender and identifier to write for a subject."""
    return native(subject) or (RELAY, escape(subject))


def metres_of_feet(text: str) -> float:
    """Feet as CAP writes them, in metres, to a tenth of a millimetre. Raise ValueError or ArithmeticError."""
    return float((Decimal(text) * _METRES_A_FOOT).quantize(_TENTH_MILLIMETRE))


def feet_of_metres(metres: float) -> str:
    """Metres in feet."""
    return f"{(Decimal(repr(metres)) / _METRES_A_FOOT).quantize(Decimal('0.000001')).normalize():f}"


def metres_of_kilometres(text: str) -> float:
    """Kilometres as CAP writes them, in metres. Raise ValueError or ArithmeticError."""
    return float(Decimal(text) * 1000)


def kilometres_of_metres(metres: float) -> str:
    """Metres in kilometres, exactly."""
    text = f"{Decimal(repr(float(metres))) / 1000:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def has_block(subject: str) -> bool:
    """Whether a subject names an info block after the first of a CAP sender's alert."""
    return subject.startswith("cap:") and subject.count(",") > 1
