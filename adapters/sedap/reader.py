"""SEDAP-Express lines to Messages. One frame is one or more lines; one bad line refuses the whole frame.

EMISSION, METEO, RESEND, GENERIC, TIMESYNC, KEYEXCHANGE and solid bodies of GRAPHIC have no canonical meaning: they are
kept as they are, for units that speak SEDAP-Express. A HEARTBEAT is a status that says nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from adapters import DecodeError, Fault
from adapters.sedap.frames import lines_of
from adapters.sedap.grammar import Line, Meaning, digest, read_line
from adapters.sedap.graphics import graphic
from adapters.sedap.orders import command, heartbeat, receipt, status
from adapters.sedap.positions import contact, own_unit
from adapters.sedap.texts import text
from protocols.body import Alert, Contact, Opaque, Track
from protocols.message import Message, Source, Times, message_id, position_id

VERSION = "1.0"
_POSITIONS = (Track, Contact)


def decode(data: bytes) -> Sequence[Message]:
    """Read a frame of one or more lines. Raise DecodeError when any of them is refused."""
    return [_message(read_line(line)) for line in lines_of(data)]


def _message(line: Line) -> Message:
    try:
        meaning = _MEANINGS[line.name](line)
        return Message(
            id=_id(meaning, line),
            subject=meaning.subject,
            body=meaning.body,
            source=Source(
                format="sedap",
                version=VERSION,
                dialect=meaning.dialect,
                system=line.sender or None,
                label_hint=line.label_hint,
            ),
            times=Times(observed=line.time, created=line.time, whole_seconds=line.whole_seconds),
            mode=meaning.mode,
            addressees=meaning.addressees,
            references=meaning.references,
            loss=(*line.losses, *meaning.losses) if line.losses else tuple(meaning.losses),
            extras=meaning.extras,
        )
    except DecodeError:
        raise
    except ValueError:  # the model's own bounds
        raise DecodeError(Fault.OUT_OF_RANGE, line.name) from None


def _id(meaning: Meaning, line: Line) -> str:
    body, subject = meaning.body, meaning.subject
    is_position = isinstance(body, _POSITIONS)
    if is_position and line.at_ms is not None:
        return position_id(subject, line.at_ms)
    family = "position" if is_position else str(type(body).__struct_config__.tag)
    identity = () if line.time is not None else (_content(meaning, line),)
    cancelled = ("cancelled",) if isinstance(body, Alert) and body.cancelled else ()
    return message_id(family, subject, line.time, *identity, *cancelled)


def _content(meaning: Meaning, line: Line) -> str:
    """What tells apart two reports of one subject that have no time."""
    body = meaning.body
    if isinstance(body, Track | Contact):
        return f"{body.position.latitude!r},{body.position.longitude!r}"
    return digest(";".join(line.content))


def _opaque(line: Line) -> Meaning:
    return Meaning(line.event_subject(), Opaque(format="sedap", data=line.text.encode("latin-1")))


_MEANINGS: dict[str, Callable[[Line], Meaning]] = {
    "OWNUNIT": own_unit,
    "CONTACT": contact,
    "TEXT": text,
    "GRAPHIC": graphic,
    "COMMAND": command,
    "STATUS": status,
    "ACKNOWLEDGE": receipt,
    "HEARTBEAT": heartbeat,
    "EMISSION": _opaque,
    "METEO": _opaque,
    "RESEND": _opaque,
    "GENERIC": _opaque,
    "TIMESYNC": _opaque,
    "KEYEXCHANGE": _opaque,
}
