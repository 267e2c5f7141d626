"""What waits, what is sent again, what is urgent, what a removed unit must not read; over fakes of links and disk."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.dispatch import Consignment, Plan, Unsent
from gateway.keyring.ring import Keyring
from gateway.links import SendRefusal
from gateway.outbound import faults as module_of_faults
from gateway.outbound import outbound as module
from gateway.outbound.outbound import Outbound
from gateway.spool import Row, SpoolError, Trouble
from protocols.agreement import Transformation
from protocols.custody import Taken
from protocols.envelope import unpack_envelope
from protocols.message import Precedence, unpack
from protocols.record import Event
from protocols.topics import Slot, parse_mailbox
from tests.fakes import NOW, FakeLink
from tests.gateway.line import Line, make_coalition, plain, say
from tests.gateway.test_relay import a_position

SECONDS = 60.0


async def until(line: Line, event: str, destination: str | None = None, count: int = 1) -> None:
    """Wait until so many Records say so."""
    async with asyncio.timeout(SECONDS):
        while sum(said[0] == event and destination in {None, said[2]} for said in line.audit.said()) < count:
            await asyncio.sleep(0.01)


async def gone(line: Line, lane: str) -> None:
    """Wait until nothing is on disk for a destination."""
    async with asyncio.timeout(SECONDS):
        while any(row.lane == lane for row in line.spool.rows.values()):
            await asyncio.sleep(0.01)


def envelopes(link: FakeLink, partner: str) -> list[bytes]:
    """What was posted to a partner's data mailbox, in order."""
    boxes = [(parse_mailbox(parcel.topic), parcel.data) for parcel in link.sent]
    return [data for box, data in boxes if box is not None and box.to == partner and box.slot is Slot.DATA]


async def test_what_waits_goes_by_precedence_and_in_order_within_it(line: Line) -> None:
    levels = [Precedence.ROUTINE, Precedence.FLASH, Precedence.ROUTINE, Precedence.PRIORITY, Precedence.FLASH]
    reports = [a_position(n, f"S-{n}", precedence=level) for n, level in enumerate(levels)]
    away = FakeLink()
    away.taking.clear()
    async with line.sending(FakeLink(*([say(report)] for report in reports)), away) as links:
        await line.relay.run("national", links)
    waiting = {row.precedence for row in line.spool.rows.values() if row.lane == "bravo"}
    assert waiting == {1, 2, 4}

    line.spool.held.clear()  # as after a restart: nothing is in hand
    line.links.clear()
    line.begin(line.relay._stream)
    line.outbound._lane("bravo").window.limit = 1.0
    back = FakeLink()
    async with line.sending(FakeLink(), back):
        await until(line, "forwarded", "bravo/ops", len(reports))
        await gone(line, "bravo")

    sent = [line.keyring._outgoing.recall(data)[1] for data in envelopes(back, "bravo")]
    subjects = [unpack(record).subject for records in sent for record in records]
    assert subjects == ["S-1", "S-4", "S-3", "S-0", "S-2"]


async def test_what_a_partner_does_not_confirm_is_sent_again_with_its_key_first(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.outbound.lane.PATIENCE_S", 0.2)
    coalition = FakeLink()
    async with line.sending(FakeLink([say(a_position(0))]), coalition, custody=False) as links:
        await line.relay.run("national", links)
        async with asyncio.timeout(SECONDS):
            while len(envelopes(coalition, "bravo")) < 2:
                await asyncio.sleep(0.02)
        first, again = envelopes(coalition, "bravo")[:2]
        assert first == again
        place = [parcel.data for parcel in coalition.sent].index(
            again, [p.data for p in coalition.sent].index(first) + 1
        )
        keys = [parcel for parcel in coalition.sent[:place] if parcel.topic.startswith("comity/1/bravo/alpha/k/")]
        assert len(keys) == 2

        header = unpack_envelope(first)[0]
        line.outbound.taken("bravo", (Taken(header.eid, header.seq + 1),))
        await until(line, "forwarded", "bravo/ops")
    assert ("held", "slow", "bravo/ops") in line.audit.said()


async def test_word_of_another_partner_or_of_other_envelopes_confirms_nothing(line: Line) -> None:
    coalition = FakeLink()
    async with line.sending(FakeLink([say(a_position(0))]), coalition, custody=False) as links:
        await line.relay.run("national", links)
        header = unpack_envelope(envelopes(coalition, "bravo")[0])[0]
        line.outbound.taken("charlie", (Taken(header.eid, header.seq + 1),))
        line.outbound.taken("bravo", (Taken(b"8 others", 99), Taken(header.eid, header.seq)))
        line.outbound.taken("nobody", (Taken(header.eid, 1),))
        await asyncio.sleep(0.1)

    assert "forwarded" not in {event for event, _, to in line.audit.said() if to == "bravo/ops"}


async def test_rows_that_an_export_carried_away_end_when_the_partner_says_that_it_has_them(line: Line) -> None:
    away = FakeLink()
    away.taking.clear()
    async with line.sending(FakeLink([say(a_position(0))]), away) as links:
        await line.relay.run("national", links)
    (row,) = [row for row in line.spool.rows.values() if row.lane == "bravo"]
    line.spool.held.clear()
    line.begin(line.relay._stream)
    still_away = FakeLink(refuses=dict.fromkeys(["comity/1/bravo/alpha/d/" + str(row.key[0] % 16)], SendRefusal.QUOTA))
    async with line.sending(FakeLink(), still_away):
        line.outbound.taken("bravo", (Taken(row.key[:8], int.from_bytes(row.key[8:], "big") + 1),))
        await until(line, "forwarded", "bravo/ops")
        await gone(line, "bravo")


async def test_a_removed_unit_reads_nothing_that_waited_and_its_neighbours_all_of_it(
    tmp_path: Path, formats: None
) -> None:
    del formats
    folders = make_coalition(tmp_path)
    alpha, charlie = (Keyring.open(folders[name], NOW) for name in ("alpha", "charlie"))
    config = plain()
    as_it_is = tuple(replace(each, transformation=Transformation()) for each in config.agreements)
    line = Line(alpha, replace(config, agreements=as_it_is))
    away = FakeLink()
    away.taking.clear()
    async with line.sending(FakeLink([say(a_position(0))]), away) as links:
        await line.relay.run("national", links)
    (shared,) = {row.key[:8] for row in line.spool.rows.values() if row.key}  # one envelope for both partners

    line.dispatch.close(alpha.revoke(charlie._holdings.presign_revocation("charlie/map"), NOW).closed)
    line.spool.held.clear()
    line.begin(line.relay._stream)
    back = FakeLink()
    async with line.sending(FakeLink(), back):
        await until(line, "forwarded", "bravo/ops")
        await until(line, "withheld", "charlie/map")

    assert envelopes(back, "charlie") == []
    (data,) = envelopes(back, "bravo")
    channel, records = alpha._outgoing.recall(data)
    assert (set(channel.audience), [unpack(record).subject for record in records]) == ({"bravo/ops"}, ["S-1"])
    assert unpack_envelope(data)[0].eid != shared
    alpha.close()
    charlie.close()


async def test_a_broker_that_refuses_for_now_is_tried_again_with_longer_and_longer_pauses(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.1)
    refusals = {"tak/to-cell": SendRefusal.NOT_AUTHORISED}
    national = FakeLink([say(a_position(0))], refuses=refusals)
    async with line.sending(national, FakeLink()) as links:
        await line.relay.run("national", links)
        lane = line.outbound.lanes["alpha/cell"]
        async with asyncio.timeout(SECONDS):
            while lane.pauses < 3:
                await asyncio.sleep(0.02)
        refusals.clear()
        await until(line, "delivered", "alpha/cell")
    assert lane.pauses == 0


async def test_when_neither_destination_nor_disk_takes_it_the_source_waits_and_is_not_forgotten(line: Line) -> None:
    frame = say(a_position(0))
    away = FakeLink()
    away.taking.clear()
    line.spool.broken = Trouble.READ_ONLY
    async with line.sending(FakeLink([frame]), away) as links:
        carrying = asyncio.create_task(line.relay.run("national", links))
        async with asyncio.timeout(SECONDS):
            while not any(lane.back_at for lane in line.outbound.lanes.values()):
                await asyncio.sleep(0.01)
        assert frame.answer is None
        away.taking.set()  # the destination is back before the disk is
        await carrying
    assert frame.answer == "ack"
    assert {to for event, _, to in line.audit.said() if event == Event.FORWARDED} == {"bravo/ops", "charlie/map"}
    assert not line.spool.rows


async def test_a_destination_for_which_the_disk_holds_no_more_is_told_and_its_source_waits(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_of_faults, "OVER_S", 0.1)
    frame = say(a_position(0))
    away = FakeLink()
    away.taking.clear()
    line.spool.broken = Trouble.LANE_FULL
    async with line.sending(FakeLink([frame]), away) as links:
        carrying = asyncio.create_task(line.relay.run("national", links))
        await until(line, "fault", "bravo")
        assert ("fault", "spool-full", "bravo") in line.audit.said()
        assert "bravo" in line.outbound.full
        assert frame.answer is None
        line.spool.broken = None
        await carrying
        await until(line, "mended", "bravo")
    assert frame.answer == "ack"
    assert ("mended", "spool-full", "bravo") in line.audit.said()
    assert {thing.lane for thing in line.spool.rows.values()} == {"bravo", "charlie"}


async def test_a_batch_with_many_new_audiences_gives_others_the_loop_between_epochs(
    coalition: dict[str, Keyring], formats: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each epoch costs milliseconds (a signature and key slots); one that waits must not wait for all of them."""
    del formats
    line = Line(coalition["alpha"], plain())
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    frames = [say(a_position(0)), say(a_position(1), topic="cell/alpha")]
    async with line.sending(FakeLink(frames), FakeLink()) as links:
        counting = asyncio.create_task(other())
        await asyncio.sleep(0)
        before, at_seal, seal = turns, [], line.dispatch.seal

        def noting(plan: Plan, now: datetime) -> tuple[list[Consignment], list[Unsent]]:
            at_seal.append(turns - before)
            return seal(plan, now)

        monkeypatch.setattr(line.dispatch, "seal", noting)
        await line.relay.run("national", links)
        counting.cancel()
    epochs = len(coalition["alpha"].outgoing.standing("bravo") + coalition["alpha"].outgoing.standing("charlie"))
    assert epochs >= 2
    assert at_seal[0] >= epochs


def test_outbound_is_made_of_lanes_that_come_as_they_are_needed(line: Line) -> None:
    assert isinstance(line.outbound, Outbound)
    assert line.outbound.lanes == {}


async def test_a_disk_that_cannot_be_read_for_a_moment_ends_nothing(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = FakeLink()
    away.taking.clear()
    async with line.sending(FakeLink([say(a_position(0))]), away) as links:
        await line.relay.run("national", links)
    line.spool.held.clear()
    line.begin(line.relay._stream)
    monkeypatch.setattr(module, "PAUSE_S", 0.1)
    take, failures = line.spool.take, 0

    async def at_first_not(lane: str, precedences: Sequence[int], limit: int = 256) -> list[Row]:
        nonlocal failures
        failures += 1
        if failures <= 2:
            raise SpoolError(Trouble.IO)
        return await take(lane, precedences, limit)

    monkeypatch.setattr(line.spool, "take", at_first_not)
    async with line.sending(FakeLink(), FakeLink()):
        await until(line, "forwarded", "bravo/ops")
    assert failures > 2


async def test_what_waits_for_one_that_the_table_has_no_more_holds_nobody_up(line: Line) -> None:
    away = FakeLink()
    away.taking.clear()
    async with line.sending(FakeLink([say(a_position(0))]), away) as links:
        await line.relay.run("national", links)
    line.spool.held.clear()
    line.begin(line.relay._stream)
    known = line.table.links_to

    def without_charlie(destination: str) -> Sequence[str]:
        if destination == "charlie":
            raise KeyError(destination)
        return known(destination)

    line.table.links_to = without_charlie  # type: ignore[method-assign]  # as of a table that was put in force since
    async with line.sending(FakeLink(), FakeLink()):
        await until(line, "forwarded", "bravo/ops")
        await gone(line, "bravo")
    assert {row.lane for row in line.spool.rows.values()} == {"charlie"}
