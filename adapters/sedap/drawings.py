"""Drawings to GRAPHIC (chapter IV.2.6), in the order of the document's table of fields."""

from __future__ import annotations

import re

from adapters import Encoded, EncodeError
from adapters.sedap.fields import Draft, altitude, number_or_empty
from adapters.sedap.grammar import RELAY, is_field, native, write_base64, write_number
from adapters.sedap.graphics import SHAPES
from protocols.body import Graphic, Shape
from protocols.message import Derived, LossReason, Message
from protocols.quantity import Position

_CODES = {shape: str(code) for code, shape in SHAPES.items()}
_ANNOTATION_BYTES = 32
_COLOUR = re.compile(r"#[0-9A-F]{6}(?:[0-9A-F]{2})?")
_NATIVE = re.compile(r"GRAPHIC-([0-9A-F]{2}|)-[0-9A-Fc][0-9A-Fa-f]+")


def write_graphic(message: Message, body: Graphic) -> Encoded:
    """A drawing. It has no id in this format, so another format's subject is lost."""
    draft = Draft(message)
    draft.carried.update(("shape", "points", "major_m", "minor_m", "rotation_deg", "title", "stroke", "fill"))
    draft.carried.add("mode" if message.mode == "unstated" else "shape")
    named = native(message.subject)
    found = None if named is None else _NATIVE.fullmatch(named[1])
    if named is None or found is None:
        draft.lose("subject", LossReason.NO_FIELD)
    sender, number = (RELAY, "") if named is None or found is None else (named[0], found[1])
    encoding, annotation = _annotation(draft, body.title)
    colours = [_colour(draft, field, getattr(body, field)) for field in ("stroke", "fill")]
    content = [_CODES[body.shape], draft.kept("width") or "1", *colours, encoding, annotation, *_geometry(draft, body)]
    return draft.encoded("GRAPHIC", sender, content, number=number)


def _geometry(draft: Draft, body: Graphic) -> list[str]:
    first = _point(draft, body.points[0])
    if body.shape is Shape.POINT:
        return first
    if body.shape in (Shape.LINE, Shape.POLYGON):
        return ["#".join(",".join(_point(draft, point)).rstrip(",") for point in body.points)]
    if body.major_m is None:
        raise EncodeError("a circle or an ellipse needs its half-axes")
    minor = body.major_m if body.minor_m is None else body.minor_m
    if body.shape is Shape.CIRCLE:
        return [write_number(body.major_m), *first]
    along = body.rotation_deg or 0.0  # of the longer half-axis, which the format only knows east or north
    if along not in (0.0, 90.0):
        draft.lose("rotation_deg", LossReason.NO_FIELD, approximated=True)
    east, north = (minor, body.major_m) if along % 180 < 45 or along % 180 >= 135 else (body.major_m, minor)
    return [number_or_empty(east), number_or_empty(north), *first]


def _point(draft: Draft, position: Position) -> list[str]:
    if position.altitude_m is not None and not altitude(draft, position, "points"):
        draft.lose("points", LossReason.DATUM, approximated=True)
    return [write_number(position.latitude), write_number(position.longitude), altitude(draft, position, "points")]


def _annotation(draft: Draft, title: str | None) -> tuple[str, str]:
    text = title or ""
    plain = is_field(text) and "#" not in text
    if len(text.encode("latin-1" if plain else "utf-8")) > _ANNOTATION_BYTES:
        text = text.encode()[:_ANNOTATION_BYTES].decode(errors="ignore")
        draft.lose("title", LossReason.TOO_LONG, approximated=True)
    return ("NONE", text) if plain else ("BASE64", write_base64(text))


def _colour(draft: Draft, field: str, value: str | None) -> str:
    if value is None:
        return ""
    if not _COLOUR.fullmatch(value.upper()):
        draft.lose(field, LossReason.NO_CODE)
        return ""
    if value != value.lower() or len(value) < len("#rrggbbaa"):
        draft.derived.append(Derived(field=field, source=field, rule="lower-case-with-opacity"))
    return value[1:].upper().ljust(8, "F")
