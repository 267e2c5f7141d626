"""CoT in XML to Messages; position reports are read by what is new in them.

A device says of itself much the same in each report. So all of a report but time, place, movement and flow tags is read
once and known again by its own words, and the rest is filled in. Whatever is unusual is read as any other event, which
also says what is wrong.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from protocols.body import Contact, Track
from protocols.cot.detail import FASTEST_MPS
from protocols.cot.event import UNKNOWN_FROM, CotError, CotFault, event_of, flat_event, read_flat
from protocols.cot.read import read_message
from protocols.message import Hop, Message, Times, message_id
from protocols.quantity import STILL, AltitudeDatum, Kinematics, Position
from protocols.xml import XmlError, parse

DEVICES_MAX = 2048  # of 2 to 3 KB each
REMEMBERED_MAX = 2048  # bytes of a report of which something is remembered; one that says all that ATAK can has 1 100
_NEVER = {"time": "2000-01-01T00:00:00Z", "start": "2000-01-01T00:00:00Z", "stale": "2000-01-01T00:00:00Z"}
_NOWHERE = {"lat": "0", "lon": "0"}
_UNKNOWN_M = UNKNOWN_FROM
_HAE, _NO_DATUM = AltitudeDatum.HAE, AltitudeDatum.UNKNOWN
_NO_MOVEMENT = {"course": "", "speed": ""}
_LONGEST = len("2000-01-01T00:00:00.000000Z")
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(dict[str, dict[str, str]]).decode


class _When(msgspec.Struct, frozen=True, gc=False):
    time: datetime
    start: datetime
    stale: datetime


class _Where(msgspec.Struct, frozen=True, gc=False):
    lat: float
    lon: float
    hae: float = _UNKNOWN_M
    ce: float = _UNKNOWN_M
    le: float = _UNKNOWN_M


class _Movement(msgspec.Struct, frozen=True, gc=False):
    course: float
    speed: float


class _News(msgspec.Struct, frozen=True, gc=False, rename={"tags": "_flow-tags_"}):
    """What is new in a report, as it is nearly always written."""

    event: _When
    point: _Where
    track: _Movement | None = None
    tags: dict[str, datetime] = {}


def read_xml(data: bytes, form: str) -> Message:
    """Read one event in XML that came as ``form``. Raise CotError."""
    try:
        found = read_flat(data)
        if found is not None and len(data) <= REMEMBERED_MAX:
            report = _report(found, form)
            if report is not None:
                return report
        event = event_of(parse(data)) if found is None else flat_event(found)
    except XmlError as error:
        raise CotError(CotFault(error.fault), "document") from None
    return read_message(event, form, data)


def _report(found: dict[str, dict[str, str]], form: str) -> Message | None:
    """A position report, or None for whatever has to be read whole. Leaves ``found`` as it is."""
    lasting, said = found.copy(), found["event"].copy()
    lasting["event"] = said
    try:
        if said["type"][:2] != "a-":
            return None
        news = msgspec.convert(found, _News, strict=False)
        texts = [said.pop("time"), said.pop("start"), said.pop("stale"), *lasting.pop("_flow-tags_", {}).values()]
        del lasting["point"]
        if len(lasting.pop("track", _NO_MOVEMENT)) != len(_NO_MOVEMENT):
            return None
        for text in texts:  # as xs:dateTime has it, and no more digits than can be kept
            if text[10] != "T" or text[-1] != "Z" or len(text) > _LONGEST:
                return None
        known = _known(form, _pack(lasting))
        return None if known is None else _filled(*known, news)
    except (ValueError, LookupError):  # also where a struct refuses a value
        return None


def _filled(message: Message, body: Track | Contact, news: _News) -> Message | None:
    when, where, track = news.event, news.point, news.track
    time, height, ce, le = when.time, where.hae, where.ce, where.le
    known = height < UNKNOWN_FROM  # NaN is not less than anything
    if track is None:
        kinematics = STILL
    elif track.speed < FASTEST_MPS:
        kinematics = Kinematics(course_deg=track.course, speed_mps=track.speed)
    else:
        return None
    position = Position(
        latitude=where.lat,
        longitude=where.lon,
        altitude_m=height if known else None,
        altitude_datum=_HAE if known else _NO_DATUM,
        circular_error_m=ce if ce < UNKNOWN_FROM else None,
        linear_error_m=le if le < UNKNOWN_FROM else None,
        fix_source=body.position.fix_source,
    )
    return replace(
        message,
        id=message_id("position", message.subject, time),
        body=replace(body, position=position, kinematics=kinematics),
        times=Times(observed=time, created=time, valid_from=when.start, valid_until=when.stale),
        provenance=tuple([Hop(system=system, at=at) for system, at in news.tags.items()]) if news.tags else (),
    )


@lru_cache(maxsize=DEVICES_MAX)
def _known(form: str, lasting: bytes) -> tuple[Message, Track | Contact] | None:
    """A report of a device as it were at no time and nowhere; None where that is none."""
    found = _unpack(lasting)
    found["event"] |= _NEVER
    found["point"] = _NOWHERE
    try:
        message = read_message(flat_event(found), form, b"")
    except CotError:
        return None
    body = message.body
    return (message, body) if isinstance(body, Track | Contact) else None
