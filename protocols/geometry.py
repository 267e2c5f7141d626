"""Points and areas on WGS84: whether a position lies in one. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import asin, cos, degrees, radians, sin, sqrt

from protocols.body import Area
from protocols.quantity import Position

EARTH_M = 6_371_008.8  # mean radius (IUGG)


def distance_m(latitude: float, longitude: float, position: Position) -> float:
    """Great-circle distance (haversine)."""
    north, south = radians(latitude), radians(position.latitude)
    half = sin((north - south) / 2) ** 2
    half += cos(north) * cos(south) * sin(radians(longitude - position.longitude) / 2) ** 2
    return 2 * EARTH_M * asin(min(1.0, sqrt(half)))


def within(position: Position, area: Area) -> bool:
    """Whether a position lies in any circle or polygon of an area. An area without shapes contains nothing."""
    if any(distance_m(latitude, longitude, position) <= radius for latitude, longitude, radius in area.circles):
        return True
    return any(_in_ring(position, ring) for ring in area.polygons)


def rim(latitude: float, longitude: float, radius_m: float) -> Iterator[Position]:
    """The centre of a circle and its four outermost points, cut at the poles and at the antimeridian."""
    yield Position(latitude=latitude, longitude=longitude)
    if radius_m > 0:
        up = degrees(radius_m / EARTH_M)
        along = min(360.0, up / max(cos(radians(latitude)), 1e-9))
        for north, east in ((up, 0.0), (-up, 0.0), (0.0, along), (0.0, -along)):
            yield Position(
                latitude=max(-90.0, min(90.0, latitude + north)), longitude=max(-180.0, min(180.0, longitude + east))
            )


def _in_ring(position: Position, ring: tuple[tuple[float, float], ...]) -> bool:
    """Even-odd rule on the plane of degrees; rings do not cross the antimeridian."""
    inside = False
    for (y1, x1), (y2, x2) in pairwise(ring):
        if (y1 > position.latitude) != (y2 > position.latitude):
            crossing = (x2 - x1) * (position.latitude - y1) / (y2 - y1) + x1
            inside ^= position.longitude < crossing
    return inside
