"""Announcements that a broker may have forgotten stand there again: slowly, once, and not over a thin link."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from gateway.dispatch import CONTROL
from gateway.keyring.ring import Keyring
from gateway.outbound import outbound as module
from protocols.custody import Numbered
from protocols.envelope import Mode
from protocols.topics import Slot, parse_mailbox
from tests.fakes import NOW, FakeLink
from tests.gateway.line import Line
from tests.gateway.outbound.far import Unsteady
from tests.gateway.outbound.test_lane import item

SECONDS = 60.0
UNITS = ("alpha/patrols", "alpha/cell")
AUDIENCES = (("bravo/ops",), ("charlie/map",), ("bravo/ops", "charlie/map"))


def told(link: FakeLink) -> Counter[tuple[str, str]]:
    """Announcements that were published: to whom, of which epoch, and how often."""
    boxes = [parse_mailbox(parcel.topic) for parcel in link.sent if parcel.retain]
    return Counter((box.to, box.tail) for box in boxes if box is not None and box.slot is Slot.KEYS)


async def until(wanted: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not wanted():
            await asyncio.sleep(0.005)


async def ticks(line: Line, count: int) -> None:
    """Until outbound has looked so many times."""
    looked, step = 0, line.outbound._announcing.step

    def counting() -> None:
        nonlocal looked
        looked += 1
        step()

    line.outbound._announcing.step = counting  # type: ignore[method-assign]  # as it is, and counted
    await until(lambda: looked >= count)
    line.outbound._announcing.step = step  # type: ignore[method-assign]


def begin(line: Line, keyring: Keyring) -> None:
    """Epochs of two senders for three audiences, in which nothing is under way."""
    for unit in UNITS:
        for audience in AUDIENCES:
            sealed = keyring.seal(unit, audience, [b"x"], NOW, Mode.SIGNED)
            line.outbound.submit(line.dispatch.answers(sealed.announcements, NOW), NOW)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.005)
    monkeypatch.setattr(module, "SLOW_TICKS", 1)


async def test_what_a_broker_forgot_stands_there_again_once(line: Line, coalition: dict[str, Keyring]) -> None:
    link = Unsteady()
    async with line.sending(FakeLink(), link):
        link.openings = 1
        begin(line, coalition["alpha"])
        await until(lambda: len(told(link)) == 8)
        first = told(link)
        await ticks(line, 5)
        assert told(link) == first  # the first connection is none anew
        link.openings = 2
        await until(lambda: told(link) == first + first)
        await ticks(line, 20)
    assert set(first.values()) == {1}
    assert told(link) == first + first
    assert all(0 < (parcel.expires_s or 0) <= 86_400 for parcel in link.sent if parcel.retain)


async def test_they_are_spread_over_time(line: Line, coalition: dict[str, Keyring]) -> None:
    """One with each tick, whatever their number, the partners in turn."""
    begin(line, coalition["alpha"])
    lanes = [line.outbound.lanes[partner] for partner in ("bravo", "charlie")]
    for lane in lanes:
        lane.fresh[CONTROL].clear()
        line.outbound._announcing.reopened(lane)
    steps = []
    for _ in range(9):
        line.outbound._announcing.step()
        steps.append([len(lane.fresh[CONTROL]) for lane in lanes])

    assert steps == [[1, 0], [1, 1], [2, 1], [2, 2], [3, 2], [3, 3], [4, 3], [4, 4], [4, 4]]


async def test_over_a_thin_link_they_are_sent_when_they_are_asked_for(
    line: Line, coalition: dict[str, Keyring]
) -> None:
    link = Unsteady()
    async with line.sending(FakeLink(), link):
        link.openings = 1
        begin(line, coalition["alpha"])
        await until(lambda: len(told(link)) == 8)
        for lane in line.outbound.lanes.values():
            lane.thin = True
        link.openings = 2
        await ticks(line, 20)
    assert set(told(link).values()) == {1}


async def test_over_a_thin_link_they_go_again_with_what_was_sent_twice_in_vain(
    line: Line, coalition: dict[str, Keyring]
) -> None:
    begin(line, coalition["alpha"])
    lane = line.outbound.lanes["bravo"]
    eid = next(item.consignment.note for item in lane.fresh[CONTROL])
    assert eid is not None
    lane.fresh[CONTROL].clear()
    lane.thin, sent = True, item(0)
    sent.replace(sent.consignment._replace(custody=Numbered(eid, 0)))
    counts = []
    for tries in (0, 1, 2):
        sent.tries = tries
        line.outbound._announcing.reopened(lane)
        line.outbound._announcing.anew(lane, [sent])
        counts.append(len(lane.fresh[CONTROL]))
    assert counts == [0, 0, 1]


async def test_an_epoch_that_nobody_seals_in_any_more_is_not_announced_again(
    line: Line, coalition: dict[str, Keyring]
) -> None:
    link = Unsteady()
    async with line.sending(FakeLink(), link):
        link.openings = 1
        begin(line, coalition["alpha"])
        await until(lambda: len(told(link)) == 8)
        coalition["alpha"].finish(NOW)
        link.openings = 2
        await ticks(line, 20)
    assert set(told(link).values()) == {1}
