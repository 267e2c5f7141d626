from __future__ import annotations

import random

import pytest

from gateway.links.backoff import Backoff, Pace
from tests.bench.storm import storms
from tests.servers import mosquitto_path


def chance(seed: int) -> random.Random:
    """A repeatable source of jitter."""
    return random.Random(seed)  # noqa: S311 - nothing is secret about a wait


def test_waits_grow_to_the_bound_and_start_again_after_a_good_connection() -> None:
    backoff = Backoff(Pace(first_s=1.0, longest_s=8.0, stable_s=10.0), chance(1))
    many = [backoff.after_fault(0.0) for _ in range(200)]
    assert max(many) <= 8.0
    assert max(many) > 7.0
    assert backoff.after_fault(11.0) <= 1.0


def test_waits_fill_the_whole_interval() -> None:
    waits = sorted(Backoff(Pace(first_s=1.0), chance(seed)).after_fault(0.0) for seed in range(1000))
    tenths = [sum(index / 10 <= wait < (index + 1) / 10 for wait in waits) for index in range(10)]
    assert min(tenths) > 60


def test_a_refused_link_waits_long_and_never_with_others() -> None:
    waits = {Backoff(Pace(refused_s=60.0), chance(seed)).after_refusal() for seed in range(100)}
    assert len(waits) == 100
    assert min(waits) >= 30.0


async def test_gateways_that_lost_one_broker_come_back_spread() -> None:
    if mosquitto_path() is None:
        pytest.skip("mosquitto is not installed")
    figures = await storms(gateways=60, count=1)
    assert figures["busiest_100_ms_share_worst"] < 0.5
    assert figures["all_back_s_worst"] < 20.0
