"""Messages through two gateways and a courier while all of them are killed and every path is cut: an account of each.

``python -m tests.bench.nothing_lost [--json] [--messages N] [--kills N] [--cuts N] [--rate N] [--seed N] [--keep F]``.
Numbered reports of a few subjects are published once, each acknowledged by the nation's own broker; on the far side a
unit's client counts. Lost, heard twice, or heard out of order within a subject: the first of each are named, and
every fault with its time. By default 100 000 messages, 40 kills and 20 cuts, which takes some five minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import mqtt5
import uvloop

from tests.bench.peers import QOS1, Peer, connect
from tests.e2e.breaking import SINK, SOURCE, Fault, Stage, cuts, kills, stage

SUBJECTS = 16
WINDOW = 500  # publishes that the nation's broker has not acknowledged
QUIET_S = 45.0  # a link is tried again within 30 s; nothing new for longer means that nothing more comes
LATE_S = 3.0  # after the last: for what comes twice
NAMED = 20  # numbers named in a report
QOS2 = mqtt5.QoS.EXACTLY_ONCE
_NUMBER = re.compile(rb"number (\d+)\.")


class Plan(NamedTuple):
    """One run."""

    messages: int = 100_000
    kills: int = 40
    cuts: int = 20
    rate: float = 600.0  # messages a second
    seed: int = 1


def report(number: int, moment: datetime) -> bytes:
    """A marked point of one of the subjects, later than the one before it."""
    at, stale = (f"{each:%Y-%m-%dT%H:%M:%S}.{each.microsecond // 1000:03}Z" for each in (moment, moment + timedelta(1)))
    return (
        f'<event version="2.0" uid="MARK.{number % SUBJECTS}" type="b-m-p-s-m" how="h-g-i-g-o" time="{at}" '
        f'start="{at}" stale="{stale}"><point lat="47.0" lon="8.3" hae="500" ce="10" le="10"/>'
        f"<detail><remarks>number {number}.</remarks></detail></event>"
    ).encode()


class Field:
    """The publishing unit's client."""

    def __init__(self) -> None:
        self.acknowledged = 0

    def packet(self, peer: Peer, packet: object) -> None:
        if isinstance(packet, mqtt5.PubAckPacket):
            self.acknowledged += 1
        elif isinstance(packet, mqtt5.ConnAckPacket):
            peer.ready.set()

    async def publish(self, peer: Peer, plan: Plan) -> None:
        """Every number once, at the rate, until each is acknowledged."""
        began, first = time.monotonic(), datetime.now(UTC)
        for number in range(plan.messages):
            pause = began + number / plan.rate - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            while number - self.acknowledged >= WINDOW:
                await asyncio.sleep(0.001)
            # One a millisecond for a subject at most, so that no two reports are the same one.
            data = report(number, first + timedelta(milliseconds=max(number, 1000 * number / plan.rate)))
            peer.write(mqtt5.PublishPacket(SOURCE, data, qos=QOS1, packet_id=number % 60_000 + 1).write())
            peer.flush()
        while self.acknowledged < plan.messages:
            await asyncio.sleep(0.01)


class Cell:
    """The receiving unit's client, at QoS 2: what it heard, in order."""

    def __init__(self) -> None:
        self.heard: list[int] = []
        self.at = time.monotonic()

    def packet(self, peer: Peer, packet: object) -> None:
        if isinstance(packet, mqtt5.PublishPacket):
            found = _NUMBER.search(packet.payload)
            assert found is not None, packet.payload
            self.heard.append(int(found[1]))
            self.at = time.monotonic()
            if packet.packet_id is not None:
                answer = mqtt5.PubRecPacket if packet.qos is QOS2 else mqtt5.PubAckPacket
                peer.write(answer(packet.packet_id).write())
        elif isinstance(packet, mqtt5.PubRelPacket):
            peer.write(mqtt5.PubCompPacket(packet.packet_id).write())
        elif isinstance(packet, mqtt5.ConnAckPacket):
            peer.write(mqtt5.SubscribePacket(1, [mqtt5.TopicFilter(SINK, max_qos=QOS2)]).write())
        elif isinstance(packet, mqtt5.SubAckPacket):
            peer.ready.set()


@contextlib.asynccontextmanager
async def attached(port: int, who: Field | Cell) -> AsyncIterator[Peer]:
    """A unit's client, connected straight to its nation's broker."""
    loop = asyncio.get_running_loop()
    name = type(who).__name__.lower()
    _, peer = await loop.create_connection(lambda: Peer(who.packet, connect(name)), "127.0.0.1", port)
    try:
        await asyncio.wait_for(peer.ready.wait(), 10)
        yield peer
    finally:
        assert peer.transport is not None
        peer.transport.abort()
        await peer.lost


async def broken(plan: Plan, what: Stage, chance: random.Random) -> list[tuple[float, str]]:
    """Break things at random moments while messages flow; when, and what."""
    some: list[tuple[str, Fault]] = []
    for faults, count in ((kills(what, chance), plan.kills), (cuts(what, chance), plan.cuts)):
        # Each in turn, so that a short run has every kill; in any order.
        names = sorted(faults)
        chance.shuffle(names)
        some += [(name, faults[name]) for name in (names * (count // len(names) + 1))[:count]]
    chance.shuffle(some)
    happened = []
    mean_s = plan.messages / plan.rate / (len(some) + 1)
    for name, fault in some:
        await asyncio.sleep(chance.uniform(0.0, 2 * mean_s))
        happened.append((time.monotonic(), name))
        await fault()
    return happened


async def settled(plan: Plan, cell: Cell) -> None:
    """Return when everything was heard, or when nothing has come for long."""
    while len(set(cell.heard)) < plan.messages and time.monotonic() - cell.at < QUIET_S:
        await asyncio.sleep(0.2)
    await asyncio.sleep(LATE_S)


def account(plan: Plan, heard: list[int]) -> dict[str, Any]:
    """What became of every number."""
    times = Counter(heard)
    lost = sorted(set(range(plan.messages)) - set(times))
    twice = sorted(number for number, count in times.items() if count > 1)
    last: dict[int, int] = {}
    disorder = []
    for number in heard:
        subject = number % SUBJECTS
        if number < last.get(subject, -1):
            disorder.append(number)
        last[subject] = max(number, last.get(subject, -1))
    return {
        "messages": plan.messages,
        "lost": len(lost),
        "twice": len(twice),
        "out_of_order": len(set(disorder) - set(twice)),
        "which_lost": lost[:NAMED],
        "which_twice": twice[:NAMED],
        "which_out_of_order": disorder[:NAMED],
    }


async def run(plan: Plan, folder: Path) -> dict[str, Any]:
    """The account of one run in an empty folder."""
    chance = random.Random(plan.seed)  # noqa: S311 - a repeatable choice of faults
    field, cell = Field(), Cell()
    async with stage(folder) as what, attached(what.sink_port, cell), attached(what.source_port, field) as source:
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            breaking = group.create_task(broken(plan, what, chance))
            group.create_task(field.publish(source, plan))
        published_s = time.monotonic() - began
        cell.at = time.monotonic()
        await settled(plan, cell)
        said = {name: one.said for name, one in what.gateways.items()}
    happened = [(round(at - began, 2), name) for at, name in breaking.result()]
    return account(plan, cell.heard) | {
        "kills": dict(Counter(name for _, name in happened if name.startswith("kill"))),
        "cuts": sum(not name.startswith("kill") for _, name in happened),
        "published_s": round(published_s, 1),
        "drained_s": round(cell.at - began - published_s, 1),
        "tracebacks": sum(text.count("Traceback") for text in said.values()),
        "faults": happened,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object on one line")
    parser.add_argument("--keep", type=Path, help="an empty folder to run in, kept for a look at logs and state")
    for name, default in Plan()._asdict().items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    options = vars(parser.parse_args())
    as_json, keep = options.pop("json"), options.pop("keep")
    with tempfile.TemporaryDirectory() as folder:
        found = uvloop.run(run(Plan(**options), keep or Path(folder)))
    print(json.dumps(found) if as_json else "\n".join(f"{name:20} {value}" for name, value in found.items()))


if __name__ == "__main__":
    main()
