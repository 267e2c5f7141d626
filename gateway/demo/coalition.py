"""The demonstration's processes: a coalition broker, three gateways, their field units; everything on loopback.

The gateways are processes of their own with their own keys; what they share is a bundle file each, as by courier.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateway.config import Config, host_and_port
from gateway.demo.field import Publication
from gateway.demo.layout import Layout
from gateway.demo.tally import Told
from gateway.demo.units import publish, receive
from protocols.record import Event

LINE_MAX = 4_194_304  # bytes of one outcome, payload in base64
STOP_S = 10.0  # a gateway that has not stopped by then is killed

_read = msgspec.json.Decoder(Told).decode


class Listeners(NamedTuple):
    """Who is told what: outcomes of the gateways, publications of field units, receptions by units."""

    outcome: Callable[[Told], None]
    published: Callable[[Publication], None]
    received: Callable[[], None]


class CoalitionError(Exception):
    """The demonstration cannot start; one line."""


@asynccontextmanager
async def gateways(layout: Layout, outcome: Callable[[Told], None]) -> AsyncIterator[None]:
    """Run the three gateways; everything that they tell is passed on. Ready when all of them have started.

    Raise CoalitionError when one of them ends before that.
    """
    async with AsyncExitStack() as stack:
        processes: list[asyncio.subprocess.Process] = []
        started: dict[str, asyncio.Future[bool]] = {}
        for name, file in layout.files.items():
            process = await stack.enter_async_context(_process(file))
            processes.append(process)
            started[name] = asyncio.get_running_loop().create_future()
            listening = asyncio.create_task(_listen(process, started[name], outcome), name=f"outcomes of {name}")
            stack.push_async_callback(_finish, listening)
        stack.callback(_tell_to_stop, processes)
        for name, up in started.items():
            if not await up:
                raise CoalitionError(f"{name}'s gateway ended before it had started; it says why above")
        yield


def _tell_to_stop(processes: Sequence[asyncio.subprocess.Process]) -> None:
    """Close the gateways' input, of all at once."""
    for process in processes:
        if process.stdin is not None:
            process.stdin.close()


async def _finish(listening: asyncio.Task[None]) -> None:
    """Take in what a gateway that was told to stop still has to say."""
    with suppress(TimeoutError):
        await asyncio.wait_for(listening, STOP_S)


@asynccontextmanager
async def _process(file: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway.demo.partner", str(file)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_MAX,
    )
    try:
        yield process
        await asyncio.wait_for(process.wait(), STOP_S)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _listen(
    process: asyncio.subprocess.Process, up: asyncio.Future[bool], outcome: Callable[[Told], None]
) -> None:
    while process.stdout is not None and (data := await process.stdout.readline()):
        told = _read(data)
        if told.record.event is Event.STARTED and not up.done():
            up.set_result(True)
        outcome(told)
    if not up.done():
        up.set_result(False)


async def field(configs: Mapping[str, Config], listeners: Listeners) -> None:
    """Run every field unit: publish the scenario, and listen where units are answered, until cancelled."""
    ports = {partner: mqtt_port(config) for partner, config in configs.items()}
    async with asyncio.TaskGroup() as group:
        listening = []
        for partner, config in configs.items():
            topics = [unit.deliver for unit in config.units if unit.deliver is not None]
            ready = asyncio.Event()
            listening.append(ready.wait())
            group.create_task(receive(ports[partner], topics, ready, listeners.received), name=f"units of {partner}")
        await asyncio.gather(*listening)
        group.create_task(publish(ports, listeners.published), name="field units")


def mqtt_port(config: Config) -> int:
    """Where field units of this gateway connect."""
    return next(host_and_port(link.mqtt)[1] for link in config.links if link.embedded)
