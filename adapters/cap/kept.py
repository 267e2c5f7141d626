"""Elements of CAP that no canonical field holds: kept for the way home to CAP, and looked at again when written."""

from __future__ import annotations

import re

from lxml import etree

from adapters.cap.names import OURS, RESPONSES
from protocols.message import EXTRAS_MAX, Extra, Loss, LossReason
from protocols.xml import carries, escape

FORMAT = "cap"
OF_ALERT = ("source", "code", "note", "incidents")
OF_INFO = ("responseType", "audience", "eventCode", "web", "parameter", "resource")
_SIZE_MAX = 16_384  # characters of everything that is kept of one message
_PAIR = ("valueName", "value")
_PARTS = {
    "eventCode": _PAIR,
    "parameter": _PAIR,
    "resource": ("resourceDesc", "mimeType", "size", "uri", "derefUri", "digest"),
}
_NEEDED = {"eventCode": 2, "parameter": 2, "resource": 2}  # so many of the parts, the first ones, are mandatory
CONTAINERS = ("info", "area", "eventCode", "parameter", "resource", "geocode")  # that have elements, and no text
_SIZE = re.compile(r"\d{1,12}")


def read(elements: list[etree._Element], losses: list[Loss]) -> tuple[Extra, ...]:
    """What these elements say; what cannot be kept is a loss. Empty elements say nothing."""
    kept: list[Extra] = []
    room = _SIZE_MAX
    for element in elements:
        name = etree.QName(element).localname
        if len(kept) == EXTRAS_MAX:
            if len(element) or is_text(element.text):
                losses.append(Loss(field=name, reason=LossReason.TOO_LONG, approximated=True))
            continue
        parts = tuple((etree.QName(part).localname, (part.text or "").strip()) for part in element)
        text = (element.text or "").strip()
        if not parts and not text:
            continue
        extra = Extra(format=FORMAT, name=name, attributes=parts) if parts else _simple(name, text)
        if parts and (has_text(element) or any(len(part) for part in element)):
            losses.append(Loss(field=name, reason=LossReason.NO_FIELD, approximated=True))
        room -= len(text) + sum(len(value) for _, value in parts)
        if not is_sound(extra):
            losses.append(Loss(field=name, reason=LossReason.UNREADABLE))
        elif room < 0:
            losses.append(Loss(field=name, reason=LossReason.TOO_LONG, approximated=bool(kept)))
        else:
            kept.append(extra)
    return tuple(kept)


def is_text(text: str | None) -> bool:
    """Whether there is more than white space between two tags."""
    return text is not None and not text.isspace() and text != ""


def has_text(element: etree._Element) -> bool:
    """Whether an element has text beside the elements in it."""
    return is_text(element.text) or any(is_text(child.tail) for child in element)


def _simple(name: str, text: str) -> Extra:
    return Extra(format=FORMAT, name=name, inner=text)


def is_sound(extra: Extra) -> bool:
    """Whether this may be written: an element of CAP with the parts that it must have."""
    names, values = tuple(name for name, _ in extra.attributes), [value for _, value in extra.attributes]
    if not all(carries(value) for value in (*values, extra.inner or "")):
        return False
    if values and values[0].startswith(OURS):  # only a gateway says these
        return False
    parts = _PARTS.get(extra.name)
    if parts is None:
        known = extra.name in OF_ALERT or extra.name in OF_INFO
        right = extra.name != "responseType" or extra.inner in RESPONSES
        return known and right and bool(extra.inner) and not names
    needed = _NEEDED[extra.name]
    in_order = names == tuple(part for part in parts if part in names) and names[:needed] == parts[:needed]
    return in_order and extra.inner is None and _SIZE.fullmatch(dict(extra.attributes).get("size", "0")) is not None


def write(extra: Extra) -> str:
    """The element again."""
    inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in extra.attributes)
    return f"<{extra.name}>{inner or escape(extra.inner or '')}</{extra.name}>"
