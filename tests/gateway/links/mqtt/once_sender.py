"""A sender to be killed: numbers in order, each with an id; what is settled is noted in a file, and never sooner.

``python -m tests.gateway.links.mqtt.once_sender PORT FOLDER UNTIL``: begins behind
what is noted, ends at UNTIL (0: never).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import uvloop

from gateway.links import Link, Parcel, Settings
from gateway.links.address import Address
from gateway.links.backoff import Pace
from gateway.links.mqtt.link import MqttLink

BATCH = 25
UNDER_WAY = 8  # batches
TOPICS = 8
CLIENT = "once-sender"


def parcel(number: int) -> Parcel:
    return Parcel(f"out/{number % TOPICS}", b"%d" % number, id=f"number {number}")


async def sends(link: Link, numbers: Sequence[int]) -> None:
    refusals = await link.send_all([parcel(number) for number in numbers])
    assert not any(refusals), refusals


async def main(port: int, folder: Path, until: int) -> None:
    settings = Settings(f"mqtt://127.0.0.1:{port}", CLIENT, inflight_file=str(folder / "slots"))
    noted = folder / "settled"
    number = int(noted.read_text()) if noted.exists() else 0
    pace = Pace(first_s=0.02, longest_s=0.1)
    async with MqttLink("once", settings, Address("127.0.0.1", port), pace) as link:
        print("ready", flush=True)
        under_way: deque[tuple[int, asyncio.Task[None]]] = deque()
        while under_way or not until or number < until:
            while len(under_way) < UNDER_WAY and (not until or number < until):
                end = number + BATCH if not until else min(until, number + BATCH)
                under_way.append((end, asyncio.create_task(sends(link, range(number, end)))))
                number = end
            end, task = under_way.popleft()
            await task
            fresh = folder / "settled.new"
            fresh.write_text(str(end))
            os.replace(fresh, noted)  # noqa: PTH105 - a killed process leaves the old one or the new one
        print(link.statistics.repeated, link.statistics.resent, flush=True)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
