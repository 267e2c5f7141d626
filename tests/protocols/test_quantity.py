"""A quantity that cannot be is never built, neither by hand nor from bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from math import inf, nan

import msgspec
import pytest

from protocols.quantity import Affiliation, AltitudeDatum, Kinematics, Position, Symbol, Value, in_utc

HERE = {"latitude": 47.0, "longitude": 8.0}
IMPOSSIBLE_PLACES: tuple[dict[str, float], ...] = (
    {"latitude": 90.000001},
    {"latitude": -91.0},  # AIS: not available
    {"latitude": nan},
    {"latitude": inf},
    {"longitude": 180.5},
    {"longitude": 181.0},  # AIS: not available
    {"longitude": -inf},
    {"longitude": nan},
    {"altitude_m": -12_001.0},
    {"altitude_m": nan},
    {"altitude_m": inf},
    {"circular_error_m": -0.1},
    {"circular_error_m": nan},
    {"circular_error_m": inf},
    {"linear_error_m": -1.0},
    {"linear_error_m": nan},
    {"coarsened_to_m": -1.0},
    {"coarsened_to_m": inf},
)
IMPOSSIBLE_MOVES: tuple[dict[str, float], ...] = (
    {"course_deg": 360.0},
    {"course_deg": 511.0},  # AIS and TAK: not available
    {"course_deg": -0.5},
    {"course_deg": nan},
    {"heading_deg": 360.0},
    {"heading_deg": inf},
    {"speed_mps": -1.0},
    {"speed_mps": nan},
    {"speed_mps": inf},
    {"climb_mps": nan},
    {"climb_mps": -inf},
)


@pytest.mark.parametrize("fault", IMPOSSIBLE_PLACES, ids=str)
def test_refuses_an_impossible_position_when_built(fault: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"position|altitude_m|error_m|coarsened"):
        Position(**HERE | fault)  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", IMPOSSIBLE_PLACES, ids=str)
def test_refuses_an_impossible_position_from_the_wire(fault: dict[str, float]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(HERE | fault), type=Position)


@pytest.mark.parametrize("fault", IMPOSSIBLE_MOVES, ids=str)
def test_refuses_an_impossible_movement_when_built(fault: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(fault))):
        Kinematics(**fault)


@pytest.mark.parametrize("fault", IMPOSSIBLE_MOVES, ids=str)
def test_refuses_an_impossible_movement_from_the_wire(fault: dict[str, float]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(fault), type=Kinematics)


@pytest.mark.parametrize("text", [b'{"latitude":1e999,"longitude":0}', b'{"latitude":"47","longitude":8}', b"{}"])
def test_refuses_an_impossible_position_from_json(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Position)


@pytest.mark.parametrize(
    "corner", [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0)], ids=["north-east", "south-west", "null island"]
)
def test_accepts_the_edges_of_the_world(corner: tuple[float, float]) -> None:
    position = Position(latitude=corner[0], longitude=corner[1], altitude_m=-11_000.0)

    assert (position.latitude, position.longitude) == corner


def test_zero_is_a_value_and_absence_is_none() -> None:
    still = Kinematics(course_deg=0.0, speed_mps=0.0)

    assert (still.course_deg, still.speed_mps) == (0.0, 0.0)
    assert (still.heading_deg, still.climb_mps) == (None, None)
    assert Position(latitude=0.0, longitude=0.0).altitude_datum is AltitudeDatum.UNKNOWN


@pytest.mark.parametrize("kind", [Position, Kinematics, Symbol])
def test_refuses_fields_it_does_not_know(kind: type[Value]) -> None:
    known = {"latitude": 1.0, "longitude": 2.0} if kind is Position else {}
    known |= {"affiliation": "friend"} if kind is Symbol else {}  # type: ignore[dict-item]

    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.msgpack.decode(msgspec.msgpack.encode(known | {"priority": 1}), type=kind)


def test_a_value_cannot_be_changed() -> None:
    symbol = Symbol(affiliation=Affiliation.HOSTILE)

    with pytest.raises(AttributeError):
        symbol.affiliation = Affiliation.FRIEND  # type: ignore[misc]


@pytest.mark.parametrize(
    "time",
    [
        datetime(2026, 3, 1),  # noqa: DTZ001  a naive time is what is refused
        datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=1))),
    ],
    ids=["naive", "another zone"],
)
def test_refuses_a_time_that_is_not_utc(time: datetime) -> None:
    with pytest.raises(ValueError, match="UTC"):
        in_utc(time)


def test_accepts_utc_by_any_name_and_no_time_at_all() -> None:
    in_utc(None, datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=timezone(timedelta(0), "Zulu")))
