"""A change for the worse is one Record, and one when it is over; the clock is compared with the time that passes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.links import LinkState
from gateway.lookout import DAMAGE_S, Lookout, Needs, levels
from gateway.spool import Health, Trouble
from gateway.stream import Stream
from protocols import record
from tests.fakes import NOW, FakeAudit, clock


class Around:
    """Everything that can go wrong, set by hand."""

    def __init__(self) -> None:
        self.state = LinkState.UP
        self.spool = Health(None, 0, 0, 0, 0)
        self.audit = False
        self.astray: set[str] = set()
        self.now = NOW
        self.passed = 1000.0
        self.told = FakeAudit()
        needs = Needs(
            {"coalition": self}, lambda: self.spool, lambda: self.audit, lambda: self.now, lambda: self.astray
        )
        self.lookout = Lookout(needs, Stream("alpha", self.told, clock), lambda: self.passed)

    def after(self, seconds: float, wall: float | None = None) -> list[tuple[str, str | None, str | None]]:
        """Let time pass and look; everything told so far."""
        self.passed += seconds
        self.now += timedelta(seconds=seconds if wall is None else wall)
        self.lookout.look()
        return self.told.said()


def test_a_link_that_is_up_and_leads_nowhere_is_told_until_it_leads_there_or_is_away() -> None:
    around = Around()
    around.astray = {"coalition"}

    assert around.after(1) == [("fault", "link-silent", "coalition")]
    assert len(around.after(1)) == 1
    around.astray = set()
    assert around.after(1)[1:] == [("mended", "link-silent", "coalition")]
    around.astray, around.state = {"coalition"}, LinkState.CONNECTING
    assert len(around.after(1)) == 2


def test_a_link_that_is_back_in_a_moment_is_not_told() -> None:
    around = Around()
    around.state = LinkState.CONNECTING

    assert around.after(1) == []
    assert around.after(4) == []
    around.state = LinkState.UP
    assert around.after(10) == []


def test_a_link_that_is_away_is_told_once_and_when_it_is_back() -> None:
    around = Around()
    around.state = LinkState.CONNECTING
    around.after(1)

    assert around.after(6) == [("fault", "link-away", "coalition")]
    assert around.lookout.wrong == ["link-away"]
    assert len(around.after(60)) == 1
    around.state = LinkState.UP
    assert around.after(1)[1:] == [("mended", "link-away", "coalition")]
    assert around.lookout.wrong == []


def test_a_far_side_that_refuses_us_is_told_at_once() -> None:
    around = Around()
    around.state = LinkState.REFUSED

    assert around.after(1) == [("fault", "link-refused", "coalition")]


@pytest.mark.parametrize("trouble", [Trouble.DISK_FULL, Trouble.READ_ONLY, Trouble.IO])
def test_a_disk_that_takes_nothing_is_told_with_its_reason(trouble: Trouble) -> None:
    around = Around()
    around.spool, around.audit = Health(trouble, 0, 0, 0, 0), True

    assert around.after(1) == [("fault", f"spool-{trouble}", None), ("fault", "audit-not-writable", None)]
    assert len(around.after(60)) == 2
    around.spool, around.audit = Health(None, 0, 0, 0, 0), False
    assert around.after(1)[2:] == [("mended", f"spool-{trouble}", None), ("mended", "audit-not-writable", None)]


def test_every_trouble_of_a_disk_is_a_reason_of_its_own() -> None:
    answers = {Trouble.CLOSED, Trouble.LANE_FULL, Trouble.UNKNOWN_NOTE}  # to who asked, and no trouble of the disk

    assert {f"spool-{each}" for each in Trouble if each not in answers} <= set(record.Trouble)


def test_a_page_that_was_put_right_is_told_with_its_mending_also_when_it_was_before_the_first_look() -> None:
    around = Around()
    around.spool = Health(None, 1, 0, 0, 0)

    assert around.after(1) == [("fault", "spool-page-damaged", None), ("mended", "spool-page-damaged", None)]
    assert len(around.after(2 * DAMAGE_S)) == 2


def test_pages_are_told_once_a_minute_however_many_are_damaged() -> None:
    around = Around()
    for number in range(1, 5):
        around.spool = Health(None, number, 0, 0, 0)
        around.after(1)
    assert len(around.told.said()) == 2

    assert len(around.after(DAMAGE_S)) == 4  # what came after the first is not forgotten


def test_a_page_that_is_lost_is_not_mended() -> None:
    around = Around()
    around.spool = Health(None, 0, 1, 0, 0)

    assert around.after(1) == [("fault", "spool-page-lost", None)]


def test_a_warning_level_is_told_for_its_destination() -> None:
    told = FakeAudit()
    passed = levels(Stream("alpha", told, clock))
    passed("bravo", True)
    passed("quarantine:alpha/cell", True)
    passed("bravo", False)

    assert told.said() == [
        ("fault", "spool-nearly-full", "bravo"),
        ("fault", "spool-nearly-full", "alpha/cell"),
        ("mended", "spool-nearly-full", "bravo"),
    ]


def test_a_clock_that_jumps_three_days_is_told_each_time_and_one_that_lags_is_not() -> None:
    around = Around()

    assert around.after(1, wall=1.4) == []
    assert around.after(1, wall=3 * 86_400) == [("fault", "clock-jumped", None)]
    assert len(around.after(1)) == 1
    assert around.after(1, wall=-3 * 86_400)[1:] == [("fault", "clock-jumped", None)]
