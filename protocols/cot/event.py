"""A Cursor on Target 2.0 event as values that were read: what CoT XML and TAK Protocol both carry (MITRE base schema).

Unknown is None here: the marks that stand for it (9999999, 999999, NaN) are read in this module alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import NoReturn, TypeAlias

import msgspec

from protocols.moment import read_iso
from protocols.quantity import AltitudeDatum, Position
from protocols.remembered import Remembered
from protocols.xml import XmlElement, XmlError, parse, parse_flat

UNKNOWN_FROM = 999_999.0  # metres; TAK Protocol writes one digit fewer than XML
_NINES = frozenset({999_999.0, 9_999_999.0, 99_999_999.0})
_UNKNOWN_MARKS = frozenset({None, "", "9999999.0", "9999999", "999999", "NaN"})
_TYPE = re.compile(r"\w+(?:-\w+)*(?:;[^;]*)?")  # MITRE base event schema, event/@type
_HAE = AltitudeDatum.HAE
_HOW = re.compile(r"\w(?:-\w+)*")
_VERSION = re.compile(r"\d{1,4}(?:\.\d{1,4})?", re.ASCII)


class CotFault(StrEnum):
    """Why an event is refused."""

    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    UNSAFE = "unsafe"
    MISSING = "missing-field"
    OUT_OF_RANGE = "out-of-range"
    UNSUPPORTED = "unsupported"


class CotError(ValueError):
    """The event is refused; the text says where, never what it held."""

    def __init__(self, fault: CotFault, where: str) -> None:
        super().__init__(f"{fault}: {where}")
        self.fault = fault
        self.where = where


Attributes: TypeAlias = dict[str, str]
Node: TypeAlias = XmlElement | Mapping[str, str]
"""One detail element: as parsed, or only its attributes where it has nothing else."""


class Point(msgspec.Struct, frozen=True, gc=False):
    """Where an event is, as it was written: degrees, metres; None is unknown. Checked when a Position is made of it."""

    latitude: float
    longitude: float
    hae_m: float | None
    ce_m: float | None
    le_m: float | None

    def position(self, fix_source: str | None = None) -> Position:
        """The Position. Raise CotError where that cannot be."""
        try:
            return Position(
                latitude=self.latitude,
                longitude=self.longitude,
                altitude_m=self.hae_m,
                altitude_datum=AltitudeDatum.UNKNOWN if self.hae_m is None else _HAE,
                circular_error_m=self.ce_m,
                linear_error_m=self.le_m,
                fix_source=fix_source,
            )
        except ValueError:
            raise CotError(CotFault.OUT_OF_RANGE, "point") from None

    @property
    def is_nowhere(self) -> bool:
        """Whether this is how TAK writes that there is no position: 0, 0 with no error known."""
        return self.latitude == 0 and self.longitude == 0 and self.ce_m is None


class Details(msgspec.Struct, frozen=True, gc=False):
    """The children of ``detail``, found by tag; ``links`` in order. A repeated element counts once, the first.

    ``more`` are the repetitions.
    """

    first: Mapping[str, Node]
    links: Sequence[Node]
    more: Sequence[XmlElement] = ()

    def get(self, tag: str, attribute: str) -> str | None:
        """One attribute of an element; empty counts as not given."""
        node = self.first.get(tag)
        return None if node is None else node.get(attribute) or None

    def text(self, tag: str) -> str | None:
        """The text of an element; empty counts as not given."""
        node = self.first.get(tag)
        return None if node is None else text_of(node) or None


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event."""

    type: str
    uid: str
    time: datetime
    start: datetime | None
    stale: datetime | None
    how: str | None
    point: Point
    details: Details
    version: str = "2.0"
    access: str | None = None
    qos: str | None = None
    opex: str | None = None
    caveat: str | None = None
    releasable_to: str | None = None
    unread: tuple[str, ...] = ()  # optional fields that were malformed and are set aside


NOTHING = Details({}, ())
_ATTRIBUTES = frozenset(
    {
        "version", "type", "access", "qos", "opex", "uid", "time", "start", "stale", "how", "caveat", "releasableTo",
    }
)  # fmt: skip
_POINT_ATTRIBUTES = frozenset({"lat", "lon", "hae", "ce", "le"})
_FLAT = ("event", "point", "detail")  # how nearly every event begins


def text_of(node: Node) -> str:
    """The character data directly in a detail element."""
    return node.text or "" if isinstance(node, XmlElement) else ""


def pairs_of(node: Node) -> list[tuple[str, str]]:
    """The attributes of a detail element, in order."""
    return list(node.items())  # type: ignore[arg-type]  # text, since the document is


def children_of(node: Node) -> Sequence[XmlElement]:
    """The elements in a detail element."""
    return list(node) if isinstance(node, XmlElement) else ()


def number(text: str | None) -> float | None:
    """A decimal number, or None for "unknown" (absent, empty, NaN). Raise ValueError for anything else."""
    if text is None or text == "":
        return None
    value = float(text)
    if "_" in text:  # Python's numbers may be written so, nobody else's
        raise ValueError("not a decimal number")
    return None if value != value else value  # noqa: PLR0124  # NaN alone is not equal to itself


def measure(text: str | None) -> float | None:
    """Metres of ce or le, or None where the text is one of the marks for "unknown"."""
    value = number(text)
    return value if value is not None and value < UNKNOWN_FROM else None


def height(metres: float | None) -> float | None:
    """Metres of hae, or None for the marks of "unknown" alone: satellites are higher than most of these."""
    if metres is None or metres < UNKNOWN_FROM:
        return metres
    return metres if metres < max(_NINES) and metres not in _NINES else None  # NaN is not less than anything


def parse_event(data: bytes) -> Event:
    """Read one CoT event in XML. Raise CotError."""
    try:
        found = read_flat(data)
        return event_of(parse(data)) if found is None else flat_event(found)
    except XmlError as error:
        raise CotError(CotFault(error.fault), "document") from None


def read_flat(data: bytes) -> dict[str, Attributes] | None:
    """The elements of an event by tag, where they have nothing but attributes and no two are alike. Raise XmlError."""
    if b"</remarks>" in data:  # what mostly makes the difference
        return None
    found = parse_flat(data, b"</detail>", b"</event>")
    return None if found is None or tuple(islice(found, 3)) != _FLAT else found


def flat_event(found: dict[str, Attributes]) -> Event:
    """Read an event of such elements. Raise CotError."""
    first = found.copy()
    root, point = first.pop("event"), first.pop("point")
    strange = ("detail",) if first.pop("detail") else ()
    link = first.pop("link", None)
    return _event(root, point, Details(first, () if link is None else (link,)), strange)


def event_of(root: XmlElement) -> Event:
    """Read a parsed event. Raise CotError."""
    if root.tag != "event":
        raise CotError(CotFault.MALFORMED, "root is not event")
    point: XmlElement | None = None
    detail: XmlElement | None = None
    strange: tuple[str, ...] = ("event",) if is_text(root.text) else ()
    for child in root:
        tag = child.tag
        if tag == "point" and point is None:
            point = child
        elif tag == "detail" and detail is None:
            detail = child
        else:
            strange = (*strange, "event") if "event" not in strange else strange
        if is_text(child.tail) and "event" not in strange:
            strange = (*strange, "event")
    if point is not None and (len(point) or is_text(point.text)):
        strange = (*strange, "point")
    if detail is not None and (len(detail.attrib) or has_text(detail)):
        strange = (*strange, "detail")
    return _event(root, point, NOTHING if detail is None else read_details(detail), strange)


def is_text(text: str | None) -> bool:
    """Whether there is more than white space between two tags."""
    return text is not None and not text.isspace() and text != ""


def has_text(node: XmlElement) -> bool:
    """Whether an element has text beside the elements in it."""
    return is_text(node.text) or any(is_text(child.tail) for child in node)


def _event(root: Node, point: Node | None, details: Details, strange: tuple[str, ...]) -> Event:  # noqa: C901  # in one go, for speed
    """Read an event; ``strange`` are the places where it has what no event has."""
    given = root.get
    version = given("version")
    if version is None:
        raise CotError(CotFault.MISSING, "event@version")
    if version != "2.0" and (_VERSION.fullmatch(version) is None or float(version) < 2):
        raise CotError(CotFault.UNSUPPORTED, "event@version")
    if point is None:
        raise CotError(CotFault.MISSING, "point")
    time_text = given("time") or _missing("time")
    try:
        time = read_iso(time_text)
    except ValueError:
        raise CotError(CotFault.MALFORMED, "event@time") from None
    cot_type = given("type") or _missing("type")
    if not is_type(cot_type):
        raise CotError(CotFault.MALFORMED, "event@type")
    uid, start, stale, how = given("uid") or _missing("uid"), given("start"), given("stale"), given("how")
    unread: tuple[str, ...] = ()
    if start is None or stale is None or how is None or not is_how(how):
        missing = (("times.valid_from", start), ("times.valid_until", stale))
        unread = tuple([name for name, text in missing if text is None])
        if how is None or not is_how(how):
            unread, how = (*unread, "quality.how"), None
    if strange or not _ATTRIBUTES.issuperset(root.keys()) or not _POINT_ATTRIBUTES.issuperset(point.keys()):
        unread += _strange(root, point, strange)
    try:
        valid_from = time if start == time_text else None if start is None else read_iso(start)
    except ValueError:
        raise CotError(CotFault.MALFORMED, "event@start") from None
    try:
        valid_until = None if stale is None else read_iso(stale)
    except ValueError:
        raise CotError(CotFault.MALFORMED, "event@stale") from None
    return Event(  # in the order of the fields: names would cost as much as the values
        cot_type,
        uid,
        time,
        valid_from,
        valid_until,
        how,
        read_point(point),
        details,
        version,
        given("access"),
        given("qos"),
        given("opex"),
        given("caveat"),
        given("releasableTo"),
        unread,
    )


def _strange(root: Node, point: Node, found: tuple[str, ...]) -> tuple[str, ...]:
    """The places of an event that have what no event has, each once."""
    here = () if _ATTRIBUTES.issuperset(root.keys()) else ("event",)
    there = () if _POINT_ATTRIBUTES.issuperset(point.keys()) else ("point",)
    return tuple(dict.fromkeys((*found, *here, *there)))


def read_point(point: Node) -> Point:
    """Read a point. Raise CotError where a number is none."""
    given = point.get
    latitude, longitude, hae, ce, le = given("lat"), given("lon"), given("hae"), given("ce"), given("le")
    if latitude is None or longitude is None:
        raise CotError(CotFault.MISSING, "point")
    try:
        if "_" in latitude or "_" in longitude:  # Python's numbers may be written so, nobody else's
            raise ValueError("not a decimal number")  # noqa: TRY301  # the same refusal as for any other
        return Point(
            float(latitude),
            float(longitude),
            None if hae in _UNKNOWN_MARKS else height(number(hae)),
            None if ce in _UNKNOWN_MARKS else measure(ce),
            None if le in _UNKNOWN_MARKS else measure(le),
        )
    except ValueError:
        raise CotError(CotFault.OUT_OF_RANGE, "point") from None


def read_details(detail: Iterable[XmlElement]) -> Details:
    """Index detail elements by tag."""
    first: dict[str, Node] = {}
    links: list[Node] = []
    more: list[XmlElement] = []
    for node in detail:
        tag = node.tag
        if tag == "link":
            links.append(node)
        elif first.setdefault(tag, node) is not node:
            more.append(node)
    return Details(first, links, more)


def is_how(text: str) -> bool:
    """Whether a text can stand in event/@how."""
    return _hows[text]


def is_type(text: str) -> bool:
    """Whether a text can stand in event/@type."""
    return _types[text]


_hows: Remembered[str, bool] = Remembered(lambda text: _HOW.fullmatch(text) is not None)
_types: Remembered[str, bool] = Remembered(lambda text: _TYPE.fullmatch(text) is not None)


def _missing(name: str) -> NoReturn:
    raise CotError(CotFault.MISSING, f"event@{name}")
