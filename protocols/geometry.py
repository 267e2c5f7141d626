"""Points and areas on WGS84: whether a position lies in one. Pure."""

from __future__ import annotations

from itertools import pairwise
from math import asin, cos, radians, sin, sqrt

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


def _in_ring(position: Position, ring: tuple[tuple[float, float], ...]) -> bool:
    """Even-odd rule on the plane of degrees; rings do not cross the antimeridian."""
    inside = False
    for (y1, x1), (y2, x2) in pairwise(ring):
        if (y1 > position.latitude) != (y2 > position.latitude):
            crossing = (x2 - x1) * (position.latitude - y1) / (y2 - y1) + x1
            inside ^= position.longitude < crossing
    return inside
