"""CoT atoms (``a-...``): a unit's own track, or a contact that somebody sees."""

from __future__ import annotations

from protocols.body import Contact, Track
from protocols.cot.detail import (
    read_identity,
    read_kinematics,
    write_identity,
    write_remarks,
)
from protocols.cot.event import CotError, CotFault, Details, Element, Event, Part, decimal, number
from protocols.ledger import Ledger
from protocols.message import LossReason, Message
from protocols.quantity import Affiliation, Kinematics, Symbol
from protocols.symbols import from_cot, to_cot

OWN = frozenset({Affiliation.FRIEND, Affiliation.ASSUMED_FRIEND})
EMERGENCY = "911 Alert"


def read_atom(event: Event, details: Details, unread: list[str]) -> Track | Contact:
    """A Track when the event is a device's own report, or a friend that nobody else produced; else a Contact."""
    symbol = from_cot(event.type)
    if symbol is None:
        raise CotError(CotFault.UNSUPPORTED, "event@type: affiliation")
    fix = details.get("precisionlocation", "geopointsrc")
    position = event.point.position(None if fix == "???" else fix)
    if is_own_report(event, details, symbol):
        return Track(
            position=position,
            symbol=symbol,
            identity=read_identity(details),
            kinematics=read_kinematics(details, unread),
            battery_percent=_battery(details, unread),
            ready=_flag(details.get("status", "readiness")),
            in_distress=_distress(details),
            remarks=details.text("remarks"),
        )
    return Contact(
        position=position,
        symbol=symbol,
        identity=read_identity(details),
        kinematics=read_kinematics(details, unread),
        remarks=details.text("remarks"),
    )


def is_own_report(event: Event, details: Details, symbol: Symbol) -> bool:
    """Whether the reported thing itself speaks: it names its device, or is a friend that no other uid produced."""
    if "takv" in details.first:
        return True
    if symbol.affiliation not in OWN:
        return False
    return not [node for node in details.links if node.get("relation") == "p-p" and node.get("uid") != event.uid]


def write_track(body: Track, ledger: Ledger) -> Part:
    """A unit's own track."""
    part = _write_atom(body, ledger)
    details = part.details
    status = {}
    if body.battery_percent is not None:
        percent = body.battery_percent  # whole, because that is all that TAK clients parse
        status["battery"] = str(int(percent)) if percent.is_integer() else decimal(percent)
    if body.ready is not None:
        status["readiness"] = _word(flag=body.ready)
    if status:
        details.append(Element("status", status))
    if body.in_distress is not None:
        details.append(Element("emergency", {"type": EMERGENCY} if body.in_distress else {"cancel": "true"}))
    if (body.symbol is None or body.symbol.affiliation not in OWN) and body.identity.system is None:
        ledger.approximate("kind", LossReason.STRUCTURE)
    details += write_remarks(body.remarks)
    return part


def write_contact(message: Message, body: Contact, ledger: Ledger) -> Part:
    """Something seen. What a CoT atom has no element for stands in the remarks, for people."""
    said = []
    for name, unit in (("mmsi", ""), ("icao", ""), ("length_m", " m"), ("width_m", " m"), ("height_m", " m")):
        value = getattr(body, name)
        if value is not None:
            said.append(f"{name.partition('_')[0].upper()} {value}{unit}")
            ledger.approximate(f"{name}", LossReason.STRUCTURE)
    if body.sensors:
        said.append(f"SENSORS {', '.join(body.sensors)}")
        ledger.approximate("sensors", LossReason.STRUCTURE)
    remarks = "\n".join(([body.remarks] if body.remarks else []) + said)
    if said:
        ledger.derive("remarks", "body", "said-in-remarks")
    if body.identity.system is not None or (_is_friend(body) and not _has_producer(message)):
        ledger.approximate("kind", LossReason.STRUCTURE)
    part = _write_atom(body, ledger)
    part.details.extend(write_remarks(remarks))
    return part


def _write_atom(body: Track | Contact, ledger: Ledger) -> Part:
    if body.symbol is None:
        # CoT has no type without an affiliation: unknown is the one that claims nothing.
        cot_type = "a-u-G" if isinstance(body, Contact) else "a-f-G"
        ledger.derive("symbol", "kind", "own-track-is-a-friend" if cot_type == "a-f-G" else "unknown")
    else:
        coded = to_cot(body.symbol)
        cot_type = coded.code
        if not coded.exact:
            ledger.approximate("symbol", LossReason.NO_CODE)
    details = write_identity(body.identity)
    fix = body.position.fix_source
    if fix is not None:
        details.append(Element("precisionlocation", {"geopointsrc": fix, "altsrc": fix}))
    kinematics = body.kinematics
    if kinematics.course_deg is not None or kinematics.speed_mps is not None:
        details.append(_write_kinematics(kinematics))
    ledger.drop_given("kinematics", kinematics, "heading_deg", "climb_mps")
    return Part(cot_type, details, body.position, how="m-r", stale_s=300)


def _write_kinematics(kinematics: Kinematics) -> Element:
    attributes = {}
    if kinematics.course_deg is not None:
        attributes["course"] = decimal(kinematics.course_deg)
    if kinematics.speed_mps is not None:
        attributes["speed"] = decimal(kinematics.speed_mps)
    return Element("track", attributes)


def _battery(details: Details, unread: list[str]) -> float | None:
    try:
        percent = number(details.get("status", "battery"))
    except ValueError:
        percent = -1
    if percent is not None and not 0 <= percent <= 100:
        unread.append("battery_percent")
        return None
    return percent


def _distress(details: Details) -> bool | None:
    if "emergency" not in details.first:
        return None
    return not _flag(details.get("emergency", "cancel"))


def _flag(text: str | None) -> bool | None:
    return None if text is None else text.lower() in ("true", "1")


def _word(*, flag: bool) -> str:
    return "true" if flag else "false"


def _is_friend(body: Contact) -> bool:
    return body.symbol is not None and body.symbol.affiliation in OWN


def _has_producer(message: Message) -> bool:
    return any(r.relation == "p-p" and r.subject != message.subject for r in message.references)
