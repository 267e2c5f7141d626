"""Where two links lead to a partner, what one of them holds back goes by the other."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gateway.keyring.ring import Keyring
from gateway.outbound import outbound as module
from gateway.outbound.turns import Turns
from tests.fakes import FakeLink
from tests.gateway.line import Line
from tests.gateway.outbound.far import Far, Time, Unsteady
from tests.gateway.outbound.test_frames import by
from tests.gateway.outbound.test_resealing import PARTNERS, both, report, subjects, time, until

__all__ = ["both", "time"]  # fixtures


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes a second takes moments."""
    monkeypatch.setattr(module, "TICK_S", 0.005)
    monkeypatch.setattr(module, "SLOW_TICKS", 1)


@pytest.mark.parametrize("answers", ["lost", "taken"])
async def test_what_a_link_was_given_before_it_was_known_to_be_down_goes_by_the_other_and_nothing_twice(
    both: Line, coalition: dict[str, Keyring], time: Time, monkeypatch: pytest.MonkeyPatch, answers: str
) -> None:
    cast("Any", both.outbound._turns)["second"] = Turns({})
    monkeypatch.setattr(both.dispatch, "links_to", by("coalition", "second"))
    first, second = Unsteady() if answers == "lost" else FakeLink(), FakeLink()
    far = Far(both, coalition, time)
    both.links["second"] = second
    async with both.sending(FakeLink(), first, custody=False):
        first.told = second.told = far
        await report(both, 0, time)
        for partner in PARTNERS:
            await until(lambda: far.heard[partner] == subjects(range(1)))  # noqa: B023  awaited at once
        first.taking.clear()
        for number in range(1, 4):
            await report(both, number, time)
        first.is_up = False
        await report(both, 4, time)
        for partner in PARTNERS:
            await until(lambda: far.heard[partner] == subjects(range(5)))  # noqa: B023  awaited at once
        assert not far.repeats

        first.is_up = True
        first.told = lambda _: None  # what it gives on late is known, and refused as a replay
        first.taking.set()
        if isinstance(first, Unsteady):
            first.mend()
        await until(lambda: not any(list(lane.under_way()) for lane in both.outbound.lanes.values()))
        first.told = far
        await report(both, 5, time)
        for partner in PARTNERS:
            await until(lambda: far.heard[partner] == subjects(range(6)))  # noqa: B023  awaited at once

    assert not far.repeats
    assert {lane.window.parcels for lane in both.outbound.lanes.values()} == {0}
