"""The detail of a TAK event: the XML that is left, and the typed messages as the elements that they stand for. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from protocols.cot.event import Attributes, Details, Node, read_details
from protocols.tak_schema import Parts
from protocols.wire import read_fields
from protocols.xml import parse

TYPED: Mapping[int, tuple[str, Mapping[int, str]]] = {  # detail.proto: field, tag, attribute of each field of it
    2: ("contact", {1: "endpoint", 2: "callsign"}),
    3: ("__group", {1: "name", 2: "role"}),
    4: ("precisionlocation", {1: "geopointsrc", 2: "altsrc"}),
    5: ("status", {1: "battery"}),
    6: ("takv", {1: "device", 2: "platform", 3: "os", 4: "version"}),
    7: ("track", {1: "speed", 2: "course"}),
}
MOVEMENT = frozenset({"speed", "course"})
_FLOW = re.compile(  # of plain ASCII only, and without entities
    rb"<_flow-tags_"
    rb"((?: +(?!xml)[A-Za-z_][A-Za-z0-9_.-]{0,63}=(?:\"[ !#-%'-;=-~]*\"|'[ !-%(-;=-~]*')){1,16})"
    rb" */>"
)
_ATTRIBUTE = re.compile(rb"""([A-Za-z0-9_.-]+)=(?:"([^"]*)"|'([^']*)')""")


def read_detail(parts: Parts) -> Details:
    """The elements of a detail; where the XML and a message both have one the XML counts.

    Raise XmlError, WireError or UnicodeDecodeError.
    """
    details = read_details(parse(b"<detail>%b</detail>" % (parts[0] or b"")))
    first: dict[str, Node] = dict(details.first)
    for number, (tag, _) in TYPED.items():
        message = parts[number - 1]
        if message is not None and tag not in first:
            first[tag] = _attributes(number, message)
    return Details(first, details.links, details.more)


def cut_flow_tags(xml: bytes) -> tuple[bytes, list[tuple[str, str]] | None, bytes] | None:
    """What stands before the flow tags, they, and what stands after them, as far as a look can tell.

    Without flow tags everything is before. The three belong together only if each side is sound XML by itself: else the
    tags may be part of something that only begins before them. None where they are written unusually.
    """
    at = xml.find(b"<_flow-tags_")
    if at < 0:
        return xml, None, b""
    flow = _FLOW.match(xml, at)
    if flow is None:
        return None
    given = _ATTRIBUTE.findall(flow[1])
    return (
        xml[:at],
        [(name.decode("ascii"), (one or other).decode("ascii")) for name, one, other in given],
        xml[flow.end() :],
    )


def _attributes(number: int, message: bytes) -> Attributes:
    """What a typed message says, as attributes of its element. Raise WireError or UnicodeDecodeError."""
    fields = read_fields(message)
    attributes = {}
    for at, name in TYPED[number][1].items():
        value = fields.get(at)
        if isinstance(value, bytes):
            attributes[name] = value.decode()
        elif name in MOVEMENT or name == "battery":
            attributes[name] = repr(value or 0)  # proto3 does not send a zero
    return attributes
