"""Past days against another table: who would have gained or lost what, and what nobody can say from records."""

from __future__ import annotations

from functools import partial

import pytest
from msgspec.structs import replace

from gateway.config import Config
from gateway.decisions import Decisions
from gateway.review.replay import Change, Heard, compare, heard
from gateway.routing import Table
from gateway.transform import pseudonym
from protocols.body import Area
from protocols.message import Precedence
from protocols.record import Attention, Event, Record, Withheld
from tests.fakes import NOW, FakeFrame
from tests.gateway.line import KEY, Line, say
from tests.gateway.reports import OPEN, a_track
from tests.gateway.tables import a_config

ALIAS = partial(pseudonym, KEY)


def a_record(event: Event = Event.FORWARDED, to: str | None = "bravo/ops", **more: object) -> Record:
    given: dict[str, object] = {
        "message": "m1", "subject_kind": "track", "source": "alpha/patrols", "label": OPEN, "destination": to,
    }  # fmt: skip
    return Record(at=NOW, gateway="alpha", event=event, **given | more)  # type: ignore[arg-type]


BRAVO = a_record()
CELL = a_record(Event.DELIVERED, "alpha/cell")
MAP = a_record(to="charlie/map", message=ALIAS("m1"))
DAY = [BRAVO, CELL, MAP]


def against(config: Config, *records: Record) -> tuple[int, list[Change]]:
    decisions = Decisions(Table(config, [agreement.id for agreement in config.agreements]))
    return compare(heard(records, ALIAS), decisions, NOW)


def test_the_same_table_changes_nothing() -> None:
    assert against(a_config(), *DAY) == (1, [])


@pytest.mark.parametrize("records", [[MAP, BRAVO, CELL], [BRAVO, MAP, CELL], [CELL, BRAVO, MAP]])
def test_a_copy_without_identities_is_a_copy_of_the_same_message(records: list[Record]) -> None:
    (one,) = heard(records, ALIAS)

    assert one.had == {"bravo/ops", "alpha/cell", "charlie/map"}


def test_without_the_key_a_nameless_copy_looks_like_another_message() -> None:
    assert len(list(heard(DAY, str))) == 2


def test_a_route_less_loses_what_went_along_it() -> None:
    config = a_config()

    assert against(replace(config, routes=config.routes[1:]), *DAY)[1] == [
        Change(source="alpha/patrols", destination="bravo/ops", kind="track", lost=1, reason="no-route")
    ]


def test_a_route_more_gains() -> None:
    config = a_config()
    narrow = replace(config, routes=(config.routes[0], *config.routes[2:]))

    assert against(narrow, BRAVO, CELL) == (1, [])
    assert against(config, BRAVO, CELL)[1] == [
        Change(source="alpha/patrols", destination="charlie/map", kind="track", gained=1, agreement="alpha-charlie")
    ]


def test_a_lower_ceiling_loses_with_its_reason() -> None:
    config = a_config()
    label = replace(OPEN, classification="RESTRICTED")
    low = replace(config.agreements[0], highest=config.agreements[1].highest)

    assert against(replace(config, agreements=(low, *config.agreements[1:])), replace(BRAVO, label=label))[1] == [
        Change(source="alpha/patrols", destination="alpha/cell", kind="track", gained=1, agreement="alpha-inside"),
        Change(
            source="alpha/patrols",
            destination="bravo/ops",
            kind="track",
            lost=1,
            agreement="alpha-bravo",
            reason=Withheld.ABOVE_CEILING,
        ),
    ]


@pytest.mark.parametrize("reason", [Withheld.OUTSIDE_AREA, Withheld.EXPIRED, Withheld.FORMAT_CANNOT_SAY])
def test_what_content_decided_stays_unsure(reason: Withheld) -> None:
    records = [a_record(Event.WITHHELD, reason=reason), CELL, MAP]

    assert against(a_config(), *records)[1] == [
        Change(
            source="alpha/patrols",
            destination="bravo/ops",
            kind="track",
            unsure=1,
            agreement="alpha-bravo",
            reason=reason,
        )
    ]


def test_a_new_area_makes_unsure_what_was_delivered() -> None:
    config = a_config()
    near = replace(config.agreements[0], area=Area(circles=((47.0, 8.0, 1_000.0),)))

    (change,) = against(replace(config, agreements=(near, *config.agreements[1:])), *DAY)[1]

    assert (change.unsure, change.destination, change.reason) == (1, "bravo/ops", Withheld.OUTSIDE_AREA)


def test_repeats_and_what_is_no_message_do_not_count() -> None:
    records = [
        Record(at=NOW, gateway="alpha", event=Event.STARTED),
        a_record(Event.ESCALATED, message="m3"),
        a_record(Event.DELIVERED, "alpha/cell", message="m4", reason=Attention.STANDS_IN),
        a_record(Event.REFUSED, None, reason="duplicate"),
        a_record(Event.WITHHELD, None, message="m2", reason=Withheld.NOT_ORIGINATOR),
        a_record(Event.REFUSED, None, message=None, subject_kind=None, reason="malformed"),
    ]

    assert against(a_config(), *records, *DAY) == (1, [])


def test_what_found_no_route_can_gain_one() -> None:
    record = a_record(Event.WITHHELD, None, source="alpha/cell", reason=Withheld.NO_ROUTE)
    config = a_config()
    routes = (*config.routes, replace(config.routes[2], sources=("alpha/cell",), to=("alpha/patrols",)))

    (change,) = against(replace(config, routes=routes), record)[1]

    assert (change.gained, change.destination) == (1, "alpha/patrols")


def test_precedence_and_mode_are_judged_from_the_record() -> None:
    (one,) = heard([replace(BRAVO, precedence=Precedence.FLASH)], ALIAS)

    assert isinstance(one, Heard)
    assert one.facts.precedence is Precedence.FLASH
    assert not one.facts.verified
    (other,) = heard([replace(BRAVO, source="bravo/ops", destination="alpha/cell")], ALIAS)
    assert other.facts.verified


async def test_what_the_straight_line_records_replays_to_the_same(line: Line) -> None:
    frames: list[FakeFrame] = [
        say(a_track(seconds, f"S-{seconds}", source=replace(a_track(0).source, label_hint="access=UNCLASSIFIED")))
        for seconds in range(5)
    ]
    await line.carry(frames)
    records = [outcome.record for outcome in line.audit.outcomes]

    decisions = Decisions(Table(line.config, [agreement.id for agreement in line.config.agreements]))

    assert {record.destination for record in records} == {"bravo/ops", "charlie/map", "alpha/cell"}
    assert compare(heard(records, ALIAS), decisions, NOW) == (5, [])
