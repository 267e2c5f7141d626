"""How much is under way follows what the destination answers: it is kept busy, and nothing stands there for long."""

from __future__ import annotations

from collections import deque

import pytest

from gateway.outbound.window import BYTES_MAX, FIRST, LARGEST, SMALLEST, Window


def flow(window: Window, latency_s: float, service_s: float, start_s: float, end_s: float) -> list[float]:
    """Send all that may be sent to one that serves one after the other; round trips of the last second."""
    now, free_at = start_s, 0.0
    under_way: deque[tuple[float, float]] = deque()
    took: list[float] = []
    while now < end_s:
        while window.room:
            window.sent(100)
            free_at = max(free_at, now + latency_s) + service_s
            under_way.append((now, free_at))
        sent_at, now = under_way.popleft()
        now = max(now, sent_at)
        window.ended(100)
        window.answered(now - sent_at, now)
        if now > end_s - 1:
            took.append(now - sent_at)
    for _ in under_way:
        window.ended(100)
    return took


@pytest.mark.parametrize("service_ms", [0.5, 2.0, 5.0, 10.0])
@pytest.mark.parametrize("latency_ms", [1.0, 5.0, 50.0, 300.0])
def test_a_destination_is_kept_busy_and_what_is_urgent_does_not_stand_behind_much(
    latency_ms: float, service_ms: float
) -> None:
    took = flow(Window(), latency_ms / 1000, service_ms / 1000, 0.0, 20.0)
    assert len(took) * service_ms / 1000 > 0.9
    assert sorted(took)[len(took) // 2] < (latency_ms + service_ms + 35) / 1000


def test_what_stands_behind_others_all_the_time_does_not_become_what_is_usual() -> None:
    took = flow(Window(), 0.005, 0.005, 0.0, 300.0)
    assert sorted(took)[len(took) // 2] < 0.045


def test_our_own_lateness_is_not_blamed_on_the_destination() -> None:
    blamed, excused = Window(), Window()
    for number in range(200):
        now = number * 0.05
        for window in (blamed, excused):
            window.sent(100)
        blamed.answered(0.001 if number == 0 else 0.051, now)
        excused.answered(0.001 if number == 0 else 0.051, now, 0.05)
        for window in (blamed, excused):
            window.ended(100)
    assert blamed.limit == SMALLEST
    assert excused.limit >= FIRST


def test_lateness_makes_no_round_trip_look_shorter_than_it_was() -> None:
    window = Window()
    for number in range(40):
        window.answered(0.012, number * 0.012, 0.03)
    for number in range(40, 80):
        window.parcels = LARGEST
        window.answered(0.012, number * 0.012)
    assert window.limit > FIRST


def test_a_destination_that_becomes_slow_is_given_less() -> None:
    window = Window()
    flow(window, 0.001, 0.001, 0.0, 5.0)
    before = window.limit
    flow(window, 0.001, 0.02, 5.0, 15.0)
    assert window.limit < before / 4


def test_bytes_under_way_are_bounded_too() -> None:
    window = Window()
    window.sent(BYTES_MAX)
    assert window.room == 0
    window.ended(BYTES_MAX)
    assert window.room == FIRST
