"""Position reports in TAK Protocol version 1: what a device says again and again is read once. Pure.

A device's next report is its last one at another time and place, so what lasts of it is known again by its own bytes,
and only time, place, movement and flow tags are read. Whatever is unusual is left to the reader of events, which also
says what is wrong.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from struct import Struct
from typing import TypeAlias

from msgspec.structs import replace

from protocols.body import Contact, Track
from protocols.cot.detail import FASTEST_MPS
from protocols.cot.event import CotError, height
from protocols.cot.read import read_message
from protocols.message import Hop, Message, Times, position_id
from protocols.moment import EPOCH, read_iso
from protocols.quantity import AltitudeDatum, Kinematics, Position
from protocols.tak import event_of, measure
from protocols.tak_detail import cut_flow_tags
from protocols.tak_schema import Parts, Said
from protocols.xml import XmlError, parse

FORM = "tak"
DEVICES_MAX = 4096  # of 2 to 3 KB each
REMEMBERED_MAX = 1024  # bytes of a report of which something is remembered; one that says all that ATAK can has 350

_Lasting: TypeAlias = tuple[
    str, str, str, str, str, str, str, str, bytes, bytes,
    bytes | None, bytes | None, bytes | None, bytes | None, bytes | None,
]  # fmt: skip
_MILLISECOND = timedelta(milliseconds=1)
_MOVEMENT = Struct("<BdBd")
_SPEED, _COURSE = 1 << 3 | 1, 2 << 3 | 1  # keys of two doubles
_OFTEN_CHANGED = frozenset({"track", "_flow-tags_"})


def report_of(said: Said, parts: Parts, size: int) -> Message | None:
    """The Message of a position report of ``size`` bytes; None for whatever has to be read as an event."""
    cot_type, access, qos, opex, uid, sent, start, stale, how, latitude, longitude, hae, ce, le, caveat, releasable = (
        said
    )
    if size > REMEMBERED_MAX or cot_type[:2] != "a-" or not (sent and start and stale):
        return None
    xml, contact, group, precision, status, takv, track = parts
    cut = cut_flow_tags(xml or b"")
    if cut is None:
        return None
    head, tags, tail = cut
    known = _known(
        (cot_type, access, qos, opex, uid, how, caveat, releasable, head, tail, contact, group, precision, status, takv)
    )
    if known is None:
        return None
    (lasting, body), above = known, height(hae)
    try:
        time = EPOCH + _MILLISECOND * sent
        return replace(
            lasting,
            id=position_id(uid, sent),
            body=replace(
                body,
                position=Position(
                    latitude=latitude,
                    longitude=longitude,
                    altitude_m=above,
                    altitude_datum=AltitudeDatum.UNKNOWN if above is None else AltitudeDatum.HAE,
                    circular_error_m=measure(ce),
                    linear_error_m=measure(le),
                    fix_source=body.position.fix_source,
                ),
                kinematics=body.kinematics if track is None else _kinematics(track),
            ),
            times=Times(
                observed=time,
                created=time,
                valid_from=time if start == sent else EPOCH + _MILLISECOND * start,
                valid_until=EPOCH + _MILLISECOND * stale,
            ),
            provenance=() if tags is None else tuple([Hop(system=name, at=read_iso(text)) for name, text in tags]),
        )
    except (ValueError, OverflowError):
        return None


def _kinematics(track: bytes) -> Kinematics:
    """Movement as nearly every client says it. Raise ValueError for any other."""
    if not track:  # proto3 does not send a zero
        return Kinematics(course_deg=0.0, speed_mps=0.0)
    if len(track) != _MOVEMENT.size:
        raise ValueError("not two doubles")
    first, speed, second, course = _MOVEMENT.unpack(track)
    if first != _SPEED or second != _COURSE or not speed < FASTEST_MPS:  # NaN is not less than anything
        raise ValueError("not speed and course")
    return Kinematics(course_deg=course, speed_mps=speed)


@lru_cache(maxsize=DEVICES_MAX)
def _known(lasting: _Lasting) -> tuple[Message, Track | Contact] | None:
    """A report of a device as it were at no time and nowhere; None where its reports cannot be taken apart so."""
    cot_type, access, qos, opex, uid, how, caveat, releasable, head, tail, *messages = lasting
    said = (cot_type, access, qos, opex, uid, 1, 1, 1, how, 0.0, 0.0, 0.0, 0.0, 0.0, caveat, releasable)
    try:
        for side in (head, tail) if head and tail else ():  # one alone is the whole, which is parsed below
            parse(b"<detail>%b</detail>" % side)
        event = event_of(said, (head + tail, *messages, None))
        message = read_message(event, FORM, b"")
    except (CotError, XmlError):
        return None
    body = message.body
    if not isinstance(body, Track | Contact) or not _OFTEN_CHANGED.isdisjoint(event.details.first):
        return None
    return message, body
