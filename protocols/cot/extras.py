"""What a CoT event says that no field of a Message holds: kept as it was, and written back on the way home.

Only elements and attributes that are not known here are kept, and only those are written: an extra can neither replace
a field nor bring back one that was stripped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import attrgetter

from lxml import etree

from protocols.cot.event import Element, Event, Node, text_of
from protocols.ledger import Ledger
from protocols.message import EXTRAS_MAX, Extra, Message
from protocols.xml import XmlElement, XmlError, attributes_of, escape, parse

FORMAT = "cot"
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
    "medevac": {**_WHO, **_SHARED, "_medevac_": frozenset()},
    "report": {**_WHO, **_SHARED},
    "delete": {**_SHARED, "__forcedelete": frozenset()},
    "status": _SHARED,
}
_ANY_ATTRIBUTE = frozenset({"_flow-tags_", "marti", "_medevac_"})  # read whole elsewhere


def read_extras(event: Event, kind: str, unread: list[str]) -> tuple[Extra, ...]:
    """What of an event is in no field of a message of this kind."""
    known = _KNOWN.get(kind)
    if known is None:
        return ()
    extras = [] if event.qos is None else [Extra(format=FORMAT, name="@qos", inner=event.qos)]
    for tag, node in event.details.first.items():
        names = known.get(tag)
        if names is None:
            extras.append(_whole(tag, node))
        elif tag not in _ANY_ATTRIBUTE and not names.issuperset(node.keys()):
            rest = _rest(tag, node, names)
            if rest.attributes and not (tag == "precisionlocation" and node.get("altsrc") == node.get("geopointsrc")):
                extras.append(rest)
    links = known["link"]
    extras += [_rest("link", node, links) for node in event.details.links if not links.issuperset(node.keys())]
    if len(extras) > EXTRAS_MAX or _size(extras) > SIZE_MAX:
        unread.append("extras")
        return ()
    if len(extras) > 1:
        extras.sort(key=attrgetter("name"))  # the order of elements means nothing in CoT
    return tuple(extras)


def write_extras(message: Message, details: list[Element], ledger: Ledger) -> None:
    """Add to the elements of an event what was kept of it, as far as it still has a place."""
    known = _KNOWN.get(message.kind, {})
    for extra in message.extras:
        if extra.format != FORMAT or extra.name[:1] == "@" or not _is_sound(extra):
            continue
        if extra.inner is not None and extra.name not in known:
            details.append(Element(extra.name, dict(extra.attributes), extra.inner))
        elif extra.inner is None and extra.name in known:
            _merge(extra, known[extra.name], details)
    if any(extra.format != FORMAT for extra in message.extras):
        ledger.drop("extras")


def qos_of(message: Message) -> str | None:
    """The quality of service that an event asked for, where it is one."""
    found = [extra.inner for extra in message.extras if extra.format == FORMAT and extra.name == "@qos"]
    return found[0] if found and found[0] is not None and re.fullmatch(r"\d-\w-\w", found[0]) else None


def _whole(tag: str, node: Node) -> Extra:
    if not etree.iselement(node):
        return Extra(format=FORMAT, name=tag, attributes=tuple(_pairs(node)), inner="")
    inner = escape(text_of(node)) + "".join([etree.tostring(child, encoding="unicode") for child in _children(node)])
    return Extra(format=FORMAT, name=tag, attributes=tuple(_pairs(node)), inner=inner.strip())


def _rest(tag: str, node: Node, known: frozenset[str]) -> Extra:
    pairs = [pair for pair in _pairs(node) if pair[0] not in known and pair[1]]
    if tag == "link":  # which of them
        pairs.append(("uid", node.get("uid") or ""))
    return Extra(format=FORMAT, name=tag, attributes=tuple(pairs))


def _merge(extra: Extra, known: frozenset[str], details: list[Element]) -> None:
    uid = dict(extra.attributes).get("uid")
    for place, element in enumerate(details):
        if element.tag == extra.name and (extra.name != "link" or element.attributes.get("uid") == uid):
            more = {name: value for name, value in extra.attributes if name not in known}
            details[place] = element._replace(attributes={**element.attributes, **more})
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


def _pairs(node: Node) -> list[tuple[str, str]]:
    return list(node.items() if isinstance(node, Mapping) else attributes_of(node).items())


def _children(node: XmlElement) -> list[XmlElement]:
    return list(node)


def _size(extras: list[Extra]) -> int:
    return sum(
        len(extra.name) + len(extra.inner or "") + sum(len(a) + len(b) for a, b in extra.attributes) for extra in extras
    )
