"""``python -m tests.bench.away [--json] [--messages 500000]``: a destination away for a day, and back.

Two gateways, three brokers, on real sockets. First the rate while all is well; then the destination's gateway is away
while messages pile up; then it is back, and new flash messages are sent while it drains. A day is its messages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

import uvloop

from protocols.message import Precedence
from tests.e2e.pair import Pair, pair, started, text, until

FLASH_FROM = 1_000_000_000  # numbers of flash messages
QUIET_FROM = 2_000_000_000
QUIET_S = 3.0  # flash messages alone, for comparison
STILL_S = 2.0  # without another parcel on disk: the gateway has taken everything
FLASH_EVERY_S = 0.05
LOAD_MAX_S = 600.0


async def drained(what: Pair, numbers: range) -> float:
    """Messages a second until the cell has these, from the first of them on."""
    while not what.cell.at.keys() & set(numbers[:1000]):
        await asyncio.sleep(0.02)
    await what.cell.has(numbers, LOAD_MAX_S)
    times = sorted(what.cell.at[number] for number in numbers)
    # Between 5 and 95 %: how it starts and what comes last would say more about pauses than about the rate.
    first, last = len(times) // 20, len(times) * 19 // 20
    return (last - first) / (times[last] - times[first])


async def flashes(what: Pair, first: int, sent: dict[int, float]) -> None:
    """Send a flash message now and then, until cancelled."""
    while True:
        number = first + len(sent)
        sent[number] = time.monotonic()
        what.field.give(text(number, Precedence.FLASH))
        await asyncio.sleep(FLASH_EVERY_S)


async def flashed(what: Pair, sent: dict[int, float]) -> list[float]:
    """How long each took from one unit to the other, milliseconds, in order."""
    await until(lambda: what.cell.at.keys() >= sent.keys(), 60)
    return sorted((what.cell.at[number] - at) * 1e3 for number, at in sent.items())


async def piled_up(what: Pair, numbers: range) -> None:
    """Publish while the destination is away, until the gateway has taken everything."""
    await what.field.publish(numbers)
    before = -1.0
    while (now := await asyncio.to_thread(what.alpha.waiting, "bravo")) > before or not now:
        before = now
        await asyncio.sleep(STILL_S)


async def run(folder: Path, messages: int) -> dict[str, float]:
    """One account in an empty folder."""
    async with pair(folder) as what:
        await started(what.alpha, what.bravo)
        some = max(2_000, messages // 20)
        await what.field.publish(range(200))
        await what.cell.has(range(200), 60)
        healthy = range(200, 200 + some)
        publishing = asyncio.create_task(what.field.publish(healthy))
        healthy_s = await drained(what, healthy)
        await publishing
        at_rest, _ = what.alpha.memory_mb()
        quiet: dict[int, float] = {}
        flashing = asyncio.create_task(flashes(what, QUIET_FROM, quiet))
        await asyncio.sleep(QUIET_S)
        flashing.cancel()
        alone = await flashed(what, quiet)

        await what.bravo.end()
        away = range(healthy.stop, healthy.stop + messages)
        began = time.monotonic()
        await piled_up(what, away)
        taken_s = messages / (time.monotonic() - began)
        waiting = what.alpha.waiting("bravo")
        _, most_waiting = what.alpha.memory_mb()

        sent: dict[int, float] = {}
        await started(what.bravo)
        flashing = asyncio.create_task(flashes(what, FLASH_FROM, sent))
        drain_s = await drained(what, away)
        flashing.cancel()
        took = await flashed(what, sent)
        _, most = what.alpha.memory_mb()
    return {
        "messages": messages,
        "parcels_on_disk": waiting,
        "healthy_messages_s": healthy_s,
        "taken_messages_s": taken_s,
        "drain_messages_s": drain_s,
        "drain_of_healthy": drain_s / healthy_s,
        "flash": len(took),
        "flash_alone_p50_ms": alone[len(alone) // 2],
        "flash_alone_p99_ms": alone[len(alone) * 99 // 100],
        "flash_p50_ms": took[len(took) // 2],
        "flash_p99_ms": took[len(took) * 99 // 100],
        "memory_at_rest_mb": at_rest,
        "memory_waiting_most_mb": most_waiting,
        "memory_most_mb": most,
        "repeats": what.cell.repeats,
    }


def main() -> None:
    """Say what it came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--keep", type=Path, help="an empty folder to run in, kept for a look at logs and state")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = uvloop.run(run(options.keep or Path(folder), options.messages))
    print(
        json.dumps(found) if options.json else "\n".join(f"{name:24} {value:12,.1f}" for name, value in found.items())
    )


if __name__ == "__main__":
    main()
