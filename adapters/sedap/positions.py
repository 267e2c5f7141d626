"""OWNUNIT and CONTACT (chapters IV.2.1, IV.2.2) to bodies."""

from __future__ import annotations

from adapters import DecodeError, Fault
from adapters.sedap.grammar import (
    IMAGE_BYTES,
    OWN,
    TEXT_BYTES,
    Line,
    Meaning,
    direction,
    number,
    read_base64,
    read_words,
)
from protocols.body import NOBODY, Contact, Delete, Identity, Track
from protocols.message import Loss, LossReason, Mode
from protocols.quantity import STILL, AltitudeDatum, Kinematics, Position, Symbol
from protocols.symbols import from_sidc15

SENSORS = {
    "R": "radar", "A": "ais", "I": "iff", "S": "sonar", "E": "ew", "O": "optical", "Y": "synthetic", "M": "manual",
}  # fmt: skip


def own_unit(line: Line) -> Meaning:
    """The sender reports itself."""
    latitude, longitude, altitude, speed, course, heading, roll, pitch, name, code = line.content[:10]
    losses: list[Loss] = []
    _no_field(losses, roll=number(roll, "roll"), pitch=number(pitch, "pitch"))
    symbol, mode = read_symbol(code, losses)
    body = Track(
        position=read_position(latitude, longitude, altitude),
        symbol=symbol,
        identity=Identity(callsign=name) if name else NOBODY,
        kinematics=_kinematics(speed, course, heading),
    )
    return Meaning(line.subject(name or OWN), body, losses, mode=mode)


def contact(line: Line) -> Meaning:
    """A contact as its sender sees it, or the end of one."""
    content = line.content
    own_id, delete = content[0], content[1].upper()
    if not own_id:
        raise DecodeError(Fault.MISSING, "contact.id")
    if delete not in ("", "TRUE", "FALSE"):
        raise DecodeError(Fault.MALFORMED, "contact.delete")
    subject = line.subject(own_id)
    if delete == "TRUE":
        return Meaning(subject, Delete(target=subject), [])
    x, y, z, speed, course, heading, roll, pitch, width, length, height, name, sensors, code = content[5:19]
    mmsi, icao, image, comment = content[19:23]
    losses: list[Loss] = []
    symbol, mode = read_symbol(code, losses)
    relative = [number(each, "contact.relative") for each in (x, y, z)]
    _no_field(
        losses,
        relative_m=None if relative == [None, None, None] else relative,
        roll=number(roll, "roll"),
        pitch=number(pitch, "pitch"),
        image=read_base64(image, "contact.image", IMAGE_BYTES) if image else None,
    )
    body = Contact(
        position=read_position(content[2], content[3], content[4]),
        symbol=symbol,
        identity=Identity(callsign=name) if name else NOBODY,
        kinematics=_kinematics(speed, course, heading),
        sensors=_sensors(sensors),
        mmsi=mmsi or None,
        icao=icao.upper() or None,
        length_m=number(length, "contact.length", 0.0),
        width_m=number(width, "contact.width", 0.0),
        height_m=number(height, "contact.height", 0.0),
        remarks=read_words(read_base64(comment, "contact.comment", TEXT_BYTES)) if comment else None,
    )
    return Meaning(subject, body, losses, mode=mode)


def read_position(latitude: str, longitude: str, altitude: str) -> Position:
    """A point. Altitude is above sea level, but zero says "on the ground" where there is land (chapter IV.2)."""
    if not latitude or not longitude:
        raise DecodeError(Fault.MISSING, "position")
    north, east = number(latitude, "latitude", -90.0, 90.0), number(longitude, "longitude", -180.0, 180.0)
    if north is None or east is None:
        raise DecodeError(Fault.MISSING, "position")
    up = number(altitude, "altitude", -12_000.0, 100_000_000.0)
    if up is None:
        return Position(latitude=north, longitude=east)
    datum = AltitudeDatum.MSL if up else AltitudeDatum.AGL
    return Position(latitude=north, longitude=east, altitude_m=up, altitude_datum=datum)


def read_symbol(code: str, losses: list[Loss]) -> tuple[Symbol | None, Mode]:
    """A 2525C code in either case. One that is not is set aside: an affiliation is never guessed."""
    if not code:
        return None, Mode.UNSTATED
    read = from_sidc15(code)
    if read is None:
        losses.append(Loss(field="symbol", reason=LossReason.UNREADABLE))
        return None, Mode.UNSTATED
    return read.symbol, Mode.EXERCISE if read.exercise else Mode.UNSTATED


def _kinematics(speed: str, course: str, heading: str) -> Kinematics:
    if not speed and not course and not heading:
        return STILL
    return Kinematics(
        speed_mps=number(speed, "speed", 0.0, 100_000.0),
        course_deg=direction(course, "course"),
        heading_deg=direction(heading, "heading"),
    )


def _sensors(letters: str) -> tuple[str, ...]:
    try:
        return tuple(SENSORS[letter] for letter in letters.upper())
    except KeyError:
        raise DecodeError(Fault.MALFORMED, "contact.source") from None


def _no_field(losses: list[Loss], **values: object) -> None:
    losses += [Loss(field=name, reason=LossReason.NO_FIELD) for name, value in values.items() if value is not None]
