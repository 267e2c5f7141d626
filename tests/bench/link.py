"""How fast a link is beside the bare codec, paho and aiomqtt, in one interleaved run."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import mqtt5
import uvloop

from gateway.links import Settings, Subscription
from gateway.links.urls import open_link
from tests.bench.peers import QOS1, Clocked, Counter, Peer, Publisher, connect
from tests.servers import free_port, mosquitto, running

ROOT = Path(__file__).parents[2]
SIZE = 256  # bytes of a payload
COUNTS = {"bare": 20_000, "link": 20_000, "once": 20_000, "paho": 8_000, "aiomqtt": 4_000}
DEADLINE_S = 60.0
BARS = {
    "link_over_bare": (0.9, "at least"),
    "once_over_link": (0.5, "at least"),
    "link_over_aiomqtt": (5.0, "at least"),
    "link_over_paho": (2.0, "at least"),
    "no_broker_per_s": (80_000.0, "at least"),
    "p99_ms_at_1000_per_s": (1.0, "at most"),
    "idle_link_mb": (3.0, "at most"),
}


@contextlib.asynccontextmanager
async def relay(kind: str, source: str, target: str) -> AsyncIterator[int]:
    """A relay process; its id."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.relays", kind, source, target), cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        assert line == b"ready\n", f"{kind} did not start"
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def client(port: int, name: str, packet: Callable[[Peer, Any], None]) -> Peer:
    """A raw client of a broker, ready."""
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_connection(lambda: Peer(packet, connect(name)), "127.0.0.1", port)
    await peer.ready.wait()
    return peer


async def through_broker(port: int, kind: str) -> tuple[float, float]:
    """Messages a second from publisher through broker, relay and broker to the counter; the relay's us of CPU each."""
    count = COUNTS[kind]
    url = f"mqtt://127.0.0.1:{port}"
    async with relay(kind, url, url) as pid:
        counter, publisher = Counter(count), Publisher("in/x", count, SIZE, 1000)
        sink = await client(port, "sink", counter.packet)
        source = await client(port, "source", publisher.packet)
        started, used = time.perf_counter(), cpu_s(pid)
        publisher.fill(source)
        async with asyncio.timeout(DEADLINE_S):
            await counter.done.wait()
        took, used = time.perf_counter() - started, cpu_s(pid) - used
        for peer in (sink, source):
            assert peer.transport is not None
            peer.transport.abort()
    return count / took, used * 1e6 / count


def cpu_s(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def without_broker(count: int) -> tuple[float, float]:
    """Messages a second through the link alone, with ends that answer at once in the broker's place; us of CPU each."""
    loop = asyncio.get_running_loop()
    counter, publisher = Counter(count), Publisher("in/x", count, SIZE, 2000)
    ports = (free_port(), free_port())
    feeding = await loop.create_server(lambda: Peer(publisher.packet), "127.0.0.1", ports[0])
    swallowing = await loop.create_server(lambda: Peer(counter.packet), "127.0.0.1", ports[1])
    async with feeding, swallowing:
        target = f"mqtt://127.0.0.1:{ports[1]}"
        async with relay("link", f"mqtt://127.0.0.1:{ports[0]}", target) as pid, asyncio.timeout(DEADLINE_S):
            while not publisher.acknowledged:
                await asyncio.sleep(0.001)
            first, started, used = publisher.acknowledged, time.perf_counter(), cpu_s(pid)
            await publisher.done.wait()
            took, used = time.perf_counter() - started, cpu_s(pid) - used
        assert counter.received == count
    return (count - first) / took, used * 1e6 / (count - first)


async def latency(port: int, rate: int, seconds: float) -> list[float]:
    """Ages in ms of messages that go through broker, link and broker at a steady rate."""
    url = f"mqtt://127.0.0.1:{port}"
    count = int(rate * seconds)
    async with relay("link", url, url):
        clocked, quiet = Clocked(count), Publisher("in/x", 0, 0, 0)
        sink = await client(port, "sink", clocked.packet)
        source = await client(port, "source", quiet.packet)
        began = time.monotonic()
        for number in range(count):
            pause = began + number / rate - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            stamp = time.monotonic_ns().to_bytes(8, "big") + bytes(SIZE - 8)
            packet = mqtt5.PublishPacket("in/x", stamp, qos=QOS1, packet_id=number % 60_000 + 1)
            source.write(packet.write())
            source.flush()
        async with asyncio.timeout(DEADLINE_S):
            await clocked.done.wait()
        for peer in (sink, source):
            assert peer.transport is not None
            peer.transport.abort()
    return clocked.ages_ms[rate // 2 :]  # the first half second warms caches up


def resident_mb() -> float:
    """Resident memory of this process."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


async def idle(port: int, count: int) -> dict[str, float]:
    """Resident memory of the first link, and on average of ``count`` links, in MB."""
    url = f"mqtt://127.0.0.1:{port}"
    async with contextlib.AsyncExitStack() as stack:
        before = resident_mb()
        await stack.enter_async_context(open_link("0", Settings(url, "idle-0", (Subscription("idle/0"),))))
        one = resident_mb() - before
        links = [open_link(str(n), Settings(url, f"idle-{n}", (Subscription(f"idle/{n}"),))) for n in range(1, count)]
        for start in range(0, len(links), 100):
            await asyncio.gather(*(stack.enter_async_context(each) for each in links[start : start + 100]))
        every = (resident_mb() - before) / count
    return {"idle_link_mb": one, "idle_link_mb_of_many": every, "idle_links": count}


async def measure(rounds: int) -> dict[str, Any]:
    """Every figure of the report."""
    runs: dict[str, list[float]] = {kind: [] for kind in COUNTS}
    costs: dict[str, list[float]] = {kind: [] for kind in COUNTS}
    with tempfile.TemporaryDirectory() as folder, running(mosquitto(Path(folder))) as broker:
        memory = await idle(broker.port, 1000)
        for _ in range(rounds):
            for kind, rates in runs.items():
                rate, cost = await through_broker(broker.port, kind)
                rates.append(rate)
                costs[kind].append(cost)
        ages = sorted(await latency(broker.port, 1000, 5.0))
    alone = [await without_broker(100_000) for _ in range(rounds)]
    best = {kind: statistics.median(rates) for kind, rates in runs.items()}
    ratios = {
        f"link_over_{kind}": statistics.median(a / b for a, b in zip(runs["link"], runs[kind], strict=True))
        for kind in ("bare", "paho", "aiomqtt")
    }
    ratios["once_over_link"] = statistics.median(a / b for a, b in zip(runs["once"], runs["link"], strict=True))
    return {
        **{f"{kind}_per_s": round(rate) for kind, rate in best.items()},
        **{f"{kind}_cpu_us": round(statistics.median(each), 2) for kind, each in costs.items()},
        **{name: round(value, 3) for name, value in ratios.items()},
        "no_broker_per_s": round(statistics.median(rate for rate, _ in alone)),
        "no_broker_cpu_us": round(statistics.median(cpu for _, cpu in alone), 2),
        "p50_ms_at_1000_per_s": round(ages[len(ages) // 2], 3),
        "p99_ms_at_1000_per_s": round(ages[len(ages) * 99 // 100], 3),
        **{name: round(value, 3) for name, value in memory.items()},
    }


def verdicts(figures: dict[str, Any]) -> dict[str, bool]:
    """Which bars are reached."""
    return {
        name: figures[name] >= bar if sense == "at least" else figures[name] <= bar
        for name, (bar, sense) in BARS.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object on one line")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    figures = uvloop.run(measure(options.rounds))
    figures["bars"] = verdicts(figures)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:24} {value}")


if __name__ == "__main__":
    main()
