"""The filled form: what people read reads back exactly, and nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.formats.specimens import FULL, SPARSE
from protocols import form
from protocols.body import (
    Alert,
    Area,
    Chat,
    Identity,
    Marking,
    Medevac,
    Patient,
    PatientCounts,
    Receipt,
    ReceiptState,
    Report,
    Security,
)
from protocols.quantity import AltitudeDatum, Position

RING = ((1.0, 2.0), (1.0, 3.0), (2.0, 3.0), (1.0, 2.0))


def test_what_people_see() -> None:
    body = Medevac(
        position=Position(latitude=34.5, longitude=69.25),
        title="first\nsecond",
        patients=PatientCounts(urgent=2, priority=0),
        equipment=("hoist",),
        security=Security.ENEMY,
        marking=Marking.SMOKE,
        casualties=(Patient(zap="A1", injuries="leg"),),
        structured=False,
    )

    assert form.write(body) == (
        "MEDEVAC REQUEST (Comity form 1)\n"
        "Position / latitude: 34.5\n"
        "Position / longitude: 69.25\n"
        "Title: first\n"
        "  second\n"
        "Patients / urgent: 2\n"
        "Patients / priority: 0\n"
        "Equipment / 1: hoist\n"
        "Security: E (enemy in area)\n"
        "Marking: smoke\n"
        "Casualties / 1 / zap: A1\n"
        "Casualties / 1 / injuries: leg\n"
        "Structured: false"
    )


@pytest.mark.parametrize(
    "body",
    [
        *(body for body in (*FULL, *SPARSE) if form.is_filled(body)),
        Medevac(title="a: b / c", equipment=("null", "true", "1", " "), remarks="\n\n  x\n", litter=0),
        Alert(event="x", cancelled=True, area=Area(polygons=(RING, RING), circles=((1.5, -2.5, 0.25),))),
        Alert(event="x", area=Area(geocodes=(("UGC", "1"), ("UGC", "2")))),
        Report(event="x", occurred=datetime(2026, 1, 1, 0, 0, 0, 250_000, tzinfo=UTC), killed=0, narrative=""),
        Receipt(of="GeoChat.a.b", state=ReceiptState.READ, reason="x (y)"),
        Alert(
            event="x", position=Position(latitude=1e-9, longitude=0.1, altitude_m=2.0, altitude_datum=AltitudeDatum.MSL)
        ),
    ],
)
def test_reads_back_exactly(body: form.Filled) -> None:
    assert form.read(form.write(body)) == body


@given(st.text(max_size=200), st.text(max_size=50), st.integers(0, 1_000_000))
def test_reads_back_whatever_the_words_are(words: str, name: str, count: int) -> None:
    body = Report(event=words or "x", narrative=words, killed=count, reported_by=Identity(callsign=name))

    assert form.read(form.write(body)) == body


@pytest.mark.parametrize(
    "text",
    [
        "",
        "REPORT",
        "REPORT (Comity form 2)\nEvent: x",
        "REPORT (Comity form 1)",
        "REPORT (Comity form 1)\nEvent: x\n",
        "REPORT (Comity form 1)\nEvent: x\n(cut)",
        "REPORT (Comity form 1)\nEvent: x\nKilled: many",
        "REPORT (Comity form 1)\nEvent: x\nKilled: -1",
        "REPORT (Comity form 1)\nEvent: x\nEvent: y",
        "REPORT (Comity form 1)\nEvent: x\nEvent / a: y",
        "REPORT (Comity form 1)\nEvent: x\nUnheard: y",
        "REPORT (Comity form 1)\nEvent: x\nPosition / latitude: 91\nPosition / longitude: 1",
        "MEDEVAC REQUEST (Comity form 1)\nEquipment / 2: hoist",
        "MEDEVAC REQUEST (Comity form 1)\nEquipment / 1 / 2: hoist",
        "MEDEVAC REQUEST (Comity form 1)\nSecurity: Q (none)",
        "MEDEVAC REQUEST (Comity form 1)\na / b / c / d / e / f: 1",
        "ALERT (Comity form 1)\nEvent: ",
        " REPORT (Comity form 1)\nEvent: x",
        "report (Comity form 1)\nEvent: x",
        "REPORT (Comity form 1)\nEvent: " + "x" * 300_000,
    ],
)
def test_anything_else_is_no_form(text: str) -> None:
    assert form.read(text) is None


def test_only_four_kinds_have_a_form() -> None:
    assert form.is_filled(Alert(event="x"))
    assert not form.is_filled(Chat(text="x"))


def test_fits_by_cutting_words_first_then_the_area() -> None:
    body = Report(event="IED", narrative="word " * 500, killed=3, area=Area(polygons=(RING,)))

    text, cut = form.fit(body, 400)

    read = form.read(text)
    assert cut == {"narrative"}
    assert len(text.encode()) <= 400
    assert isinstance(read, Report)
    assert (read.killed, read.area) == (3, body.area)
    assert form.fit(body, 150)[1] == {"narrative", "area"}
    assert form.fit(Report(event="IED"), 150) == (form.write(Report(event="IED")), frozenset())


def test_what_cannot_fit_is_cut_and_is_no_form() -> None:
    text, cut = form.fit(Medevac(equipment=("hoist",) * 50, litter=1), 200)

    assert {"kind", "equipment", "litter"} <= cut
    assert len(text.encode()) <= 200
    assert text.endswith("\n(cut)")
    assert form.read(text) is None
