"""The canonical Message: one report in partner-neutral form, and its wire form (MessagePack) and JSON form.

Validated on construction and on decoding alike. Adapters build Messages without origin, label and received time;
the gateway stamps those (never from the payload). Every dropped or approximated field is a Loss, every computed
one a Derived.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Final

import msgspec

from protocols.body import Body
from protocols.label import Label
from protocols.quantity import Value, in_utc

FIRST = (1, 0)  # the first version of the model
MODEL_MAJOR = 1  # an unknown major is refused; a newer minor only adds optional fields
SUBJECT_MAX = 512  # characters; CoT GeoChat uids are the longest seen, near 200
EXTRAS_MAX = 64
MESSAGE_MAX = 262_144  # bytes of one packed Message (README, Envelope)


class Precedence(IntEnum):
    """STANAG 4406 precedence (numbers of RFC 6477)."""

    DEFERRED = 0
    ROUTINE = 1
    PRIORITY = 2
    IMMEDIATE = 3
    FLASH = 4
    OVERRIDE = 5


class Mode(StrEnum):
    """Live, exercise and simulation traffic never mix; UNSTATED means that the format said nothing."""

    OPERATION = "operation"
    EXERCISE = "exercise"
    SIMULATION = "simulation"
    TEST = "test"
    UNSTATED = "unstated"


class Authenticity(StrEnum):
    """What vouches for the origin: a verified signature, the link it came by, or nothing."""

    VERIFIED = "verified"
    ASSERTED = "asserted"
    NONE = "none"


class LossReason(StrEnum):
    """Why a field did not come through whole. Bounded."""

    NO_FIELD = "no-field"  # the format has no place for it
    TOO_LONG = "too-long"  # cut to the format's length
    CHARSET = "charset"  # transliterated to the format's characters
    PRECISION = "precision"  # rounded
    DATUM = "datum"  # altitude datum differs and no geoid is at hand
    NO_CODE = "no-code"  # the format's code list has no such value
    UNREADABLE = "unreadable"  # malformed optional field, set aside
    STRUCTURE = "structure"  # carried as free text
    POLICY = "policy"  # an agreement's transformation took it


class Loss(Value, frozen=True):
    """One field that was dropped, or approximated (``approximated`` True: something of it came through)."""

    field: str
    reason: LossReason
    approximated: bool = False


class Derived(Value, frozen=True):
    """One field that an adapter computed: from what, by which rule."""

    field: str
    source: str
    rule: str


class Source(Value, frozen=True):
    """What a report was read from. ``label_hint`` is the format's own marking, mapped only by an operator's table."""

    format: str
    version: str | None = None
    dialect: str | None = None
    system: str | None = None
    label_hint: str | None = None


class Times(Value, frozen=True):
    """Aware UTC times; None is "not said", never "now". ``whole_seconds``: the format cannot say less."""

    observed: datetime | None = None
    created: datetime | None = None
    received: datetime | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    whole_seconds: bool = False

    def __post_init__(self) -> None:
        # One by one, because a loop over a tuple costs more than the check.
        if (time := self.observed) is not None and time.tzinfo is not UTC:
            in_utc(time)
        if (time := self.created) is not None and time.tzinfo is not UTC:
            in_utc(time)
        if (time := self.received) is not None and time.tzinfo is not UTC:
            in_utc(time)
        if (time := self.valid_from) is not None and time.tzinfo is not UTC:
            in_utc(time)
        if (time := self.valid_until) is not None and time.tzinfo is not UTC:
            in_utc(time)


class Reference(Value, frozen=True):
    """A relation to another subject, in the originator's words (CoT ``p-p``, CAP ``references``).

    ``type`` is the originator's code of what the other subject is (CoT ``a-f-G-U-C``).
    """

    relation: str
    subject: str
    type: str | None = None


class Hop(Value, frozen=True):
    """A system that this report passed, and when."""

    system: str
    at: datetime | None = None

    def __post_init__(self) -> None:
        if (time := self.at) is not None and time.tzinfo is not UTC:
            in_utc(time)


class Quality(Value, frozen=True):
    """How a report came to be (CoT ``how``) and how far to trust it (NFFI reliability A-F, credibility 1-6)."""

    how: str | None = None
    reliability: str | None = None
    credibility: str | None = None


UNGRADED = Quality()  # of which nothing is said; the same object everywhere, so that it takes no room on the wire


class Original(Value, frozen=True):
    """The bytes that the report was read from."""

    format: str
    data: bytes


class Extra(Value, frozen=True):
    """Something of the original format that no field holds, kept for the way home to that format and for nothing else.

    ``name`` is where it stands there (an element, ``@type``). ``inner`` is its content; None means that the element is
    known and only these ``attributes`` of it are not. Nobody has looked at it, so whatever changes a message drops it.
    """

    format: str
    name: str
    attributes: tuple[tuple[str, str], ...] = ()
    inner: str | None = None


class Message(Value, frozen=True):
    """One report.

    ``id`` is the same for the same report in whatever format it is met (``message_id``). ``subject`` names what the
    report is about (a CoT uid, an NFFI track source) and is stable across re-encoding. ``origin`` is the liaison unit
    (``partner/unit``) that the gateway vouches for. ``label`` is the originator's and never replaced;
    ``alternatives`` are what it is in other policies.
    """

    id: str
    subject: str
    body: Body
    source: Source
    times: Times = Times()
    origin: str | None = None
    authenticity: Authenticity = Authenticity.NONE
    label: Label | None = None
    alternatives: tuple[Label, ...] = ()
    precedence: Precedence | None = None
    mode: Mode = Mode.UNSTATED
    exercise: str | None = None
    addressees: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    provenance: tuple[Hop, ...] = ()
    quality: Quality = UNGRADED
    original: Original | None = None
    extras: tuple[Extra, ...] = ()
    loss: tuple[Loss, ...] = ()
    derived: tuple[Derived, ...] = ()
    version: tuple[int, int] = FIRST  # absent means 1.0, for ever; newer minors write theirs

    def __post_init__(self) -> None:
        if not 0 < len(self.subject) <= SUBJECT_MAX or not 0 < len(self.id) <= 64:
            raise ValueError("id and subject must be present and bounded")
        if self.extras and len(self.extras) > EXTRAS_MAX:
            raise ValueError("too many extras")
        if self.version is not FIRST and self.version[0] != MODEL_MAJOR:
            raise ValueError("unknown major version of the message model")

    @property
    def kind(self) -> str:
        """The body's kind, for example ``track``."""
        return str(type(self.body).__struct_config__.tag)


def message_id(family: str, subject: str, observed: datetime | None, *discriminators: str) -> str:
    """The canonical id of a report, as 32 hexadecimal digits.

    ``family`` is ``position`` for tracks and contacts (one unit's own track is another's contact), else the kind.
    Whole milliseconds, which is what every format that carries fractions keeps; the rest is cut, as they cut it.
    """
    moment: int | str = ""
    if observed is not None:
        since = observed - _EPOCH
        moment = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    text = f"{family}\0{subject}\0{moment}"
    if discriminators:
        text = "\0".join((text, *discriminators))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def position_id(subject: str, milliseconds: int) -> str:
    """The ``message_id`` of a track or contact that was observed so long after 1970."""
    return hashlib.sha256(f"position\0{subject}\0{milliseconds}".encode()).hexdigest()[:32]


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_pack = msgspec.msgpack.Encoder().encode
_json_reader = msgspec.json.Decoder(Message)


def pack(message: Message) -> bytes:
    """A Message in its wire form."""
    return _pack(message)


# Read a wire form. Raise ValueError with a path when it is not one. The decoder's own method, because a call more costs
# a twentieth of it; how large a form may be is seen to where it comes in (the records of an envelope, of a proof).
unpack: Final[Callable[[bytes], Message]] = msgspec.msgpack.Decoder(Message).decode


def to_json(message: Message) -> bytes:
    """A Message in its JSON form, one line."""
    return msgspec.json.encode(message)


def from_json(data: bytes) -> Message:
    """Read a JSON form. Raise ValueError with a path when it is not one."""
    if len(data) > 4 * MESSAGE_MAX:
        raise ValueError("message too large")
    return _json_reader.decode(data)
