"""Decisions are made once for messages alike, and again when an agreement begins or ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from gateway import decisions as module
from gateway.decisions import Decisions
from gateway.release import Facts, facts
from gateway.routing import Table
from protocols.body import Area, Chat, Track
from protocols.message import Authenticity, Extra, Message, Mode, Times
from protocols.quantity import Position
from protocols.record import Withheld
from tests.fakes import NOW
from tests.gateway.passages import passer, third
from tests.gateway.reports import HERE, OPEN, a_message
from tests.gateway.tables import a_config

ALL = frozenset({"alpha-bravo", "alpha-charlie", "alpha-inside"})
END = datetime(2027, 1, 1, tzinfo=UTC)


def made(signed: frozenset[str] = ALL, **terms: object) -> Decisions:
    config = a_config()
    first = replace(config.agreements[0], **terms)
    return Decisions(Table(replace(config, agreements=(first, *config.agreements[1:])), signed))


def told(decisions: Decisions, message: Message | None = None, now: datetime = NOW) -> dict[str, str | None]:
    return {each.way.destination.id: each.reason for each in decisions.decide(message or a_message(), now)}


def test_every_destination_has_its_decision() -> None:
    assert told(made()) == {"bravo/ops": None, "charlie/map": None, "alpha/cell": None}


@pytest.mark.parametrize("missing", sorted(ALL))
def test_an_unsigned_agreement_is_closed_and_no_other(missing: str) -> None:
    found = told(made(ALL - {missing}))

    assert [reason for reason in found.values() if reason] == [Withheld.AGREEMENT_UNSIGNED]


def test_without_any_signature_nothing_passes() -> None:
    assert set(told(made(frozenset())).values()) == {Withheld.AGREEMENT_UNSIGNED}
    assert set(told(Decisions(Table(a_config()))).values()) == {Withheld.AGREEMENT_UNSIGNED}


def test_a_kept_decision_ends_with_its_agreement() -> None:
    decisions = made(valid_from=NOW + timedelta(hours=1), valid_until=NOW + timedelta(hours=2))
    seen = [told(decisions, now=NOW + timedelta(minutes=minute))["bravo/ops"] for minute in (0, 59, 60, 119, 120, 60)]

    assert seen == [
        Withheld.AGREEMENT_NOT_YET,
        Withheld.AGREEMENT_NOT_YET,
        None,
        None,
        Withheld.AGREEMENT_EXPIRED,
        None,  # a clock that is set back
    ]


def test_what_depends_on_the_message_is_looked_at_each_time() -> None:
    decisions = made(area=Area(circles=((HERE.latitude, HERE.longitude, 1_000.0),)))
    far = a_message(Track(position=Position(latitude=1.0, longitude=1.0)))
    old = a_message(times=Times(observed=NOW, valid_until=NOW - timedelta(seconds=1)))

    assert told(decisions)["bravo/ops"] is None
    assert told(decisions, far)["bravo/ops"] is Withheld.OUTSIDE_AREA
    assert told(decisions, far)["alpha/cell"] is None
    assert set(told(decisions, old).values()) == {Withheld.EXPIRED}
    assert told(decisions)["bravo/ops"] is None


def test_a_report_of_another_time_is_looked_at_each_time() -> None:
    decisions = made(oldest_s=3600.0)
    hour_old = a_message(times=Times(observed=NOW - timedelta(hours=1)))
    older = a_message(times=Times(observed=NOW - timedelta(hours=1, microseconds=1)))
    ahead = a_message(times=Times(created=NOW + timedelta(minutes=5, microseconds=1)))

    assert set(told(decisions, hour_old).values()) == {None}
    assert told(decisions, older) == {"bravo/ops": Withheld.TOO_OLD, "charlie/map": None, "alpha/cell": None}
    assert set(told(decisions, ahead).values()) == {Withheld.IN_THE_FUTURE}
    assert set(told(decisions, a_message(times=Times())).values()) == {None}


def passed_on(decisions: Decisions, *, through: str | None = None, **changes: object) -> dict[str, str | None]:
    message = replace(a_message(origin="bravo/ops", authenticity=Authenticity.VERIFIED), **changes)
    return {each.way.destination.id: each.reason for each in decisions.decide(message, NOW, through)}


def test_who_passed_it_on_decides_on_its_ways() -> None:
    every = {agreement.id for agreement in (*passer().agreements, *third().agreements)}
    ours, theirs = Decisions(Table(passer(), every)), Decisions(Table(third(), every))

    assert passed_on(ours) == {"charlie/map": None, "alpha/cell": None, "alpha/patrols": None}
    assert passed_on(ours, through="charlie") == {}
    assert passed_on(theirs, through="alpha") == {"charlie/map": None}
    assert passed_on(theirs) == {}
    assert ours.without_way("bravo/ops", through="charlie") is Withheld.REEXPORT_DENIED
    assert passed_on(ours, extras=(Extra(format="cot", name="x"),))["charlie/map"] is Withheld.PROOF_LOST


def test_a_passage_opens_and_closes_with_its_originators_agreement() -> None:
    given = passer()
    short = replace(given.agreements[0], valid_until=NOW + timedelta(hours=1))
    table = Table(replace(given, agreements=(short, *given.agreements[1:])), {each.id for each in given.agreements})
    decisions = Decisions(table)
    message = a_message(origin="bravo/ops", authenticity=Authenticity.VERIFIED)
    seen = [
        {each.way.destination.id: each.reason for each in decisions.decide(message, NOW + timedelta(hours=hours))}
        for hours in (0, 1)
    ]

    assert [each["charlie/map"] for each in seen] == [None, Withheld.AGREEMENT_EXPIRED]


def test_of_two_agreements_that_allow_a_passage_one_is_enough() -> None:
    given = passer()
    other = replace(given.agreements[0], id="bravo-alpha-too")
    table = Table(replace(given, agreements=(*given.agreements, other)), {"bravo-alpha-too", "alpha-tells-charlie"})

    assert passed_on(Decisions(table))["charlie/map"] is None


def test_what_no_route_takes_up_says_whether_there_is_an_agreement() -> None:
    decisions = made()

    assert decisions.decide(a_message(Chat(text="x"), origin="alpha/cell"), NOW) == ()
    assert decisions.without_way("alpha/cell") is Withheld.NO_ROUTE
    assert decisions.without_way("charlie/map") is Withheld.NO_AGREEMENT
    assert decisions.without_way("alpha/cell", "charlie/map") is Withheld.NO_ROUTE
    assert decisions.without_way("bravo/ops", "charlie/map") is Withheld.NO_AGREEMENT


def test_foresight_is_the_decision_without_the_content() -> None:
    decisions = made(area=Area(circles=((1.0, 1.0, 10.0),)))
    known = Facts("alpha/patrols", "track", Mode.UNSTATED, verified=False, label=OPEN, precedence=None)

    assert facts(a_message()) == known
    assert {each.way.destination.id: each.reason for each in decisions.foresee(known, NOW)}["bravo/ops"] is None
    assert told(decisions)["bravo/ops"] is Withheld.OUTSIDE_AREA


def test_the_memory_of_decisions_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_MAX", 3)
    decisions = made()

    for number in range(10):
        assert told(decisions, a_message(label=replace(OPEN, classification=f"X{number}")))

    assert len(decisions._kept) <= 3
