"""What a table may not say about hours, alternates and acknowledgements, and what it should look at."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf, nan

import pytest

from gateway.config import ConfigError, faults, parse
from gateway.review.findings import review
from gateway.table.entries import Acknowledge
from protocols.message import Precedence
from tests.gateway.tables import changed
from tests.gateway.vigil import ASKED, BACK, CHANGES, DEFAULT_LABEL, STANDING_IN

CELL = 'id = "alpha/cell"\n'
HOURS = CELL + 'duty = [{ days = ["mon", "fri"], from = "07:00", until = "19:00" }]\n'


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            (CELL, HOURS + 'time_zone = "Europe/Zurch"\n'),
            '$.units[1].time_zone: no such time zone; did you mean "Europe/Zurich"?',
        ),
        ((CELL, HOURS), "$.units[1].time_zone: duty hours need a clock; "),
        (
            ('alternates = ["alpha/desk", "alpha/patrols"]', 'alternates = ["alpha/dsk"]'),
            '$.units[1].alternates[0]: not one of $.units or $.peers; did you mean "alpha/desk"?',
        ),
        (
            ('alternates = ["alpha/desk", "alpha/patrols"]', 'alternates = ["bravo/ops"]'),
            "$.units[1].alternates[0]: a unit of another partner; ",
        ),
        (
            ('deliver = "tak/to-desk"\n', ""),
            '$.routes[3].acknowledge: its alternate "alpha/desk" has no topic in its deliver',
        ),
        (
            (
                'to = ["bravo/ops"]\nagreement = "alpha-bravo"\n',
                'to = ["bravo/ops"]\nagreement = "alpha-bravo"\nacknowledge = { flash = 60 }\n',
            ),
            '$.routes[0].acknowledge: "bravo/ops" is not ours; the table of its own gateway asks it',
        ),
    ],
)
def test_a_fault_is_told_with_its_path_and_what_to_do(change: tuple[str, str], said: str) -> None:
    found = list(faults(parse(changed(*CHANGES, change).encode())))

    assert any(fault.startswith(said) for fault in found), found


INSIDE = 'to = ["alpha/cell"]\nkinds = ["track"]\nagreement = "alpha-inside"\n'


@pytest.mark.parametrize(("transformation", "count"), [("delay_s = 600.0", 1), ("coarsen_m = 100.0", 0)])
def test_nobody_acknowledges_what_still_has_to_wait_here(transformation: str, count: int) -> None:
    asked = (INSIDE, INSIDE + "acknowledge = { routine = 60 }\n")
    inside = 'id = "alpha-inside"\n'
    terms = (inside, f"{inside}transformation = {{ {transformation} }}\n")

    found = list(faults(parse(changed(*CHANGES, asked, terms).encode())))

    assert [fault.partition(" has a ")[0] for fault in found] == ['$.routes[2].acknowledge: "alpha-inside"'] * count


def test_units_that_stand_in_for_each_other_are_a_fault_at_both() -> None:
    desk = 'id = "alpha/desk"\n'
    found = list(faults(parse(changed(*CHANGES, (desk, desk + 'alternates = ["alpha/cell"]\n')).encode())))

    assert [fault.partition(":")[0] for fault in found if "circle" in fault] == [
        "$.units[1].alternates[0]",
        "$.units[2].alternates[0]",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((CELL, HOURS.replace("07:00", "7am")), "$.units[1].duty[0]: hours of duty are from 00:00 to 23:59"),
        ((CELL, HOURS.replace('"fri"', '"Friday"')), "$.units[1].duty[0].days[1]: Invalid enum value"),
        ((ASKED, ASKED.replace("immediate", "urgent")), "$.routes[3].acknowledge: Object contains unknown field"),
        ((ASKED, ASKED.replace("60,", "0,")), "$.routes[3].acknowledge: acknowledge names a precedence"),
        ((ASKED, ASKED.replace("60,", "601,")), "$.routes[3].acknowledge: acknowledge: a higher precedence"),
        ((ASKED, ASKED.replace("{ immediate = 60, routine = 600 }", "{ }")), "$.routes[3].acknowledge: acknowledge"),
    ],
)
def test_values_are_checked_while_they_are_read(change: tuple[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(changed(*CHANGES, change).encode())

    assert refused.value.faults[0].startswith(said)


@pytest.mark.parametrize("seconds", [0.0, -1.0, inf, nan, 604_801.0])
def test_a_time_that_never_ends_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="at most a week"):
        Acknowledge(routine=seconds)


def test_a_precedence_that_is_not_named_has_the_time_of_the_next_lower_one() -> None:
    terms = Acknowledge(routine=10_800, immediate=300)

    assert [terms.within_s(precedence) for precedence in (None, *Precedence)] == [
        10_800,
        None,
        10_800,
        10_800,
        300,
        300,
        300,
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            ((STANDING_IN[1], DEFAULT_LABEL),),
            '$.routes[3].acknowledge: "alpha/cell" has no alternates, so only the origin is told',
        ),
        (
            ((BACK, ""),),
            '$.routes[3].acknowledge: no route brings receipts from "alpha/cell" to "bravo/ops", so it',
        ),
        (
            (
                (
                    'id = "alpha/desk"\nclearance = { policy = "MISSION", classification = "CONFIDENTIAL"',
                    'id = "alpha/desk"\nclearance = { policy = "MISSION", classification = "UNCLASSIFIED"',
                ),
            ),
            '$.routes[3].acknowledge: its alternate "alpha/desk" is cleared for less than "alpha/cell"',
        ),
    ],
)
def test_what_makes_an_acknowledgement_worth_less_is_a_finding(changes: tuple[tuple[str, str], ...], said: str) -> None:
    config = parse(changed(*CHANGES, *changes).encode())
    found = [finding for finding in review(config, datetime(2026, 3, 14, tzinfo=UTC)) if "acknowledge" in finding.line]

    assert list(faults(config)) == []
    assert [finding.line.startswith(said) for finding in found] == [True]
    assert not found[0].fatal


def test_a_table_with_hours_alternates_and_a_way_back_is_in_order() -> None:
    config = parse(changed(*CHANGES, (CELL, HOURS + 'time_zone = "Europe/Zurich"\n')).encode())

    assert list(faults(config)) == []
    assert not any("acknowledge" in each.line for each in review(config, datetime(2026, 3, 14, tzinfo=UTC)))
