"""What an adapter crashes on is kept, unreadable, until the adapter is mended; nothing else waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from adapters import Encoded, load
from gateway.spool import Trouble
from protocols.body import Chat
from protocols.message import Message
from tests.fakes import FakeFrame, FakeLink
from tests.gateway.line import Line, say
from tests.gateway.reports import a_chat
from tests.gateway.test_relay import MARKED, a_position


async def test_a_frame_that_crashes_its_adapter_is_kept_and_taken_up_when_the_adapter_is_mended(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = FakeFrame("tak/alpha/1", b"crash"), say(a_position(1))
    await line.carry([bad, good])

    assert (bad.answer, good.answer) == ("refused adapter-crashed", "ack")
    (row,) = line.spool.rows.values()
    assert row.lane == "quarantine:alpha/patrols"
    assert b"crash" not in row.data

    await taken_up(line)
    assert len(line.spool.rows) == 1  # it crashed once more

    line.spool.held.clear()  # as after a restart
    plain = load("plain")
    read = plain.decode

    def mended(data: bytes) -> Sequence[Message]:
        return [a_position(2, "S-2")] if data == b"crash" else read(data)

    monkeypatch.setattr(plain, "decode", mended)
    await taken_up(line)
    assert not line.spool.rows
    assert line.national.topics() == ["tak/to-cell"]


async def test_a_copy_that_crashes_its_adapter_is_kept_and_taken_up_when_the_adapter_is_mended(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = a_chat(1).body
    assert isinstance(body, Chat)
    chat = replace(a_chat(1), body=replace(body, text="crash"), source=MARKED)
    config = replace(line.config, routes=tuple(replace(route, kinds=()) for route in line.config.routes))
    everywhere = Line(line.keyring, config)
    await everywhere.carry([say(chat)])

    assert ("withheld", "adapter-crashed", "alpha/cell") in everywhere.audit.said()
    (row,) = everywhere.spool.rows.values()
    assert row.lane == "quarantine:alpha/cell"

    everywhere.spool.held.clear()
    monkeypatch.setattr(load("plain"), "encode", lambda _: Encoded(b"mended"))
    await taken_up(everywhere)
    assert [parcel.data for parcel in everywhere.national.sent] == [b"mended"]
    assert not everywhere.spool.rows


async def test_a_frame_is_not_answered_while_the_disk_does_not_take_it(line: Line) -> None:
    bad = FakeFrame("tak/alpha/1", b"crash")
    line.spool.broken = Trouble.DISK_FULL
    async with line.sending(FakeLink([bad]), FakeLink()) as links:
        carrying = asyncio.create_task(line.relay.run("national", links))
        await asyncio.sleep(0.1)
        assert bad.answer is None

        line.spool.broken = None
        await carrying
    assert bad.answer == "refused adapter-crashed"


async def taken_up(line: Line) -> None:
    """As at a start."""
    async with line.sending(FakeLink(), FakeLink()):
        await line.relay.take_up(line.table)
