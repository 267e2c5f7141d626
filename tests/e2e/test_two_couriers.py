"""Partners share two couriers: one that a partner cannot reach costs a moment, and neither messages nor their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from protocols.record import Event, Trouble
from tests.e2e.pair import LIMIT_S, OTHER, PARTNERS, Gateway, Pair, pair, started, until
from tests.gateway.links.proxy import Path as Way
from tests.servers import free_port, mosquitto, mosquitto_path

pytestmark = pytest.mark.skipif(mosquitto_path() is None, reason="mosquitto is not installed")


@asynccontextmanager
async def two_couriers(folder: Path, who: str) -> AsyncIterator[tuple[Pair, Way]]:
    """Both partners reach both, the first one ``who`` by a path, which is not there yet."""
    courier, second = mosquitto(folder / "courier"), mosquitto(folder / "second")
    way = Way(free_port(), courier.port)

    def links(partner: str, port: int) -> str:
        first = way.port if partner == who else port
        to = f'partners = ["{OTHER[partner]}"]\nheartbeat_s = 1.0\n'
        also = f'[[links]]\nname = "second"\nheartbeat_s = 1.0\nurl = "mqtt://127.0.0.1:{second.port}"'
        return f'url = "mqtt://127.0.0.1:{first}"\n{to}\n{also}'

    async with AsyncExitStack() as stack:
        stack.callback(second.kill)
        await asyncio.to_thread(second.start)
        yield await stack.enter_async_context(pair(folder, courier, links)), way


def has_links(gateway: Gateway, *names: str) -> bool:
    figures = gateway.metrics()
    return all(figures.get(f'comity_link_up{{link="{name}"}}') for name in names)


def silent(gateway: Gateway) -> list[Event]:
    """What a gateway said of links that lead nowhere."""
    return [record.event for record in gateway.records() if record.reason == Trouble.LINK_SILENT]


async def passes(what: Pair, numbers: range) -> None:
    """The cell has all of these, each once and in their order, and the field's gateway knows that it has."""
    publishing = asyncio.create_task(what.field.publish(numbers))
    await what.cell.has(numbers, LIMIT_S)
    await publishing
    assert [number for number in what.cell.at if number in numbers] == list(numbers)
    assert what.cell.repeats == 0
    ids = {f"{number:032x}" for number in numbers}
    await until(lambda: {r.message for r in what.alpha.records() if r.event is Event.FORWARDED} >= ids)
    await until(lambda: what.alpha.waiting("bravo") == 0)


@pytest.mark.parametrize("who", PARTNERS)
async def test_where_one_never_reached_the_first_courier_everything_goes_by_the_second(
    tmp_path: Path, who: str
) -> None:
    async with two_couriers(tmp_path, who) as (what, _):
        for gateway in (what.alpha, what.bravo):
            await gateway.start()
            await until(lambda: has_links(gateway, "national", "second"))  # noqa: B023  awaited at once
        await passes(what, range(40))


@pytest.mark.parametrize("who", PARTNERS)
async def test_where_one_loses_the_first_courier_everything_goes_by_the_second_and_then_by_the_first(
    tmp_path: Path, who: str
) -> None:
    async with two_couriers(tmp_path, who) as (what, way):
        async with way:
            await started(what.alpha, what.bravo)
            await passes(what, range(40))
        await passes(what, range(40, 80))
        other = what.bravo if who == "alpha" else what.alpha
        await until(lambda: silent(other) == [Event.FAULT])  # to whom the first link is up, and leads nowhere
        async with way:
            await what.alpha.ready()
            await what.bravo.ready()
            await passes(what, range(80, 120))
            await until(lambda: silent(other) == [Event.FAULT, Event.MENDED])
