"""The field units of the demonstration: ordinary MQTT clients at their national broker, unaware of any gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import aiomqtt

from gateway.demo.field import Publication, incidents, positions

CONNECT_S = 10.0
PERIOD_S = 1.0  # one position of every patrol in this time


async def publish(brokers: dict[str, int], told: Callable[[Publication], None]) -> None:
    """Publish the patrols' positions and the story, once a second, until cancelled; ``brokers`` are loopback ports."""
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        queues = {partner: asyncio.Queue[Publication](maxsize=1000) for partner in brokers}
        for partner, port in brokers.items():
            group.create_task(_send(port, queues[partner], told), name=f"field units of {partner}")
        start, step = loop.time(), 0
        while True:
            publications = _step(step)
            for place, publication in enumerate(publications, 1):
                await queues[publication.partner].put(publication)
                due = start + (step + place / len(publications)) * PERIOD_S
                await asyncio.sleep(max(0.0, due - loop.time()))
            step += 1


def _step(step: int) -> Sequence[Publication]:
    """What is said in one period, spread over it by the caller: units do not speak in chorus."""
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    elapsed_s = step * PERIOD_S
    return [*positions(now, elapsed_s), *incidents(now, elapsed_s, step)]


async def _send(port: int, queue: asyncio.Queue[Publication], told: Callable[[Publication], None]) -> None:
    async with aiomqtt.Client("127.0.0.1", port, timeout=CONNECT_S) as client:
        while True:
            publication = await queue.get()
            await client.publish(publication.topic, publication.data, qos=1)
            told(publication)


async def receive(port: int, topics: Sequence[str], ready: asyncio.Event, got: Callable[[], None]) -> None:
    """Listen where a partner's units are answered, until cancelled."""
    async with aiomqtt.Client("127.0.0.1", port, timeout=CONNECT_S) as client:
        for topic in topics:
            await client.subscribe(topic, qos=0)
        ready.set()
        async for _ in client.messages:
            got()
