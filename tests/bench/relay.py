"""How long the straight line takes for one message: CoT in, released, sealed; and unsealed, released, NFFI out.

``python -m tests.bench.relay [--json]``. Links are queues in memory, so that only the gateway's own work is measured;
the ratio is to parsing the same bytes with lxml, in the same run.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, cast

from lxml import etree

from gateway.audit import Audit
from gateway.config import load
from gateway.custody import Custody, Ends
from gateway.decisions import Decisions
from gateway.demo.field import ALPHA, positions
from gateway.demo.layout import prepare
from gateway.dispatch import Dispatch
from gateway.intake import Intake
from gateway.keyring.ring import Keyring
from gateway.links import Frame, Link, LinkState, Parcel, Statistics
from gateway.outbound.outbound import Outbound, Roads
from gateway.outbound.turns import Turns
from gateway.outbound.waiting import Waiting
from gateway.outbound.wrapping import Wrapping
from gateway.quarantine import Quarantine
from gateway.relay import Relay, Rules, WaysOut
from gateway.repeats import Repeats
from gateway.routing import Table
from gateway.spool.spool import Spool
from gateway.stream import Stream
from protocols.custody import Taken
from protocols.envelope import unpack_envelope
from protocols.topics import Slot, parse_mailbox
from tests.fakes import FakeSpool

COUNT = 4_000


class QueueFrame:
    """A frame that was never on a wire."""

    def __init__(self, topic: str, data: bytes) -> None:
        self.topic, self.data = topic, data

    def ack(self) -> None:
        """Nothing to tell."""

    def refuse(self, reason: str) -> None:
        """A benchmark in which something is refused measures nothing."""
        raise RuntimeError(reason)


class QueueLink:
    """A link whose far side is a list, and takes custody of every envelope at once."""

    state = LinkState.UP
    statistics = Statistics()

    def __init__(self, frames: Sequence[QueueFrame] = ()) -> None:
        self.frames = list(frames)
        self.sent: list[Parcel] = []
        self.taken: Callable[[str, Sequence[Taken]], None] | None = None

    async def batches(self, limit: int = 256, /) -> AsyncIterator[Sequence[Frame]]:
        """Everything, a batch at a time."""
        for start in range(0, len(self.frames), limit):
            yield self.frames[start : start + limit]

    async def send_all(self, parcels: Sequence[Parcel]) -> Sequence[None]:
        """Take everything at once."""
        self.sent += parcels
        for parcel in parcels:
            box = parse_mailbox(parcel.topic)
            if self.taken is not None and box is not None and box.slot is Slot.DATA:
                header = unpack_envelope(parcel.data)[0]
                said = (Taken(header.eid, header.seq + 1),)
                asyncio.get_running_loop().call_soon(self.taken, box.to, said)
        return [None] * len(parcels)


class Gateway(NamedTuple):
    """The line of one partner, and what is on its way out."""

    relay: Relay
    outbound: Outbound


def gateway(folder: Path, partner: str, audit: Audit, links: Mapping[str, QueueLink]) -> Gateway:
    """The line of one partner of the demonstration, between these links."""
    loaded = load(folder / f"{partner}.toml")
    keyring = Keyring.open(loaded.state, datetime.now(UTC))
    table = Table(loaded.config, {agreement.id for agreement in loaded.config.agreements})
    rules = Rules(Decisions(table), b"k" * 32, lambda: datetime.now(UTC))
    stream, dispatch = Stream(partner, audit, rules.clock), Dispatch(partner, table, keyring)
    spool, wrapping = cast("Spool", FakeSpool()), Wrapping(loaded.state)
    roads = Roads(cast("Mapping[str, Link]", links), {name: Turns({}) for name in links})
    outbound = Outbound(roads, Waiting(spool, wrapping, stream, partner), dispatch, stream, rules.clock)
    links["coalition"].taken = outbound.taken
    custody = Custody(partner, table, Ends(keyring, dispatch, outbound, stream, rules.clock), {})
    ways_out = WaysOut(dispatch, outbound, custody, Quarantine(spool, wrapping))
    return Gateway(Relay(rules, Intake(partner, table, keyring), ways_out, stream, Repeats()), outbound)


def reports() -> list[QueueFrame]:
    """Distinct positions, as TAK clients write them."""
    now = datetime.now(UTC)
    found: list[QueueFrame] = []
    step = 0
    while len(found) < COUNT:
        moment = datetime.fromtimestamp(now.timestamp() - 30 + step / 1000, UTC)
        said = list(positions(moment, float(step)))[: len(ALPHA)]
        found += [QueueFrame(publication.topic, publication.data) for publication in said]
        step += 1
    return found[:COUNT]


async def timed(ours: Gateway, name: str, links: Mapping[str, QueueLink]) -> float:
    """Microseconds a message."""
    out = asyncio.create_task(ours.outbound.run())
    begin = time.perf_counter()
    await ours.relay.run(name, links)
    spent = time.perf_counter() - begin
    out.cancel()
    await asyncio.wait([out])
    return spent / COUNT * 1e6


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, datetime.now(UTC))
        field = QueueLink(reports())
        begin = time.perf_counter()
        for frame in field.frames:
            etree.fromstring(frame.data)
        bare = (time.perf_counter() - begin) / COUNT * 1e6
        with Audit(folder / "alpha.log") as ours, Audit(folder / "bravo.log") as theirs:
            courier = QueueLink()
            links = {"national": field, "coalition": courier}
            out = await timed(gateway(folder, "alpha", ours, links), "national", links)
            to_bravo = [parcel for parcel in courier.sent if parcel.topic.startswith("comity/1/bravo/")]
            wire = sum(len(parcel.data) for parcel in to_bravo) / COUNT
            arriving = QueueLink([QueueFrame(parcel.topic, parcel.data) for parcel in to_bravo])
            national = QueueLink()
            links = {"coalition": arriving, "national": national}
            back = await timed(gateway(folder, "bravo", theirs, links), "coalition", links)
    result = {
        "lxml_us": round(bare, 2),
        "out_us": round(out, 2),
        "in_us": round(back, 2),
        "out_ratio_to_lxml": round(out / bare, 2),
        "in_ratio_to_lxml": round(back / bare, 2),
        "delivered": len(national.sent),
        "wire_bytes_a_message": round(wire, 1),
    }
    print(json.dumps(result) if "--json" in sys.argv else "\n".join(f"{k:24} {v}" for k, v in result.items()))


if __name__ == "__main__":
    asyncio.run(main())
