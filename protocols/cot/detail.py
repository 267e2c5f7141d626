"""The detail elements that many CoT events share: who, how it moves, what it refers to, where it passed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from protocols.body import Identity
from protocols.cot.event import Element, Event, Node, number, text_of
from protocols.ledger import Ledger
from protocols.message import Hop, LossReason, Message, Reference
from protocols.moment import read_iso, write_iso
from protocols.quantity import Kinematics, Position
from protocols.xml import attributes_of, escape

_XML_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
REFERENCES_MAX = 256
HOPS_MAX = 64

NO_NODE: Node = {}
NOBODY = Identity()
STILL = Kinematics()


class Details(NamedTuple):
    """The children of ``detail``, found by tag; ``links`` in order. A repeated element counts once, the first."""

    first: Mapping[str, Node]
    links: Sequence[Node]

    def get(self, tag: str, attribute: str) -> str | None:
        """One attribute of an element; empty counts as not given."""
        node = self.first.get(tag)
        return None if node is None else node.get(attribute) or None

    def text(self, tag: str) -> str | None:
        """The text of an element; empty counts as not given."""
        node = self.first.get(tag)
        return None if node is None else text_of(node) or None


def details_of(event: Event) -> Details:
    """Index the details of an event."""
    first: dict[str, Node] = {}
    links: list[Node] = []
    for tag, node in event.details:
        if tag == "link":
            links.append(node)
        elif tag not in first:
            first[tag] = node
    return Details(first, links)


def read_identity(details: Details) -> Identity:
    """Who the event is about: contact, __group and takv."""
    contact = details.first.get("contact")
    group = details.first.get("__group")
    takv = details.first.get("takv")
    if contact is None and group is None and takv is None:
        return NOBODY
    contact, group, takv = (node if node is not None else NO_NODE for node in (contact, group, takv))
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


def write_identity(identity: Identity) -> Iterator[Element]:
    """The elements that say who."""
    contact = _given(callsign=identity.callsign, phone=identity.phone, endpoint=identity.endpoint)
    if contact:
        yield Element("contact", contact)
    if identity.team is not None or identity.role is not None:
        yield Element("__group", {"name": identity.team or "", "role": identity.role or ""})
    if identity.system is not None or identity.device is not None:
        platform, _, version = (identity.system or "").partition(" ")
        yield Element("takv", {"platform": platform, "version": version, "device": identity.device or "", "os": ""})


def read_kinematics(details: Details, unread: list[str]) -> Kinematics:
    """The track element: course in degrees true, speed in metres a second; -1 stands for unknown (iTAK)."""
    track = details.first.get("track")
    if track is None:
        return STILL
    course = _tolerant(track.get("course"), "kinematics.course_deg", unread)
    speed = _tolerant(track.get("speed"), "kinematics.speed_mps", unread)
    if course is not None and not 0 <= course < 360:
        if course not in (-1, 360):
            unread.append("kinematics.course_deg")
        course = 0.0 if course == 360 else None
    if speed is not None and not 0 <= speed < 1e6:
        if speed != -1:
            unread.append("kinematics.speed_mps")
        speed = None
    return STILL if course is None and speed is None else Kinematics(course_deg=course, speed_mps=speed)


def read_references(details: Details) -> tuple[Reference, ...]:
    """Links to other subjects; a link without a uid is part of a drawing."""
    if not details.links:
        return ()
    return tuple(
        Reference(relation=node.get("relation") or "", subject=uid, type=node.get("type") or None)
        for node in details.links[:REFERENCES_MAX]
        if (uid := node.get("uid"))
    )


def write_references(message: Message) -> list[Element]:
    """A link for every reference."""
    return [
        Element("link", {"relation": r.relation, "uid": r.subject, "type": r.type or "a-u"}) for r in message.references
    ]


def read_provenance(details: Details, unread: list[str]) -> tuple[Hop, ...]:
    """The systems that an event passed (MITRE flow-tags sub-schema): one attribute each, its value the time."""
    node = details.first.get("_flow-tags_")
    if node is None or isinstance(node, Mapping):
        return ()
    hops = []
    for system, text in list(attributes_of(node).items())[:HOPS_MAX]:
        try:
            at = read_iso(text)
        except ValueError:
            at = None
            unread.append("provenance.at")
        hops.append(Hop(system=system, at=at))
    return tuple(hops)


def write_provenance(message: Message, ledger: Ledger) -> Iterator[Element]:
    """The flow-tags element, where there is anything to say that can be said."""
    tags = {}
    for hop in message.provenance:
        if hop.at is None or _XML_NAME.fullmatch(hop.system) is None:
            ledger.approximate("provenance", LossReason.NO_CODE)
        else:
            tags[hop.system] = write_iso(hop.at)
    if tags:
        yield Element("_flow-tags_", tags)


def write_remarks(text: str | None) -> Iterator[Element]:
    """The remarks element, where there are any."""
    if text:
        yield Element("remarks", inner=escape(text))


def write_fix(position: Position) -> Iterator[Element]:
    """Where the position comes from."""
    if position.fix_source is not None:
        yield Element("precisionlocation", {"geopointsrc": position.fix_source, "altsrc": position.fix_source})


def _given(**attributes: str | None) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if value is not None}


def _tolerant(text: str | None, field: str, unread: list[str]) -> float | None:
    try:
        return number(text)
    except ValueError:
        unread.append(field)
        return None
