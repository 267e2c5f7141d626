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
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from lxml import etree

from gateway.audit import Audit
from gateway.config import load
from gateway.decisions import Decisions
from gateway.demo.field import ALPHA, positions
from gateway.demo.layout import prepare
from gateway.dispatch import Dispatch
from gateway.intake import Intake
from gateway.keyring.ring import Keyring
from gateway.links import Parcel
from gateway.relay import Relay, Rules
from gateway.routing import Table
from gateway.stream import Stream

COUNT = 4_000
BATCH = 64


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
    """A link whose far side is a list."""

    def __init__(self, frames: Sequence[QueueFrame] = ()) -> None:
        self.frames = list(frames)
        self.sent: list[Parcel] = []

    async def batches(self) -> AsyncIterator[Sequence[QueueFrame]]:
        """Everything, a batch at a time."""
        for start in range(0, len(self.frames), BATCH):
            yield self.frames[start : start + BATCH]

    async def send_all(self, parcels: Sequence[Parcel]) -> Sequence[None]:
        """Take everything at once."""
        self.sent += parcels
        return [None] * len(parcels)


def gateway(folder: Path, partner: str, audit: Audit) -> Relay:
    """The line of one partner of the demonstration."""
    loaded = load(folder / f"{partner}.toml")
    keyring = Keyring.open(loaded.path(loaded.config.gateway.state), datetime.now(UTC))
    table = Table(loaded.config, {agreement.id for agreement in loaded.config.agreements})
    rules = Rules(Decisions(table), b"k" * 32, lambda: datetime.now(UTC))
    stream = Stream(partner, audit, rules.clock)
    return Relay(rules, Intake(partner, table, keyring), Dispatch(partner, table, keyring), stream)


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


async def timed(relay: Relay, name: str, links: dict[str, QueueLink]) -> float:
    """Microseconds a message."""
    begin = time.perf_counter()
    await relay.run(name, links)  # type: ignore[arg-type]  # of a link, the line uses just these two calls
    return (time.perf_counter() - begin) / COUNT * 1e6


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
            out = await timed(gateway(folder, "alpha", ours), "national", {"national": field, "coalition": courier})
            to_bravo = [parcel for parcel in courier.sent if parcel.topic.startswith("comity/1/bravo/")]
            wire = sum(len(parcel.data) for parcel in to_bravo) / COUNT
            arriving = QueueLink([QueueFrame(parcel.topic, parcel.data) for parcel in to_bravo])
            national = QueueLink()
            back = await timed(
                gateway(folder, "bravo", theirs), "coalition", {"coalition": arriving, "national": national}
            )
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
