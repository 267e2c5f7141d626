"""What a second worker brings: one force's reports, CoT in and out through the embedded broker, 1 against 2 workers.

``python -m tests.bench.workers [--json]``. The workers are stopped while the reports are put into the broker, so that
nothing but broker, workers and the counting end runs while the time is taken. Rates need as many free cores as there
are workers and one or two more; the processor time of a message does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.links import Parcel, Settings, Subscription
from gateway.links.urls import open_link
from tests.bench.link import cpu_s
from tests.e2e.stage import fetch
from tests.e2e.test_bad_input import track
from tests.e2e.test_run import comity_run
from tests.e2e.test_transports import HEAD, keys
from tests.e2e.test_workers import two_ports, workers_of
from tests.servers import free_port

COUNT = 8_000
TOPICS = 64
ROUNDS = 3
DEADLINE_S = 60.0
TABLE = """
[[units]]
id = "alpha/field"
clearance = {{ policy = "MISSION", classification = "UNCLASSIFIED" }}
adapter = "cot"
link = "national"
receive = ["tak/+"]
default_label = {{ policy = "MISSION", classification = "UNCLASSIFIED" }}

[[routes]]
from = ["alpha/field"]
to = ["alpha/cell"]
agreement = "inside"
"""


def table(folder: Path) -> tuple[Path, int, str]:
    """A gateway's file, its console's port and its broker's address."""
    console, nats = two_ports(), f"127.0.0.1:{free_port()}"
    text = HEAD.format(console=console, national=0) + TABLE.format()
    text = text.replace('url = "mqtt://127.0.0.1:0"', f'mqtt = "127.0.0.1:{free_port()}"\nnats = "{nats}"')
    file = folder / "alpha.toml"
    file.write_text(text)
    keys(file)
    return file, console, nats


async def ready(console: int, workers: int) -> None:
    """Return once every worker is connected."""
    for port in range(console, console + workers):
        async with asyncio.timeout(20):
            while True:
                with contextlib.suppress(OSError):
                    await asyncio.to_thread(fetch, f"http://127.0.0.1:{port}/readyz")
                    break
                await asyncio.sleep(0.05)


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Processes do nothing meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def counted(batches: AsyncIterator[object]) -> None:
    """Return once every report has come out."""
    left = COUNT
    async for frames in batches:
        assert isinstance(frames, list)
        for frame in frames:
            frame.ack()
        left -= len(frames)
        if left <= 0:
            return


async def measure(workers: int) -> tuple[float, float]:
    """Reports a second, and microseconds of all workers' processor time for each."""
    with tempfile.TemporaryDirectory() as name:
        file, console, nats = table(Path(name))
        options = () if workers == 1 else ("--workers", str(workers))
        async with comity_run(file, *options) as process:
            await ready(console, workers)
            pids = [process.pid] if workers == 1 else list(workers_of(process.pid).values())
            end = Settings(f"nats://{nats}", "bench", (Subscription("cell/in"),), receive_maximum=8192)
            secret = str(Path(name) / "state" / "broker" / "passwords" / "comity")
            async with open_link("bench", end._replace(username="comity", password_file=secret)) as link:
                parcels = [Parcel(f"tak/u{n % TOPICS}", track(f"r-{n}", access=None)) for n in range(COUNT)]
                with stopped(pids):
                    assert not any(await link.send_all(parcels))
                    used = sum(cpu_s(pid) for pid in pids)
                    started = time.perf_counter()
                async with asyncio.timeout(DEADLINE_S):
                    await counted(link.batches())
                took = time.perf_counter() - started
                result = COUNT / took, (sum(cpu_s(pid) for pid in pids) - used) * 1e6 / COUNT
            process.terminate()  # its broker writes into the folder until it ends
            await process.wait()
            return result


async def main() -> None:
    """Measure and print."""
    runs: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(ROUNDS):
        for workers, found in runs.items():
            found.append(await measure(workers))
    result = {
        **{
            f"workers_{workers}_per_s": round(statistics.median(a for a, _ in found)) for workers, found in runs.items()
        },
        **{
            f"workers_{workers}_cpu_us": round(statistics.median(b for _, b in found))
            for workers, found in runs.items()
        },
        "two_over_one": round(statistics.median(b[0] / a[0] for a, b in zip(runs[1], runs[2], strict=True)), 2),
    }
    print(json.dumps(result) if "--json" in sys.argv else "\n".join(f"{k:24} {v}" for k, v in result.items()))


if __name__ == "__main__":
    asyncio.run(main())
