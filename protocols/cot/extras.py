"""What a CoT event says that no field of a Message holds: kept as it was, and written back on the way home.

Only elements and attributes that are not known here are kept, and only those are written: an extra can neither replace
a field nor bring back one that was stripped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import get_args

from lxml import etree

from protocols.body import Alert, Body, Chat, Contact, Delete, FileReference, Graphic, Receipt, Shape, Status, Track
from protocols.cot.chat import receipt_type, unusual_chat
from protocols.cot.detail import ADDRESSEES_MAX, REFERENCES_MAX, addressees_of
from protocols.cot.event import (
    CotError,
    Details,
    Event,
    Node,
    Point,
    children_of,
    has_text,
    is_text,
    pairs_of,
    read_point,
    text_of,
)
from protocols.cot.markup import Element, decimal
from protocols.cot.medevac import ATTRIBUTES as MEDEVAC_ATTRIBUTES
from protocols.cot.medevac import PATIENT_ATTRIBUTES, PATIENTS_MAX
from protocols.cot.polyline import find_polyline
from protocols.ledger import Ledger
from protocols.message import EXTRAS_MAX, Extra, Message
from protocols.quantity import Position, Value
from protocols.xml import XmlElement, XmlError, escape, parse

FORMAT = "cot"
KIND_OF: Mapping[type[Value], str] = {body: str(body.__struct_config__.tag) for body in get_args(Body)}
USUAL_TYPES = frozenset({"u-d-f", "u-d-c-c", "u-d-c-e", "b-m-p-s-m"})  # what a drawing is written as by its shape
USUAL_EMERGENCY = "911 Alert"
SIZE_MAX = 8192  # characters of all extras of one message
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}", re.ASCII)

_WHO: Mapping[str, frozenset[str]] = {
    "contact": frozenset({"callsign", "phone", "endpoint"}),
    "__group": frozenset({"name", "role"}),
    "takv": frozenset({"platform", "version", "device"}),
}
_SHARED: Mapping[str, frozenset[str]] = {
    "link": frozenset({"relation", "uid", "type"}),
    "remarks": frozenset(),
    "_flow-tags_": frozenset(),
    "marti": frozenset(),
}
_SILENT = {tag: names for tag, names in _SHARED.items() if tag != "remarks"}  # of kinds that have no words
_LINK = _SHARED["link"]
_ELLIPSE = frozenset({"major", "minor", "angle"})
_VERTEX = frozenset({"lat", "lon", "hae"})
_ATOM = {
    **_WHO,
    **_SHARED,
    "precisionlocation": frozenset({"geopointsrc"}),
    "track": frozenset({"course", "speed"}),
    "status": frozenset({"battery", "readiness"}),
    "emergency": frozenset({"cancel", "type"}),
}
_KNOWN: Mapping[str, Mapping[str, frozenset[str]]] = {
    "track": _ATOM,
    "contact": {name: known for name, known in _ATOM.items() if name not in ("status", "emergency")},
    "chat": {
        **_WHO,
        **_SHARED,
        "__chat": frozenset({"chatroom", "chatRoom", "id", "parent", "senderCallsign", "messageId", "groupOwner"}),
        "remarks": frozenset({"source", "to"}),
    },
    "receipt": _SHARED,
    "alert": {**_WHO, **_SHARED, "emergency": frozenset({"cancel", "type"})},
    "medevac": {**_WHO, **_SHARED, "_medevac_": MEDEVAC_ATTRIBUTES},
    "report": {**_WHO, **_SHARED},
    "delete": {**_SILENT, "__forcedelete": frozenset()},
    "status": _SILENT,
    "task": {**_SILENT, "task": frozenset(), "request": frozenset()},
    "file": {**_SILENT, "fileshare": frozenset({"filename", "name", "senderUrl", "sha256", "sizeInBytes"})},
    "graphic": {
        **_SHARED,
        "contact": frozenset({"callsign"}),
        "shape": frozenset(),
        "strokeColor": frozenset({"value"}),
        "fillColor": frozenset({"value"}),
    },
    "point": {
        **_SHARED,
        "contact": frozenset({"callsign"}),
        "color": frozenset({"argb"}),
        "fillColor": frozenset({"value"}),
        "strokeColor": frozenset({"value"}),
        "precisionlocation": frozenset({"geopointsrc"}),
    },
}
_ORDER = attrgetter("name", "attributes")
_ANY_ATTRIBUTE = frozenset({"shape", "_flow-tags_", "marti", "task", "request"})  # read whole elsewhere
_READ: Mapping[str, Mapping[str, frozenset[str] | None]] = {  # None: nothing of this element is left over
    kind: {tag: None if tag in _ANY_ATTRIBUTE else names for tag, names in known.items()}
    for kind, known in _KNOWN.items()
}
_WORDS = frozenset({"remarks", "emergency"})  # of which the text is read
_BARE = frozenset({"shape", "marti"})  # that have no attributes
_SEEN_TO = frozenset({"task", "request"})  # whose reader says what it does not read
_MEMBER = re.compile(r"uid(?:\d{1,2}|1\d\d|2[0-4]\d|25[0-5])|id", re.ASCII)
_UNKNOWN = frozenset({"", "an element that is not known"})


def read_extras(event: Event, body: Body, unread: list[str]) -> tuple[Extra, ...]:
    """What of an event is in no field of this body or of the message around it."""
    kind = kind_of(body)
    if kind not in _READ:
        return ()
    extras = [*_of_event(event, body), *_left_over(kind, event.details, unread)]
    if event.details.more:
        extras += _repeated(kind, event.details, unread)
    if len(extras) > EXTRAS_MAX or _size(extras) > SIZE_MAX:
        unread.append("extras")
        return ()
    extras.sort(key=_ORDER)  # the order of elements means nothing in CoT
    return tuple(extras)


def _left_over(kind: str, details: Details, unread: list[str]) -> list[Extra]:
    known = _READ[kind]
    extras: list[Extra] = []
    for tag, node in details.first.items():
        names = known.get(tag, _UNKNOWN)
        if names is _UNKNOWN:
            extras.append(_whole(tag, node))
        else:
            if names is not None and not names.issuperset(node.keys()):
                _append_rest(extras, tag, node, names)
            if isinstance(node, XmlElement) and _is_unheard(tag, node):
                unread.append(f"detail/{tag}")
        if tag == "takv" and names is not None and node.get("version") and not node.get("platform"):
            unread.append("identity.system")
    if details.links:
        _left_of_links(kind, details.links, extras, unread)
    return extras


def _left_of_links(kind: str, links: Sequence[Node], extras: list[Extra], unread: list[str]) -> None:
    """What references and corners do not say of links; a corner of what is no path is a link of its own."""
    if len(links) > REFERENCES_MAX and kind != "graphic":
        unread.append("references")
    are_corners = kind == "graphic"
    for node in links:
        if isinstance(node, XmlElement) and _is_filled(node) and (node.get("uid") or node.get("point")):
            unread.append("detail/link")
        if not _LINK.issuperset(node.keys()) and not (are_corners and node.get("point")):
            if node.get("uid") and not node.get("point"):
                _append_rest(extras, "link", node, _LINK)
            else:
                extras.append(_whole("link", node))


def _is_unheard(tag: str, node: XmlElement) -> bool:
    """Whether there is something in a known element that nobody reads."""
    if tag in _SEEN_TO:
        return False
    if tag in _BARE and node.attrib:
        return True
    if not len(node):
        return tag not in _WORDS and is_text(node.text)
    reader = _INSIDE.get(tag)
    return reader is None or has_text(node) or reader(node)


def _in_chat(node: XmlElement) -> bool:
    groups = node.findall("chatgrp")
    named = [str(name) for group in groups[:1] for name in group.attrib]
    return len(groups) > 1 or any(map(_is_filled, groups)) or not all(map(_MEMBER.fullmatch, named))


def _in_shape(node: XmlElement) -> bool:
    round_, lines = node.findall("ellipse"), node.findall("polyline")
    corners = [vertex for line in lines for vertex in line]
    return (
        len(round_) > 1
        or len(lines) > 1
        or any(_is_more(each, _ELLIPSE) for each in round_)
        or any(map(has_text, lines))
        or any(each.tag != "vertex" or _is_more(each, _VERTEX) for each in corners)
    )


def _in_marti(node: XmlElement) -> bool:
    return len(node) > ADDRESSEES_MAX or any(child.tag != "dest" or _is_filled(child) for child in node)


def _in_medevac(node: XmlElement) -> bool:
    rows = [row for child in node for row in child]
    return (
        len(rows) > PATIENTS_MAX
        or any(child.tag != "zMistsMap" or len(child.attrib) > 0 or has_text(child) for child in node)
        or any(row.tag != "zMist" or _is_more(row, PATIENT_ATTRIBUTES) for row in rows)
    )


_INSIDE: Mapping[str, Callable[[XmlElement], bool]] = {
    "__chat": _in_chat,
    "shape": _in_shape,
    "marti": _in_marti,
    "_medevac_": _in_medevac,
}


def _is_more(node: XmlElement, known: frozenset[str]) -> bool:
    return _is_filled(node) or not known.issuperset(map(str, node.keys()))


def _is_filled(node: XmlElement) -> bool:
    return len(node) > 0 or is_text(node.text)


def _repeated(kind: str, details: Details, unread: list[str]) -> list[Extra]:
    """Elements that came before: those that are not known are kept, of the others only the first was read."""
    if len(details.more) > EXTRAS_MAX:
        unread.append("extras")
        return []
    known = _READ[kind]
    tags = {str(node.tag) for node in details.more}
    first = {tag: _whole(tag, details.first[tag]) for tag in tags if tag in known}
    more = [_whole(str(node.tag), node) for node in details.more]
    unread += sorted({f"detail/{each.name}" for each in more if each.name in first and each != first[each.name]})
    return [each for each in more if each.name not in known]


def write_extras(kind: str, extras: Sequence[Extra], details: list[Element], ledger: Ledger) -> None:
    """Add to the elements of an event of this kind what was kept of it, as far as it still has a place."""
    known = _KNOWN.get(kind, {})
    for extra in extras:
        if extra.format == FORMAT and extra.name[:1] == "@":
            continue
        nameless = extra.name == "link" and _is_beside(dict(extra.attributes))
        if extra.format != FORMAT or not _is_sound(extra):
            ledger.drop("extras")
        elif extra.inner is None and extra.name in known:
            _merge(extra, known[extra.name], details)
        elif extra.inner is not None and (extra.name not in known or nameless):
            details.append(Element(extra.name, dict(extra.attributes), extra.inner))
        elif extra.name != "shape":  # which the drawing writes
            ledger.drop("extras")


def _is_beside(link: Mapping[str, str]) -> bool:
    """Whether a link is none that a reference stands for."""
    return "uid" not in link or bool(link.get("point"))


def are_beside(kind: str, extras: Sequence[Extra], names: Collection[str]) -> bool:
    """Whether all extras are elements of their own, or belong to elements of these names."""
    known = _KNOWN[kind]
    return all(
        extra.format == FORMAT and extra.name[:1] != "@" and (extra.name in names or extra.name not in known)
        for extra in extras
    )


def qos_of(message: Message) -> str | None:
    """The quality of service that an event asked for, where it is one."""
    found = [extra.inner for extra in message.extras if extra.format == FORMAT and extra.name == "@qos"]
    return found[0] if found and found[0] is not None and re.fullmatch(r"\d-\w-\w", found[0]) else None


def type_of(message: Message) -> str | None:
    """The event's own type, where the message's kind does not tell it."""
    return next((e.inner for e in message.extras if e.format == FORMAT and e.name == "@type" and e.inner), None)


def name_of(message: Message) -> str | None:
    """What a file is called where it is shown, if that is not the name of the file."""
    return next((e.inner for e in message.extras if e.format == FORMAT and e.name == "@name" and e.inner), None)


def addressed(message: Message) -> str | None:
    """Whom an event is for as it said that itself, which may be by uid or mission; None where that has changed."""
    for extra in message.extras:
        if extra.format == FORMAT and extra.name == "@marti" and extra.inner:
            try:
                marti = parse(f"<marti>{extra.inner}</marti>".encode(errors="replace"))
            except XmlError:
                return None
            return extra.inner if addressees_of(marti) == message.addressees else None
    return None


def emergency_of(message: Message) -> str | None:
    """The text of an emergency, which ATAK uses for a callsign beside the marker's own."""
    return next((e.inner for e in message.extras if e.format == FORMAT and e.name == "@emergency" and e.inner), None)


def kept(message: Message, name: str) -> str:
    """What was kept of the content of an element that is written by its kind."""
    return "".join(
        e.inner for e in message.extras if e.format == FORMAT and e.name == name and e.inner and _is_sound(e)
    )


def point_kept(message: Message) -> Position | None:
    """Where an event stood whose kind has no position: the label of a drawing, the reader of a chat."""
    found = [extra for extra in message.extras if extra.format == FORMAT and extra.name == "@point"]
    if not found or not _is_placeless(message.body):
        return None
    try:
        return read_point(dict(found[0].attributes)).position()
    except CotError:
        return None


def middle(points: Sequence[Position]) -> Position:
    """Where the label of a drawing stands if nothing else is said: the mean of its corners."""
    return Position(
        latitude=sum(point.latitude for point in points) / len(points),
        longitude=sum(point.longitude for point in points) / len(points),
    )


def kind_of(body: Body) -> str:
    """The kind, and of drawings whether it is a point, which has other elements."""
    kind = KIND_OF[type(body)]
    return "point" if kind == "graphic" and body.shape is Shape.POINT else kind  # type: ignore[union-attr]  # a Graphic


def _of_event(event: Event, body: Body) -> list[Extra]:
    """What the event itself says beside its elements."""
    extras = [] if event.qos is None else [Extra(format=FORMAT, name="@qos", inner=event.qos)]
    first, kind = event.details.first, type(body)
    marti = first.get("marti")
    if marti is not None and any(dest.keys() != ["callsign"] for dest in children_of(marti)):
        extras.append(_whole("@marti", marti))
    if kind is Track and (emergency := first.get("emergency")) is not None:
        extras += _of_emergency(emergency)
    if kind is Track or kind is Contact:
        return extras
    extras += _of_kind(event, body)
    if isinstance(body, Graphic):
        extras += _of_graphic(event, body)
        if _is_placeless(body) and event.point.position() != middle(body.points):
            extras.append(_of_point(event.point))
    elif _is_placeless(body) and not event.point.is_nowhere:
        event.point.position()  # which refuses the event where that cannot be, as for every other kind
        extras.append(_of_point(event.point))
    return extras


def _of_kind(event: Event, body: Body) -> Iterator[Extra]:
    """What an element that is read says in words of its own."""
    details = event.details
    if isinstance(body, Alert):
        said = details.text("emergency")
        if said is not None and said != details.get("contact", "callsign"):
            yield Extra(format=FORMAT, name="@emergency", inner=said)
    elif isinstance(body, Chat):
        unusual = unusual_chat(event, body)
        if unusual is not None:
            yield unusual
    elif isinstance(body, Receipt):
        if event.type != receipt_type(body.state):
            yield Extra(format=FORMAT, name="@type", inner=event.type)
    elif isinstance(body, FileReference):
        name = details.get("fileshare", "name")
        if name is not None and name != body.name:
            yield Extra(format=FORMAT, name="@name", inner=name)


def _of_emergency(node: Node) -> list[Extra]:
    """What a unit's own report says of its emergency beside that there is one."""
    said, text = node.get("type"), text_of(node)
    if (not said or said == USUAL_EMERGENCY) and not text:
        return []
    return [Extra(format=FORMAT, name="@emergency", attributes=(("type", said),) if said else (), inner=text or None)]


def _is_placeless(body: Body) -> bool:
    if isinstance(body, Graphic):
        return body.shape in (Shape.LINE, Shape.POLYGON)
    return isinstance(body, Receipt | Delete | Status | FileReference)


def _of_point(point: Point) -> Extra:
    said = (
        ("lat", point.latitude),
        ("lon", point.longitude),
        ("hae", point.hae_m),
        ("ce", point.ce_m),
        ("le", point.le_m),
    )
    pairs = tuple((name, decimal(value)) for name, value in said if value is not None)
    return Extra(format=FORMAT, name="@point", attributes=pairs)


def _of_graphic(event: Event, body: Graphic) -> list[Extra]:
    """The type, the names of corners, and what a shape has beside its ellipse (its style)."""
    usual = event.type in USUAL_TYPES
    extras = [] if usual else [Extra(format=FORMAT, name="@type", inner=event.type)]
    for index, node in enumerate(node for node in event.details.links if node.get("point")):
        pairs = [pair for pair in pairs_of(node) if pair[0] != "point" and pair[1]]
        if pairs:
            extras.append(Extra(format=FORMAT, name=f"@point-{index}", attributes=tuple(pairs), inner=""))
    shape = event.details.first.get("shape")
    read = ["ellipse"]
    line = find_polyline(event.details)
    if line is not None and _is_placeless(body):
        read.append("polyline")
        extras.append(Extra(format=FORMAT, name="@polyline", attributes=tuple(pairs_of(line))))
    rest = [] if shape is None else [child for child in children_of(shape) if child.tag not in read]
    if rest:
        inner = "".join([etree.tostring(child, encoding="unicode", with_tail=False) for child in rest])
        extras.append(Extra(format=FORMAT, name="shape", inner=inner))
    return extras


def is_polyline(message: Message) -> bool:
    """Whether the corners of a drawing came as a polyline."""
    return any(extra.format == FORMAT and extra.name == "@polyline" for extra in message.extras)


def polyline_kept(message: Message) -> dict[str, str]:
    """The attributes of the polyline that a drawing came as."""
    found = [dict(each.attributes) for each in message.extras if each.format == FORMAT and each.name == "@polyline"]
    return {name: text for name, text in found[0].items() if _NAME.fullmatch(name)}


def write_corners(message: Message, corners: list[Element]) -> None:
    """Give the corners of a drawing back what else was said of them."""
    for extra in message.extras:
        if extra.format != FORMAT or not extra.name.startswith("@point-"):
            continue
        index = extra.name.removeprefix("@point-")
        sound = all(_NAME.fullmatch(name) for name, _ in extra.attributes)
        if sound and index.isdigit() and int(index) < len(corners):
            place = corners[int(index)]
            attributes = {**dict(extra.attributes), **place.attributes}
            corners[int(index)] = Element(place.tag, attributes, place.inner)


def _whole(tag: str, node: Node) -> Extra:
    inner = ""
    if isinstance(node, XmlElement):
        texts = [escape(text_of(node)), *(etree.tostring(child, encoding="unicode") for child in children_of(node))]
        inner = "".join(texts).strip()
    return Extra(format=FORMAT, name=tag, attributes=tuple(pairs_of(node)), inner=inner)


def _append_rest(extras: list[Extra], tag: str, node: Node, known: frozenset[str]) -> None:
    """Keep the attributes that are not known, where they say anything."""
    pairs = [pair for pair in pairs_of(node) if pair[0] not in known and pair[1]]
    if tag == "precisionlocation":  # the same source for both is what our writer says
        pairs = [pair for pair in pairs if pair != ("altsrc", node.get("geopointsrc"))]
    elif tag == "link":  # which of them
        pairs.append(("uid", node.get("uid") or ""))
    if pairs:
        extras.append(Extra(format=FORMAT, name=tag, attributes=tuple(pairs)))


def _merge(extra: Extra, known: frozenset[str], details: list[Element]) -> None:
    uid = dict(extra.attributes).get("uid")
    for place, element in enumerate(details):
        if element.tag == extra.name and (extra.name != "link" or element.attributes.get("uid") == uid):
            more = {name: value for name, value in extra.attributes if name not in known}
            details[place] = Element(element.tag, {**element.attributes, **more}, element.inner)
            return
    if extra.name != "link":
        details.append(Element(extra.name, {name: value for name, value in extra.attributes if name not in known}))


def _is_sound(extra: Extra) -> bool:
    """Whether an extra, which may come from another gateway, is XML that stays inside its own element."""
    if _NAME.fullmatch(extra.name) is None or not all(_NAME.fullmatch(name) for name, _ in extra.attributes):
        return False
    if not extra.inner:
        return True
    try:
        parse(f"<{extra.name}>{extra.inner}</{extra.name}>".encode(errors="replace"))
    except XmlError:
        return False
    return True


def _size(extras: list[Extra]) -> int:
    size = 0
    for extra in extras:
        size += len(extra.name) + len(extra.inner or "")
        for name, value in extra.attributes:
            size += len(name) + len(value)
    return size
