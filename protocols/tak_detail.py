"""The detail of a TAK event: the XML that is left, and the typed messages as the elements that they stand for. Pure.

Most of it is the same in one report of a device and in its next, so that it is read once and then known again by its
own bytes. The flow tags that a server puts among it, the movement and the battery are read each time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from protocols.cot.event import Attributes, Details, Node, read_details
from protocols.cot.portrait import key_of
from protocols.tak_schema import Parts
from protocols.wire import read_fields
from protocols.xml import XmlError, parse, parse_flat

TYPED: Mapping[int, tuple[str, Mapping[int, str]]] = {  # detail.proto: field, tag, attribute of each field of it
    2: ("contact", {1: "endpoint", 2: "callsign"}),
    3: ("__group", {1: "name", 2: "role"}),
    4: ("precisionlocation", {1: "geopointsrc", 2: "altsrc"}),
    5: ("status", {1: "battery"}),
    6: ("takv", {1: "device", 2: "platform", 3: "os", 4: "version"}),
    7: ("track", {1: "speed", 2: "course"}),
}
MOVEMENT = frozenset({"speed", "course"})
REMEMBERED_MAX = 1024  # bytes of a detail that is known again; of a device that says all that ATAK can, 300
_PASSING = frozenset({"status", "track", "_flow-tags_"})
_DOUBLES = Struct("<BdBd")
_SPEED, _COURSE = 1 << 3 | 1, 2 << 3 | 1  # keys of two doubles
_FLOW = re.compile(  # of plain ASCII only, and without entities
    rb"<_flow-tags_"
    rb"((?: +(?!xml)[A-Za-z_][A-Za-z0-9_.-]{0,63}=(?:\"[ !#-%'-;=-~]*\"|'[ !-%(-;=-~]*')){1,16})"
    rb" */>"
)
_ATTRIBUTE = re.compile(r"""([A-Za-z0-9_.-]+)=(?:"([^"]*)"|'([^']*)')""")


class _Lasting(NamedTuple):
    """Elements before and after the flow tags, and the one link; ``key`` is that of the portrait in them."""

    before: dict[str, Attributes]
    after: dict[str, Attributes]
    link: Attributes | None
    key: bytes


def read_detail(parts: Parts) -> Details:
    """The elements of a detail; where the XML and a message both have one the XML counts.

    Raise XmlError, WireError or UnicodeDecodeError.
    """
    xml, contact, group, precision, status, takv, track = parts
    if sum([len(part) for part in parts if part]) > REMEMBERED_MAX:
        return _read_anew(parts)
    head, tags, tail = _cut(xml) if xml else (b"", None, b"")
    lasting = _known_lasting(head, tail, contact, group, precision, takv)
    if lasting is None:
        return _read_anew(parts)
    before, after, link, key = lasting
    elements = {**before, **after} if tags is None else {**before, "_flow-tags_": tags, **after}
    if status is not None:
        elements["status"] = _known_attributes(5, status)
    if track is not None:
        elements["track"] = _read_track(track)
    if link is not None:
        return Details(elements, (link,))
    # Only of a device's own report, which names the device, is the status no part of the portrait.
    return Details(elements, (), elements, key if status is None or "takv" in elements else None)


def _read_anew(parts: Parts) -> Details:
    details = read_details(parse(b"<detail>%b</detail>" % (parts[0] or b"")))
    first: dict[str, Node] = dict(details.first)
    for number, (tag, _) in TYPED.items():
        message = parts[number - 1]
        if message is not None and tag not in first:
            first[tag] = _attributes(number, message)
    return Details(first, details.links)


def _cut(xml: bytes) -> tuple[bytes, Attributes | None, bytes]:
    """What is before the flow tags, they, and what is after them; all of it is before where there are none."""
    flow = _FLOW.search(xml)
    if flow is None:
        return xml, None, b""
    given = _ATTRIBUTE.findall(flow[1].decode("ascii"))
    tags = {name: one or other for name, one, other in given}
    return (xml[: flow.start()], tags, xml[flow.end() :]) if len(tags) == len(given) else (xml, None, b"")


@lru_cache(maxsize=2048)
def _known_lasting(head: bytes, tail: bytes, *messages: bytes | None) -> _Lasting | None:
    """What lasts, or None where only a parser of the whole can read it.

    Head and tail apart, so that each is sound by itself: else something that only begins before the tags could pass.
    """
    before, after = _row(head), _row(tail)
    if before is None or after is None or not before.keys().isdisjoint(after):
        return None
    for number, message in zip((2, 3, 4, 6), messages, strict=True):
        tag = TYPED[number][0]
        if message is not None and tag not in before and tag not in after:
            after[tag] = _attributes(number, message)
    if not _PASSING.isdisjoint((*before, *after)):
        return None
    link = before.pop("link", after.pop("link", None))
    return _Lasting(before, after, link, key_of({**before, **after}))


def _row(xml: bytes) -> dict[str, Attributes] | None:
    """A row of empty elements, no two alike; None for anything else."""
    try:
        found = parse_flat(b"<detail>%b</detail>" % xml, b"</detail>") if xml else {"detail": {}}
    except XmlError:
        return None  # the parser of the whole says why
    return None if found is None or found.pop("detail", None) is None else found


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


_known_attributes = lru_cache(maxsize=256)(_attributes)


def _read_track(message: bytes) -> Attributes:
    if len(message) == _DOUBLES.size:
        first, speed, second, course = _DOUBLES.unpack(message)
        if first == _SPEED and second == _COURSE:  # as nearly all are
            return {"speed": repr(speed), "course": repr(course)}
    return _attributes(7, message)
