"""Emergencies and alarms (``b-a-...``, ``b-l-...``), and their cancellation.

CoT has the kind of an emergency and free text. What else an Alert says (severity, instruction, area) stands in the
remarks for people, and the account says so.
"""

from __future__ import annotations

from protocols.body import Alert, Area
from protocols.cot.chat import place
from protocols.cot.detail import Details, read_identity, write_remarks
from protocols.cot.event import Element, Event, Part, is_type
from protocols.ledger import Ledger
from protocols.message import LossReason, Message
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
_TYPES = {event: cot_type for cot_type, event in EVENTS.items()}
_ATAK_OPENED = "Troops In Contact"  # the older word for b-a-o-opn


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
    """An alert or its end."""
    cancelled = event.type == CANCEL or details.get("emergency", "cancel") == "true"
    said = details.get("emergency", "type")
    return Alert(
        event=said or EVENTS.get(event.type, event.type),
        description=details.text("remarks"),
        position=place(event.position),
        raised_by=read_identity(details),
        cancelled=cancelled,
    )


def write_alert(message: Message, body: Alert, ledger: Ledger) -> Part:
    """An alert; without a position, one somewhere in its area."""
    position = body.position
    if position is None and body.area is not None:
        position = somewhere(body.area)
        if position is not None:
            ledger.derive("body.position", "body.area", "first-circle-or-mean-of-ring")
    contact = {"callsign": body.raised_by.callsign} if body.raised_by.callsign else {}
    ledger.drop_given("body.raised_by", body.raised_by, "team", "role", "system", "device", "phone", "endpoint")
    emergency = {"cancel": "true"} if body.cancelled else {}
    details = [
        Element("emergency", {"type": body.event} | emergency, escape(body.raised_by.callsign or "")),
        *([Element("contact", contact)] if contact else []),
        *write_remarks(_said(body, ledger)),
    ]
    cot_type = CANCEL if body.cancelled else _type_of(body.event)
    if body.cancelled:
        details.append(Element("link", {"relation": "p-p", "uid": message.subject, "type": _type_of(body.event)}))
    return Part(cot_type, details, position, how="h-e", stale_s=3600)


def _type_of(event: str) -> str:
    if event in _TYPES:
        return _TYPES[event]
    if event == _ATAK_OPENED:
        return "b-a-o-opn"
    return event if event.startswith(("b-a-", "b-l-")) and is_type(event) and event != CANCEL else CUSTOM


def _said(body: Alert, ledger: Ledger) -> str | None:
    """The text of an alert: its description alone where there is nothing else to say."""
    lines = [body.headline] if body.headline else []
    lines += [body.description] if body.description else []
    lines += [body.instruction] if body.instruction else []
    grades = [f"{name}: {value}" for name in ("severity", "urgency", "certainty") if (value := getattr(body, name))]
    lines += ["; ".join(grades)] if grades else []
    lines += [", ".join(body.categories)] if body.categories else []
    lines += [body.area.description] if body.area is not None and body.area.description else []
    for name in ("headline", "instruction", "severity", "urgency", "certainty", "area"):
        if getattr(body, name) is not None:
            ledger.approximate(f"body.{name}", LossReason.STRUCTURE)
    if body.categories:
        ledger.approximate("body.categories", LossReason.STRUCTURE)
    ledger.drop_given("body", body, "language")
    text = "\n".join(lines) or None
    if text != body.description:
        ledger.derive("body.description", "body", "said-in-remarks")
    return text


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
