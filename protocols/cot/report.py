"""CoT in XML to Messages; position reports are read by what is new in them.

A device says much the same of itself in each report. So the times and numbers of a report are cut out of it, and what
is left is looked up: the second time that it comes it is learned, and from then on only times and numbers are read.
Whatever is unusual is read as any other event, which also says what is wrong.

Why that is the same: what is cut out are the contents of attribute values, of digits and ``-.:TZ`` alone, so that the
document around them is well formed, safe and of the same elements whatever stands there. Which of them is what, and
that nothing else in the Message comes from them, is found by reading the report twice with other times and numbers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from protocols.body import Contact, Track
from protocols.cot.detail import FASTEST_MPS
from protocols.cot.event import UNKNOWN_FROM, CotError, height, parse_event
from protocols.cot.read import read_message
from protocols.message import Hop, Message, Times, message_id
from protocols.quantity import STILL, AltitudeDatum, Kinematics, Position

DEVICES_MAX = 2048  # of 2 to 4 KB each
REMEMBERED_MAX = 2048  # bytes of a report that is learned; one that says all that ATAK can has 1 100
FEWEST, MOST = 5, 40  # times and numbers of a report
_NEW = re.compile(
    rb"""=(['"])(?=[-\d])("""
    rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"
    rb"|(?:(?<=\slat=.)|(?<=\slon=.)|(?<=\shae=.)|(?<=\sce=.)|(?<=\sle=.)|(?<=\scourse=.)|(?<=\sspeed=.))"
    rb"(?!-0['\"])-?\d{1,12}(?:\.\d{1,20})?"  # the integer -0 has no sign for whom reads it here
    rb""")(?=['"])"""
)
_HAE, _NO_DATUM = AltitudeDatum.HAE, AltitudeDatum.UNKNOWN
_ONCE: Final = "seen once"
_UNFIT: Final = "cannot be read so"


class _Learned(NamedTuple):
    """A report of a device, and which of the values cut out are its what; None where it does not say that."""

    message: Message
    body: Track | Contact
    read: msgspec.json.Decoder[tuple[Any, ...]]
    times: tuple[int, int, int]
    place: tuple[int, int, int | None, int | None, int | None]
    movement: tuple[int, int] | None
    tags: tuple[tuple[str, int], ...]


_devices: dict[tuple[str, bytes], _Learned | str] = {}


def read_xml(data: bytes, form: str) -> Message:
    """Read one event in XML that came as ``form``. Raise CotError."""
    report = _report(data, form) if len(data) <= REMEMBERED_MAX else None
    return _whole(data, form) if report is None else report


def forget() -> None:
    """Know no device any more; what is read is the same."""
    _devices.clear()


def remembered() -> int:
    """How many skeletons of reports are known, or were seen once."""
    return len(_devices)


def _whole(data: bytes, form: str) -> Message:
    return read_message(parse_event(data), form, data)


def _report(data: bytes, form: str) -> Message | None:
    """A report of a device that is known, or None for whatever has to be read whole."""
    pieces = _NEW.split(data)
    key = (form, b"\0".join([*pieces[::3], *pieces[1::3]]))  # a report has no NUL of its own
    known = _devices.get(key)
    if known is None:
        if FEWEST <= len(pieces) // 3 <= MOST and (b"='a-" in data or b'="a-' in data):
            if len(_devices) >= DEVICES_MAX:
                _devices.clear()
            _devices[key] = _ONCE
        return None
    if known is _ONCE:
        known = _devices[key] = _learn(pieces, form) or _UNFIT
    if isinstance(known, str):
        return None
    try:
        return _filled(known, known.read.decode(b'["%b"]' % b'","'.join(pieces[2::3])))
    except ValueError:  # a value that is no such time or number, or that a struct refuses
        return None


def _filled(known: _Learned, values: Sequence[Any]) -> Message | None:
    at, start, stale = known.times
    latitude, longitude, above, ce, le = known.place
    time, body = values[at], known.body
    hae = None if above is None else height(values[above])
    kinematics = STILL
    if known.movement is not None:
        course, speed = known.movement
        if not values[speed] < FASTEST_MPS:
            return None
        kinematics = Kinematics(course_deg=values[course], speed_mps=values[speed])
    position = Position(
        latitude=values[latitude],
        longitude=values[longitude],
        altitude_m=hae,
        altitude_datum=_NO_DATUM if hae is None else _HAE,
        circular_error_m=None if ce is None or not values[ce] < UNKNOWN_FROM else values[ce],
        linear_error_m=None if le is None or not values[le] < UNKNOWN_FROM else values[le],
        fix_source=body.position.fix_source,
    )
    message = known.message
    return replace(
        message,
        id=message_id("position", message.subject, time),
        body=replace(body, position=position, kinematics=kinematics),
        times=Times(observed=time, created=time, valid_from=values[start], valid_until=values[stale]),
        provenance=tuple([Hop(system=system, at=values[place]) for system, place in known.tags]),
    )


def _learn(pieces: list[bytes], form: str) -> _Learned | None:
    """Find out which value is what; None where the report does not come apart so."""
    texts = pieces[2::3]
    first = [_text(place, text, b"2001-01-01T00:%02d:00Z", b"%d.25") for place, text in enumerate(texts)]
    second = [_text(place, text, b"2002-02-02T00:%02d:30Z", b"%d.75") for place, text in enumerate(texts)]
    try:
        message, again = (_whole(_with(pieces, values), form) for values in (first, second))
        known = _taken_apart(message, texts)
        if known is None or _filled(known, known.read.decode(b'["%b"]' % b'","'.join(second))) != again:
            return None
    except (CotError, ValueError):
        return None
    return known


def _taken_apart(message: Message, texts: list[bytes]) -> _Learned | None:
    body, times = message.body, message.times
    if not isinstance(body, Track | Contact):
        return None
    position, kinematics = body.position, body.kinematics
    said = (times.observed, times.valid_from, times.valid_until)
    where = (
        position.latitude,
        position.longitude,
        position.altitude_m,
        position.circular_error_m,
        position.linear_error_m,
    )
    moves = (kinematics.course_deg, kinematics.speed_mps)
    tags = tuple([(hop.system, place) for hop in message.provenance if (place := _place_of(hop.at)) is not None])
    places = [_place_of(value) for value in (*said, *where, *moves)]
    if sorted([*(place for place in places if place is not None), *(place for _, place in tags)]) != [
        *range(len(texts))
    ]:
        return None
    at, start, stale, latitude, longitude, hae, ce, le, course, speed = places
    if at is None or start is None or stale is None or latitude is None or longitude is None:
        return None
    if (course is None) is not (speed is None) or len(tags) != len(message.provenance):
        return None
    moved = None if course is None or speed is None else (course, speed)
    read = _reader(tuple([b"T" in text for text in texts]))
    return _Learned(message, body, read, (at, start, stale), (latitude, longitude, hae, ce, le), moved, tags)


@lru_cache(maxsize=64)
def _reader(are_times: tuple[bool, ...]) -> msgspec.json.Decoder[tuple[Any, ...]]:
    """What reads a list of such texts."""
    return msgspec.json.Decoder(tuple[tuple(datetime if is_time else float for is_time in are_times)], strict=False)  # type: ignore[misc]  # a type made while running


def _place_of(value: datetime | float | None) -> int | None:
    """The place of a value among those that ``_learn`` wrote."""
    if isinstance(value, datetime):
        return value.minute if value == datetime(2001, 1, 1, 0, value.minute, tzinfo=UTC) else None
    return None if value is None or value % 1 != 0.25 else int(value)


def _text(place: int, text: bytes, time: bytes, number: bytes) -> bytes:
    return (time if b"T" in text else number) % place


def _with(pieces: list[bytes], values: list[bytes]) -> bytes:
    whole = pieces.copy()
    whole[1::3] = [b"=" + quote for quote in pieces[1::3]]
    whole[2::3] = values
    return b"".join(whole)
