"""Duty hours against a table worked out by hand from the published changes of the clocks.

2026: Zurich goes forward on 29 March and back on 25 October at 01:00Z; New York on 8 March at 07:00Z and 1 November at
06:00Z; Lord Howe Island goes back by half an hour on 4 April at 15:00Z.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from protocols.duty import Day, Shift, faults, on_duty, stand_ins
from protocols.label import Clearance
from protocols.unit import LiaisonUnit

ZURICH, NEW_YORK, LORD_HOWE = "Europe/Zurich", "America/New_York", "Australia/Lord_Howe"


def a_unit(name: str = "bravo/ops", *alternates: str, shift: str = "", zone: str | None = None) -> LiaisonUnit:
    """A unit; its shift as ``days from until``."""
    duty: tuple[Shift, ...] = ()
    if shift:
        days, begins, until = shift.split()
        duty = (Shift(days=tuple(Day(day) for day in days.split(",")), begins=begins, until=until),)
    clearance = Clearance(policy="MISSION", classification="RESTRICTED")
    return LiaisonUnit(id=name, clearance=clearance, duty=duty, time_zone=zone, alternates=alternates)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


CASES = [
    # an ordinary day, in winter (UTC+1) and in summer (UTC+2)
    ("mon 07:00 19:00", ZURICH, "2026-01-05T05:59:59", False),
    ("mon 07:00 19:00", ZURICH, "2026-01-05T06:00:00", True),
    ("mon 07:00 19:00", ZURICH, "2026-01-05T17:59:59", True),
    ("mon 07:00 19:00", ZURICH, "2026-01-05T18:00:00", False),
    ("mon 07:00 19:00", ZURICH, "2026-07-06T04:59:59", False),
    ("mon 07:00 19:00", ZURICH, "2026-07-06T05:00:00", True),
    ("mon 07:00 19:00", ZURICH, "2026-07-06T17:00:00", False),
    ("mon 07:00 19:00", ZURICH, "2026-01-06T10:00:00", False),
    ("mon,tue 07:00 19:00", ZURICH, "2026-01-06T10:00:00", True),
    # over midnight: the day is the one on which the shift begins
    ("fri 22:00 06:00", ZURICH, "2026-01-09T04:00:00", False),
    ("fri 22:00 06:00", ZURICH, "2026-01-09T20:59:59", False),
    ("fri 22:00 06:00", ZURICH, "2026-01-09T21:00:00", True),
    ("fri 22:00 06:00", ZURICH, "2026-01-10T04:59:59", True),
    ("fri 22:00 06:00", ZURICH, "2026-01-10T05:00:00", False),
    ("fri 22:00 06:00", ZURICH, "2026-01-10T21:30:00", False),
    # the whole day
    ("sat 00:00 00:00", "UTC", "2026-01-09T23:59:59", False),
    ("sat 00:00 00:00", "UTC", "2026-01-10T00:00:00", True),
    ("sat 00:00 00:00", "UTC", "2026-01-10T23:59:59", True),
    ("sat 00:00 00:00", "UTC", "2026-01-11T00:00:00", False),
    # clocks far from Greenwich, and not by whole hours
    ("mon 08:00 16:00", "Pacific/Auckland", "2026-01-04T18:59:59", False),
    ("mon 08:00 16:00", "Pacific/Auckland", "2026-01-04T19:00:00", True),
    ("mon 08:00 16:00", "Pacific/Auckland", "2026-01-05T03:00:00", False),
    ("mon 09:00 17:00", "Asia/Kathmandu", "2026-01-05T03:14:59", False),
    ("mon 09:00 17:00", "Asia/Kathmandu", "2026-01-05T03:15:00", True),
    ("mon 09:00 17:00", "Asia/Kathmandu", "2026-01-05T11:15:00", False),
    # the clock goes forward: 02:00 to 03:00 does not come
    ("sun 02:30 10:00", ZURICH, "2026-03-29T00:59:59", False),
    ("sun 02:30 10:00", ZURICH, "2026-03-29T01:00:00", True),
    ("sun 02:30 10:00", ZURICH, "2026-03-29T07:59:59", True),
    ("sun 02:30 10:00", ZURICH, "2026-03-29T08:00:00", False),
    ("sun 02:00 03:00", ZURICH, "2026-03-29T00:59:59", False),
    ("sun 02:00 03:00", ZURICH, "2026-03-29T01:00:00", False),
    ("sat 22:00 02:30", ZURICH, "2026-03-29T00:59:59", True),
    ("sat 22:00 02:30", ZURICH, "2026-03-29T01:00:00", False),
    ("sun 02:15 04:00", NEW_YORK, "2026-03-08T06:59:59", False),
    ("sun 02:15 04:00", NEW_YORK, "2026-03-08T07:00:00", True),
    ("sun 02:15 04:00", NEW_YORK, "2026-03-08T08:00:00", False),
    # the clock goes back: 02:00 to 03:00 comes twice; begun the first time, ended the second time
    ("sat 22:00 02:30", ZURICH, "2026-10-25T00:29:00", True),
    ("sat 22:00 02:30", ZURICH, "2026-10-25T00:45:00", True),
    ("sat 22:00 02:30", ZURICH, "2026-10-25T01:29:59", True),
    ("sat 22:00 02:30", ZURICH, "2026-10-25T01:30:00", False),
    ("sun 02:30 06:00", ZURICH, "2026-10-25T00:29:59", False),
    ("sun 02:30 06:00", ZURICH, "2026-10-25T00:30:00", True),
    ("sun 02:30 06:00", ZURICH, "2026-10-25T01:10:00", True),
    ("sun 02:30 06:00", ZURICH, "2026-10-25T04:59:59", True),
    ("sun 02:30 06:00", ZURICH, "2026-10-25T05:00:00", False),
    ("sun 02:15 02:45", ZURICH, "2026-10-25T00:14:59", False),
    ("sun 02:15 02:45", ZURICH, "2026-10-25T00:15:00", True),
    ("sun 02:15 02:45", ZURICH, "2026-10-25T00:50:00", True),
    ("sun 02:15 02:45", ZURICH, "2026-10-25T01:05:00", True),
    ("sun 02:15 02:45", ZURICH, "2026-10-25T01:44:59", True),
    ("sun 02:15 02:45", ZURICH, "2026-10-25T01:45:00", False),
    ("sun 07:00 19:00", ZURICH, "2026-10-25T05:59:59", False),
    ("sun 07:00 19:00", ZURICH, "2026-10-25T06:00:00", True),
    ("sun 01:30 05:00", NEW_YORK, "2026-11-01T05:29:59", False),
    ("sun 01:30 05:00", NEW_YORK, "2026-11-01T05:30:00", True),
    ("sun 01:30 05:00", NEW_YORK, "2026-11-01T06:10:00", True),
    ("sun 01:30 05:00", NEW_YORK, "2026-11-01T10:00:00", False),
    ("sun 01:45 03:00", LORD_HOWE, "2026-04-04T14:44:59", False),
    ("sun 01:45 03:00", LORD_HOWE, "2026-04-04T14:45:00", True),
    ("sun 01:45 03:00", LORD_HOWE, "2026-04-04T15:05:00", True),
    ("sun 01:45 03:00", LORD_HOWE, "2026-04-04T16:29:59", True),
    ("sun 01:45 03:00", LORD_HOWE, "2026-04-04T16:30:00", False),
]


@pytest.mark.parametrize(("shift", "zone", "moment", "on"), CASES)
def test_who_is_on_duty_goes_by_the_clock_on_the_wall(shift: str, zone: str, moment: str, on: bool) -> None:  # noqa: FBT001 - an expected value
    unit = a_unit(shift=shift, zone=zone)

    assert on_duty(unit, utc(moment)) is on
    elsewhere = utc(moment).astimezone(timezone(timedelta(hours=-9, minutes=-30)))
    assert on_duty(unit, elsewhere) is on


def test_a_unit_without_hours_is_always_on() -> None:
    assert on_duty(a_unit(), utc("2026-01-05T03:00:00"))


def test_one_of_several_shifts_is_enough() -> None:
    early = Shift(days=(Day.MONDAY,), begins="06:00", until="10:00")
    late = Shift(days=(Day.MONDAY,), begins="18:00", until="22:00")
    clearance = Clearance(policy="MISSION", classification="RESTRICTED")
    unit = LiaisonUnit(id="bravo/ops", clearance=clearance, duty=(early, late), time_zone="UTC")

    hours = [hour for hour in range(24) if on_duty(unit, utc(f"2026-01-05T{hour:02}:00:00"))]
    assert hours == [6, 7, 8, 9, 18, 19, 20, 21]


@pytest.mark.parametrize(
    ("days", "begins", "until"),
    [((), "07:00", "19:00"), (("mon",), "7:00", "19:00"), (("mon",), "07:00", "24:00"), (("mon",), "07:00", "19:60")],
)
def test_hours_that_no_clock_shows_are_refused(days: tuple[str, ...], begins: str, until: str) -> None:
    with pytest.raises(ValueError, match=r"shift|hours of duty"):
        Shift(days=tuple(Day(day) for day in days), begins=begins, until=until)


def test_own_alternates_stand_in_first_then_theirs_and_nobody_twice() -> None:
    units = {
        "b/1": a_unit("b/1", "b/2", "b/3"),
        "b/2": a_unit("b/2", "b/4", "b/3"),
        "b/3": a_unit("b/3", "b/5"),
        "b/4": a_unit("b/4"),
        "b/5": a_unit("b/5"),
    }

    assert stand_ins("b/1", units) == ["b/2", "b/3", "b/4", "b/5"]
    assert stand_ins("b/5", units) == []
    assert stand_ins("b/unknown", units) == []


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        (
            a_unit("b/1", zone="Europe/Zürich", shift="mon 07:00 19:00"),
            'time_zone: no such time zone; did you mean "Europe/Zurich"?',
        ),
        (a_unit("b/1", zone="Afrika/Bamako"), 'time_zone: no such time zone; did you mean "Africa/Bamako"?'),
        (a_unit("b/1", zone="europe/zurich"), 'time_zone: no such time zone; did you mean "Europe/Zurich"?'),
        (a_unit("b/1", zone="../etc/passwd"), "time_zone: no such time zone; "),
        (a_unit("b/1", shift="mon 07:00 19:00"), "time_zone: duty hours need a clock; "),
        (a_unit("b/1", "b/deks"), 'alternates[0]: not one of $.units or $.peers; did you mean "b/desk"?'),
        (a_unit("b/1", "b/desk", "c/map"), "alternates[1]: a unit of another partner; "),
        (a_unit("b/1", "b/1"), "alternates[0]: a unit does not stand in for itself; "),
        (a_unit("b/1", "b/desk", "b/desk"), "alternates[1]: is named twice; "),
        (a_unit("b/1", "b/far"), "alternates[0]: it stands in for this unit, and this unit for it; "),
    ],
)
def test_a_fault_has_its_path_and_what_to_do(unit: LiaisonUnit, said: str) -> None:
    others = (a_unit("b/desk"), a_unit("c/map"), a_unit("b/near", "b/1"), a_unit("b/far", "b/near"))
    units = {each.id: each for each in (unit, *others)}

    (fault,) = faults("$.units[0]", unit, units)
    assert fault.startswith(f"$.units[0].{said}")


def test_hours_a_zone_and_alternates_that_exist_are_no_fault() -> None:
    unit = a_unit("b/1", "b/desk", zone=ZURICH, shift="mon,sun 22:00 06:00")

    assert list(faults("$.units[0]", unit, {"b/1": unit, "b/desk": a_unit("b/desk")})) == []
