"""The form of a message that an agreement lets out: positions coarsened, fields stripped, identities dropped. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from functools import cache, partial
from math import cos, floor, log10, radians

from mgrs import MGRS  # type: ignore[import-untyped]  # published without types
from msgspec import NODEFAULT
from msgspec.structs import fields, replace

from protocols.agreement import Agreement
from protocols.anonymity import anonymous
from protocols.body import Area, Body
from protocols.message import UNGRADED, Loss, LossReason, Message, Source
from protocols.quantity import Position

METRES_PER_DEGREE = 111_320.0  # of longitude at the equator
DIGITS = 6  # of a coarsened latitude or longitude: a tenth of a metre
_DIGITS = 5  # of easting and of northing, for whole metres
_GRID = MGRS()
_EQUATOR_DEG = 1e-5  # one metre
ERROR_SHARE = 0.71  # half the diagonal of a square cell; a degree of WGS84 has at most 111 700 m


def transform(message: Message, agreement: Agreement, pseudonym_key: bytes) -> Message:
    """The form of a message that an agreement lets out; what was taken is declared as loss.

    Raise ValueError for a kind that cannot go without names under an agreement that drops them.
    """
    wanted = agreement.transformation
    if not wanted.changes(message):
        return message
    alias = partial(pseudonym, pseudonym_key)
    body = _stripped(message.body, wanted.strip)
    if wanted.coarsen_m is not None:
        body = _coarse(body, wanted.coarsen_m, partial(coarsen, grid_m=wanted.coarsen_m))
    if wanted.grid_square_m is not None:
        body = _coarse(body, wanted.grid_square_m, partial(squared, square_m=wanted.grid_square_m))
    if wanted.drop_identities:
        body = anonymous(body, alias)
    names = type(body).__struct_fields__
    taken = [f"body.{name}" for name in names if getattr(body, name) != getattr(message.body, name)]
    if wanted.drop_identities:
        taken.append("subject")
        message = _nameless(message, alias(message.id), alias(message.subject))
    if message.extras:
        taken.append("extras")
    losses = tuple(Loss(field=field, reason=LossReason.POLICY) for field in taken)
    return replace(message, body=body, original=None, extras=(), loss=message.loss + losses)


def _nameless(message: Message, number: str, subject: str) -> Message:
    return replace(
        message,
        id=number,
        subject=subject,
        addressees=(),
        references=(),
        provenance=(),
        quality=UNGRADED,
        source=Source(format=message.source.format, version=message.source.version),
    )


def _stripped(body: Body, names: tuple[str, ...]) -> Body:
    return replace(body, **{name: value for name, value in _optional(type(body)).items() if name in names})


@cache
def _optional(kind: type[Body]) -> Mapping[str, object]:
    """The optional fields of a kind, with what they hold when nothing was said."""
    return {each.name: each.default for each in fields(kind) if each.default is not NODEFAULT}


def _coarse(body: Body, grid_m: float, snap: Callable[[Position], Position]) -> Body:
    """Every place that a body names, coarsened."""
    changes: dict[str, object] = {}
    if (position := getattr(body, "position", None)) is not None:
        changes["position"] = snap(position)
    if points := getattr(body, "points", ()):
        changes["points"] = tuple(snap(point) for point in points)
    if (area := getattr(body, "area", None)) is not None:
        changes["area"] = _coarse_area(area, grid_m, snap)
    return replace(body, **changes)


def _coarse_area(area: Area, grid_m: float, snap: Callable[[Position], Position]) -> Area:
    """Corners and centres on the grid; a circle grows so that it still covers what it covered."""

    def on_grid(latitude: float, longitude: float) -> tuple[float, float]:
        position = snap(Position(latitude=latitude, longitude=longitude))
        return position.latitude, position.longitude

    polygons = tuple(tuple(on_grid(*corner) for corner in ring) for ring in area.polygons)
    circles = tuple((*on_grid(north, east), radius_m + grid_m * ERROR_SHARE) for north, east, radius_m in area.circles)
    return replace(area, polygons=polygons, circles=circles)


def coarsen(position: Position, grid_m: float) -> Position:
    """The centre of the grid cell that a position lies in: all positions of a cell become one, altitude is dropped.

    The cell is ``grid_m`` high, and ``grid_m`` wide at its edge towards the equator; the error given is half its
    diagonal, or what it was before.
    """
    step = grid_m / METRES_PER_DEGREE
    row = floor(position.latitude / step)
    latitude = max(-90.0, min(90.0, (row + 0.5) * step))
    wide = step / cos(radians(min(abs(row), abs(row + 1)) * step))
    longitude = max(-180.0, min(180.0, (floor(position.longitude / wide) + 0.5) * wide))
    return _centre(position, latitude, longitude, grid_m)


def squared(position: Position, square_m: int) -> Position:
    """The centre of the MGRS grid square that a position lies in; altitude is dropped, as in ``coarsen``."""
    # The last decimetres south of the equator round up to a northing that the grid does not have.
    south = min(position.latitude, -_EQUATOR_DEG) if position.latitude < 0 else position.latitude
    reference = _GRID.toMGRS(south, position.longitude, MGRSPrecision=_DIGITS)
    square, east, north = reference[: -2 * _DIGITS], reference[-2 * _DIGITS : -_DIGITS], reference[-_DIGITS:]
    kept = _DIGITS - round(log10(square_m))
    latitude, longitude = _GRID.toLatLon(square + east[:kept] + north[:kept])
    return _centre(position, latitude, longitude, square_m)


def _centre(position: Position, latitude: float, longitude: float, wide_m: float) -> Position:
    """What stands for a position: no more digits than mean something, since each is a byte on a thin link."""
    error = max(position.circular_error_m or 0.0, wide_m * ERROR_SHARE)
    return Position(
        latitude=round(latitude, DIGITS),
        longitude=round(longitude, DIGITS),
        circular_error_m=error,
        coarsened_to_m=wide_m,
    )


def pseudonym(key: bytes, subject: str) -> str:
    """A stable name that says nothing about the subject without the gateway's key (HMAC-SHA-256, 16 bytes)."""
    return hmac.new(key, subject.encode(), hashlib.sha256).hexdigest()[:32]
