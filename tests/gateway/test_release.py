"""Every rule that keeps a message back, alone and in its place in the order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from gateway.release import check
from gateway.routing import Basis, Way
from protocols.agreement import Ceiling, Direction, Transformation
from protocols.body import Alert, Area, Body, Chat, Delete, Graphic, Shape, Task, Track
from protocols.label import Category, CategoryType, Label
from protocols.message import Authenticity, Extra, Message, Mode, Original, Precedence, Times
from protocols.quantity import Position
from protocols.record import Withheld
from tests.fakes import NOW
from tests.gateway.reports import HERE, OPEN, POLICIES, a_local_way, a_message, a_way, an_agreement, cleared

AROUND = Area(circles=((HERE.latitude, HERE.longitude, 1_000.0),))
FAR = Position(latitude=48.0, longitude=9.0)
WIDE = ((47.0, 8.2), (47.0, 8.4), (47.1, 8.4), (47.0, 8.2))


def reason(message: Message, way: Way, now: datetime = NOW) -> Withheld | None:
    return check(message, way, POLICIES, now).reason


def marked(type_: CategoryType, tag: str, *values: str) -> Label:
    return Label(
        policy="MISSION", classification="UNCLASSIFIED", categories=(Category(type=type_, tag=tag, values=values),)
    )


def test_what_every_rule_allows_is_released() -> None:
    verdict = check(a_message(), a_way(), POLICIES, NOW)

    assert verdict.released
    assert verdict.reason is None


EXPIRED = Times(observed=NOW, valid_until=NOW - timedelta(milliseconds=1))
OLD = Times(observed=NOW - timedelta(days=1, microseconds=1))
AHEAD = Times(observed=NOW + timedelta(minutes=5, microseconds=1))
INWARD: dict[str, object] = {
    "id": "bravo-alpha",
    "directions": (Direction(sender="bravo", to="alpha"),),
    "partners": ("alpha", "bravo"),
    "onward": ("charlie",),
}
FROM_BRAVO = a_message(origin="bravo/ops", authenticity=Authenticity.VERIFIED)


def a_passage(*, signed: bool = True, **terms: object) -> Way:
    """Alpha passes on to charlie what bravo lets it."""
    outward = an_agreement(directions=(Direction(sender="alpha", to="charlie"),))
    basis = Basis(an_agreement(**INWARD | terms), signed)
    return a_way(outward, to="charlie/map")._replace(through="alpha", basis=basis)


def passed(**changes: object) -> Message:
    return replace(FROM_BRAVO, **changes)


BEFORE = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)
RULES: list[tuple[Withheld, Message, Way, datetime]] = [
    (Withheld.REEXPORT_DENIED, a_message(authenticity=Authenticity.VERIFIED), a_way(), NOW),
    (Withheld.REEXPORT_DENIED, passed(), a_passage()._replace(basis=None), NOW),
    (Withheld.REEXPORT_DENIED, passed(origin="delta/ops"), a_passage(), NOW),
    (Withheld.REEXPORT_DENIED, passed(), a_passage(onward=("delta",)), NOW),
    (Withheld.REEXPORT_DENIED, passed(authenticity=Authenticity.ASSERTED), a_passage(), NOW),
    (Withheld.AGREEMENT_UNSIGNED, passed(), a_passage(signed=False), NOW),
    (Withheld.AGREEMENT_NOT_YET, passed(), a_passage(valid_from=NOW + timedelta(days=1)), NOW),
    (Withheld.AGREEMENT_EXPIRED, passed(), a_passage(valid_until=NOW), NOW),
    (Withheld.KIND_NOT_AGREED, passed(), a_passage(kinds=("chat",)), NOW),
    (Withheld.MODE_MISMATCH, passed(mode=Mode.OPERATION), a_passage(modes=(Mode.UNSTATED,)), NOW),
    (Withheld.ABOVE_CEILING, passed(label=Label(policy="MISSION", classification="CONFIDENTIAL")),
     a_passage(highest=cleared("RESTRICTED")), NOW),
    (Withheld.NOT_RELEASABLE_TO, passed(label=marked(CategoryType.PERMISSIVE, "Releasable To", "alpha")),
     a_passage(), NOW),
    (Withheld.PRECEDENCE_TOO_HIGH, passed(precedence=Precedence.FLASH), a_passage(precedence=Ceiling.ROUTINE), NOW),
    (Withheld.OUTSIDE_AREA, passed(body=Track(position=FAR)), a_passage(area=AROUND), NOW),
    (Withheld.PROOF_LOST, passed(extras=(Extra(format="cot", name="x"),)), a_passage(), NOW),
    (Withheld.PROOF_LOST, passed(original=Original(format="cot", data=b"<event/>")), a_passage(), NOW),
    (Withheld.AGREEMENT_UNSIGNED, a_message(), a_way()._replace(signed=False), NOW),
    (Withheld.AGREEMENT_NOT_YET, a_message(), a_way(), BEFORE),
    (Withheld.AGREEMENT_EXPIRED, a_message(), a_way(), END),
    (Withheld.DIRECTION_NOT_AGREED, a_message(origin="bravo/ops"), a_way(to="alpha/cell"), NOW),
    (Withheld.DIRECTION_NOT_AGREED, a_message(origin=None), a_way(), NOW),
    (Withheld.DIRECTION_NOT_AGREED, a_message(), a_way(to="charlie/map"), NOW),
    (Withheld.KIND_NOT_AGREED, a_message(Alert(event="Flood")), a_way(), NOW),
    (Withheld.TASK_DENIED, a_message(Task(verb="move")), a_way(), NOW),
    (Withheld.MODE_MISMATCH, a_message(mode=Mode.EXERCISE), a_way(), NOW),
    (Withheld.MODE_MISMATCH, a_message(mode=Mode.OPERATION), a_way(an_agreement(modes=(Mode.EXERCISE,))), NOW),
    (Withheld.MODE_MISMATCH, a_message(mode=Mode.UNSTATED), a_way(an_agreement(modes=(Mode.OPERATION,))), NOW),
    (Withheld.UNLABELLED, a_message(label=None), a_way(), NOW),
    (Withheld.UNKNOWN_LABEL, a_message(label=Label(policy="NATO", classification="RESTRICTED")), a_way(), NOW),
    (Withheld.UNKNOWN_LABEL, a_message(label=Label(policy="MISSION", classification="OPEN")), a_way(), NOW),
    (Withheld.ABOVE_CEILING, a_message(label=Label(policy="MISSION", classification="CONFIDENTIAL")),
     a_way(an_agreement(highest=cleared("RESTRICTED"))), NOW),
    (Withheld.ABOVE_CEILING, a_message(label=Label(policy="MISSION", classification="CONFIDENTIAL")),
     a_way(clearance=cleared("RESTRICTED")), NOW),
    (Withheld.CATEGORY_NOT_HELD, a_message(label=marked(CategoryType.RESTRICTIVE, "Sensitivity", "MEDICAL")),
     a_way(an_agreement(highest=cleared("CONFIDENTIAL", "MEDICAL"))), NOW),
    (Withheld.CATEGORY_NOT_HELD, a_message(label=marked(CategoryType.RESTRICTIVE, "Sensitivity", "MEDICAL")),
     a_way(clearance=cleared("CONFIDENTIAL", "MEDICAL")), NOW),
    (Withheld.NOT_RELEASABLE_TO, a_message(label=marked(CategoryType.PERMISSIVE, "Releasable To", "charlie")),
     a_way(), NOW),
    (Withheld.EXPIRED, a_message(times=EXPIRED), a_way(), NOW),
    (Withheld.EXPIRED, a_message(times=Times(observed=NOW, valid_until=NOW + timedelta(seconds=59))),
     a_way(an_agreement(transformation=Transformation(delay_s=60.0))), NOW),
    (Withheld.TOO_OLD, a_message(times=OLD), a_way(), NOW),
    (Withheld.TOO_OLD, a_message(times=Times(created=OLD.observed)), a_way(), NOW),
    (Withheld.TOO_OLD, a_message(), a_way(an_agreement(oldest_s=60.0)), NOW + timedelta(seconds=61)),
    (Withheld.IN_THE_FUTURE, a_message(times=AHEAD), a_way(), NOW),
    (Withheld.PRECEDENCE_TOO_HIGH, a_message(precedence=Precedence.FLASH),
     a_way(an_agreement(precedence=Ceiling.IMMEDIATE)), NOW),
    (Withheld.OUTSIDE_AREA, a_message(Track(position=FAR)), a_way(an_agreement(area=AROUND)), NOW),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "message", "way", "now"), RULES, ids=[f"{n} {r[0]}" for n, r in enumerate(RULES)])
def test_each_rule_keeps_back_what_it_is_for(expected: Withheld, message: Message, way: Way, now: datetime) -> None:
    verdict = check(message, way, POLICIES, now)

    assert verdict.reason is expected
    assert not verdict.released


ELSEWHERE = {  # decided beyond ``check``, and tested where they are
    Withheld.NO_ROUTE,  # decisions
    Withheld.NOT_ORIGINATOR,  # repeats
    Withheld.FORMAT_CANNOT_SAY,  # dispatch
    Withheld.WOULD_LOSE,  # dispatch
    Withheld.NO_AGREEMENT,  # decisions
}


def test_there_is_no_reason_without_a_rule() -> None:
    assert {expected for expected, *_ in RULES} | ELSEWHERE == set(Withheld)


def test_the_first_rule_in_the_order_is_the_one_that_is_told() -> None:
    everything = a_message(
        Task(verb="move", position=FAR),
        origin="bravo/ops",
        authenticity=Authenticity.VERIFIED,
        label=None,
        mode=Mode.TEST,
        precedence=Precedence.OVERRIDE,
        times=EXPIRED,
    )
    strict = an_agreement(precedence=Ceiling.ROUTINE, area=AROUND, highest=cleared("UNCLASSIFIED"))
    told = [reason(everything, a_way(strict), BEFORE)]
    mended: list[dict[str, object]] = [
        {"authenticity": Authenticity.ASSERTED},
        {"origin": "alpha/patrols"},
        {"body": Track(position=FAR)},
        {"mode": Mode.OPERATION},
        {"label": Label(policy="MISSION", classification="CONFIDENTIAL")},
        {"label": OPEN},
        {"precedence": Precedence.ROUTINE},
        {"times": Times(observed=NOW)},
        {"body": Track(position=HERE)},
    ]
    given: dict[str, object] = {name: getattr(everything, name) for name in everything.__struct_fields__}
    for change in mended:
        given |= change
        told.append(reason(Message(**given), a_way(strict), NOW))  # type: ignore[arg-type]

    assert told == [
        Withheld.REEXPORT_DENIED,
        Withheld.DIRECTION_NOT_AGREED,
        Withheld.TASK_DENIED,
        Withheld.MODE_MISMATCH,
        Withheld.UNLABELLED,
        Withheld.ABOVE_CEILING,
        Withheld.PRECEDENCE_TOO_HIGH,
        Withheld.EXPIRED,
        Withheld.OUTSIDE_AREA,
        None,
    ]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), None),
        (BEFORE, Withheld.AGREEMENT_NOT_YET),
        (END - timedelta(microseconds=1), None),
        (END, Withheld.AGREEMENT_EXPIRED),
    ],
)
def test_an_agreement_holds_from_its_first_moment_to_before_its_last(now: datetime, expected: Withheld | None) -> None:
    assert reason(a_message(times=Times()), a_way(), now) is expected


LAST, FIRST = Times(observed=NOW - timedelta(days=1)), Times(observed=NOW + timedelta(minutes=5))
WHILE = Times(observed=NOW - timedelta(days=9), valid_until=NOW + timedelta(days=1))


@pytest.mark.parametrize("times", [LAST, FIRST, WHILE, replace(WHILE, observed=AHEAD.observed), Times()])
def test_a_report_of_a_time_that_can_be_passes(times: Times) -> None:
    assert reason(a_message(times=times), a_way()) is None


def test_what_its_originator_and_we_agreed_on_is_passed_on() -> None:
    named = marked(CategoryType.PERMISSIVE, "Releasable To", "alpha", "charlie")

    assert reason(passed(label=named), a_passage()) is None
    assert reason(passed(extras=(Extra(format="cot", name="x"),)), a_passage()._replace(agreement=KEPT)) is None


KEPT = an_agreement(
    directions=(Direction(sender="alpha", to="charlie"),), transformation=Transformation(keep_extras=True)
)


@pytest.mark.parametrize(
    ("way", "through", "expected"),
    [
        (a_passage(), None, None),
        (a_passage(), "delta", Withheld.REEXPORT_DENIED),  # it was passed on to us: one hop and no more
        (a_passage(), "alpha", Withheld.REEXPORT_DENIED),
        (a_local_way(to="charlie/map")._replace(through="alpha"), "alpha", None),
        (a_local_way(to="charlie/map")._replace(through="alpha"), "delta", Withheld.REEXPORT_DENIED),
        (a_local_way(to="charlie/map")._replace(through="alpha"), None, Withheld.REEXPORT_DENIED),
        (a_local_way(to="charlie/map"), "alpha", Withheld.REEXPORT_DENIED),
        (a_way(to="charlie/map"), None, Withheld.REEXPORT_DENIED),
    ],
)
def test_who_passes_it_on_is_who_the_table_names(way: Way, through: str | None, expected: Withheld | None) -> None:
    both = an_agreement(
        directions=(Direction(sender="alpha", to="charlie"), Direction(sender="bravo", to="charlie")),
    )

    assert check(FROM_BRAVO, way._replace(agreement=both), POLICIES, NOW, through).reason is expected


def test_a_partners_message_reaches_a_unit_of_ours() -> None:
    inward = an_agreement(directions=(Direction(sender="bravo", to="alpha"),))
    message = a_message(origin="bravo/ops", authenticity=Authenticity.VERIFIED)

    assert reason(message, a_local_way(inward, to="alpha/cell")) is None


def test_a_permissive_label_admits_whom_it_names() -> None:
    named = a_message(label=marked(CategoryType.PERMISSIVE, "Releasable To", "bravo", "charlie"))

    assert reason(named, a_way()) is None


def test_both_the_agreement_and_the_unit_must_hold_a_category() -> None:
    medical = a_message(label=marked(CategoryType.RESTRICTIVE, "Sensitivity", "MEDICAL"))
    agreement = an_agreement(highest=cleared("CONFIDENTIAL", "MEDICAL"))

    assert reason(medical, a_way(agreement, clearance=cleared("CONFIDENTIAL", "MEDICAL"))) is None


def test_a_task_passes_where_the_agreement_names_tasks() -> None:
    assert reason(a_message(Task(verb="meet")), a_way(an_agreement(kinds=("task",)))) is None


@pytest.mark.parametrize(
    ("body", "inside"),
    [
        (Track(position=HERE), True),
        (Chat(text="no place at all"), True),
        (Delete(target="S-1"), True),
        (Alert(event="Flood", position=HERE, area=Area(circles=((48.0, 9.0, 10.0),))), False),
        (Alert(event="Flood", area=Area(circles=((HERE.latitude, HERE.longitude, 500.0),))), True),
        (Alert(event="Flood", area=Area(circles=((HERE.latitude, HERE.longitude, 2_000.0),))), False),
        (Alert(event="Flood", area=Area(polygons=(WIDE,))), False),
        (Graphic(shape=Shape.LINE, points=(HERE, FAR)), False),
        (Graphic(shape=Shape.POINT, points=(HERE,)), True),
        (Graphic(shape=Shape.CIRCLE, points=(HERE,), major_m=5_000.0), False),
        (Graphic(shape=Shape.ELLIPSE, points=(HERE,), major_m=10.0, minor_m=5_000.0), False),
    ],
    ids=str,
)
def test_every_place_that_a_report_names_must_lie_in_the_area(body: Body, *, inside: bool) -> None:
    agreement = an_agreement(area=AROUND, kinds=("track", "chat", "delete", "alert", "graphic"))

    assert reason(a_message(body), a_way(agreement)) is (None if inside else Withheld.OUTSIDE_AREA)
