"""What an agreement delays leaves when it is due and not before, also over a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from gateway.dispatch import Consignment, Copy
from gateway.routing import Way
from gateway.spool.spool import Spool
from gateway.stream import Stream
from protocols.agreement import Agreement, Transformation
from protocols.envelope import DATA, unpack_envelope
from protocols.message import Authenticity
from protocols.record import Event, Holding
from protocols.topics import Slot, parse_mailbox
from tests.fakes import NOW, FakeLink, FakeSpool
from tests.gateway.line import Line
from tests.gateway.reports import a_chat, a_local_way, a_track, a_way, an_agreement
from tests.gateway.spool.clocks import Hands
from tests.gateway.test_dispatch import home

HOUR = 3600.0
AT_ONCE, LATER = a_way(to="charlie/map"), a_way(an_agreement(transformation=Transformation(delay_s=HOUR)))


def delayed(seconds: float) -> Agreement:
    return an_agreement(transformation=Transformation(delay_s=seconds))


def sealed(line: Line, copies: Sequence[Copy]) -> list[Consignment]:
    """Parcels that deliver something."""
    ready, unsent = line.dispatch.pack(copies, NOW)
    assert unsent == []
    return [each for each in ready if each.copies]


def test_what_is_delayed_goes_apart_and_is_due_later(line: Line) -> None:
    message = a_track(0)
    found = sealed(line, [Copy(message, AT_ONCE), Copy(message, LATER)])

    assert [(each.to, each.due) for each in found] == [("charlie", None), ("bravo", NOW + timedelta(hours=1))]


def test_what_waits_for_as_long_shares_an_envelope(line: Line) -> None:
    found = sealed(line, [Copy(a_chat(number), LATER) for number in range(3)])

    assert [(len(each.copies), each.due) for each in found] == [(3, NOW + timedelta(hours=1))]


def test_a_unit_of_ours_waits_for_our_own_reports_only(line: Line) -> None:
    way = home()._replace(agreement=delayed(60.0))
    own, theirs = a_track(0), a_track(1, origin="bravo/ops", authenticity=Authenticity.VERIFIED)
    found = sealed(line, [Copy(own, way), Copy(theirs, way)])

    assert [each.due for each in found] == [NOW + timedelta(minutes=1), None]


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    """A clock that the test moves; the gateway's and the spool's."""
    moved = Hands(NOW.timestamp())
    monkeypatch.setattr("tests.gateway.line.clock", lambda: datetime.fromtimestamp(moved.wall_s, UTC))
    return moved


async def begun(line: Line, folder: Path, hands: Hands) -> Spool:
    """A gateway that starts with what is on its disk."""
    spool = await Spool.open(folder, clock=hands.clock())
    line.spool = cast("FakeSpool", spool)
    line.begin(Stream("alpha", line.audit, lambda: datetime.fromtimestamp(hands.wall_s, UTC)))
    return spool


def envelopes(link: FakeLink) -> int:
    """How many envelopes with messages a link was given."""
    boxes = ((parse_mailbox(each.topic), each.data) for each in link.sent)
    return sum(
        box is not None and box.slot is Slot.DATA and unpack_envelope(data)[0].type == DATA for box, data in boxes
    )


async def looked() -> None:
    """So long that what is due has been looked for."""
    await asyncio.sleep(2.2)


async def until(link: FakeLink, count: int) -> None:
    async with asyncio.timeout(60):
        while envelopes(link) < count:
            await asyncio.sleep(0.02)


async def test_it_leaves_when_it_is_due_and_is_safe_before(line: Line, tmp_path: Path, hands: Hands) -> None:
    spool = await begun(line, tmp_path, hands)
    async with line.sending(national=FakeLink(), coalition=FakeLink()) as roads:
        ready, _ = line.dispatch.pack([Copy(a_track(n), LATER) for n in range(2)], NOW)
        ticket = line.outbound.submit(ready, NOW)
        async with asyncio.timeout(60):
            await ticket
        hands.pass_s(HOUR - 1)
        await looked()
        assert envelopes(roads["coalition"]) == 0
        hands.pass_s(1.5)
        await until(roads["coalition"], 1)
    await spool.close()

    told = [(each.record.event, each.record.reason) for each in line.audit.outcomes]
    assert told[:2] == [(Event.HELD, Holding.NOT_DUE)] * 2
    assert (Event.FORWARDED, None) in told


async def test_it_leaves_when_it_is_due_also_after_a_restart(line: Line, tmp_path: Path, hands: Hands) -> None:
    spool = await begun(line, tmp_path, hands)
    async with line.sending(national=FakeLink(), coalition=FakeLink()) as roads:
        ready, _ = line.dispatch.pack([Copy(a_track(0), LATER)], NOW)
        async with asyncio.timeout(60):
            await line.outbound.submit(ready, NOW)
        assert envelopes(roads["coalition"]) == 0
    await spool.close()

    hands.pass_s(HOUR / 2)
    spool = await begun(line, tmp_path, hands)
    async with line.sending(national=FakeLink(), coalition=FakeLink()) as roads:
        await looked()
        assert envelopes(roads["coalition"]) == 0
        hands.pass_s(HOUR / 2 + 1)
        await until(roads["coalition"], 1)
    await spool.close()


async def test_what_is_delayed_holds_nothing_else_up(line: Line, tmp_path: Path, hands: Hands) -> None:
    spool = await begun(line, tmp_path, hands)
    prompt = Way(LATER.destination, an_agreement(id="at-once"), signed=True)
    async with line.sending(national=FakeLink(), coalition=FakeLink()) as roads:
        ready, _ = line.dispatch.pack([Copy(a_track(0), LATER)], NOW)
        await line.outbound.submit(ready, NOW)
        ready, _ = line.dispatch.pack([Copy(a_chat(1), prompt)], NOW)
        async with asyncio.timeout(60):
            await line.outbound.submit(ready, NOW)
        await until(roads["coalition"], 1)
    await spool.close()


async def test_of_many_positions_that_wait_every_one_arrives(line: Line, tmp_path: Path, hands: Hands) -> None:
    spool = await begun(line, tmp_path, hands)
    async with line.sending(national=FakeLink(), coalition=FakeLink()) as roads:
        for number in range(5):  # of one subject: none takes the place of the one before
            ready, _ = line.dispatch.pack([Copy(a_track(number), LATER)], NOW)
            await line.outbound.submit(ready, NOW)
        hands.pass_s(HOUR + 1)
        await until(roads["coalition"], 5)
    await spool.close()


async def test_a_unit_of_ours_is_given_it_when_it_is_due(line: Line, tmp_path: Path, hands: Hands) -> None:
    spool = await begun(line, tmp_path, hands)
    way = a_local_way(delayed(60.0), to="alpha/cell", deliver="tak/to-cell")
    async with line.sending(national=FakeLink(), coalition=FakeLink()) as roads:
        ready, _ = line.dispatch.pack([Copy(a_track(0), way)], NOW)
        await line.outbound.submit(ready, NOW)
        await looked()
        assert roads["national"].sent == []
        hands.pass_s(61)
        async with asyncio.timeout(60):
            while not roads["national"].sent:
                await asyncio.sleep(0.02)
    await spool.close()
