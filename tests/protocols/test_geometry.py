"""Where a position lies: against vectors on a sphere, which share nothing with the formula under test."""

from __future__ import annotations

from math import acos, cos, pi, radians, sin

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocols.body import Area
from protocols.geometry import distance_m, rim, within
from protocols.quantity import Position
from tests.protocols.strategies import latitudes, longitudes

RADIUS_M = 6_371_008.8
SQUARE = ((10.0, 20.0), (10.0, 30.0), (20.0, 30.0), (20.0, 20.0), (10.0, 20.0))
HOOK = ((0.0, 0.0), (0.0, 4.0), (4.0, 4.0), (4.0, 3.0), (1.0, 3.0), (1.0, 0.0), (0.0, 0.0))


def at(latitude: float, longitude: float) -> Position:
    return Position(latitude=latitude, longitude=longitude)


def by_vectors(one: Position, other: Position) -> float:
    """Great-circle distance from the angle between two unit vectors."""
    north, south = radians(one.latitude), radians(other.latitude)
    dot = sin(north) * sin(south) + cos(north) * cos(south) * cos(radians(one.longitude - other.longitude))
    return RADIUS_M * acos(max(-1.0, min(1.0, dot)))


@given(latitudes, longitudes, latitudes, longitudes)
def test_distance_is_the_great_circle(north: float, east: float, south: float, west: float) -> None:
    expected = by_vectors(at(north, east), at(south, west))

    assert distance_m(north, east, at(south, west)) == pytest.approx(expected, abs=0.2, rel=1e-9)


def test_known_distances() -> None:
    assert distance_m(0.0, 0.0, at(0.0, 1.0)) == pytest.approx(111_195.08, abs=0.1)
    assert distance_m(0.0, 179.5, at(0.0, -179.5)) == pytest.approx(111_195.08, abs=0.1)
    assert distance_m(90.0, 0.0, at(-90.0, 77.0)) == pytest.approx(pi * RADIUS_M, abs=0.1)
    assert distance_m(47.0, 8.0, at(47.0, 8.0)) == 0.0


@given(st.floats(-80, 80), longitudes, st.floats(1, 50_000), st.floats(0, 2 * pi), st.floats(0, 2))
def test_a_circle_holds_what_is_nearer_than_its_radius(
    north: float, east: float, radius_m: float, angle: float, share: float
) -> None:
    step = radius_m * share / RADIUS_M * 180 / pi
    longitude = east + step * sin(angle) / cos(radians(north))
    assume(-180 <= longitude <= 180)
    position = at(north + step * cos(angle), longitude)
    distance = by_vectors(at(north, east), position)
    assume(abs(distance - radius_m) > 1)

    assert within(position, Area(circles=((north, east, radius_m),))) is (distance < radius_m)


@given(st.floats(0, 40), st.floats(0, 50))
def test_a_square_holds_what_is_between_its_sides(latitude: float, longitude: float) -> None:
    assume(latitude not in {10, 20} and longitude not in {20, 30})

    inside = 10 < latitude < 20 and 20 < longitude < 30

    assert within(at(latitude, longitude), Area(polygons=(SQUARE,))) is inside


@pytest.mark.parametrize(
    ("latitude", "longitude", "inside"),
    [(0.5, 0.5, True), (0.5, 3.5, True), (3.5, 3.5, True), (2.0, 1.0, False), (3.5, 2.5, False), (5.0, 3.5, False)],
)
def test_a_bent_polygon_does_not_hold_what_it_goes_round(latitude: float, longitude: float, *, inside: bool) -> None:
    assert within(at(latitude, longitude), Area(polygons=(HOOK,))) is inside


def test_any_shape_of_an_area_is_enough_and_none_holds_nothing() -> None:
    area = Area(polygons=(SQUARE,), circles=((0.0, 0.0, 1000.0),))

    assert within(at(15.0, 25.0), area)
    assert within(at(0.0, 0.005), area)
    assert not within(at(5.0, 5.0), area)
    assert not within(at(0.0, 0.0), Area(description="everywhere"))


@given(st.floats(-85, 85), st.floats(-170, 170), st.floats(1, 50_000))
def test_the_rim_of_a_circle_is_its_centre_and_four_points_that_far_away(
    north: float, east: float, radius_m: float
) -> None:
    centre, *outermost = rim(north, east, radius_m)

    assert (centre.latitude, centre.longitude) == (north, east)
    assert len(outermost) == 4
    for point in outermost:
        assert by_vectors(centre, point) == pytest.approx(radius_m, rel=0.01, abs=0.5)


def test_a_circle_without_radius_is_a_point() -> None:
    assert list(rim(1.0, 2.0, 0.0)) == [at(1.0, 2.0)]
