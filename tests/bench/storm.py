"""Reconnect storms: many gateways lose one broker at once, and come back spread by jitter."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop

from gateway.links import Link, LinkState, Settings, Subscription
from gateway.links.urls import open_link
from tests.servers import Server, mosquitto, running

WINDOW_S = 0.1
DOWN_S = 1.0
DEADLINE_S = 60.0


async def storm(broker: Server, links: list[Link]) -> list[float]:
    """Seconds from the broker's return until each link is up again."""
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(broker.kill)
    await asyncio.sleep(DOWN_S)
    await asyncio.to_thread(broker.start)
    back, waiting = loop.time(), dict(enumerate(links))
    times: list[float] = []
    while waiting and loop.time() - back < DEADLINE_S:
        for number in [number for number, link in waiting.items() if link.state is LinkState.UP]:
            del waiting[number]
            times.append(loop.time() - back)
        await asyncio.sleep(0.005)
    assert not waiting, f"{len(waiting)} links did not come back"
    return times


def spread(times: list[float]) -> dict[str, float]:
    """How the returns lie: the busiest window's share of all, and when half and all were back."""
    windows = Counter(int(time / WINDOW_S) for time in times)
    return {
        "busiest_100_ms_share": max(windows.values()) / len(times),
        "half_back_s": statistics.median(times),
        "all_back_s": max(times),
    }


async def storms(gateways: int, count: int) -> dict[str, Any]:
    """The figures over several storms."""
    figures = []
    with tempfile.TemporaryDirectory() as folder, running(mosquitto(Path(folder))) as broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        links = [open_link(f"g{n}", Settings(url, f"g{n}", (Subscription(f"t/{n}"),))) for n in range(gateways)]
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.gather(*(stack.enter_async_context(link) for link in links))
            figures = [spread(await storm(broker, links)) for _ in range(count)]
            await asyncio.to_thread(broker.kill)
    worst = {f"{name}_worst": round(max(figure[name] for figure in figures), 3) for name in figures[0]}
    middle = {f"{name}_median": round(statistics.median(figure[name] for figure in figures), 3) for name in figures[0]}
    return {"gateways": gateways, "storms": count, **middle, **worst}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--gateways", type=int, default=200)
    parser.add_argument("--storms", type=int, default=24)
    options = parser.parse_args()
    figures = uvloop.run(storms(options.gateways, options.storms))
    print(json.dumps(figures) if options.json else "\n".join(f"{name:32} {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
