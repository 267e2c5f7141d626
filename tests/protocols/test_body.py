"""Every kind of report, and what it refuses to say."""

from __future__ import annotations

from datetime import datetime
from math import inf, nan
from typing import get_args

import msgspec
import pytest
from hypothesis import given

from protocols.body import (
    TEXT_MAX,
    Alert,
    Area,
    Body,
    Chat,
    Contact,
    FileReference,
    Graphic,
    Medevac,
    PatientCounts,
    PatientOrigins,
    Report,
    Shape,
    Status,
    Track,
)
from protocols.quantity import Position
from tests.protocols.strategies import bodies

HERE = Position(latitude=47.0, longitude=8.0)
WHERE = {"latitude": 47.0, "longitude": 8.0}
SQUARE = ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.0))
KINDS = {
    "track", "contact", "chat", "receipt", "alert", "medevac", "report", "status", "graphic", "task", "delete", "file",
    "opaque",
}  # fmt: skip


def test_the_kinds_are_these_and_no_others() -> None:
    assert {str(kind.__struct_config__.tag) for kind in get_args(Body)} == KINDS


def test_refuses_a_kind_it_does_not_know() -> None:
    with pytest.raises(msgspec.ValidationError, match="firemission"):
        msgspec.msgpack.decode(msgspec.msgpack.encode({"kind": "firemission"}), type=Body)


@given(bodies)
def test_every_report_survives_both_its_forms(body: Body) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(body), type=Body) == body
    assert msgspec.json.decode(msgspec.json.encode(body), type=Body) == body


@given(bodies)
def test_every_report_refuses_a_field_it_does_not_know(body: Body) -> None:
    smuggled = msgspec.msgpack.decode(msgspec.msgpack.encode(body)) | {"command": "x"}

    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.msgpack.decode(msgspec.msgpack.encode(smuggled), type=Body)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (Track, {"battery_percent": nan}),
        (Track, {"battery_percent": 100.5}),
        (Contact, {"length_m": nan}),
        (Contact, {"width_m": -1.0}),
        (Contact, {"height_m": inf}),
        (Chat, {"text": "x" * (TEXT_MAX + 1)}),
        (Alert, {"event": ""}),
        (Medevac, {"litter": -1}),
        (Medevac, {"ambulatory": 2_000_000_000}),
        (Medevac, {"frequency_mhz": nan}),
        (Report, {"event": "x", "killed": -1}),
        (Report, {"event": "x", "narrative": "x" * (TEXT_MAX + 1)}),
        (Status, {"battery_percent": -1.0}),
        (Status, {"fuel": (("main", nan),)}),
        (Status, {"ammunition": (("main", -3.0),)}),
        (Graphic, {"shape": "point", "points": ()}),
        (Graphic, {"shape": "circle", "points": (WHERE,), "major_m": nan}),
        (Graphic, {"shape": "circle", "points": (WHERE,), "minor_m": -1.0}),
        (Graphic, {"shape": "line", "points": (WHERE,), "rotation_deg": 360.0}),
        (FileReference, {"name": "x", "size_bytes": -1}),
        (PatientCounts, {"urgent": -1}),
        (PatientOrigins, {"child": -1}),
    ],
    ids=str,
)
def test_refuses_what_cannot_be(kind: type[msgspec.Struct], fault: dict[str, object]) -> None:
    place = {"position": WHERE} if kind in {Track, Contact} else {}
    whole = {"kind": kind.__struct_config__.tag} if kind.__struct_config__.tag else {}

    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode(whole | place | fault), type=kind)
    built = {"points": (HERE,)} if "shape" in fault and fault["points"] else {}
    built |= {"position": HERE} if place else {}  # type: ignore[dict-item]
    with pytest.raises(ValueError, match=r".+"):
        kind(**fault | built)


@pytest.mark.parametrize(
    "fault",
    [
        {"polygons": (((0.0, 0.0), (0.0, 1.0), (0.0, 0.0)),)},  # two corners
        {"polygons": ((*SQUARE[:3], (5.0, 5.0)),)},  # not closed
        {"polygons": (((91.0, 0.0), *SQUARE[1:3], (91.0, 0.0)),)},
        {"polygons": (((nan, 0.0), *SQUARE[1:3], (nan, 0.0)),)},
        {"circles": ((0.0, 181.0, 10.0),)},
        {"circles": ((0.0, 0.0, -1.0),)},
        {"circles": ((0.0, 0.0, inf),)},
    ],
    ids=str,
)
def test_refuses_an_area_that_is_none(fault: dict[str, tuple[tuple[float, ...], ...]]) -> None:
    with pytest.raises(ValueError, match=r"ring|WGS84|radius_m"):
        Area(**fault)  # type: ignore[arg-type]


def test_refuses_a_report_whose_time_has_no_zone() -> None:
    with pytest.raises(ValueError, match="UTC"):
        Report(event="Flood", occurred=datetime(2026, 3, 1))  # noqa: DTZ001  the fault under test
    with pytest.raises(msgspec.ValidationError, match="UTC"):
        msgspec.json.decode(b'{"kind":"report","event":"Flood","occurred":"2026-03-01T00:00:00"}', type=Body)


def test_a_count_that_was_not_given_is_not_zero() -> None:
    assert PatientCounts(urgent=0).urgent == 0
    assert PatientCounts(urgent=0).priority is None


def test_a_text_of_the_greatest_length_is_accepted() -> None:
    assert len(Chat(text="x" * TEXT_MAX).text) == 65_536


def test_an_error_says_nothing_of_the_payload() -> None:
    with pytest.raises(ValueError, match="fuel") as caught:
        Status(fuel=(("CANARY-7", -1.0),))

    assert "CANARY" not in str(caught.value)


def test_a_drawing_of_one_point_is_a_drawing() -> None:
    assert Graphic(shape=Shape.POINT, points=(HERE,)).points == (HERE,)
