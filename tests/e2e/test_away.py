"""A destination that was away: what waited for it drains as messages flow otherwise, and flash ones pass at once.

How fast it drains, and for how long a flash message waits, is shown by the long form, not asserted here:
``python -m tests.bench.away --messages 500000``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import away


async def test_a_destination_away_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(away, "QUIET_S", 0.5)
    monkeypatch.setattr(away, "STILL_S", 0.5)
    said = await away.run(tmp_path, 6_000)  # fails by itself when one of them is missing

    assert said["parcels_on_disk"] > 0
    assert said["repeats"] == 0
    assert said["memory_most_mb"] < 150
