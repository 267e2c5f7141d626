"""The field units of the demonstration write as their own systems do: adapters read it, or refuse what they should."""

from __future__ import annotations

from datetime import UTC, datetime
from math import cos, hypot, radians

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import DecodeError, Fault, load
from gateway.demo.field import ALPHA, BRAVO_NFFI, BRAVO_SEDAP, Patrol, Publication, incidents, positions
from protocols.body import Alert, Chat, Medevac, Track
from protocols.message import Message
from protocols.topics import is_topic

NOW = datetime(2026, 3, 14, 21, 7, 30, 125_000, tzinfo=UTC)
FORMATS = {"tak": "cot", "sedap": "sedap", "nffi": "nffi", "cap": "cap"}
PATROLS = (*ALPHA, *BRAVO_SEDAP, *BRAVO_NFFI)


def read(publication: Publication) -> list[Message]:
    return list(load(FORMATS[publication.topic.partition("/")[0]]).decode(publication.data))


def story(elapsed_s: float = 0.0) -> list[tuple[int, Publication]]:
    return [(step, each) for step in range(20) for each in incidents(NOW, elapsed_s, step)]


@given(st.floats(0, 100_000))
def test_every_position_is_read_by_its_partners_adapter(elapsed_s: float) -> None:
    said = list(positions(NOW, elapsed_s))

    assert len(said) == len(PATROLS)
    for patrol, publication in zip(PATROLS, said, strict=True):
        assert is_topic(publication.topic)
        (message,) = read(publication)
        body = message.body
        assert isinstance(body, Track)
        fix = patrol.at(elapsed_s)
        assert body.position.latitude == pytest.approx(fix.latitude, abs=1e-6)
        assert body.position.longitude == pytest.approx(fix.longitude, abs=1e-6)
        assert body.kinematics.speed_mps == pytest.approx(patrol.speed_mps, abs=0.03)  # one decimal of km/h
        assert patrol.name in {body.identity.callsign, body.identity.device, body.identity.system}


@given(st.sampled_from(PATROLS), st.floats(0, 20_000), st.floats(0.1, 5))
def test_a_patrol_moves_no_faster_than_it_says(patrol: Patrol, start_s: float, step_s: float) -> None:
    before, after = patrol.at(start_s), patrol.at(start_s + step_s)
    north = (after.latitude - before.latitude) * 111_320
    east = (after.longitude - before.longitude) * 111_320 * cos(radians(before.latitude))

    assert hypot(north, east) <= patrol.speed_mps * step_s * 1.01 + 0.01
    assert 0 <= before.course_deg < 360


def test_a_patrol_goes_round_and_round() -> None:
    square = Patrol("X", 10.0, ((0.0, 0.0), (0.01, 0.0), (0.01, 0.01), (0.0, 0.01)))

    assert square.at(0.0)[:2] == (0.0, 0.0)
    assert square.at(55.66)[:2] == pytest.approx((0.005, 0.0), abs=1e-4)
    assert square.at(111.32 * 4)[:2] == pytest.approx((0.0, 0.0), abs=1e-4)
    assert [round(square.at(seconds).course_deg) for seconds in (50, 160, 270, 380)] == [0, 90, 180, 270]


def test_the_story_has_every_kind_and_every_fault_it_promises() -> None:
    bodies, faults, markings = [], [], set()
    for _, publication in story():
        try:
            messages = read(publication)
        except DecodeError as error:
            faults.append(error.fault)
            continue
        bodies += [message.body for message in messages]
        markings |= {message.source.label_hint for message in messages}

    assert {Chat, Medevac, Alert, Track} <= {type(body) for body in bodies}
    assert faults == [Fault.MALFORMED, Fault.OUT_OF_RANGE]
    assert None in markings
    assert {"access=CONFIDENTIAL", "access=UNCLASSIFIED", "scope=Public"} <= markings
    alerts = [body for body in bodies if isinstance(body, Alert)]
    assert [alert.cancelled for alert in alerts].count(True) == 2


def test_the_emergency_and_its_end_are_about_the_same_subject() -> None:
    raised, ended = (
        message
        for step, publication in story()
        if step in {7, 10}
        for message in read(publication)
        if isinstance(message.body, Alert)
    )

    assert raised.subject == ended.subject
    assert raised.id != ended.id


def test_the_repeat_is_the_regular_position_said_twice() -> None:
    (repeat,) = incidents(NOW, 6.0, 6)
    regular = [each for each in positions(NOW, 6.0) if each.topic == repeat.topic]

    assert [read(each)[0].id for each in regular] == [read(repeat)[0].id]


def test_the_story_is_told_again_with_new_names() -> None:
    first = {each.data for step in (3, 4) for each in incidents(NOW, 0.0, step)}
    again = {each.data for step in (23, 24) for each in incidents(NOW, 0.0, step)}

    assert len(first) == len(again) == 2
    assert not first & again
