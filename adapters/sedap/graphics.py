"""GRAPHIC (chapter IV.2.6) to drawings: point, path, polygon, circle and ellipse; the other shapes stay as they are.

The document's samples leave out the fill colour, its table and the reference implementation have it: the place of the
encoding tells which of the two a line is.
"""

from __future__ import annotations

import re

from adapters import DecodeError, Fault
from adapters.sedap.grammar import FIELDS_LOST, Line, Meaning, keep, number, read_base64, read_words
from adapters.sedap.positions import read_position
from protocols.body import Graphic, Opaque, Shape
from protocols.message import Loss, LossReason
from protocols.quantity import Position

SHAPES = {0: Shape.POINT, 1: Shape.LINE, 2: Shape.POLYGON, 5: Shape.CIRCLE, 6: Shape.ELLIPSE}
_FIELDS = {Shape.POINT: 3, Shape.LINE: 1, Shape.POLYGON: 1, Shape.CIRCLE: 4, Shape.ELLIPSE: 5}  # of geometry
POINTS_MAX = 5_000
_COLOUR = re.compile(r"[0-9A-Fa-f]{6}(?:[0-9A-Fa-f]{2})?")
_NUMBER = re.compile(r"[+-]?\.?\d")
_ENCODINGS = ("BASE64", "NONE")
_ANNOTATION_BYTES = 1_024  # the document says 32; a longer one is read, and cut when written


def graphic(line: Line) -> Meaning:
    """One drawing; a shape that the canonical form has not is kept as the line that it is."""
    kind, width, stroke, *rest = line.content
    if len(kind) > 2 or not kind.isdecimal() or int(kind) > 9:
        raise DecodeError(Fault.MALFORMED if kind else Fault.MISSING, "graphic.type")
    shape = SHAPES.get(int(kind))
    subject = line.event_subject()
    if shape is None:
        return Meaning(subject, Opaque(format="sedap", data=line.text.encode("latin-1")))
    fill = rest.pop(0) if _has_fill(rest) else ""
    encoding, annotation, *geometry = rest
    losses: list[Loss] = []
    extras = () if number(width, "graphic.width") in (None, 1.0) else keep(losses, width=width)
    if encoding.upper() == "BASE64":
        annotation = read_words(read_base64(annotation, "graphic.annotation", _ANNOTATION_BYTES))
    elif encoding.upper() not in ("", "NONE"):
        raise DecodeError(Fault.MALFORMED, "graphic.encoding")
    points, major, minor, rotation = _geometry(shape, geometry)
    if any(geometry[_FIELDS[shape] :]) or any(point.count(",") > 2 for point in geometry[0].split("#")):
        losses.append(FIELDS_LOST)
    body = Graphic(
        shape=shape,
        points=points,
        major_m=major,
        minor_m=minor,
        rotation_deg=rotation,
        title=annotation or None,
        stroke=_colour(stroke, "stroke", losses),
        fill=_colour(fill, "fill", losses),
    )
    return Meaning(subject, body, losses, extras=extras)


def _has_fill(rest: list[str]) -> bool:
    if rest[1].upper() in _ENCODINGS:
        return True
    if not rest[0] and not rest[1]:  # neither is said: then it is the geometry that begins one place later
        return _NUMBER.match(rest[2]) is None
    return rest[0].upper() not in _ENCODINGS and _COLOUR.fullmatch(rest[0]) is not None


def _geometry(shape: Shape, fields: list[str]) -> tuple[tuple[Position, ...], float | None, float | None, float | None]:
    if shape is Shape.POINT:
        return (read_position(fields[:3]),), None, None, None
    if shape is Shape.CIRCLE:
        radius = _radius(fields[0])
        return (read_position(fields[1:4]),), radius, radius, None
    if shape is Shape.ELLIPSE:
        east, north = _radius(fields[0]), _radius(fields[1])
        rotation = 0.0 if north >= east else 90.0
        return (read_position(fields[2:5]),), max(east, north), min(east, north), rotation
    points = fields[0].removesuffix("#").split("#")
    if len(points) > POINTS_MAX:
        raise DecodeError(Fault.TOO_LARGE, "graphic.points")
    return tuple(read_position([*point.split(","), "", "", ""][:3]) for point in points), None, None, None


def _radius(text: str) -> float:
    value = number(text, "graphic.radius", 0.0, 50_000_000.0)
    if value is None:
        raise DecodeError(Fault.MISSING, "graphic.radius")
    return value


def _colour(text: str, field: str, losses: list[Loss]) -> str | None:
    """Red, green, blue and opacity in hexadecimal digits; without opacity it is opaque."""
    if not text:
        return None
    if not _COLOUR.fullmatch(text):
        losses.append(Loss(field=field, reason=LossReason.UNREADABLE))
        return None
    return "#" + text.lower().ljust(8, "f")
