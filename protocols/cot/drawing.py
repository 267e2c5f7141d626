"""Drawings (``u-d-...``), routes (``b-m-r``) and marked points (``b-m-p-...``).

The corners of a shape are links with a ``point``; circles and ellipses have a ``shape/ellipse``. Colours are signed
32-bit ARGB there and ``#rrggbbaa`` here. Range and bearing lines, telestrations and bullseyes without a radius have no
geometry of their own and stay as they are.
"""

from __future__ import annotations

from protocols.body import Graphic, Shape
from protocols.cot.detail import fix_source_of, write_remarks
from protocols.cot.event import CotError, CotFault, Details, Event, children_of, height, number
from protocols.cot.extras import is_polyline, kept, middle, polyline_kept, type_of, write_corners
from protocols.cot.markup import UNKNOWN, CannotSayError, Element, Part, decimal
from protocols.cot.polyline import is_closed, polyline_of
from protocols.ledger import Ledger
from protocols.message import LossReason, Message
from protocols.quantity import AltitudeDatum, Position
from protocols.xml import XmlElement

POINTS_MAX = 5000
_TYPES = {  # what is written for a shape, and which other types of the originator are kept for it
    Shape.POINT: ("b-m-p-s-m", ("b-m-p", "u-d-p")),
    Shape.LINE: ("u-d-f", ("b-m-r", "u-d-f")),
    Shape.POLYGON: ("u-d-f", ("u-d-r", "u-d-p", "u-d-f")),
    Shape.CIRCLE: ("u-d-c-c", ("u-d-c-c", "u-r-b")),
    Shape.ELLIPSE: ("u-d-c-e", ("u-d-c-e",)),
}
_UNCLOSED = ("u-d-r", "u-d-p")  # polygons that do not repeat their first corner


def read_graphic(event: Event, details: Details) -> Graphic | None:
    """A drawing, or None where an event is none or has no geometry of its own. Raise CotError."""
    kind = event.type
    if not kind.startswith(("u-d-", "u-r-b", "b-m-r", "b-m-p")) or kind == "u-d-f-m":
        return None
    corners = [text for node in details.links if (text := node.get("point"))] or polyline_of(details, POINTS_MAX)
    if len(corners) > POINTS_MAX:
        raise CotError(CotFault.TOO_LARGE, "detail/link@point")
    ellipse = _ellipse(details)
    if ellipse is not None:
        return _round(event, details, ellipse)
    if len(corners) > 1:
        return _path(event, details, corners)
    if kind.startswith(("b-m-p", "u-d-p")):
        position = event.point.position(fix_source_of(details))
        return _graphic(details, Shape.POINT, (position,), stroke=_colour(details.get("color", "argb")))
    return None


def write_graphic(message: Message, body: Graphic, ledger: Ledger) -> Part:
    """A drawing."""
    default, kept_types = _TYPES[body.shape]
    cot_type = type_of(message) or default
    if not cot_type.startswith(kept_types):
        cot_type = default
    details = [Element("contact", {"callsign": body.title})] if body.title else []
    position = body.points[0]
    if body.shape in (Shape.CIRCLE, Shape.ELLIPSE):
        details.append(_write_ellipse(message, body, ledger))
    elif body.shape is not Shape.POINT:
        points = body.points[:-1] if cot_type in _UNCLOSED and body.points[0] == body.points[-1] else body.points
        corners = [Element("link", {"point": _write_corner(point, ledger)}) for point in points]
        write_corners(message, corners)
        details += [_write_polyline(message, corners)] if is_polyline(message) else corners
        position = middle(body.points)
    details += [*_write_colours(body, ledger), *write_remarks(body.remarks)]
    return Part(cot_type, details, position, how="h-e", stale_s=86_400)


def _write_polyline(message: Message, corners: list[Element]) -> Element:
    """The corners as they came, in a shape."""
    vertices = ""
    for each in corners:
        lat, lon, *hae = each.attributes["point"].split(",")
        vertices += Element("vertex", {"lat": lat, "lon": lon, "hae": hae[0] if hae else UNKNOWN}).xml()
    return Element("shape", inner=Element("polyline", polyline_kept(message), vertices).xml() + kept(message, "shape"))


def corner(text: str) -> Position:
    """A corner ``lat,lon`` or ``lat,lon,hae``. Raise CotError."""
    parts = text.split(",")
    try:
        if len(parts) not in (2, 3):
            raise ValueError("not two or three numbers")  # noqa: TRY301  # the same refusal as for a bad number
        hae = height(number(parts[2])) if len(parts) == 3 else None
        return Position(
            latitude=float(parts[0]),
            longitude=float(parts[1]),
            altitude_m=hae,
            altitude_datum=AltitudeDatum.UNKNOWN if hae is None else AltitudeDatum.HAE,
        )
    except ValueError:
        raise CotError(CotFault.OUT_OF_RANGE, "detail/link@point") from None


def corner_text(position: Position) -> str:
    """A corner as it is written."""
    hae = position.altitude_m if position.altitude_datum is AltitudeDatum.HAE else None
    text = f"{decimal(position.latitude)},{decimal(position.longitude)}"
    return text if hae is None else f"{text},{decimal(hae)}"


def _path(event: Event, details: Details, corners: list[str]) -> Graphic:
    points = tuple([corner(text) for text in corners])
    if points[0] != points[-1] and is_closed(details):
        points = (*points, points[0])
    closed = points[0] == points[-1] and len(points) > 3
    if event.type.startswith(_UNCLOSED) and not closed:
        points, closed = (*points, points[0]), True
    return _graphic(details, Shape.POLYGON if closed else Shape.LINE, points)


def _round(event: Event, details: Details, ellipse: XmlElement) -> Graphic | None:
    try:
        major, minor = number(ellipse.get("major")), number(ellipse.get("minor"))
        angle = number(ellipse.get("angle"))
    except ValueError:
        raise CotError(CotFault.OUT_OF_RANGE, "detail/shape/ellipse") from None
    if major is None:
        return None
    minor = major if minor is None else minor
    shape = Shape.CIRCLE if major == minor else Shape.ELLIPSE
    rotation = None if shape is Shape.CIRCLE or angle is None else angle % 360
    graphic = _graphic(details, shape, (event.point.position(),))
    return Graphic(
        shape=shape,
        points=graphic.points,
        major_m=major,
        minor_m=minor,
        rotation_deg=rotation,
        title=graphic.title,
        stroke=graphic.stroke,
        fill=graphic.fill,
        remarks=graphic.remarks,
    )


def _graphic(details: Details, shape: Shape, points: tuple[Position, ...], stroke: str | None = None) -> Graphic:
    return Graphic(
        shape=shape,
        points=points,
        title=details.get("contact", "callsign"),
        stroke=stroke or _colour(details.get("strokeColor", "value")),
        fill=_colour(details.get("fillColor", "value")),
        remarks=details.text("remarks"),
    )


def _ellipse(details: Details) -> XmlElement | None:
    node = details.first.get("shape")
    found = [] if node is None else [child for child in children_of(node) if child.tag == "ellipse"]
    return found[0] if found else None


def _write_ellipse(message: Message, body: Graphic, ledger: Ledger) -> Element:
    if body.major_m is None:
        raise CannotSayError("a circle or an ellipse needs its half-axes")
    minor = body.major_m if body.minor_m is None else body.minor_m
    if body.minor_m is None:
        ledger.derive("minor_m", "major_m", "a-circle")
    round_ = minor == body.major_m
    if round_ is not (body.shape is Shape.CIRCLE):  # CoT tells them apart by their axes alone
        ledger.approximate("shape", LossReason.STRUCTURE)
    if round_:
        ledger.drop_given("", body, "rotation_deg")
    elif body.rotation_deg is None:
        ledger.derive("rotation_deg", "shape", "not-rotated")
    angle = 360.0 if body.rotation_deg is None else body.rotation_deg  # ATAK writes a circle's angle so
    said = {"major": decimal(body.major_m), "minor": decimal(minor), "angle": decimal(angle)}
    return Element("shape", inner=Element("ellipse", said).xml() + kept(message, "shape"))


def _write_corner(position: Position, ledger: Ledger) -> str:
    if position.altitude_m is not None and position.altitude_datum is not AltitudeDatum.HAE:
        ledger.approximate("points", LossReason.DATUM)
    named = (position.circular_error_m, position.linear_error_m, position.fix_source, position.coarsened_to_m)
    if any(value is not None for value in named):
        ledger.approximate("points", LossReason.NO_FIELD)
    return corner_text(position)


def _write_colours(body: Graphic, ledger: Ledger) -> list[Element]:
    elements = []
    tags = (("stroke", ("color", "argb") if body.shape is Shape.POINT else ("strokeColor", "value")),)
    for field, (tag, attribute) in (*tags, ("fill", ("fillColor", "value"))):
        colour: str | None = getattr(body, field)
        argb = None if colour is None else _argb(colour)
        if argb is not None:
            elements.append(Element(tag, {attribute: str(argb)}))
        elif colour is not None:
            ledger.drop(field, LossReason.NO_CODE)
        if argb is not None and _colour(str(argb)) != colour:
            ledger.derive(field, field, "lower-case-with-opacity")
    return elements


def _colour(text: str | None) -> str | None:
    """``#rrggbbaa`` of a signed ARGB number; None where it is none."""
    if text is None or not text.lstrip("-").isdigit() or not text.isascii() or len(text) > 11:
        return None
    argb = int(text) & 0xFFFF_FFFF
    return f"#{argb & 0xFFFFFF:06x}{argb >> 24:02x}"


def _argb(colour: str) -> int | None:
    """The signed ARGB number of ``#rrggbb`` or ``#rrggbbaa``."""
    digits = colour[1:].ljust(8, "f")
    try:
        value = int(digits, 16)
    except ValueError:
        return None
    if colour[:1] != "#" or len(digits) != 8 or len(colour) not in (7, 9):
        return None
    argb = (value & 0xFF) << 24 | value >> 8
    return argb - 0x1_0000_0000 if argb >= 0x8000_0000 else argb
