"""RFC 7946 GeoJSON, one Feature for one message: write only, for maps of civil partners.

Longitude comes before latitude, and the third number of a point is metres above the ellipsoid or absent (RFC 7946,
3.1.1). ``id`` is the subject, so that a newer Feature replaces an older one; one with ``deleted`` takes it off the map.
Properties have the names of node-CoT where it has one (``callsign``, ``type``, ``how``, ``time``, ``start``,
``stale``, ``course``, ``speed``, ``remarks``), else those of the canonical message; units: m/s, degrees true, metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Never

import msgspec

from adapters import DecodeError, Encoded, EncodeError, Fault
from protocols.body import Alert, Area, Body, Contact, Delete, Graphic, Medevac, Report, Shape, Track
from protocols.message import Loss, LossReason, Message, Mode
from protocols.quantity import AltitudeDatum, Position

EDITION = "RFC 7946"
MEDIA_TYPE = "application/geo+json"
READS: frozenset[str] = frozenset()
WRITES = frozenset({"track", "contact", "alert", "medevac", "report", "graphic", "delete"})

_ENVELOPE = ("label", "precedence", "exercise", "addressees", "references", "provenance", "quality")
_RENAMED = {"speed_mps": "speed", "course_deg": "course", "cot_type": "type"}
_FLAT = ("identity", "kinematics", "symbol", "raised_by", "requested_by", "reported_by", "quality")
_TIMES = (("time", "observed"), ("created", "created"), ("start", "valid_from"), ("stale", "valid_until"))

_encoder = msgspec.json.Encoder(order="deterministic")


def decode(data: bytes) -> Sequence[Message]:
    """Refuse: this format is not read."""
    return _refuse(data)


def _refuse(_: bytes) -> Never:
    raise DecodeError(Fault.WRITE_ONLY, "geojson")


def encode(message: Message) -> Encoded:
    """Write one Feature. Raise EncodeError for what is not on a map."""
    if message.kind not in WRITES:
        raise EncodeError(f"GeoJSON does not say a {message.kind}")
    body = message.body
    losses: list[Loss] = []
    if isinstance(body, Graphic) and any(_height_lost(point) for point in body.points):
        losses.append(Loss(field="points.altitude_m", reason=LossReason.DATUM))
    if isinstance(body, Delete) and body.target != message.subject:
        losses.append(Loss(field="subject", reason=LossReason.NO_FIELD))
    if message.extras:
        losses.append(Loss(field="extras", reason=LossReason.NO_FIELD))
    feature = {
        "type": "Feature",
        "id": body.target if isinstance(body, Delete) else message.subject,
        "geometry": _geometry(body),
        "properties": _properties(message),
    }
    return Encoded(_encoder.encode(feature), tuple(losses))


def _properties(message: Message) -> dict[str, object]:
    values: dict[str, object] = {"kind": message.kind, "message": message.id}
    for name, of in _TIMES:
        values[name] = getattr(message.times, of)
    if values["created"] == values["time"]:
        del values["created"]
    for name in _ENVELOPE:
        values[name] = getattr(message, name)
    values["mode"] = None if message.mode is Mode.UNSTATED else message.mode
    body = msgspec.to_builtins(message.body)
    if isinstance(message.body, Delete):
        body = {"deleted": True, "hard": body.get("hard")}
    values |= _where(body.pop("position", None), body.pop("area", None))
    body.pop("points", None)
    values |= body
    for name in _FLAT:
        inner = values.pop(name, None)
        values |= msgspec.to_builtins(inner) if inner is not None else {}
    return {_RENAMED.get(name, name): value for name, value in values.items() if value not in (None, (), [], {})}


def _where(position: dict[str, object] | None, area: dict[str, object] | None) -> dict[str, object]:
    """What the geometry cannot say of a place: another datum, how exact it is, what circles measure."""
    values = {name: value for name, value in (position or {}).items() if name not in ("latitude", "longitude")}
    found = msgspec.convert(area or {}, Area)
    circles = [[longitude, latitude, radius_m] for latitude, longitude, radius_m in found.circles]
    return values | {"area": found.description, "geocodes": found.geocodes, "circles": circles}


def _geometry(body: Body) -> dict[str, object] | None:
    if isinstance(body, Graphic):
        return _drawing(body)
    if not isinstance(body, Track | Contact | Alert | Medevac | Report):
        return None
    shapes = [] if body.position is None else [_shape("Point", _point(body.position))]
    area = body.area if isinstance(body, Alert | Report) else None
    if area is not None:
        shapes += [_shape("Polygon", [_ring([[east, north] for north, east in ring])]) for ring in area.polygons]
        shapes += [_shape("Point", [east, north]) for north, east, _ in area.circles]
    if len(shapes) > 1:
        return {"type": "GeometryCollection", "geometries": shapes}
    return shapes[0] if shapes else None


def _drawing(body: Graphic) -> dict[str, object]:
    points = [_point(point) for point in body.points]
    if body.shape is Shape.POLYGON and len(points) > 2:
        return _shape("Polygon", [_ring(points if points[0] == points[-1] else [*points, points[0]])])
    if body.shape in (Shape.LINE, Shape.POLYGON) and len(points) > 1:
        return _shape("LineString", points)
    return _shape("Point", points[0])


def _shape(kind: str, coordinates: object) -> dict[str, object]:
    return {"type": kind, "coordinates": coordinates}


def _point(position: Position) -> list[float]:
    if position.altitude_m is not None and position.altitude_datum is AltitudeDatum.HAE:
        return [position.longitude, position.latitude, position.altitude_m]
    return [position.longitude, position.latitude]


def _height_lost(position: Position) -> bool:
    return position.altitude_m is not None and position.altitude_datum is not AltitudeDatum.HAE


def _ring(points: list[list[float]]) -> list[list[float]]:
    """The same ring anticlockwise, as an outer ring has to be (RFC 7946, 3.1.6)."""
    turn = sum((b[0] - a[0]) * (b[1] + a[1]) for a, b in pairwise(points))
    return points[::-1] if turn > 0 else points
