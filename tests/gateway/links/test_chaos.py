"""A short run of the chaos for each pair of brokers; the long ones are ``python -m tests.gateway.links.chaos``."""

from __future__ import annotations

import pytest

from tests.gateway.links.chaos import Plan, run
from tests.servers import mosquitto_path

PAIRS = [("mqtt", "mqtt"), ("nats", "nats"), ("mqtt", "nats"), ("nats", "mqtt")]


@pytest.mark.parametrize(("upstream", "downstream"), PAIRS)
async def test_nothing_that_the_gateway_acknowledged_is_lost_and_order_is_kept(upstream: str, downstream: str) -> None:
    if "mqtt" in {upstream, downstream} and mosquitto_path() is None:
        pytest.skip("mosquitto is not installed")
    plan = Plan(upstream, downstream, messages=4_000, rate=1_000.0, faults=4, seed=7)
    account = await run(plan)
    assert account["lost_by_gateway"] == 0, account
    assert account["lost_before_gateway"] == 0, account
    assert account["seen"] == plan.messages
    assert account["inversions"] == 0, account
