"""How much of a link may wait for its destinations: so many messages, in however many batches, in their order."""

from __future__ import annotations

import asyncio

import pytest

from gateway.acknowledging import HELD_MAX, Batch, Handed
from gateway.intake import Arrival, RefusalError, Report
from gateway.outbound.item import Ticket
from tests.fakes import NOW, FakeFrame
from tests.gateway.reports import a_track


def a_batch(reports: int, refused: int = 0) -> Batch:
    """One frame with so many reports, and so many that are refused."""
    frame, got = FakeFrame("tak/1", b""), Arrival([Report(a_track(number)) for number in range(reports)])
    return Batch(Ticket(), [(frame, got)], [(frame, RefusalError("malformed"))] * refused, NOW)


async def waits(handed: Handed) -> bool:
    """Whether one more has to wait; if not, it is there."""
    putting = asyncio.create_task(handed.put(a_batch(1)))
    await asyncio.sleep(0)
    if putting.done():
        return False
    putting.cancel()
    await asyncio.wait([putting])
    return True


@pytest.mark.parametrize(("reports", "refused"), [(1, 0), (0, 0), (32, 0), (1, 31)])
async def test_as_many_messages_wait_whatever_they_come_in(reports: int, refused: int) -> None:
    """A frame without a report, as an announcement, counts for one."""
    handed = Handed()
    for _ in range(HELD_MAX // max(1, reports + refused)):
        await asyncio.wait_for(handed.put(a_batch(reports, refused)), 10)
    assert await waits(handed)
    await handed.get()
    assert not await waits(handed)


async def test_whoever_waits_goes_on_when_there_is_room_and_all_come_in_their_order() -> None:
    handed, batches = Handed(), [a_batch(HELD_MAX), a_batch(1), a_batch(2)]
    got = []

    async def give() -> None:
        for batch in batches:
            await handed.put(batch)
        handed.close()

    giving = asyncio.create_task(give())
    while (batch := await handed.get()) is not None:
        got.append(batch)
    await giving
    assert [len(each.taken[0][1].reports) for each in got] == [HELD_MAX, 1, 2]
    assert await handed.get() is None
