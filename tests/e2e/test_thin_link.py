"""A link with a byte budget: it is kept and shared, reports are small, and keys longer than a frame come in several.

At 2 kB/s, for twenty seconds; ``python -m tests.bench.thin_link`` does the same at 200 kB/s and at 300 B/s,
and holds flash messages to the time of one frame.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.thin_link import REPORT_MAX, SHARE_MAX, SHARES, Plan, measure

BRIEF = Plan(2_000, together=12, rate=40.0, remarks=0, quiet_s=8.0, loaded_s=1.0, flash_every_s=0.5)


async def test_a_budget_is_kept_and_shared(tmp_path: Path) -> None:
    report = await measure(BRIEF, tmp_path)
    assert report.used_bytes_per_s <= 1.05 * BRIEF.bytes_per_s
    assert report.bytes_a_position <= REPORT_MAX
    assert report.positions > 30
    frame = report.frame_s / BRIEF.quiet_s  # one more or less, as a part of all that was sent meanwhile
    for partner, share in report.shares.items():
        wanted = SHARES[partner] / sum(SHARES.values())
        assert share == pytest.approx(wanted, abs=SHARE_MAX * wanted + frame)
