"""The detail elements that many CoT events share: who, how it moves, what it refers to, where it passed."""

from __future__ import annotations

import re

from protocols.body import NOBODY, Identity
from protocols.cot.event import Details, Node, children_of, number, pairs_of
from protocols.cot.markup import Element, plain_element
from protocols.ledger import Ledger
from protocols.message import Hop, LossReason, Message, Reference
from protocols.moment import read_iso, write_iso
from protocols.quantity import STILL, Kinematics
from protocols.remembered import Remembered
from protocols.xml import escape

_XML_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_VERSION = re.compile(r" (?=[vV]?\d)")  # where a name that may have blanks itself ends
_BLANK = re.compile(" ")
_is_name: Remembered[str, bool] = Remembered(lambda text: _XML_NAME.fullmatch(text) is not None)
ADDRESSEES_MAX = 256
REFERENCES_MAX = 256
HOPS_MAX = 64
FASTEST_MPS = 1e6
NO_TYPE = "a-u"  # of what a link leads to, which it must say: the schemas ask for a type

_NO_NODE: Node = {}


def read_identity(details: Details) -> Identity:
    """Who the event is about: contact, __group and takv."""
    contact = details.first.get("contact")
    group = details.first.get("__group")
    takv = details.first.get("takv")
    if contact is None and group is None and takv is None:
        return NOBODY
    contact = _NO_NODE if contact is None else contact
    group = _NO_NODE if group is None else group
    takv = _NO_NODE if takv is None else takv
    system, version = takv.get("platform") or None, takv.get("version") or None
    return Identity(
        callsign=contact.get("callsign") or None,
        team=group.get("name") or None,
        role=group.get("role") or None,
        system=f"{system} {version}" if system and version else system,
        device=takv.get("device") or None,
        phone=contact.get("phone") or None,
        endpoint=contact.get("endpoint") or None,
    )


def write_identity(identity: Identity) -> list[Element]:
    """The elements that say who."""
    if identity is NOBODY:
        return []
    elements, contact = [], {}
    if identity.callsign is not None:
        contact["callsign"] = identity.callsign
    if identity.phone is not None:
        contact["phone"] = identity.phone
    if identity.endpoint is not None:
        contact["endpoint"] = identity.endpoint
    if contact:
        elements.append(Element("contact", contact))
    if identity.team is not None or identity.role is not None:
        elements.append(Element("__group", {"name": identity.team or "", "role": identity.role or ""}))
    if identity.system is not None or identity.device is not None:
        system = identity.system or ""
        begun = _VERSION.search(system) or _BLANK.search(system)
        platform, version = (system[: begun.start()], system[begun.end() :]) if begun else (system, "")
        takv = {"platform": platform, "version": version, "device": identity.device or ""}
        elements.append(Element("takv", takv))
    return elements


def read_kinematics(track: Node, unread: list[str]) -> Kinematics:
    """The track element: course in degrees true, speed in metres a second; -1 stands for unknown (iTAK)."""
    course_text, speed_text = track.get("course") or "", track.get("speed") or ""
    try:
        course, speed = float(course_text), float(speed_text)
        if 0.0 <= course < 360.0 and 0.0 <= speed < FASTEST_MPS and "_" not in course_text and "_" not in speed_text:
            return Kinematics(course_deg=course, speed_mps=speed)
    except ValueError:
        pass
    return _partial_kinematics(course_text, speed_text, unread)


def _partial_kinematics(course_text: str, speed_text: str, unread: list[str]) -> Kinematics:
    course = _tolerant(course_text, "kinematics.course_deg", unread)
    speed = _tolerant(speed_text, "kinematics.speed_mps", unread)
    if course is not None and not 0 <= course < 360:
        if course not in (-1, 360):
            unread.append("kinematics.course_deg")
        course = 0.0 if course == 360 else None
    if speed is not None and not 0 <= speed < FASTEST_MPS:
        if speed != -1:
            unread.append("kinematics.speed_mps")
        speed = None
    return STILL if course is None and speed is None else Kinematics(course_deg=course, speed_mps=speed)


def fix_source_of(details: Details) -> str | None:
    """Where a position comes from, where that is said."""
    source = details.get("precisionlocation", "geopointsrc")
    return None if source == "???" else source


def read_references(details: Details) -> tuple[Reference, ...]:
    """Links to other subjects; a link with a point is a corner of a drawing."""
    if not details.links:
        return ()
    return tuple(
        Reference(relation=node.get("relation") or "", subject=uid, type=node.get("type") or None)
        for node in details.links[:REFERENCES_MAX]
        if (uid := node.get("uid")) and node.get("point") is None
    )


def write_references(message: Message, ledger: Ledger) -> list[Element]:
    """A link for every reference that names a subject."""
    if any(not reference.subject or reference.type == "" for reference in message.references):
        ledger.approximate("references", LossReason.NO_CODE)
    if any(reference.subject and not reference.type for reference in message.references):
        ledger.derive("references", "references", "type-not-said")
    return [
        Element("link", {"relation": r.relation, "uid": r.subject, "type": r.type or NO_TYPE})
        for r in message.references
        if r.subject
    ]


def addressees_of(marti: Node) -> tuple[str, ...]:
    """Whom an event is for: the destinations by callsign, else by uid, mission or group."""
    return tuple(
        name
        for dest in children_of(marti)[:ADDRESSEES_MAX]
        if (name := dest.get("callsign") or dest.get("uid") or dest.get("mission") or dest.get("group"))
    )


def read_provenance(details: Details, unread: list[str]) -> tuple[Hop, ...]:
    """The systems that an event passed (MITRE flow-tags sub-schema): one attribute each, its value the time."""
    node = details.first.get("_flow-tags_")
    return () if node is None else read_hops(node, unread)


def read_hops(node: Node, unread: list[str]) -> tuple[Hop, ...]:
    """What the flow tags say."""
    tags = pairs_of(node)
    if len(tags) > HOPS_MAX:
        unread.append("provenance")
        return ()
    hops = []
    for system, text in tags:
        try:
            at = read_iso(text)
        except ValueError:
            at = None
            unread.append("provenance")
        hops.append(Hop(system=system, at=at))
    return tuple(hops)


def write_provenance(message: Message, ledger: Ledger) -> list[Element]:
    """The flow-tags element, where there is anything to say that can be said."""
    tags: dict[str, str] = {}
    for hop in message.provenance:
        if hop.at is None or not _is_name[hop.system]:
            ledger.approximate("provenance", LossReason.NO_CODE)
        else:
            tags[hop.system] = write_iso(hop.at)
    return [plain_element("_flow-tags_", tags)] if tags else []


def write_remarks(text: str | None) -> list[Element]:
    """The remarks element, where there are any."""
    return [Element("remarks", inner=escape(text))] if text else []


def _tolerant(text: str | None, field: str, unread: list[str]) -> float | None:
    try:
        return number(text)
    except ValueError:
        unread.append(field)
        return None
