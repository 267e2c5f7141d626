"""An event carried whole: from any of CoT's carriers into any other without a look at its meaning."""

from __future__ import annotations

from lxml import etree

from protocols.cot.event import Event, Node, text_of
from protocols.cot.markup import Draft, Element
from protocols.quantity import Position
from protocols.xml import attributes_of, escape


def redraft(event: Event) -> Draft:
    """What was read, to be written again. Raise CotError where its point cannot be."""
    details = event.details
    nodes = [*details.first.items(), *((str(node.tag), node) for node in details.more)]
    nodes += [("link", node) for node in details.links]
    return Draft(
        type=event.type,
        uid=event.uid,
        time=event.time,
        start=event.start or event.time,
        stale=event.stale or event.time,
        how=event.how or "m-r",
        position=_position(event),
        details=[element_of(tag, node) for tag, node in nodes],
        opex=event.opex,
        qos=event.qos,
    )


def element_of(tag: str, node: Node) -> Element:
    """A detail element with everything in it."""
    if not etree.iselement(node):
        return Element(tag, dict(node.items()))  # type: ignore[arg-type]  # a Mapping of strings
    inner = "".join([escape(text_of(node)), *(etree.tostring(child, encoding="unicode") for child in node)])
    return Element(tag, attributes_of(node), inner)


def _position(event: Event) -> Position | None:
    return None if event.point.is_nowhere else event.point.position()
