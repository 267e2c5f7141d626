"""A running gateway seals nothing more to a unit whose revocation its operator imports; others still hear."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.demo.tally import Told
from protocols.record import Event
from tests.e2e.pair import until
from tests.e2e.stage import publish, stage
from tests.e2e.test_bad_input import track
from tests.e2e.test_onboarding import comity


def is_changed(told: Told) -> bool:
    return told.record.event is Event.TABLE_CHANGED and told.record.gateway == "alpha"


async def test_a_revoked_unit_is_left_out_at_once_and_its_neighbours_are_not(tmp_path: Path) -> None:
    async with stage(tmp_path, "embedded") as coalition:
        port, file = coalition.ports["alpha"], tmp_path / "ops.revocation"
        await publish(port, "tak/alpha/one", track("ONE"))
        await coalition.until(lambda told: told.record.destination == "bravo/ops")

        state = tmp_path / "state"
        await asyncio.to_thread(
            comity, "partner", "export", state / "bravo", "--revocation", "bravo/ops", "--out", file
        )
        await asyncio.to_thread(comity, "partner", "import", state / "alpha", file)
        await coalition.until(is_changed)
        before = len(coalition.told)
        await publish(port, "tak/alpha/two", track("TWO"))
        await until(lambda: len(outcomes(coalition.told[before:])) == 3)
        reached = outcomes(coalition.told[before:])

    assert reached == {
        ("bravo/ops", "withheld", "revoked"),
        ("bravo/cell", "forwarded", None),
        ("charlie/map", "forwarded", None),
    }


def outcomes(told: list[Told]) -> set[tuple[str | None, str, str | None]]:
    """What alpha says became of its patrol's message, by destination."""
    ours = [each.record for each in told if each.record.gateway == "alpha" and each.record.source == "alpha/patrols"]
    return {(end.destination, str(end.event), end.reason) for end in ours if end.event is not Event.RECEIPT}
