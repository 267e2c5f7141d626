"""GeoJSON: longitude first, heights above the ellipsoid only, closed anticlockwise rings; expected Features by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters import DecodeError, EncodeError, Fault, geojson
from protocols.body import (
    Alert,
    Area,
    Body,
    Chat,
    Contact,
    Delete,
    Graphic,
    Identity,
    Medevac,
    Opaque,
    PatientCounts,
    Report,
    Severity,
    Shape,
    Track,
)
from protocols.label import Category, CategoryType, Label
from protocols.message import Extra, Loss, LossReason, Message, Mode, Quality, Reference, Source, Times, from_json
from protocols.quantity import Affiliation, AltitudeDatum, Kinematics, Position, Symbol

FIXTURES = Path(__file__).parent.parent / "fixtures" / "geojson"
AT = datetime(2026, 3, 15, 14, 22, 10, 500_000, tzinfo=UTC)
HERE = Position(latitude=34.5, longitude=69.25)


def message(body: Body, **more: Any) -> Message:
    values: dict[str, Any] = {"times": Times(observed=AT, created=AT), "source": Source(format="cot"), **more}
    return Message(id="0" * 32, subject="ANDROID-1", body=body, **values)


def feature(body: Body, **more: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(geojson.encode(message(body, **more)).data)
    return decoded


def test_a_track_is_a_point_longitude_first() -> None:
    body = Track(
        position=Position(
            latitude=34.5, longitude=69.25, altitude_m=1790.5, altitude_datum=AltitudeDatum.HAE, circular_error_m=9.0
        ),
        symbol=Symbol(affiliation=Affiliation.FRIEND, cot_type="a-f-G-U-C"),
        identity=Identity(callsign="ALPHA 1", team="Cyan"),
        kinematics=Kinematics(speed_mps=0.0, course_deg=271.5),
        remarks="on foot",
    )
    times = Times(observed=AT, created=AT + timedelta(seconds=1), valid_from=AT, valid_until=AT + timedelta(minutes=5))

    assert feature(body, times=times, quality=Quality(how="m-g"), mode=Mode.EXERCISE) == {
        "type": "Feature",
        "id": "ANDROID-1",
        "geometry": {"type": "Point", "coordinates": [69.25, 34.5, 1790.5]},
        "properties": {
            "kind": "track",
            "message": "0" * 32,
            "time": "2026-03-15T14:22:10.500000Z",
            "created": "2026-03-15T14:22:11.500000Z",
            "start": "2026-03-15T14:22:10.500000Z",
            "stale": "2026-03-15T14:27:10.500000Z",
            "mode": "exercise",
            "how": "m-g",
            "type": "a-f-G-U-C",
            "affiliation": "friend",
            "callsign": "ALPHA 1",
            "team": "Cyan",
            "speed": 0.0,
            "course": 271.5,
            "remarks": "on foot",
            "altitude_m": 1790.5,
            "altitude_datum": "hae",
            "circular_error_m": 9.0,
        },
    }


def test_a_height_above_sea_level_is_never_a_third_coordinate() -> None:
    position = Position(latitude=34.5, longitude=69.25, altitude_m=1800.0, altitude_datum=AltitudeDatum.MSL)

    found = feature(Contact(position=position, mmsi="211000000"))

    assert found["geometry"]["coordinates"] == [69.25, 34.5]
    assert (found["properties"]["altitude_m"], found["properties"]["altitude_datum"]) == (1800.0, "msl")
    assert found["properties"]["mmsi"] == "211000000"


def test_a_coarsened_position_says_how_coarse_it_is() -> None:
    found = feature(Track(position=Position(latitude=34.5, longitude=69.2, coarsened_to_m=1000.0)))

    assert found["properties"]["coarsened_to_m"] == 1000.0
    assert "callsign" not in found["properties"]


def test_an_alert_has_its_shapes_and_circles_in_metres() -> None:
    clockwise = ((34.0, 69.0), (35.0, 69.0), (35.0, 70.0), (34.0, 69.0))
    area = Area(description="Valley", polygons=(clockwise,), circles=((34.5, 69.5, 2500.0),), geocodes=(("UGC", "1"),))

    found = feature(Alert(event="Flood", severity=Severity.SEVERE, position=HERE, area=area, cancelled=True))

    assert found["geometry"] == {
        "type": "GeometryCollection",
        "geometries": [
            {"type": "Point", "coordinates": [69.25, 34.5]},
            {"type": "Polygon", "coordinates": [[[69.0, 34.0], [70.0, 35.0], [69.0, 35.0], [69.0, 34.0]]]},
            {"type": "Point", "coordinates": [69.5, 34.5]},
        ],
    }
    properties = found["properties"]
    assert properties["circles"] == [[69.5, 34.5, 2500.0]]
    assert (properties["area"], properties["geocodes"]) == ("Valley", [["UGC", "1"]])
    assert (properties["event"], properties["severity"], properties["cancelled"]) == ("Flood", "severe", True)


def test_an_anticlockwise_ring_stays_as_it_is() -> None:
    area = Area(polygons=(((34.0, 69.0), (34.0, 70.0), (35.0, 70.0), (34.0, 69.0)),))

    found = feature(Report(event="IED", area=area))

    assert found["geometry"]["coordinates"] == [[[69.0, 34.0], [70.0, 34.0], [70.0, 35.0], [69.0, 34.0]]]


def test_counts_that_are_zero_are_said_and_those_not_given_are_not() -> None:
    report = feature(Report(event="IED", killed=0, injured=3))["properties"]
    medevac = feature(Medevac(position=HERE, patients=PatientCounts(urgent=0), litter=0))["properties"]

    assert (report["killed"], report["injured"]) == (0, 3)
    assert "missing" not in report
    assert medevac["patients"] == {"urgent": 0}
    assert medevac["litter"] == 0
    assert "ambulatory" not in medevac


def test_without_a_place_the_geometry_is_null() -> None:
    assert feature(Medevac(litter=1))["geometry"] is None
    assert feature(Alert(event="Fire"))["geometry"] is None


def test_a_delete_takes_its_target_off_the_map() -> None:
    assert feature(Delete(target="ANDROID-1")) == {
        "type": "Feature",
        "id": "ANDROID-1",
        "geometry": None,
        "properties": {
            "kind": "delete",
            "message": "0" * 32,
            "time": "2026-03-15T14:22:10.500000Z",
            "deleted": True,
        },
    }
    other = geojson.encode(message(Delete(target="B")))
    assert json.loads(other.data)["id"] == "B"
    assert other.loss == (Loss(field="subject", reason=LossReason.NO_FIELD),)


@pytest.mark.parametrize(
    ("shape", "points", "geometry"),
    [
        (Shape.POINT, [(1, 2)], {"type": "Point", "coordinates": [2, 1]}),
        (Shape.LINE, [(1, 2), (3, 4)], {"type": "LineString", "coordinates": [[2, 1], [4, 3]]}),
        (Shape.LINE, [(1, 2)], {"type": "Point", "coordinates": [2, 1]}),
        (
            Shape.POLYGON,
            [(0, 0), (0, 2), (2, 2)],
            {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 0]]]},
        ),
        (Shape.POLYGON, [(0, 0), (0, 2)], {"type": "LineString", "coordinates": [[0, 0], [2, 0]]}),
        (Shape.CIRCLE, [(1, 2)], {"type": "Point", "coordinates": [2, 1]}),
    ],
)
def test_drawings(shape: Shape, points: list[tuple[float, float]], geometry: dict[str, Any]) -> None:
    places = tuple(Position(latitude=north, longitude=east) for north, east in points)

    found = feature(Graphic(shape=shape, points=places, major_m=5.0, title="x", stroke="#FF0000FF"))

    assert found["geometry"] == geometry
    properties = found["properties"]
    assert (properties["shape"], properties["major_m"], properties["title"]) == (shape.value, 5.0, "x")


def test_heights_of_a_drawing_above_sea_level_are_declared_lost() -> None:
    point = Position(latitude=1.0, longitude=2.0, altitude_m=5.0, altitude_datum=AltitudeDatum.MSL)

    encoded = geojson.encode(message(Graphic(shape=Shape.POINT, points=(point,))))

    assert encoded.loss == (Loss(field="points.altitude_m", reason=LossReason.DATUM),)


def test_a_label_and_what_an_alert_relates_to_are_said() -> None:
    label = Label(
        policy="EXAMPLE",
        classification="RESTRICTED",
        categories=(Category(type=CategoryType.PERMISSIVE, tag="Releasable To", values=("XAA",)),),
    )

    found = feature(Alert(event="Fire"), label=label, references=(Reference(relation="p-p", subject="B"),))

    assert found["properties"]["label"] == {
        "policy": "EXAMPLE",
        "classification": "RESTRICTED",
        "categories": [{"type": "permissive", "tag": "Releasable To", "values": ["XAA"]}],
    }
    assert found["properties"]["references"] == [{"relation": "p-p", "subject": "B"}]


def test_what_was_kept_for_the_way_home_stays_off_the_map() -> None:
    encoded = geojson.encode(message(Alert(event="Fire"), extras=(Extra(format="cap", name="web", inner="SECRET"),)))

    assert encoded.loss == (Loss(field="extras", reason=LossReason.NO_FIELD),)
    assert b"SECRET" not in encoded.data


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.geojson")), ids=lambda path: path.stem)
def test_a_message_becomes_its_feature(path: Path) -> None:
    found = geojson.encode(from_json(path.with_suffix(".json").read_bytes()))

    assert json.loads(found.data) == json.loads(path.read_text())


def test_what_is_not_on_a_map_is_refused() -> None:
    for body in (Chat(text="hello"), Opaque(format="cot", data=b"x")):
        with pytest.raises(EncodeError):
            geojson.encode(message(body))


@pytest.mark.parametrize("data", [b"", b"{}", b'{"type":"Feature"}', b"\xff" * 100])
def test_nothing_is_read(data: bytes) -> None:
    with pytest.raises(DecodeError) as refusal:
        geojson.decode(data)

    assert refusal.value.fault is Fault.WRITE_ONLY
