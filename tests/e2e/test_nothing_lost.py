"""Nothing acknowledged is lost, delivered twice or out of order while everything is killed and cut: the short form.

The long one, 100 000 messages and 40 kills: ``python -m tests.bench.nothing_lost --json``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.nothing_lost import Plan, run
from tests.servers import mosquitto_path

PLAN = Plan(messages=2_000, kills=6, cuts=6, rate=240.0, seed=7)


@pytest.mark.skipif(mosquitto_path() is None, reason="mosquitto is not installed")
async def test_killed_gateways_and_a_killed_courier_lose_repeat_and_disorder_nothing(tmp_path: Path) -> None:
    found = await run(PLAN, tmp_path)
    counts = {name: found[name] for name in ("lost", "twice", "out_of_order", "tracebacks")}
    assert counts == {"lost": 0, "twice": 0, "out_of_order": 0, "tracebacks": 0}, found
    assert found["kills"] == {"kill -9 alpha": 2, "kill -9 bravo": 2, "kill -9 courier": 2}
    assert found["cuts"] == 6
