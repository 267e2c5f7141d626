"""The same report is heard once, in whatever format it comes back; a subject belongs to whoever spoke of it first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway import repeats as module
from gateway.repeats import Repeats
from protocols.body import Alert, Contact, Delete, Track
from protocols.message import Authenticity, Message, Source, Times, message_id
from protocols.quantity import Position
from protocols.record import Refused, Withheld
from tests.fakes import NOW
from tests.gateway.reports import HERE, a_chat, a_delete, a_message, a_track

BRAVO: dict[str, Any] = {"origin": "bravo/ops"}


def objections(*messages: Message) -> list[Refused | Withheld | None]:
    memory = Repeats()
    return [memory.objection(message) for message in messages]


def test_the_same_report_twice_is_a_duplicate() -> None:
    assert objections(a_track(0), a_track(0), a_track(1), a_track(1)) == [
        None, Refused.DUPLICATE, None, Refused.DUPLICATE,
    ]  # fmt: skip


def test_a_report_that_comes_back_in_whole_seconds_is_a_duplicate() -> None:
    exact = a_track(0)  # 21:07:30.125
    looped = a_track(0, whole=True, source=Source(format="nffi"), **BRAVO)  # 21:07:30

    assert exact.id != looped.id
    assert objections(exact, looped) == [None, Refused.DUPLICATE]


def test_a_track_that_comes_back_as_a_contact_is_a_duplicate() -> None:
    seen = a_message(Contact(position=HERE), id=a_track(0).id, times=a_track(0).times, **BRAVO)

    assert objections(a_track(0), seen) == [None, Refused.DUPLICATE]


def test_two_reports_of_one_second_in_a_format_with_fractions_are_two() -> None:
    assert objections(a_track(0), a_track(0.2), a_track(0.4)) == [None, None, None]


def test_two_texts_of_one_second_in_a_format_without_fractions_are_two() -> None:
    when = Times(observed=NOW.replace(microsecond=0), whole_seconds=True)
    first, second = (a_chat(number, times=when) for number in (1, 2))
    second = a_message(second.body, id=second.id, subject=first.subject, times=when)

    assert objections(first, second) == [None, None]


def test_an_alert_and_its_end_in_one_second_are_two() -> None:
    when = Times(observed=NOW, whole_seconds=False)
    raised = a_message(Alert(event="911 Alert"), id="a" * 32, times=when)
    ended = a_message(Alert(event="911 Alert", cancelled=True), id="b" * 32, times=when)
    whole = Times(observed=NOW.replace(microsecond=0), whole_seconds=True)
    back = a_message(Alert(event="911 Alert", cancelled=True), id="c" * 32, times=whole)

    assert objections(raised, ended, back) == [None, None, Refused.DUPLICATE]


def test_an_older_position_is_superseded() -> None:
    assert objections(a_track(2), a_track(1), a_track(3)) == [None, Refused.SUPERSEDED, None]


def test_another_subject_is_not_superseded() -> None:
    assert objections(a_track(2), a_track(1, subject="S-2")) == [None, None]


def test_what_is_not_a_position_is_never_superseded() -> None:
    older = Times(observed=NOW - timedelta(hours=1))

    assert objections(a_track(2), a_message(Alert(event="Fire"), id="f" * 32, times=older)) == [None, None]


@pytest.mark.parametrize("between", [Times(), Times(observed=NOW - timedelta(hours=1))], ids=["no time", "older"])
def test_another_report_of_the_subject_does_not_let_older_positions_in(between: Times) -> None:
    alert = a_message(Alert(event="Fire"), id="f" * 32, times=between)

    assert objections(a_track(2), alert, a_track(1)) == [None, None, Refused.SUPERSEDED]


@pytest.mark.parametrize(
    "claim",
    [
        a_track(5, **BRAVO),
        a_delete("S-1", **BRAVO),
        a_message(Alert(event="911 Alert", cancelled=True), id="c" * 32, **BRAVO),
        a_message(Contact(position=HERE), id="d" * 32, **BRAVO),
        a_track(5, origin=None),
        a_track(5, origin="alpha/cell"),  # another unit of the same partner
    ],
    ids=["update", "delete", "cancel", "contact", "nobody", "neighbour"],
)
def test_only_its_originator_speaks_about_a_subject(claim: Message) -> None:
    memory = Repeats()

    assert memory.objection(a_track(0)) is None
    assert memory.objection(claim) is Withheld.NOT_ORIGINATOR
    assert memory.objection(a_track(6)) is None  # and the refused one left no trace


def test_its_originator_may_take_it_back() -> None:
    assert objections(a_track(0), a_delete("S-1")) == [None, None]


def test_nobody_takes_back_what_was_never_said() -> None:
    assert objections(a_delete("S-9")) == [Withheld.NOT_ORIGINATOR]


def test_a_refused_report_may_come_again_from_whom_it_belongs_to() -> None:
    stolen, own = a_track(7, **BRAVO), a_track(7)

    assert objections(a_track(0), stolen, own) == [None, Withheld.NOT_ORIGINATOR, None]


def test_reports_without_a_time_are_told_apart_by_their_id() -> None:
    first, second = (a_message(Track(position=HERE), id=number * 32, times=Times()) for number in "ab")

    assert objections(first, second, first) == [None, None, Refused.DUPLICATE]


def test_memory_is_bounded_and_forgets_what_was_not_used_longest() -> None:
    memory = Repeats(remembered=4)
    for number in range(100):
        assert memory.objection(a_track(number, subject=f"S-{number}")) is None

    assert len(memory._new.ids) + len(memory._old.ids) <= 4
    assert len(memory._new.subjects) + len(memory._old.subjects) <= 4
    assert memory.objection(a_track(99, subject="S-99")) is Refused.DUPLICATE
    assert memory.objection(a_track(0, subject="S-0")) is None


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=30))
def test_positions_that_pass_are_ever_newer_and_none_passes_twice(steps: list[tuple[int, bool]]) -> None:
    memory = Repeats()
    passed = [
        (message.times.observed, message.id)
        for tenths, whole in steps
        for message in [a_track(tenths / 10, whole=whole)]
        if memory.objection(message) is None
    ]

    assert passed == sorted(passed)
    assert len({number for _, number in passed}) == len(passed)


@given(st.datetimes(timezones=st.just(UTC)), st.text(min_size=1, max_size=8))
def test_no_copy_in_whole_seconds_passes_after_its_original(moment: datetime, subject: str) -> None:
    exact = Times(observed=moment)
    cut = Times(observed=moment.replace(microsecond=0), whole_seconds=True)
    body = Track(position=Position(latitude=0.0, longitude=0.0))
    original, copy = (
        a_message(body, id=message_id("position", subject, times.observed), subject=subject, times=times)
        for times in (exact, cut)
    )

    assert objections(original, copy) == [None, Refused.DUPLICATE]


def test_a_unit_of_ours_takes_its_subject_back_from_a_partner_that_squats_on_it() -> None:
    repeats = Repeats()
    squatted = replace(a_track(0), origin="bravo/ops", authenticity=Authenticity.VERIFIED)
    ours = replace(a_track(1), authenticity=Authenticity.ASSERTED)
    again = replace(a_track(2), origin="bravo/ops", authenticity=Authenticity.VERIFIED)

    assert repeats.objection(squatted) is None
    assert repeats.objection(ours) is None
    assert repeats.objection(again) is Withheld.NOT_ORIGINATOR


def test_a_unit_of_ours_does_not_delete_what_a_partner_spoke_of() -> None:
    repeats = Repeats()
    foreign = replace(a_track(0), origin="bravo/ops", authenticity=Authenticity.VERIFIED)
    assert repeats.objection(foreign) is None

    assert repeats.objection(a_delete(foreign.subject)) is Withheld.NOT_ORIGINATOR


def test_what_is_never_put_on_disk_takes_bounded_room_and_is_not_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH_MAX", 3)
    memory = Repeats()
    for number in range(10):
        assert memory.objection(a_track(number)) is None

    assert len(memory._fresh) == 3
    assert not any(isinstance(held, Message) for fresh in memory._fresh.values() for held in fresh)


def test_nobody_uses_up_the_id_of_a_report_about_anothers_subject() -> None:
    own = a_track(0)
    ahead = a_track(0, subject="S-2", **BRAVO)
    ahead = replace(ahead, id=own.id)

    assert objections(ahead, own) == [None, None]


def test_what_nobody_got_may_come_again_and_its_subject_stays_its_originators() -> None:
    memory = Repeats()
    kept = a_track(0)
    assert memory.objection(kept) is None
    memory.forget(kept)

    assert memory.objection(a_track(0, **BRAVO)) is Withheld.NOT_ORIGINATOR
    assert memory.objection(a_track(0)) is None
    assert memory.objection(a_track(0)) is Refused.DUPLICATE


def test_a_position_that_nobody_got_makes_none_late() -> None:
    memory = Repeats()
    newer = a_track(9)
    assert memory.objection(a_track(1)) is None
    assert memory.objection(newer) is None
    memory.forget(newer)

    assert memory.objection(a_track(5)) is None
    assert memory.objection(a_track(4)) is Refused.SUPERSEDED


def test_forgetting_does_not_touch_what_came_after() -> None:
    memory = Repeats()
    kept = a_track(1)
    assert memory.objection(kept) is None
    assert memory.objection(a_track(5)) is None
    memory.forget(kept)

    assert memory.objection(a_track(4)) is Refused.SUPERSEDED
    assert memory.objection(a_track(5)) is Refused.DUPLICATE


def test_another_message_is_not_forgotten_for_it() -> None:
    memory, passed = Repeats(), a_track(0)
    assert memory.objection(passed) is None
    memory.forget(a_track(0))  # a copy: not the one that passed

    assert memory.objection(a_track(0)) is Refused.DUPLICATE


def test_whatever_a_parser_let_in_can_be_remembered() -> None:
    strange = a_message(Delete(target="\ud800"), id="e" * 32)

    assert objections(strange) == [Withheld.NOT_ORIGINATOR]
