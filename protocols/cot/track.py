"""CoT atoms (``a-...``): a unit's own track, or a contact that somebody sees."""

from __future__ import annotations

from protocols.body import Contact, Track
from protocols.cot.detail import fix_source_of, read_identity, read_kinematics, write_remarks
from protocols.cot.event import CotError, CotFault, Details, Event, text_of
from protocols.cot.extras import FORMAT, USUAL_EMERGENCY
from protocols.cot.markup import Element, Part, decimal, decimals, plain_element
from protocols.cot.portrait import write_portrait
from protocols.ledger import Ledger
from protocols.message import LossReason, Message
from protocols.quantity import STILL, Affiliation, Symbol
from protocols.remembered import Remembered
from protocols.symbols import from_cot, to_cot
from protocols.xml import escape

OWN = frozenset({Affiliation.FRIEND, Affiliation.ASSUMED_FRIEND})
_NOT_KNOWN = -1.0
_SAID = (("mmsi", ""), ("icao", ""), ("length_m", " m"), ("width_m", " m"), ("height_m", " m"))


def read_atom(event: Event, details: Details, unread: list[str]) -> Track | Contact:
    """A Track when the event is a device's own report, or a friend that nobody else produced; else a Contact."""
    symbol = from_cot(event.type)
    if symbol is None:
        raise CotError(CotFault.UNSUPPORTED, "event@type: affiliation")
    find = details.first.get
    position, identity = event.point.position(fix_source_of(details)), read_identity(details)
    movement, remarks = find("track"), find("remarks")
    kinematics = STILL if movement is None else read_kinematics(movement, unread)
    text = None if remarks is None else text_of(remarks) or None
    if not is_own_report(event, details, symbol):
        return Contact(position=position, symbol=symbol, identity=identity, kinematics=kinematics, remarks=text)
    status, emergency = find("status"), find("emergency")
    return Track(
        position=position,
        symbol=symbol,
        identity=identity,
        kinematics=kinematics,
        battery_percent=_battery(battery, unread)
        if status is not None and (battery := status.get("battery"))
        else None,
        ready=None if status is None else _flag(status.get("readiness")),
        in_distress=None if emergency is None else not _flag(emergency.get("cancel")),
        remarks=text,
    )


def is_own_report(event: Event, details: Details, symbol: Symbol) -> bool:
    """Whether the reported thing itself speaks: it names its device, or is a friend that no other uid produced."""
    if "takv" in details.first:
        return True
    if symbol.affiliation not in OWN:
        return False
    return not [node for node in details.links if node.get("relation") == "p-p" and node.get("uid") != event.uid]


def write_track(message: Message, body: Track, ledger: Ledger) -> Part:
    """A unit's own track."""
    part = _write_atom("track", message, body, ledger)
    details = part.details
    battery, ready, identity = body.battery_percent, body.ready, body.identity
    if battery is not None or ready is not None:
        details.append(_statuses[battery, ready])
    if body.in_distress is not None:
        details.append(_emergency(message, in_distress=body.in_distress))
    if identity.system is None and (body.symbol is None or body.symbol.affiliation not in OWN):
        ledger.approximate("kind", LossReason.STRUCTURE)
    if body.remarks:
        details += write_remarks(body.remarks)
    return part


def write_contact(message: Message, body: Contact, ledger: Ledger) -> Part:
    """Something seen. What a CoT atom has no element for stands in the remarks, for people."""
    said = []
    for name, unit in _SAID:
        value = getattr(body, name)
        if value is not None:
            said.append(f"{name.partition('_')[0].upper()} {value}{unit}")
            ledger.approximate(name, LossReason.STRUCTURE)
    if body.sensors:
        said.append(f"SENSORS {', '.join(body.sensors)}")
        ledger.approximate("sensors", LossReason.STRUCTURE)
    remarks = "\n".join(([body.remarks] if body.remarks else []) + said)
    if said:
        ledger.derive("remarks", "body", "said-in-remarks")
    if body.identity.system is not None or (_is_friend(body) and not _has_producer(message)):
        ledger.approximate("kind", LossReason.STRUCTURE)
    part = _write_atom("contact", message, body, ledger)
    part.details.extend(write_remarks(remarks))
    return part


def _write_atom(kind: str, message: Message, body: Track | Contact, ledger: Ledger) -> Part:
    if body.symbol is None:
        # CoT has no type without an affiliation: unknown is the one that claims nothing.
        cot_type = "a-u-G" if kind == "contact" else "a-f-G"
        ledger.derive("symbol", "kind", "own-track-is-a-friend" if kind == "track" else "unknown")
    else:
        cot_type, exact = to_cot(body.symbol)
        if not exact:
            ledger.approximate("symbol", LossReason.NO_CODE)
    lasting = write_portrait(kind, body.identity, body.position.fix_source, message.extras)
    details, kinematics = list(lasting.elements), body.kinematics
    course, speed = kinematics.course_deg, kinematics.speed_mps
    if course is not None or speed is not None:
        details.append(_movement(course, speed))
    if kinematics.heading_deg is not None:
        ledger.drop("kinematics.heading_deg")
    if kinematics.climb_mps is not None:
        ledger.drop("kinematics.climb_mps")
    return Part(cot_type, details, body.position, extras=lasting.extras)


def _movement(course: float | None, speed: float | None) -> Element:
    if course is None or speed is None:  # the element must have both: iTAK says so that one is not known
        course, speed = _NOT_KNOWN if course is None else course, _NOT_KNOWN if speed is None else speed
    course_text, speed_text = decimals((course, speed))
    said = {"course": course_text, "speed": speed_text}
    return Element("track", said, "", f'<track course="{course_text}" speed="{speed_text}"/>')


def _emergency(message: Message, *, in_distress: bool) -> Element:
    said = {"type": USUAL_EMERGENCY} if in_distress else {"cancel": "true"}
    for extra in message.extras:
        if extra.format == FORMAT and extra.name == "@emergency":
            said |= {name: text for name, text in extra.attributes if name == "type"}
            return Element("emergency", said, escape(extra.inner or ""))
    return Element("emergency", said)


def _status(given: tuple[float | None, bool | None]) -> Element:
    battery, ready = given
    said = {}
    if battery is not None:  # whole where it is, because that is all that TAK clients parse
        said["battery"] = str(int(battery)) if battery == int(battery) else decimal(battery)
    if ready is not None:
        said["readiness"] = _word(flag=ready)
    return plain_element("status", said)


_statuses: Remembered[tuple[float | None, bool | None], Element] = Remembered(_status)


def _battery(text: str, unread: list[str]) -> float | None:
    try:
        percent = float(text)
    except ValueError:
        percent = -1
    if 0 <= percent <= 100 and "_" not in text:
        return percent
    if percent == percent:  # noqa: PLR0124  # NaN, which alone is not equal to itself, says nothing
        unread.append("battery_percent")
    return None


def _flag(text: str | None) -> bool | None:
    return None if not text else text.lower() in ("true", "1")


def _word(*, flag: bool) -> str:
    return "true" if flag else "false"


def _is_friend(body: Contact) -> bool:
    return body.symbol is not None and body.symbol.affiliation in OWN


def _has_producer(message: Message) -> bool:
    return any(r.relation == "p-p" and r.subject != message.subject for r in message.references)
