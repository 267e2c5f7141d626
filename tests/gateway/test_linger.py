"""What waits for company: how long, how many together, and that nothing urgent does."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from gateway.table.entries import LingerTerms
from protocols.message import Message, Precedence
from protocols.topics import Slot, parse_mailbox
from tests.fakes import FakeLink
from tests.gateway.line import Line, plain, say
from tests.gateway.test_relay import a_position


def a_lingering_line(line: Line, seconds: float, messages: int = 32) -> Line:
    """The same table, but every route lingers."""
    config = plain()
    terms = LingerTerms(seconds=seconds, messages=messages)
    routes = tuple(replace(route, linger=terms) for route in config.routes)
    return Line(line.keyring, replace(config, routes=routes))


def envelopes(line: Line, partner: str) -> int:
    """How many were sent to a partner."""
    boxes = [parse_mailbox(parcel.topic) for parcel in line.coalition.sent]
    return sum(box is not None and box.to == partner and box.slot is Slot.DATA for box in boxes)


async def carried(line: Line, *messages: Message) -> list[str | None]:
    """Carry messages, a batch each; how their frames were answered."""
    frames = [say(message) for message in messages]
    async with line.sending(FakeLink(*([frame] for frame in frames)), FakeLink()) as links:
        lingering = asyncio.create_task(line.relay.linger())
        await line.relay.run("national", links)
        lingering.cancel()
        await asyncio.wait([lingering])
    return [frame.answer for frame in frames]


async def test_reports_that_follow_each_other_share_an_envelope(line: Line, formats: None) -> None:
    del formats
    slow = a_lingering_line(line, 0.3)

    assert await carried(slow, *(a_position(number, f"S-{number}") for number in range(5))) == ["ack"] * 5
    assert envelopes(slow, "bravo") == 1
    assert [to for event, _, to in slow.audit.said() if event == "forwarded"].count("bravo/ops") == 5


async def test_as_many_as_the_route_says_do_not_wait_longer(line: Line, formats: None) -> None:
    del formats
    slow = a_lingering_line(line, 600.0, messages=2)  # for each of 3 destinations

    assert await carried(slow, a_position(0, "S-0"), a_position(1, "S-1")) == ["ack"] * 2
    assert envelopes(slow, "bravo") == 1


async def test_no_more_go_together_than_the_route_says_however_many_come_at_once(line: Line, formats: None) -> None:
    del formats
    slow = a_lingering_line(line, 0.3, messages=2)
    frame = say(*(a_position(number, f"S-{number}") for number in range(5)))
    async with slow.sending(FakeLink([frame]), FakeLink()) as links:
        lingering = asyncio.create_task(slow.relay.linger())
        await slow.relay.run("national", links)
        lingering.cancel()
        await asyncio.wait([lingering])

    assert frame.answer == "ack"
    assert envelopes(slow, "bravo") == 3  # two, two and one


async def test_as_many_as_a_route_gathers_are_read_although_none_is_acknowledged(line: Line, formats: None) -> None:
    del formats
    slow = a_lingering_line(line, 600.0, messages=32)

    assert await carried(slow, *(a_position(number, f"S-{number}") for number in range(32))) == ["ack"] * 32
    assert envelopes(slow, "bravo") == 1


async def test_what_is_urgent_goes_at_once(line: Line, formats: None) -> None:
    del formats
    slow = a_lingering_line(line, 600.0)

    assert await carried(slow, a_position(0, precedence=Precedence.FLASH)) == ["ack"]
    assert envelopes(slow, "bravo") == 1
