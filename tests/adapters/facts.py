"""What a document says, value by value, read without any adapter: so that nothing can vanish that a decoder overlooks.

A fact is a place and a text: ``event/detail/track@speed``, ``alert/info/web``, ``CONTACT.12``. TAK Protocol is read by
takproto and named like the CoT XML that it stands for.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from math import isclose, isnan
from typing import Any, NamedTuple

import takproto
from lxml import etree

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = re.compile(r"\d{14}")
_TIME_FIELD = {"sendTime": "time", "startTime": "start", "staleTime": "stale"}
_TYPED = {  # detail.proto: the names of its messages, as elements; what proto3 leaves out is not said
    "contact": "contact",
    "group": "__group",
    "precisionLocation": "precisionlocation",
    "status": "status",
    "takv": "takv",
    "track": "track",
}


class Fact(NamedTuple):
    """One value, and where it stands."""

    where: str
    what: str


def of_xml(element: etree._Element, where: str = "", *, empty: bool = True) -> Iterator[Fact]:
    """Every attribute and every text, and with ``empty`` every element that says something by being there."""
    where += ("/" if where else "") + etree.QName(element).localname
    for name, text in element.attrib.items():
        if str(text):
            yield Fact(f"{where}@{etree.QName(str(name)).localname}", str(text))
    for text in [element.text or "", *[child.tail or "" for child in element]]:
        if str(text).strip():
            yield from (Fact(where, word) for word in _words(where, str(text)))
    if empty and not element.attrib and not len(element) and not (element.text or "").strip():
        yield Fact(f"{where}/", "is there")
    for child in element:
        if isinstance(child.tag, str):
            yield from of_xml(child, where, empty=empty)


def _words(where: str, text: str) -> list[str]:
    """The text; of CAP's references each part of each."""
    return re.split(r"[\s,]+", text.strip()) if where == "alert/references" else [text]


def of_tak(data: bytes) -> Iterator[Fact]:
    """A TakMessage as the event that it stands for."""
    event = takproto.parse_proto(bytearray(data)).cotEvent
    for field, value in event.ListFields():
        name = field.name
        if name == "detail":
            yield from _of_tak_detail(value)
        elif name in ("lat", "lon", "hae", "ce", "le"):
            yield Fact(f"event/point@{name}", repr(value))
        elif name in _TIME_FIELD:
            yield Fact(f"event@{_TIME_FIELD[name]}", (_EPOCH + timedelta(milliseconds=value)).isoformat())
        else:
            yield Fact(f"event@{name}", str(value))


def _of_tak_detail(detail: Any) -> Iterator[Fact]:  # a message class made while running
    for field, value in detail.ListFields():
        if field.name == "xmlDetail":
            for child in etree.fromstring(f"<detail>{value}</detail>"):
                yield from of_xml(child, "event/detail")
        else:
            zeros = ("speed", "course") if field.name == "track" else ()  # proto3 does not send a zero
            for name in dict.fromkeys((*zeros, *(inner.name for inner, _ in value.ListFields()))):
                yield Fact(f"event/detail/{_TYPED[field.name]}@{name}", str(getattr(value, name)))


def of_sedap(line: str) -> Iterator[Fact]:
    """Every field that is not empty, by its place; the places of a drawing's geometry depend on what it leaves out."""
    name, *fields = line.strip().split(";")
    name = name.upper()
    yield Fact("name", name)
    for place, text in enumerate(fields, 1):
        if place == 2 and text:
            yield Fact(f"{name}.2", _stamp(int(text, 16)))
        elif name == "GRAPHIC" and re.fullmatch("[0-9A-Fa-f]{6}", text):
            yield Fact(name, text + "FF")  # a colour without opacity is opaque
        elif text:
            yield Fact(name if name == "GRAPHIC" and place > 8 else f"{name}.{place}", text)


def _stamp(value: int) -> str:
    """A time in milliseconds, or as some senders write it in seconds."""
    return (_EPOCH + timedelta(milliseconds=value if value > 100_000_000_000 else value * 1000)).isoformat()


def missing(before: Iterable[Fact], after: Iterable[Fact]) -> list[Fact]:
    """The facts that do not stand in the same place with the same meaning any more."""
    found: dict[str, list[str]] = defaultdict(list)
    for where, what in after:
        found[where].append(what)
    return [fact for fact in before if not any(same(fact.what, what) for what in found[fact.where])]


def same(one: str, other: str) -> bool:
    """Whether two texts mean the same: as text, number, time, list of numbers, base64 or code in either case."""
    one, other = one.strip(), other.strip()
    if (
        one.lower() == other.lower()
        or {one, other} in ({"1", "true"}, {"0", "false"})
        or _unpacked(one) == _unpacked(other)
    ):
        return True
    first, second = _numbers(one), _numbers(other)
    if first is not None and second is not None:
        return len(first) == len(second) and all(map(_close, first, second))
    at = _time(one)
    return at is not None and at == _time(other)


def _close(one: float, other: float) -> bool:
    return isclose(one, other, rel_tol=1e-9, abs_tol=1e-12) or (isnan(one) and isnan(other))


def _numbers(text: str) -> list[float] | None:
    try:
        return [float(part) for part in re.split(r"[\s,#]+", text.rstrip("#"))]
    except ValueError:
        return None


def _time(text: str) -> datetime | None:
    if _DIGITS.fullmatch(text):
        return datetime.strptime(text + "+0000", "%Y%m%d%H%M%S%z")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _unpacked(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        return text.encode()
