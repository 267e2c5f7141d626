from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.console import figures
from gateway.console.meaning import gist, meaning
from gateway.console.words import load
from protocols.body import (
    Area,
    Body,
    Contact,
    FileReference,
    Identity,
    Medevac,
    Opaque,
    Patient,
    Receipt,
    ReceiptState,
    Report,
    Status,
    Task,
    Track,
)
from protocols.message import Message
from protocols.quantity import Position
from tests.gateway.console import traffic

WORDS = load()
HERE = Position(latitude=-4.5, longitude=-31.25)


def told(message: Message) -> dict[str, dict[str, str]]:
    """Sections by title, facts by name."""
    return {s.title: {fact.name: fact.value for fact in s.facts} for s in meaning(message, WORDS)}


def test_a_track_is_told_with_every_unit() -> None:
    story = told(traffic.track(1))

    assert story["Position"] == {
        "Position": "4.85185° N  31.58261° E",
        "Altitude": "462.4 m (above WGS84 ellipsoid)",
        "Accuracy": "± 8 m",
    }
    assert story["Movement"] == {"Course": "087° true", "Speed": "4.2 m/s  ·  15 km/h  ·  8 kn"}
    assert story["Who"]["Callsign"] == "EAGLE 21"
    assert story["What it is"] == {"Affiliation": "Friend", "CoT type": "a-f-G-U-C-I", "SIDC 2525C": "SFGPUCI----K---"}
    assert story["State"] == {"Battery": "71 %"}
    assert story["Times"]["Observed"] == "2026-03-14 21:07:31.125Z"
    assert story["Times"]["Valid"] == "until 2026-03-14 21:12:31.125Z"


def test_what_is_not_reported_is_not_told() -> None:
    story = told(traffic.message(Track(position=HERE)))

    assert story["Position"] == {"Position": "4.50000° S  31.25000° W"}
    assert "Movement" not in story
    assert "Who" not in story
    assert "State" not in story


def test_a_coarsened_position_has_no_more_digits_than_it_says() -> None:
    coarse = Position(latitude=4.85165, longitude=31.58247, coarsened_to_m=1000)

    assert told(traffic.message(Track(position=coarse)))["Position"] == {
        "Position": "4.85° N  31.58° E",
        "Coarsened": "to within 1000 m",
    }


def test_a_medevac_is_nine_lines_and_says_which_were_not_given() -> None:
    lines = told(traffic.medevac())["Nine-line request"]

    assert list(lines.values())[:9] == [
        "4.86000° N  31.60000° E",
        "LANCER 6, 38.9 MHz",
        "1 urgent, 2 priority",
        "Hoist",
        "1 litter, 2 ambulatory",
        "P · Possibly enemy troops in area, approach with caution",
        "not stated",
        "2 non-US military, 1 non-US civilian",
        "not stated",
    ]


def test_a_count_of_nought_is_told_and_not_left_out() -> None:
    lines = told(traffic.message(Medevac(litter=0)))["Nine-line request"]

    assert lines["5 · Patients by type"] == "0 litter"


def test_a_medevac_in_free_text_gets_no_invented_lines() -> None:
    story = told(traffic.message(Medevac(structured=False, remarks="Two hurt at the ford.")))["Nine-line request"]

    assert story == {
        "Text": "Two hurt at the ford.",
        "Remarks": "The originator sent free text only; nothing was filled in.",
    }


def test_casualties_are_told_one_by_one() -> None:
    body = Medevac(casualties=(Patient(zap="AB1234", injuries="Fracture"),))

    assert told(traffic.message(body))["Casualty"] == {"Zap number": "AB1234", "Injuries": "Fracture"}


@pytest.mark.parametrize(("cancelled", "status"), [(False, "ACTIVE"), (True, "CANCELLED")])
def test_an_alert_says_whether_it_still_holds(cancelled: bool, status: str) -> None:  # noqa: FBT001 - a parameter of the test
    facts = told(traffic.alert(cancelled=cancelled))["Alert"]

    assert facts["Status"] == status
    assert facts["Event"] == "Flash flood"
    assert facts["What to do"] == "Use the northern route."


def test_an_area_is_told_by_name_and_outline() -> None:
    ring = ((1.0, 2.0), (1.0, 3.0), (2.0, 3.0), (1.0, 2.0))
    area = Area(description="Bridge", polygons=(ring,), circles=((1.5, 2.5, 12_000.0),), geocodes=(("UNLOC", "SSJUB"),))
    facts = told(traffic.message(Report(event="Flood", area=area)))["Area"]

    assert facts["Area"] == "Bridge"
    assert facts["Polygon"].startswith("1.00000° N  2.00000° E,  1.00000° N  3.00000° E")
    assert facts["Circle"] == "1.50000° N  2.50000° E, 12 km"
    assert facts["Geocode"] == "UNLOC SSJUB"


def test_other_kinds_are_told_too() -> None:
    report = Report(event="Clash", killed=0, injured=3, narrative="At dawn.", occurred=datetime(2026, 3, 1, tzinfo=UTC))
    assert told(traffic.message(report))["People"] == {"Killed": "0", "Injured": "3"}
    assert told(traffic.message(report))["Report"]["Happened"] == "2026-03-01 00:00:00Z"
    assert told(traffic.delete())["Withdrawal"] == {"Takes back": "ANDROID-0001", "Permanently": "no"}
    assert told(traffic.chat())["Text"] == {"Text": "Checkpoint 4 is open again. Convoy may pass."}
    receipt = Receipt(of="X", state=ReceiptState.READ)
    assert told(traffic.message(receipt))["Receipt"] == {"Status": "read", "Of": "X"}
    status = Status(technical="ok", fuel=(("diesel", 40.0),))
    assert told(traffic.message(status))["State"] == {"Technical": "ok", "Fuel": "diesel 40 %"}
    contact = Contact(position=HERE, identity=Identity(callsign="DHOW"), length_m=22.0, width_m=6.5)
    assert told(traffic.message(contact))["State"] == {"Size": "22 m x 6.5 m"}


def test_a_kind_without_a_telling_shows_its_plain_fields() -> None:
    assert told(traffic.message(Task(verb="recce", target="X1")))["Content"] == {"verb": "recce", "target": "X1"}
    assert told(traffic.message(FileReference(name="a.pdf", size_bytes=9)))["Content"]["size bytes"] == "9"
    assert told(traffic.message(Opaque(format="vmf", data=b"\x00")))["Content"] == {"format": "vmf"}


def test_the_gist_is_who_and_what_in_one_bounded_line() -> None:
    assert gist(traffic.track(1), WORDS) == "EAGLE 21 · 4.85185°\u00a0N  31.58261°\u00a0E · 087° true"
    assert gist(traffic.alert(cancelled=True), WORDS) == ("CANCELLED · RELIEF OPS · River above the bridge at Mongalla")
    assert len(gist(traffic.chat(text="x" * 5000), WORDS)) == 120


@pytest.mark.parametrize("body", [traffic.track().body, Task(verb="v"), Opaque(format="f", data=b"")])
def test_every_body_has_a_gist(body: Body) -> None:
    assert isinstance(gist(traffic.message(body), WORDS), str)


def test_directions_and_speeds_at_their_edges() -> None:
    assert figures.bearing(0.0, WORDS) == "000° true"
    assert figures.bearing(359.7, WORDS) == "000° true"
    assert figures.bearing(None, WORDS) is None
    assert figures.speed(0.0) == "0.0 m/s  ·  0 km/h  ·  0 kn"
    assert figures.speed(100.0) == "100.0 m/s  ·  360 km/h  ·  194 kn"
