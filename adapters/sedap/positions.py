"""OWNUNIT and CONTACT (chapters IV.2.1, IV.2.2) to bodies."""

from __future__ import annotations

from collections.abc import Sequence

from adapters import DecodeError, Fault
from adapters.sedap.grammar import (
    FIELDS_LOST,
    IMAGE_BYTES,
    OWN,
    TEXT_BYTES,
    Line,
    Meaning,
    keep,
    number,
    numbers,
    read_base64,
    read_words,
)
from protocols.body import NOBODY, Contact, Delete, Identity, Track
from protocols.message import Extra, Loss, LossReason, Mode
from protocols.quantity import STILL, AltitudeDatum, Kinematics, Position, Symbol
from protocols.remembered import Remembered
from protocols.symbols import from_sidc15

_NAMES = ("latitude", "longitude", "altitude", "speed", "course", "heading")
SENSORS = {
    "R": "radar", "A": "ais", "I": "iff", "S": "sonar", "E": "ew", "O": "optical", "Y": "synthetic", "M": "manual",
}  # fmt: skip


def own_unit(line: Line) -> Meaning:
    """The sender reports itself."""
    content = line.content
    position, kinematics = _place_and_movement(content[:6])
    roll, pitch, name, code = content[6:10]
    losses: list[Loss] = []
    extras = _extras(losses, roll=roll, pitch=pitch) if roll or pitch else ()
    symbol, mode = read_symbol(code, losses) if code else (None, Mode.UNSTATED)
    body = Track(
        position=position,
        symbol=symbol,
        identity=Identity(callsign=name) if name else NOBODY,
        kinematics=kinematics,
    )
    return Meaning(line.subject(name or OWN), body, losses, mode=mode, extras=extras)


def contact(line: Line) -> Meaning:
    """A contact as its sender sees it, or the end of one."""
    own_id, delete, latitude, longitude, altitude, x, y, z, speed, course, heading, roll, pitch = line.content[:13]
    if not own_id:
        raise DecodeError(Fault.MISSING, "contact.id")
    if delete and delete.upper() not in ("TRUE", "FALSE"):
        raise DecodeError(Fault.MALFORMED, "contact.delete")
    subject = line.subject(own_id)
    if delete and delete.upper() == "TRUE":
        return Meaning(subject, Delete(target=subject), [FIELDS_LOST] if any(line.content[2:23]) else [])
    width, length, height, name, sensors, code, mmsi, icao, image, comment = line.content[13:23]
    position, kinematics = _place_and_movement((latitude, longitude, altitude, speed, course, heading))
    losses: list[Loss] = []
    symbol, mode = read_symbol(code, losses) if code else (None, Mode.UNSTATED)
    extras: tuple[Extra, ...] = ()
    if x or y or z or roll or pitch:
        extras = _extras(losses, relative_x=x, relative_y=y, relative_z=z, roll=roll, pitch=pitch)
    if image:
        read_base64(image, "contact.image", IMAGE_BYTES)
        extras += keep(losses, image=image)
    body = Contact(
        position=position,
        symbol=symbol,
        identity=Identity(callsign=name) if name else NOBODY,
        kinematics=kinematics,
        sensors=_sensors(sensors) if sensors else (),
        mmsi=mmsi or None,
        icao=icao.upper() if icao else None,
        length_m=number(length, "contact.length", 0.0) if length else None,
        width_m=number(width, "contact.width", 0.0) if width else None,
        height_m=number(height, "contact.height", 0.0) if height else None,
        remarks=read_words(read_base64(comment, "contact.comment", TEXT_BYTES)) if comment else None,
    )
    return Meaning(subject, body, losses, mode=mode, extras=extras)


def read_position(fields: Sequence[str]) -> Position:
    """Latitude, longitude, altitude."""
    return _position(*numbers(fields, _NAMES[:3]))


def _position(latitude: float | None, longitude: float | None, altitude: float | None) -> Position:
    """Altitude is above sea level, but zero says "on the ground" where there is land (chapter IV.2)."""
    if latitude is None or longitude is None:
        raise DecodeError(Fault.MISSING, "position")
    if altitude is None:
        return Position(latitude=latitude, longitude=longitude)
    datum = AltitudeDatum.MSL if altitude else AltitudeDatum.AGL
    return Position(latitude=latitude, longitude=longitude, altitude_m=altitude, altitude_datum=datum)


def _place_and_movement(fields: Sequence[str]) -> tuple[Position, Kinematics]:
    """Latitude, longitude, altitude, speed, course and heading; a full turn is north."""
    latitude, longitude, altitude, speed, course, heading = numbers(fields, _NAMES)
    position = _position(latitude, longitude, altitude)
    if speed is None and course is None and heading is None:
        return position, STILL
    if course == 360.0:
        course = 0.0
    if heading == 360.0:
        heading = 0.0
    return position, Kinematics(speed_mps=speed, course_deg=course, heading_deg=heading)


def read_symbol(code: str, losses: list[Loss]) -> tuple[Symbol | None, Mode]:
    """A 2525C code in either case. One that is not is set aside: an affiliation is never guessed."""
    read = _symbols[code]
    if read[0] is None:
        losses.append(Loss(field="symbol", reason=LossReason.UNREADABLE))
    return read


def _symbol(code: str) -> tuple[Symbol | None, Mode]:
    read = from_sidc15(code)
    if read is None:
        return None, Mode.UNSTATED
    return read.symbol, Mode.EXERCISE if read.exercise else Mode.UNSTATED


_symbols: Remembered[str, tuple[Symbol | None, Mode]] = Remembered(_symbol)


def _sensors(letters: str) -> tuple[str, ...]:
    try:
        return tuple(SENSORS[letter] for letter in letters.upper())
    except KeyError:
        raise DecodeError(Fault.MALFORMED, "contact.source") from None


def _extras(losses: list[Loss], **fields: str) -> tuple[Extra, ...]:
    """Numbers that no canonical field holds."""
    for name, text in fields.items():
        number(text, name)
    return keep(losses, **fields)
