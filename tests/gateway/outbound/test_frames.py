"""Over a link with a budget everything goes in frames, and is heard once and in order however often the link is cut."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from gateway.keyring.ring import Keyring
from gateway.links import Parcel
from gateway.outbound import outbound as module
from gateway.outbound.parts import size_of
from gateway.outbound.turns import Turns
from protocols.fragment import Fragments, is_fragment
from protocols.message import Precedence
from tests.fakes import FakeLink
from tests.gateway.line import Line
from tests.gateway.outbound.far import Far, Time, Unsteady
from tests.gateway.outbound.test_resealing import PARTNERS, both, report, subjects, time, until

__all__ = ["both", "time"]  # fixtures
REPORTS = 40
BUDGET = 1e7  # bytes a second, so that nobody waits for it


@pytest.fixture(autouse=True)
def small_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of 256 bytes; what takes minutes over a real one takes moments."""
    monkeypatch.setattr("gateway.outbound.turns.FRAME_S", 0.0)
    monkeypatch.setattr("gateway.outbound.lane.THIN_PATIENCE_S", 0.2)
    monkeypatch.setattr("gateway.outbound.lane.PATIENCE_MAX_S", 0.5)
    monkeypatch.setattr(module, "TICK_S", 0.005)
    monkeypatch.setattr(module, "SLOW_TICKS", 1)


class Whole:
    """Puts together what comes in frames, as a gateway does, and passes it on."""

    def __init__(self, far: Far) -> None:
        self._far = far
        self._fragments = Fragments()
        self.frames = 0

    def __call__(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            assert len(parcel.topic) + len(parcel.data) + 16 <= 256
            data: bytes | None = parcel.data
            if is_fragment(parcel.data):
                self.frames += 1
                data = self._fragments.put(parcel.topic.split("/")[2], parcel.data)
            if data is not None:
                self._far([parcel._replace(data=data)])


def by(*links: str) -> Callable[[str], Sequence[str]]:
    """Partners are reached by these links."""
    return lambda to: links if to in PARTNERS else ("national",)


@pytest.mark.parametrize("cuts", [0, 40])
async def test_what_goes_in_frames_is_heard_once_and_in_order_however_often_the_link_is_cut(
    both: Line, coalition: dict[str, Keyring], time: Time, cuts: int
) -> None:
    cast("Any", both.outbound._turns)["coalition"] = Turns({"bravo": 2.0}, BUDGET)
    link, far, chance = Unsteady(), Far(both, coalition, time), random.Random(cuts)  # noqa: S311  no secret
    whole = Whole(far)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = whole

        async def cut() -> None:
            for _ in range(cuts):
                await asyncio.sleep(chance.uniform(0.0, 0.01))
                link.cut()
                await asyncio.sleep(chance.uniform(0.0, 0.01))
                link.mend()

        cutting = asyncio.create_task(cut())
        for number in range(REPORTS):
            urgent = Precedence.FLASH if number % 10 == 9 else None
            await report(both, number, time, urgent)
        await cutting
        for partner in PARTNERS:
            await until(lambda: len(far.heard[partner]) == REPORTS)  # noqa: B023  awaited at once
        lanes = [both.outbound.lanes[partner] for partner in PARTNERS]
        await until(lambda: all(not list(lane.under_way()) and not lane.cut for lane in lanes))
        await until(lambda: all((lane.window.parcels, lane.window.bytes) == (0, 0) for lane in lanes))

    routine = [name for number, name in enumerate(subjects(range(REPORTS))) if number % 10 != 9]
    for partner in PARTNERS:
        assert [name for name in far.heard[partner] if name in routine] == routine
    assert whole.frames > 2 * REPORTS
    assert far.refused == []


async def test_what_has_begun_in_frames_goes_whole_by_a_link_without_a_budget_when_the_other_is_down(
    both: Line, coalition: dict[str, Keyring], time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast("Any", both.outbound._turns)["coalition"] = Turns({}, BUDGET / 100)
    cast("Any", both.outbound._turns)["courier"] = Turns({})
    monkeypatch.setattr(both.dispatch, "links_to", by("coalition", "courier"))
    thin, other, far = Unsteady(), FakeLink(), Far(both, coalition, time)
    both.links["courier"] = other
    async with both.sending(FakeLink(), thin, custody=False):
        other.told = far

        def down(_: Sequence[Parcel]) -> None:
            thin.is_up = False  # after its first frame

        thin.told = down
        for number in range(3):
            await report(both, number, time)
        for partner in PARTNERS:
            await until(lambda: far.heard[partner] == subjects(range(3)))  # noqa: B023  awaited at once
        lanes = [both.outbound.lanes[partner] for partner in PARTNERS]
        await until(lambda: all((lane.window.parcels, lane.window.bytes) == (0, 0) for lane in lanes))

    assert {parcel.topic[-2:] for parcel in thin.sent} <= {"-0", "-1"}  # of what goes in many frames
    assert not any(lane.cut for lane in lanes)


async def test_what_has_begun_in_frames_begins_again_when_the_link_was_opened_anew(
    both: Line, coalition: dict[str, Keyring], time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first frames went and were answered; the broker that had them has forgotten them."""
    monkeypatch.setattr("gateway.outbound.lane.THIN_PATIENCE_S", 1e9)
    monkeypatch.setattr("gateway.outbound.lane.PATIENCE_MAX_S", 1e9)
    cast("Any", both.outbound._turns)["coalition"] = Turns({}, BUDGET / 100)
    link, far = Unsteady(), Far(both, coalition, time)
    link.openings = 1
    async with both.sending(FakeLink(), link, custody=False):
        whole, forgotten = Whole(far), list[Parcel]()

        def forget(parcels: Sequence[Parcel]) -> None:
            forgotten.extend(parcels)
            if len(forgotten) == 5:
                link.told = whole
                link.mend()

        link.told = forget
        await report(both, 0, time)
        for partner in PARTNERS:
            await until(lambda: far.heard[partner] == subjects(range(1)))  # noqa: B023  awaited at once

    assert all(is_fragment(parcel.data) for parcel in forgotten)


async def test_what_is_sent_again_by_a_link_with_a_budget_goes_in_frames_and_is_charged(
    both: Line, coalition: dict[str, Keyring], time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first link's broker takes everything and passes nothing on."""
    satellite = Turns({}, BUDGET / 100)
    cast("Any", both.outbound._turns)["satellite"] = satellite
    monkeypatch.setattr(both.dispatch, "links_to", by("coalition", "satellite"))
    monkeypatch.setattr("gateway.outbound.lane.PATIENCE_S", 0.05)
    thin, far = FakeLink(), Far(both, coalition, time)
    both.links["satellite"] = thin
    async with both.sending(FakeLink(), FakeLink(), custody=False):
        thin.told = Whole(far)
        for number in range(3):
            await report(both, number, time)
        for partner in PARTNERS:
            await until(lambda: far.heard[partner] == subjects(range(3)))  # noqa: B023  awaited at once

    assert sum(satellite.bytes.values()) == sum(map(size_of, thin.sent))


async def test_envelopes_do_not_go_to_a_courier_who_would_hold_them_when_the_link_is_there_again(
    both: Line, coalition: dict[str, Keyring], time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast("Any", both.outbound._turns)["courier"] = Turns({})
    roads = both.outbound._roads._replace(by_hand={"courier"})
    monkeypatch.setattr(both.outbound, "_roads", roads)
    monkeypatch.setattr(both.dispatch, "links_to", by("coalition", "courier"))
    link, hand, far = Unsteady(), FakeLink(), Far(both, coalition, time)
    both.links["courier"] = hand
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        link.cut()
        link.is_up = False
        for number in range(3):
            await report(both, number, time, Precedence.FLASH)
        link.is_up = True
        link.mend()
        for partner in PARTNERS:
            await until(lambda: far.heard[partner] == subjects(range(3)))  # noqa: B023  awaited at once

    assert {parcel.topic.split("/")[4] for parcel in hand.sent} == {"k"}
