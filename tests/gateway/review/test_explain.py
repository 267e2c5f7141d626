"""An explanation says what would happen, and its smallest change, applied, makes it happen otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.config import Config, LabelRule, Route, faults
from gateway.decisions import Decisions
from gateway.intake import stamped
from gateway.release import CONTENT, STANDING
from gateway.review.candidates import CANDIDATES
from gateway.review.explain import Situation, course, destinations
from gateway.review.remedy import apply, barrier, remedies
from gateway.routing import Table
from protocols.agreement import Ceiling, Transformation
from protocols.body import Alert, Area, Body, Chat, Delete, Task, Track
from protocols.label import Category, CategoryType, Clearance, Label
from protocols.message import Authenticity, Extra, Message, Mode, Precedence, Source, Times, message_id
from protocols.quantity import Position
from protocols.record import Refused, Withheld
from protocols.spif import read_spif
from tests.fakes import NOW
from tests.gateway.passages import passer, third
from tests.gateway.reports import HERE, OPEN, a_message
from tests.gateway.tables import a_config

SAID = "access=RESTRICTED"
FAR = Area(circles=((10.0, 10.0, 1_000.0),))


def said(body: Body | None = None, hint: str | None = SAID, **more: object) -> Message:
    """A message as an adapter gives it: without origin and label, with the marking of its format."""
    given: dict[str, object] = {"label": None, "origin": None, "times": Times(observed=NOW)}
    return a_message(body, source=Source(format="cot", label_hint=hint), **given | more)


def situation(message: Message | None = None, *, source: str = "alpha/patrols", **more: object) -> Situation:
    config = a_config()
    made = Situation(config, frozenset(), source, message or said(), NOW)._replace(**more)  # type: ignore[arg-type]
    return made if "signed" in more else made._replace(signed=frozenset(each.id for each in made.config.agreements))


def with_agreement(index: int, **terms: object) -> Config:
    config = a_config()
    changed = [replace(each, **terms) if i == index else each for i, each in enumerate(config.agreements)]
    return replace(config, agreements=tuple(changed))


def labelled(type_: CategoryType, tag: str, *values: str) -> Config:
    """The table where the unit's marking means a label with one category."""
    config = a_config()
    label = replace(OPEN, categories=(Category(type=type_, tag=tag, values=values),))
    rules = tuple(replace(rule, label=label) if rule.hint == SAID else rule for rule in config.units[0].labels)
    return replace(config, units=(replace(config.units[0], labels=rules), *config.units[1:]))


def with_routes(*routes: Route, only: bool = False) -> Config:
    config = a_config()
    return replace(config, routes=routes if only else (*config.routes, *routes))


TO_PATROLS = Route(sources=("bravo/ops",), to=("alpha/patrols",), agreement="alpha-bravo")
BACK = Route(sources=("bravo/ops",), to=("charlie/map",), agreement="alpha-bravo")
FROM_BRAVO = a_message(origin=None)
SECRET = replace(FROM_BRAVO, label=Label(policy="MISSION", classification="CONFIDENTIAL"))
LOW = with_agreement(0, highest=a_config().agreements[1].highest)
MEDICAL = labelled(CategoryType.RESTRICTIVE, "Sensitivity", "MEDICAL")
CHARLIES = labelled(CategoryType.PERMISSIVE, "Releasable To", "charlie")
ONE_WAY = with_agreement(0, directions=a_config().agreements[0].directions[1:])
CELL = a_config().units[1]
WARNINGS = replace(a_config(), units=(a_config().units[0], replace(CELL, adapter="cap")))
DEAR = replace(
    a_config(),
    units=(a_config().units[0], replace(CELL, adapter="nffi")),
    routes=tuple(replace(route, never_lose=("label",)) for route in a_config().routes),
)
LATE = said(times=Times(observed=NOW, valid_until=NOW - timedelta(minutes=1)))
SOON = said(times=Times(observed=NOW, valid_until=NOW + timedelta(minutes=5)))
OLDER = Times(observed=NOW - timedelta(seconds=5))
_INWARD = passer().agreements[0]
_PASSED_ON = passer().routes[0]


def _passer(**terms: object) -> Config:
    config = passer()
    return replace(config, agreements=(replace(_INWARD, **terms), *config.agreements[1:]))


UNASKED = _passer(onward=())
ONLY_CHATS = _passer(kinds=("chat",))
ELSEWHERE = _passer(area=FAR)
NOT_ROUTED = replace(passer(), routes=passer().routes[1:])
NOT_TAKEN = replace(third(), routes=())
CASES: list[tuple[str, Situation, str]] = [
    (Withheld.NO_ROUTE, situation(said(hint=None), source="alpha/cell"), "bravo/ops"),
    (Withheld.NO_AGREEMENT, situation(FROM_BRAVO, source="charlie/map"), "alpha/cell"),
    (Withheld.UNLABELLED, situation(said(hint=None)), "bravo/ops"),
    (Withheld.UNLABELLED, situation(replace(FROM_BRAVO, label=None), source="bravo/ops"), "alpha/cell"),
    (Withheld.UNKNOWN_LABEL, situation(said(hint="access=COSMIC")), "bravo/ops"),
    (Withheld.UNKNOWN_LABEL, situation(replace(FROM_BRAVO, label=Label(policy="NATO", classification="OPEN")),
                                       source="bravo/ops"), "alpha/cell"),
    (Withheld.ABOVE_CEILING, situation(), "charlie/map"),
    (Withheld.ABOVE_CEILING, situation(SECRET, source="bravo/ops", config=LOW), "alpha/cell"),
    (Withheld.CATEGORY_NOT_HELD, situation(config=MEDICAL), "bravo/ops"),
    (Withheld.NOT_RELEASABLE_TO, situation(config=CHARLIES), "bravo/ops"),
    (Withheld.NOT_ORIGINATOR, situation(said(Delete(target="S-1"))), "bravo/ops"),
    (Withheld.NOT_ORIGINATOR, situation(before=(a_message(id="1" * 32, origin="alpha/cell"),)), "bravo/ops"),
    (Withheld.REEXPORT_DENIED, situation(FROM_BRAVO, source="bravo/ops", config=with_routes(BACK)), "charlie/map"),
    (Withheld.REEXPORT_DENIED, situation(FROM_BRAVO, source="bravo/ops", config=UNASKED), "charlie/map"),
    (Withheld.REEXPORT_DENIED, situation(FROM_BRAVO, source="bravo/ops", config=NOT_TAKEN, through="alpha"),
     "charlie/map"),
    (Withheld.NO_AGREEMENT, situation(FROM_BRAVO, source="bravo/ops", config=NOT_ROUTED), "charlie/map"),
    (Withheld.PROOF_LOST, situation(replace(FROM_BRAVO, extras=(Extra(format="cot", name="x"),)), source="bravo/ops",
                                    config=passer()), "charlie/map"),
    (Withheld.KIND_NOT_AGREED, situation(FROM_BRAVO, source="bravo/ops", config=ONLY_CHATS), "charlie/map"),
    (Withheld.AGREEMENT_UNSIGNED, situation(FROM_BRAVO, source="bravo/ops", config=passer(),
                                            signed=frozenset({"alpha-tells-charlie"})), "charlie/map"),
    (Withheld.OUTSIDE_AREA, situation(FROM_BRAVO, source="bravo/ops", config=ELSEWHERE), "charlie/map"),
    (Withheld.AGREEMENT_UNSIGNED, situation(signed=frozenset()), "bravo/ops"),
    (Withheld.AGREEMENT_NOT_YET, situation(said(times=Times()), now=datetime(2025, 1, 1, tzinfo=UTC)),
     "bravo/ops"),
    (Withheld.AGREEMENT_EXPIRED, situation(said(times=Times()), now=datetime(2027, 1, 1, tzinfo=UTC)),
     "bravo/ops"),
    (Withheld.DIRECTION_NOT_AGREED, situation(config=ONE_WAY), "bravo/ops"),
    (Withheld.KIND_NOT_AGREED, situation(said(Alert(event="Flood"))), "bravo/ops"),
    (Withheld.TASK_DENIED, situation(said(Task(verb="meet"))), "bravo/ops"),
    (Withheld.MODE_MISMATCH, situation(said(mode=Mode.EXERCISE)), "bravo/ops"),
    (Withheld.PRECEDENCE_TOO_HIGH, situation(said(precedence=Precedence.OVERRIDE),
                                             config=with_agreement(0, precedence=Ceiling.FLASH)), "bravo/ops"),
    (Withheld.OUTSIDE_AREA, situation(config=with_agreement(0, area=FAR)), "bravo/ops"),
    (Withheld.EXPIRED, situation(LATE), "bravo/ops"),
    (Withheld.EXPIRED, situation(SOON, config=with_agreement(0, transformation=Transformation(delay_s=600.0))),
     "bravo/ops"),
    (Withheld.TOO_OLD, situation(now=NOW + timedelta(days=2)), "bravo/ops"),
    (Withheld.IN_THE_FUTURE, situation(now=NOW - timedelta(minutes=6)), "bravo/ops"),
    (Withheld.FORMAT_CANNOT_SAY, situation(config=WARNINGS), "alpha/cell"),
    (Withheld.WOULD_LOSE, situation(config=DEAR), "alpha/cell"),
    (Refused.DUPLICATE, situation(before=(a_message(),)), "bravo/ops"),
    (Refused.SUPERSEDED, situation(said(times=OLDER, id=message_id("position", "S-1", OLDER.observed)),
                                   before=(a_message(id="1" * 32),)), "bravo/ops"),
]  # fmt: skip
IDS = [f"{number} {case[0]}" for number, case in enumerate(CASES)]


def test_there_is_a_case_and_a_change_for_every_reason_there_is() -> None:
    assert {reason for reason, *_ in CASES} >= set(Withheld)
    assert set(CANDIDATES) >= set(Withheld)


@pytest.mark.parametrize(("reason", "case", "to"), CASES, ids=IDS)
def test_the_change_applied_changes_the_verdict(reason: str, case: Situation, to: str) -> None:
    ends = course(case, to)
    assert ends.reason == reason
    assert [step.reason for step in ends.steps[:-1]] == [None] * (len(ends.steps) - 1)

    changes = remedies(case, to)

    assert changes
    first = apply(case, changes[0])
    assert (course(first, to).end.rule, course(first, to).reason) != (ends.end.rule, ends.reason)
    before = set(faults(case.config))
    for change in changes:
        case = apply(case, change)
    assert course(case, to).reason is None
    assert not set(faults(case.config)) - before


@pytest.mark.parametrize(("case", "to"), [case[1:] for case in CASES], ids=IDS)
def test_every_change_is_needed(case: Situation, to: str) -> None:
    changes = remedies(case, to) or ()

    for left_out in range(len(changes)):
        partly = case
        try:
            for change in (*changes[:left_out], *changes[left_out + 1 :]):
                partly = apply(partly, change)
            ends = course(partly, to)
        except (KeyError, IndexError):
            continue  # a route under the agreement that was left out
        assert ends.reason is not None, changes[left_out]


SPIFS = Path(__file__).parents[2] / "fixtures" / "labels"
HOME, AWAY = (read_spif((SPIFS / f"{name}.spif.xml").read_bytes()) for name in ("home", "away"))
MEDICAL_CARE = Category(type=CategoryType.RESTRICTIVE, tag="Care", values=("MEDICAL",))
TO_XAA = Category(type=CategoryType.PERMISSIVE, tag="Release", values=("XAA",))
TO_XBB = Category(type=CategoryType.PERMISSIVE, tag="Release", values=("XBB",))


def under_spifs(classification: str, *categories: Category, highest: Clearance, clearance: Clearance) -> Situation:
    """A message whose marking means a label of one SPIF, under ceilings of that or of another."""
    config = a_config()
    label = Label(policy="HOME", classification=classification, categories=categories)
    patrols = replace(config.units[0], clearance=clearance, labels=(LabelRule(hint=SAID, label=label),))
    changed = replace(
        config,
        policies=(HOME, AWAY),
        units=(patrols, replace(config.units[1], clearance=clearance, labels=(), default_label=None)),
        peers=tuple(replace(peer, clearance=clearance) for peer in config.peers),
        agreements=tuple(replace(each, highest=highest) for each in config.agreements),
    )
    assert not list(faults(changed))
    return situation(config=changed)


HIGHEST = Clearance(policy="HOME", classification="SECRET")
ELSEWHERE_HIGH, ELSEWHERE_LOW = (Clearance(policy="AWAY", classification=each) for each in ("HIGH", "LOW"))
MEDICALS = replace(HIGHEST, restrictive=("MEDICAL",))
XBBS = replace(HIGHEST, categories=(TO_XBB,))


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (under_spifs("SECRET", TO_XAA, highest=replace(HIGHEST, categories=(TO_XAA,)), clearance=HIGHEST),
         ["clear bravo/ops for Release XAA"]),
        (under_spifs("SECRET", TO_XAA, highest=XBBS, clearance=XBBS),
         ["its originator marks it releasable to XBB too"]),
        (under_spifs("SECRET", highest=ELSEWHERE_HIGH, clearance=ELSEWHERE_LOW), ["clear bravo/ops for HIGH"]),
        (under_spifs("OPEN", MEDICAL_CARE, highest=MEDICALS, clearance=ELSEWHERE_HIGH),
         ["clear bravo/ops for HOME OPEN Care MEDICAL, in the policy of that label"]),
    ],
)  # fmt: skip
def test_a_label_of_a_spif_is_not_lowered_but_what_holds_it_widened(case: Situation, said: list[str]) -> None:
    changes = remedies(case, "bravo/ops") or ()

    assert [change.say for change in changes] == said
    for change in changes:
        case = apply(case, change)
    assert course(case, "bravo/ops").reason is None
    assert not list(faults(case.config))


def test_an_agreement_whose_words_a_change_alters_has_to_be_signed_again() -> None:
    case, to = situation(said(Alert(event="Flood"))), "bravo/ops"

    agreed, *rest = remedies(case, to) or ()

    assert agreed.say == 'agree in "alpha-bravo" on alert'
    assert course(apply(case, agreed), to).reason == Withheld.AGREEMENT_UNSIGNED
    assert [change.say for change in rest] == ['have "alpha-bravo" signed by alpha, bravo, as it then reads']


def test_an_agreement_that_is_drawn_up_and_changed_is_signed_once_in_the_end() -> None:
    config = a_config()
    alone = replace(config, agreements=config.agreements[1:], routes=())
    case = situation(said(mode=Mode.EXERCISE, precedence=Precedence.FLASH), config=alone)

    changes = remedies(case, "bravo/ops") or ()

    assert [change.at for change in changes].count("signed") == 1
    for change in changes:
        case = apply(case, change)
    assert course(case, "bravo/ops").reason is None


def test_no_change_is_told_that_the_table_would_be_refused_for() -> None:
    """A unit that sends cannot be given a format that is only written, though that one could say it."""
    timeless = replace(FROM_BRAVO, times=Times())
    case = situation(timeless, source="bravo/ops", config=with_routes(TO_PATROLS))
    assert course(case, "alpha/patrols").reason == Withheld.FORMAT_CANNOT_SAY

    changes = remedies(case, "alpha/patrols")

    for change in changes or ():
        case = apply(case, change)
    assert not list(faults(case.config))


BESIDE = {Refused.DUPLICATE, Refused.SUPERSEDED, Withheld.NOT_ORIGINATOR, Withheld.FORMAT_CANNOT_SAY,
          Withheld.WOULD_LOSE}  # fmt: skip
RELEASE = [case for case in CASES if case[0] not in BESIDE]  # the others are decided before or after the release rules


@pytest.mark.parametrize(("reason", "case", "to"), RELEASE, ids=[case[0] for case in RELEASE])
def test_it_says_what_the_straight_line_says(reason: str, case: Situation, to: str) -> None:
    unit = next((each for each in case.config.units if each.id == case.source), None)
    report = stamped(case.message, unit, case.now) if unit else None
    if report is not None and report.objection:
        assert reason == report.objection
        return
    message = (
        report.message if report else replace(case.message, origin=case.source, authenticity=Authenticity.VERIFIED)
    )
    decisions = Decisions(Table(case.config, case.signed))

    told = {each.way.destination.id: each.reason for each in decisions.decide(message, case.now, case.through)}

    assert told.get(to, decisions.without_way(case.source, to, case.through)) == reason


def test_a_message_that_arrives_passes_every_rule_in_order() -> None:
    ends = course(situation(), "bravo/ops")

    assert ends.reason is None
    assert [step.rule for step in ends.steps] == [
        "marking", "subject", "route", *(rule.name for rule in STANDING), *(rule.name for rule in CONTENT), "size",
    ]  # fmt: skip
    assert remedies(situation(), "bravo/ops") == []


@pytest.mark.parametrize(
    ("case", "to", "reason"),
    [
        (situation(), "bravo/ops", Withheld.NO_ROUTE),  # its table knows no marking above
        (situation(said(hint="access=UNCLASSIFIED")), "charlie/map", Withheld.ABOVE_CEILING),
        (situation(FROM_BRAVO, source="bravo/ops"), "alpha/cell", Withheld.NO_ROUTE),
    ],
)
def test_the_barrier_applied_keeps_it_back(case: Situation, to: str, reason: str) -> None:
    change = barrier(case, to)

    assert change is not None
    after = course(apply(case, change), to)
    assert after.reason is not None
    assert after.reason == reason or change.at.startswith("$.units")


def test_nothing_is_kept_back_that_does_not_arrive() -> None:
    assert barrier(situation(), "charlie/map") is None


def test_where_two_routes_lead_the_first_that_lets_it_pass_counts() -> None:
    narrow = Route(sources=("alpha/patrols",), to=("bravo/ops",), agreement="alpha-charlie")
    config = a_config()
    case = situation(config=replace(config, routes=(narrow, *config.routes)))

    ends = course(case, "bravo/ops")

    assert ends.reason is None
    assert [(step.agreement, step.reason) for step in ends.steps if step.reason] == [
        ("alpha-charlie", Withheld.DIRECTION_NOT_AGREED)
    ]
    assert (
        course(case._replace(signed=frozenset({"alpha-charlie"})), "bravo/ops").reason == Withheld.DIRECTION_NOT_AGREED
    )


def test_destinations_are_those_of_the_routes() -> None:
    assert destinations(situation()) == ["bravo/ops", "charlie/map", "alpha/cell"]
    assert destinations(situation(said(Chat(text="x")))) == ["bravo/ops"]


def test_a_place_outside_is_told_without_the_place() -> None:
    case = situation(config=with_agreement(0, area=FAR))

    assert str(HERE.latitude) not in "".join(change.say for change in remedies(case, "bravo/ops") or ())
    assert course(situation(said(Track(position=Position(latitude=1, longitude=1)))), "bravo/ops").reason is None
