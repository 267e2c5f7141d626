"""Whatever is added to a table, no other agreement lets out more than it did before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.config import Config, LabelRule, LocalUnit, Route
from gateway.decisions import Decisions
from gateway.release import Facts, facts
from gateway.routing import Table
from protocols.agreement import KINDS, Agreement, Ceiling, Direction, Transformation
from protocols.anonymity import can_be_anonymous
from protocols.body import Area, Body, Chat, Track
from protocols.label import Category, CategoryType, Clearance, Label
from protocols.message import Authenticity, Message, Mode, Precedence, Times
from protocols.quantity import Position
from protocols.unit import LiaisonUnit
from tests.gateway.passages import passer
from tests.gateway.reports import HERE, a_message
from tests.gateway.tables import a_config

BASE = a_config()
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # machines are busy
PARTNERS = ("alpha", "bravo", "charlie")
UNITS = ("alpha/patrols", "alpha/cell", "bravo/ops", "charlie/map")
CLASSES = ("UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
THERE = Position(latitude=10, longitude=10)
MEDICAL = Category(type=CategoryType.RESTRICTIVE, tag="Sensitivity", values=("MEDICAL",))
FOR_BRAVO = Category(type=CategoryType.PERMISSIVE, tag="Releasable To", values=("bravo",))
MODES = ((Mode.OPERATION, Mode.UNSTATED), (Mode.EXERCISE,), (Mode.OPERATION,), (Mode.TEST, Mode.UNSTATED))
AREAS = (None, Area(circles=((HERE.latitude, HERE.longitude, 5_000.0),)), Area(circles=((10.0, 10.0, 1_000.0),)))

clearances = st.builds(
    Clearance,
    policy=st.just("MISSION"),
    classification=st.sampled_from((*CLASSES[2:] * 3, *CLASSES)),
    restrictive=st.sampled_from([(), ("MEDICAL",)]),
)
# What is drawn is mostly allowed, else nearly nothing would be released and a leak would go unseen.
kinds = st.lists(st.sampled_from((*sorted(KINDS), "track", "chat")), max_size=3).map(
    lambda some: tuple(sorted({"track", *some}))
)
ends = st.lists(st.sampled_from(UNITS), min_size=2, max_size=4, unique=True).map(tuple)
every_way = tuple(Direction(sender=one, to=other) for one in PARTNERS for other in PARTNERS)
directions = st.sets(st.integers(0, 8), max_size=3).map(
    lambda gone: tuple(way for number, way in enumerate(every_way) if number not in gone)
)


@st.composite
def agreements(draw: st.DrawFn, name: str) -> Agreement:
    named = draw(kinds)
    nameless = draw(st.booleans()) and all(can_be_anonymous(KINDS[kind]) for kind in named)
    begin = BEGIN + timedelta(days=draw(st.integers(0, 60)))
    return Agreement(
        id=name,
        partners=PARTNERS,
        kinds=named,
        directions=draw(directions),
        highest=draw(clearances),
        valid_from=begin,
        valid_until=begin + timedelta(days=draw(st.integers(60, 300))),
        modes=draw(st.sampled_from((*MODES[:1] * 3, *MODES))),
        area=draw(st.sampled_from((None, None, *AREAS))),
        precedence=draw(st.sampled_from((Ceiling.OVERRIDE, Ceiling.OVERRIDE, *Ceiling))),
        transformation=Transformation(drop_identities=nameless),
    )


@st.composite
def routes(draw: st.DrawFn, agreement: Agreement) -> Route:
    some = draw(st.just(()) | st.lists(st.sampled_from(agreement.kinds), unique=True).map(tuple))
    return Route(sources=draw(ends), to=draw(ends), agreement=agreement.id, kinds=some)


@st.composite
def tables(draw: st.DrawFn) -> Config:
    """A table with some agreements and routes under them, in any order."""
    made = [draw(agreements(f"a-{number}")) for number in range(draw(st.integers(1, 3)))]
    units = tuple(replace(unit, clearance=draw(clearances)) for unit in BASE.units)
    peers = tuple(replace(peer, clearance=draw(clearances)) for peer in BASE.peers)
    laid = tuple(draw(routes(draw(st.sampled_from(made)))) for _ in range(draw(st.integers(2, 5))))
    return replace(BASE, agreements=tuple(made), routes=laid, units=units, peers=peers)


@st.composite
def additions(draw: st.DrawFn, config: Config) -> tuple[Config, frozenset[str]]:
    """The table with one more rule, and the agreements that the rule is about."""
    match draw(st.sampled_from(("route", "agreement", "peer", "label rule"))):
        case "route":
            agreement = draw(st.sampled_from(config.agreements))
            place = draw(st.integers(0, len(config.routes)))
            route = draw(routes(agreement))
            laid = (*config.routes[:place], route, *config.routes[place:])
            return replace(config, routes=laid), frozenset({agreement.id})
        case "agreement":
            agreement = draw(agreements("new"))
            place = draw(st.integers(0, len(config.routes)))
            laid = (*config.routes[:place], draw(routes(agreement)), *config.routes[place:])
            more = (agreement, *config.agreements) if draw(st.booleans()) else (*config.agreements, agreement)
            return replace(config, agreements=more, routes=laid), frozenset({"new"})
        case "peer":
            peer = LiaisonUnit(id="bravo/new", clearance=draw(clearances))
            return replace(config, peers=(peer, *config.peers)), frozenset()
        case _:
            first: LocalUnit = config.units[0]
            rule = LabelRule(hint="new", label=Label(policy="MISSION", classification="UNCLASSIFIED"))
            units = (replace(first, labels=(*first.labels, rule)), *config.units[1:])
            return replace(config, units=units), frozenset()


@st.composite
def messages(draw: st.DrawFn) -> Message:
    categories = draw(st.sampled_from((*((),) * 4, (MEDICAL,), (FOR_BRAVO,))))
    classification = draw(st.sampled_from((*CLASSES[:1] * 4, *CLASSES)))
    label = Label(policy="MISSION", classification=classification, categories=categories)
    origin = draw(st.sampled_from(UNITS))
    ours = origin.startswith("alpha/")
    bodies: tuple[Body, ...] = (Track(position=HERE), Track(position=HERE), Track(position=THERE), Chat(text="x"))
    return a_message(
        draw(st.sampled_from(bodies)),
        origin=origin,
        authenticity=Authenticity.ASSERTED if ours else Authenticity.VERIFIED,
        label=draw(st.sampled_from([label, label, label, None])),
        mode=draw(st.sampled_from((*(Mode.UNSTATED,) * 3, *Mode))),
        precedence=draw(st.none() | st.sampled_from(Precedence)),
        times=Times(valid_until=draw(st.none() | st.just(BEGIN + timedelta(days=200)))),
    )


def released(config: Config, signed: frozenset[str], message: Message, now: datetime) -> set[tuple[str, str]]:
    """Every (agreement, destination) under which a message goes out."""
    decisions = Decisions(Table(config, signed))
    return {
        (each.way.agreement.id, each.way.destination.id)
        for each in decisions.decide(message, now)
        if each.reason is None
    }


moments = st.sampled_from((60, 61, 70, 80, 90, 100, 130, 30, 10, -1, 250, 400)).map(
    lambda days: BEGIN + timedelta(days=days)
)


@PATIENT
@given(st.data(), tables(), messages(), moments)
def test_a_rule_more_never_widens_another_agreement(
    data: st.DataObject, config: Config, message: Message, now: datetime
) -> None:
    signed = frozenset(data.draw(st.sets(st.sampled_from([each.id for each in config.agreements]))))
    more, about = data.draw(additions(config))

    before = released(config, signed, message, now)
    after = released(more, signed | about, message, now)

    assert {each for each in after if each[0] not in about} <= before


@PATIENT
@given(tables(), messages(), moments)
def test_what_is_released_is_what_one_agreement_says(config: Config, message: Message, now: datetime) -> None:
    agreed = {each.id: each for each in config.agreements}

    for name, to in released(config, frozenset(agreed), message, now):
        terms = agreed[name]
        assert terms.valid_from <= now < terms.valid_until
        assert message.kind in terms.kinds
        assert message.mode in terms.modes
        assert terms.goes(str(message.origin).partition("/")[0], to.partition("/")[0])
        assert message.label is not None
        assert CLASSES.index(message.label.classification) <= CLASSES.index(terms.highest.classification)
        assert to.startswith("alpha/") or str(message.origin).startswith("alpha/")


_TELLS = "alpha-tells-charlie"
TERMS = ("kinds", "highest", "valid_until", "modes", "area", "precedence")  # of which some are drawn, the others wide


@st.composite
def passages(draw: st.DrawFn) -> Config:
    """Alpha passes on to charlie what bravo says, under any two agreements, and with or without bravo's leave."""
    given_, made = passer(), {}
    for name, onward in (("alpha-bravo", (*(("charlie",),) * 9, (), ("delta",))), (_TELLS, ((),))):
        wide = next(each for each in given_.agreements if each.id == name)
        drawn, narrow = draw(agreements(name)), draw(st.sets(st.sampled_from(TERMS), max_size=1))
        wide = replace(wide, highest=Clearance(policy="MISSION", classification=CLASSES[2], restrictive=("MEDICAL",)))
        terms = {each: getattr(drawn, each) for each in narrow}
        made[name] = replace(wide, onward=draw(st.sampled_from(onward)), **terms)
    peers = tuple(replace(peer, clearance=draw(clearances)) for peer in given_.peers)
    return replace(given_, agreements=tuple(made.get(each.id, each) for each in given_.agreements), peers=peers)


@PATIENT
@given(passages(), messages(), moments)
def test_what_is_passed_on_is_what_both_agreements_say(config: Config, message: Message, now: datetime) -> None:
    theirs, ours = (next(each for each in config.agreements if each.id == name) for name in ("alpha-bravo", _TELLS))
    message = replace(message, origin="bravo/ops", authenticity=Authenticity.VERIFIED)
    signed = frozenset(each.id for each in config.agreements)

    if (_TELLS, "charlie/map") not in released(config, signed, message, now):
        return
    assert theirs.onward == ("charlie",)
    for terms in (theirs, ours):
        assert terms.valid_from <= now < terms.valid_until
        assert message.kind in terms.kinds
        assert message.mode in terms.modes
        assert message.label is not None
        assert CLASSES.index(message.label.classification) <= CLASSES.index(terms.highest.classification)
        assert (_TELLS, "charlie/map") not in released(config, signed - {terms.id}, message, now)


def test_enough_is_passed_on_for_a_leak_to_be_seen() -> None:
    seen: list[bool] = []

    @settings(PATIENT, max_examples=200, derandomize=True, database=None)
    @given(passages(), messages(), moments)
    def look(config: Config, message: Message, now: datetime) -> None:
        message = replace(message, origin="bravo/ops", authenticity=Authenticity.VERIFIED)
        every = frozenset(each.id for each in config.agreements)
        seen.append((_TELLS, "charlie/map") in released(config, every, message, now))

    look()

    assert sum(seen) > len(seen) / 10


@PATIENT
@given(tables(), messages(), st.lists(moments, min_size=1, max_size=5))
def test_a_compiled_decision_is_the_decision_made_afresh(
    config: Config, message: Message, times: list[datetime]
) -> None:
    signed = frozenset(each.id for each in config.agreements)
    decisions = Decisions(Table(config, signed))

    for now in times:
        assert list(decisions.decide(message, now)) == list(Decisions(Table(config, signed)).decide(message, now))


def test_enough_is_released_for_a_leak_to_be_seen() -> None:
    seen: list[bool] = []

    @settings(PATIENT, max_examples=200, derandomize=True, database=None)
    @given(tables(), messages(), moments)
    def look(config: Config, message: Message, now: datetime) -> None:
        seen.append(bool(released(config, frozenset(each.id for each in config.agreements), message, now)))

    look()

    assert sum(seen) > len(seen) / 10


def test_facts_are_what_a_record_says() -> None:
    message = a_message(precedence=Precedence.FLASH)

    assert facts(message) == Facts("alpha/patrols", "track", Mode.UNSTATED, False, message.label, Precedence.FLASH)
