"""Rows age by time that was lived: a clock that is set neither ends everything nor keeps it for ever."""

from __future__ import annotations

import pytest

from gateway.spool.ageing import Ageing
from tests.gateway.spool.clocks import START_S, Hands

DAYS_3 = 3 * 86_400.0


def test_time_runs_with_the_monotonic_clock() -> None:
    hands = Hands()
    ageing = Ageing(hands.clock())
    began = ageing.now_s()

    hands.pass_s(90.0)

    assert ageing.now_s() - began == 90.0


@pytest.mark.parametrize("jump_s", [DAYS_3, -DAYS_3])
def test_setting_the_wall_clock_ages_nothing(jump_s: float) -> None:
    hands = Hands()
    ageing = Ageing(hands.clock())
    began = ageing.now_s()

    hands.wall_s += jump_s
    hands.pass_s(60.0)

    assert ageing.now_s() - began == 60.0


@pytest.mark.parametrize("jump_s", [DAYS_3, -DAYS_3])
def test_a_validity_that_comes_after_a_jump_is_read_by_the_clock_as_it_was(jump_s: float) -> None:
    hands = Hands()
    ageing = Ageing(hands.clock())

    hands.wall_s += jump_s
    hands.pass_s(60.0)

    assert ageing.at_s(START_S + 120.0) - ageing.now_s() == pytest.approx(60.0)


def test_a_clock_that_was_set_is_believed_after_five_even_minutes() -> None:
    hands = Hands()
    ageing = Ageing(hands.clock())
    ageing.at_s(0.0)
    hands.wall_s += DAYS_3
    ageing.at_s(0.0)

    hands.pass_s(301.0)

    assert ageing.at_s(hands.wall_s + 10.0) - ageing.now_s() == pytest.approx(10.0)


def test_a_stop_counts_by_the_wall_clock() -> None:
    hands = Hands()
    before = Ageing(hands.clock())
    hands.pass_s(100.0)
    lived_s, wall_s = before.stamp()
    hands.wall_s += 7200.0
    hands.monotonic_s = 3.0  # the machine was started anew

    after = Ageing(hands.clock(), lived_s, wall_s)

    assert after.now_s() - lived_s == pytest.approx(7200.0)


def test_after_a_start_nothing_expires_before_the_clock_has_gone_evenly() -> None:
    hands = Hands()
    ageing = Ageing(hands.clock(), 10.0, START_S - 60.0)

    held_at_first = ageing.held
    hands.pass_s(301.0)

    assert held_at_first
    assert not ageing.held


def test_a_clock_that_was_three_days_ahead_at_the_start_is_put_right() -> None:
    hands = Hands(START_S + DAYS_3)
    ageing = Ageing(hands.clock(), 1000.0, START_S - 60.0)

    hands.pass_s(20.0)
    hands.wall_s -= DAYS_3  # the time server has been heard
    held = ageing.held
    hands.pass_s(301.0)

    assert held
    assert not ageing.held
    assert ageing.now_s() == pytest.approx(1000.0 + 60.0 + 20.0 + 301.0)


def test_a_clock_behind_at_the_start_makes_nothing_younger() -> None:
    ageing = Ageing(Hands(START_S - DAYS_3).clock(), 1000.0, START_S)

    assert ageing.now_s() == pytest.approx(1000.0)


def test_a_clock_that_is_set_again_and_again_holds_expiry_for_an_hour_at_most() -> None:
    hands = Hands()
    ageing = Ageing(hands.clock(), 1000.0, START_S)

    for _ in range(20):
        hands.pass_s(200.0)
        hands.wall_s += 1000.0
        held = ageing.held

    assert not held
