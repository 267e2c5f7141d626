"""The gateway of the chaos runs: takes from ``in/#``, sends to ``out/...``, and only then acknowledges.

Every number is written to a file before its frame is acknowledged, so that a kill cannot hide what was acknowledged.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import uvloop

from gateway.links import Frame, Link, Parcel, Settings, Subscription
from gateway.links.address import Address
from gateway.links.backoff import Pace
from gateway.links.mqtt.link import MqttLink
from gateway.links.nats.link import NatsLink

PACE = Pace(first_s=0.1, longest_s=0.5, refused_s=0.5)


def link(scheme: str, port: int, name: str, topic_filter: str | None = None, ca_file: str | None = None) -> Link:
    """A link that reconnects quickly and notices a silent peer within three seconds."""
    subscriptions = () if topic_filter is None else (Subscription(topic_filter),)
    tls = ca_file is not None
    settings = Settings(f"{scheme}://127.0.0.1:{port}", name, subscriptions, keep_alive_s=2, ca_file=ca_file)
    make = NatsLink if scheme == "nats" else MqttLink
    return make(name, settings, Address("127.0.0.1", port, tls), PACE)


async def relay(source: Link, target: Link, log: BinaryIO) -> None:
    turn = asyncio.Semaphore(4)

    async def forward(frames: Sequence[Frame]) -> None:
        refusals = await target.send_all([Parcel("out" + frame.topic[2:], frame.data) for frame in frames])
        assert not any(refusals), refusals
        log.write(b"".join(frame.data for frame in frames))
        log.flush()
        for frame in frames:
            frame.ack()
        turn.release()

    async with target, source, asyncio.TaskGroup() as group:
        print("ready", flush=True)
        async for frames in source.batches(256):
            await turn.acquire()
            group.create_task(forward(frames))


def main() -> None:
    source, source_port, target, target_port, log, ca_file = sys.argv[1:]
    authority = ca_file or None
    with Path(log).open("ab") as file:
        taken = link(source, int(source_port), "gateway-in", "in/#", authority)
        given = link(target, int(target_port), "gateway-out", None, authority)
        uvloop.run(relay(taken, given, file))


if __name__ == "__main__":
    main()
