"""A link with a byte budget: it is kept and shared, reports are small, and what is urgent hardly waits.

At 3 kB/s, so that it takes half a minute; ``python -m tests.bench.thin_link`` does the same at 200 kB/s and at 300 B/s,
and holds flash messages to one frame time: here a control record may go before one as well.
"""

from __future__ import annotations

from pathlib import Path

from tests.bench.thin_link import PLANS, REPORT_MAX, measure


async def test_a_budget_is_kept_and_shared_and_flash_passes(tmp_path: Path) -> None:
    report = await measure(PLANS[3_000], tmp_path)
    assert [line for line in report.missed() if not line.startswith("flash")] == []
    assert report.bytes_a_position <= REPORT_MAX
    assert report.positions > 50
    assert report.flash_p99_s <= 2 * report.frame_s + report.flash_alone_s + 0.3
