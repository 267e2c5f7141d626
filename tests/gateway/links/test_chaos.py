"""A short run of the chaos for each pair of brokers; the long ones are ``python -m tests.gateway.links.chaos``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.links.chaos import Plan, run
from tests.servers import mosquitto_path

PAIRS = [("mqtt", "mqtt"), ("nats", "nats"), ("mqtt", "nats"), ("nats", "mqtt")]


@pytest.mark.parametrize(("upstream", "downstream"), PAIRS)
async def test_nothing_that_the_gateway_acknowledged_is_lost_and_order_is_kept(upstream: str, downstream: str) -> None:
    if "mqtt" in {upstream, downstream} and mosquitto_path() is None:
        pytest.skip("mosquitto is not installed")
    await holds(Plan(upstream, downstream, messages=2_000, rate=1_000.0, faults=4, seed=7))


@pytest.mark.parametrize("scheme", ["mqtt", "nats"])
async def test_connections_that_break_within_a_tls_record_lose_nothing(scheme: str) -> None:
    if scheme == "mqtt" and mosquitto_path() is None:
        pytest.skip("mosquitto is not installed")
    plan = Plan(scheme, scheme, messages=2_500, rate=1_000.0, faults=10, seed=11, tls=True, only="tear")
    account = await holds(plan)
    assert account["records_torn"] >= 5, account


async def holds(plan: Plan) -> dict[str, Any]:
    """Run a plan; nothing may be lost or come out of order."""
    account = await run(plan)
    assert account["lost_by_gateway"] == 0, account
    assert account["lost_before_gateway"] == 0, account
    assert account["seen"] == plan.messages
    assert account["inversions"] == 0, account
    return account
