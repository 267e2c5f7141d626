"""Two gateways, a courier and everything between them, each of which can be broken while messages flow.

A unit's client -> mosquitto -> alpha's ``comity run`` -> mosquitto (the courier) -> bravo's ``comity run`` -> mosquitto
-> a unit's client. A path of the tests lies before every broker that a gateway speaks to.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.e2e.pair import PARTNERS, Gateway, Traffic, exchange_keys, laid_out
from tests.gateway.links.proxy import Path as Way
from tests.servers import Server, free_port, mosquitto

SOURCE, SINK = "tak/alpha/field", "geojson/to-cell"
MARKS = Traffic('["graphic", "track"]', ("cot", SOURCE), ("geojson", SINK), ("gateway.cli", "run"))


class Stage(NamedTuple):
    """What can be broken, and where units attach."""

    gateways: Mapping[str, Gateway]
    courier: Server
    ways: Mapping[str, Way]
    source_port: int
    sink_port: int


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """Everything running, in an empty folder. The brokers of the nations are kept; the courier may forget all."""
    async with AsyncExitStack() as stack:
        brokers = {name: mosquitto(folder / f"{name}-broker") for name in (*PARTNERS, "courier")}
        for broker in brokers.values():
            stack.callback(broker.kill)
            await asyncio.to_thread(broker.start)
        targets = {f"{name} national": brokers[name].port for name in PARTNERS}
        targets |= {f"{name} coalition": brokers["courier"].port for name in PARTNERS}
        ways = {name: await stack.enter_async_context(Way(free_port(), port)) for name, port in targets.items()}
        gateways = {name: _gateway(folder / name, ways) for name in PARTNERS}
        await asyncio.to_thread(exchange_keys, folder)
        for gateway in gateways.values():
            await gateway.start()
            stack.push_async_callback(gateway.kill)
        for gateway in gateways.values():
            await gateway.ready()
        yield Stage(gateways, brokers["courier"], ways, brokers["alpha"].port, brokers["bravo"].port)


def _gateway(folder: Path, ways: Mapping[str, Way]) -> Gateway:
    courier = f'url = "mqtt://127.0.0.1:{ways[f"{folder.name} coalition"].port}"'
    return laid_out(folder, ways[f"{folder.name} national"].port, courier, MARKS)


Fault = Callable[[], Awaitable[None]]


def kills(what: Stage, chance: random.Random) -> dict[str, Fault]:
    """``kill -9`` of each gateway and of the courier, and another one in its place soon after."""

    async def gateway(one: Gateway) -> None:
        await one.kill()
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        await one.start()

    async def courier() -> None:
        await asyncio.to_thread(what.courier.kill)
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        await asyncio.to_thread(what.courier.start)

    found: dict[str, Fault] = {f"kill -9 {name}": lambda one=one: gateway(one) for name, one in what.gateways.items()}  # type: ignore[misc]
    return found | {"kill -9 courier": courier}


def cuts(what: Stage, chance: random.Random) -> dict[str, Fault]:
    """Every path cut, cut within a packet, silent for a while, or slow for a while."""

    async def held(way: Way, how: Callable[[], None], seconds: float) -> None:
        how()
        await asyncio.sleep(seconds)
        way.go()

    async def at_once(how: Callable[[], None]) -> None:
        how()

    found: dict[str, Fault] = {}
    for name, way in what.ways.items():
        found[f"cut {name}"] = lambda way=way: at_once(way.cut)  # type: ignore[misc]
        found[f"tear {name}"] = lambda way=way: at_once(lambda: way.cut_within(chance.randrange(1, 8000)))  # type: ignore[misc]
        found[f"silent {name}"] = lambda way=way: held(way, way.stop, chance.uniform(0.2, 1.5))  # type: ignore[misc]
        found[f"slow {name}"] = lambda way=way: held(way, lambda: way.throttle(20_000), chance.uniform(0.5, 1.5))  # type: ignore[misc]
    return found
