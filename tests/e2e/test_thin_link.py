"""A link with a byte budget: what is urgent waits for one frame at most, the rest is shared, and reports are small.

At 3 kB/s, so that it takes half a minute; ``python -m tests.bench.thin_link`` does the same at 200 kB/s and at 300 B/s.
"""

from __future__ import annotations

from pathlib import Path

from tests.bench.thin_link import PLANS, REPORT_MAX, measure


async def test_a_budget_is_kept_and_shared_and_flash_passes(tmp_path: Path) -> None:
    report = await measure(PLANS[3_000], tmp_path)
    assert list(report.missed()) == []
    assert report.bytes_a_position <= REPORT_MAX
    assert report.positions > 100
    assert report.used_bytes_per_s > 0.8 * report.budget_bytes_per_s
