"""Emergencies and alarms (``b-a-...``, ``b-l-...``), and their cancellation.

CoT has the kind of an emergency and free text. An Alert that says more (severity, instruction, area) fills a form in
the remarks, which people read and which comes back whole.
"""

from __future__ import annotations

from protocols import form
from protocols.body import Alert, Area
from protocols.cot.alarm_names import ALARM_NAMES
from protocols.cot.chat import place
from protocols.cot.detail import read_identity, write_identity, write_remarks
from protocols.cot.event import Details, Event, is_type
from protocols.cot.extras import emergency_of
from protocols.cot.markup import Element, Part
from protocols.message import Message
from protocols.quantity import Position
from protocols.xml import escape

CANCEL = "b-a-o-can"
CUSTOM = "b-a-o-c"
EVENTS = {  # ATAK, EmergencyType
    "b-a-o-tbl": "911 Alert",
    "b-a-o-pan": "Ring The Bell",
    "b-a-o-opn": "In Contact",
    "b-a-g": "Geo-fence Breached",
    CUSTOM: "Custom",
}
_NAMES = ALARM_NAMES | EVENTS
_TYPES = {event: cot_type for cot_type, event in reversed(_NAMES.items())}


def is_alert(event: Event) -> bool:
    """Whether an event is an alert by its type, or ends one."""
    return event.type.startswith(("b-a-", "b-l-")) or event.type in ("b-a", "b-l")


def alert_subject(event: Event, details: Details) -> str:
    """What an alert is about: a cancellation is about the alert that it links to, else its own uid."""
    if event.type == CANCEL:
        for node in details.links:
            if (node.get("type") or "").startswith("b-a") and (uid := node.get("uid")):
                return uid
    return event.uid


def read_alert(event: Event, details: Details) -> Alert:
    """An alert or its end. One that our own writer filled into a form is read from that."""
    remarks = details.text("remarks")
    filled = None if remarks is None else form.read(remarks)
    if isinstance(filled, Alert):
        return filled
    said = details.get("emergency", "type")
    return Alert(
        event=said or _NAMES.get(event.type, event.type),
        description=remarks,
        position=place(event.point),
        raised_by=read_identity(details),
        cancelled=event.type == CANCEL or details.get("emergency", "cancel") == "true",
    )


def write_alert(message: Message, body: Alert) -> Part:
    """An alert; without a position, one somewhere in its area."""
    position = body.position
    if position is None and body.area is not None:
        position = somewhere(body.area)
    callsign = body.raised_by.callsign
    emergency = Element(
        "emergency",
        {"type": body.event} | ({"cancel": "true"} if body.cancelled else {}),
        escape(emergency_of(message) or callsign or ""),
    )
    details = [emergency, *write_identity(body.raised_by), *write_remarks(_text(body))]
    if body.cancelled:
        details.append(Element("link", {"relation": "p-p", "uid": message.subject, "type": _type_of(body.event)}))
    return Part(CANCEL if body.cancelled else _type_of(body.event), details, position, how="h-e", stale_s=3600)


def _type_of(event: str) -> str:
    if event in _TYPES:
        return _TYPES[event]
    return event if event.startswith(("b-a-", "b-l-")) and is_type(event) and event != CANCEL else CUSTOM


def _text(body: Alert) -> str | None:
    """The description alone where that is all there is to say, else the whole alert as a form."""
    plain = Alert(
        event=body.event,
        description=body.description,
        position=body.position,
        raised_by=body.raised_by,
        cancelled=body.cancelled,
    )
    return body.description if body == plain else form.write(body)


def somewhere(area: Area) -> Position | None:
    """A point that stands for an area: the centre of its first circle, else the mean of its first ring."""
    if area.circles:
        latitude, longitude, radius_m = area.circles[0]
        return Position(latitude=latitude, longitude=longitude, circular_error_m=radius_m)
    if area.polygons:
        ring = area.polygons[0][:-1]
        return Position(
            latitude=sum(point[0] for point in ring) / len(ring), longitude=sum(point[1] for point in ring) / len(ring)
        )
    return None
