"""``python -m tests.bench.spool [--json] [--rows N]``: what the spool takes and gives, and what waiting costs.

Rates are of the best of three passes, and of processor time too, because the disk and the machine are shared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gateway.spool import Kept
from gateway.spool.spool import Spool

BATCH = 32
LANES = 16
DATA = os.urandom(1000)
FACTS = os.urandom(60)
ALL = (5, 4, 3, 2, 1, 0)


def batch(lane: str, start: int) -> list[Kept]:
    """What one put is given."""
    return [
        Kept(lane, n % 3, DATA, FACTS, b"epoch___" + n.to_bytes(4), expires_s=2e9) for n in range(start, start + BATCH)
    ]


async def fill(spool: Spool, rows: int) -> None:
    """Put from every lane at once."""

    async def one(lane: int) -> None:
        for start in range(0, rows // LANES, BATCH):
            await spool.put(batch(f"lane{lane}", start))

    await asyncio.gather(*(one(lane) for lane in range(LANES)))


async def drain(spool: Spool) -> int:
    """Take from every lane at once."""

    async def one(lane: int) -> int:
        count = 0
        while rows := await spool.take(f"lane{lane}", ALL, limit=512):
            count += len(rows)
            spool.done([row.id for row in rows])
        return count

    return sum(await asyncio.gather(*(one(lane) for lane in range(LANES))))


async def rates(folder: Path, rows: int) -> dict[str, float]:
    """Rows a second in and out."""
    async with await Spool.open(folder) as spool:
        wall, cpu = time.perf_counter(), time.process_time()
        await fill(spool, rows)
        put_s, put_cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        wall, cpu = time.perf_counter(), time.process_time()
        count = await drain(spool)
        await spool.expire()
        drain_s, drain_cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        if spool.counts():
            raise SystemExit("not everything came out")
    return {
        "put_rows_s": rows / put_s,
        "put_cpu_us_row": put_cpu_s / rows * 1e6,
        "drain_rows_s": count / drain_s,
        "drain_cpu_us_row": drain_cpu_s / count * 1e6,
    }


async def latency(folder: Path, seconds: float) -> dict[str, float]:
    """Milliseconds from put to on disk, at 200 puts of one a second."""
    taken: list[float] = []
    async with await Spool.open(folder) as spool:

        async def one() -> None:
            began = time.perf_counter()
            await spool.put([Kept("bravo", 2, DATA, FACTS)])
            taken.append((time.perf_counter() - began) * 1e3)

        async with asyncio.TaskGroup() as puts:
            for _ in range(int(200 * seconds)):
                puts.create_task(one())
                await asyncio.sleep(1 / 200)
    taken.sort()
    return {"put_p50_ms": taken[len(taken) // 2], "put_p99_ms": taken[len(taken) * 99 // 100]}


def memory_mb() -> float:
    """Resident, of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def many(folder: Path, rows: int) -> dict[str, float]:
    """What so many rows cost while they wait, and while the first of them are taken. In a process of its own."""
    before = memory_mb()
    async with await Spool.open(folder) as spool:
        await fill(spool, rows)
        waiting = memory_mb()
    began = time.perf_counter()
    async with await Spool.open(folder) as spool:
        open_s = time.perf_counter() - began
        count = sum(c.rows for lane in spool.counts().values() for c in lane.values())
        disk = spool.health().disk_bytes + (folder / "index.db").stat().st_size
        await spool.take("lane0", ALL)
        return {
            "rows": count,
            "memory_before_mb": before,
            "memory_mb": waiting,
            "memory_open_mb": memory_mb(),
            "open_s": open_s,
            "disk_bytes_row": disk / count,
        }


def apart(rows: int) -> dict[str, float]:
    """``many`` in another process, so that nothing else is in its memory."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.spool", "--many", str(rows)], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> int:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rows", type=int, default=96_000)
    parser.add_argument("--waiting", type=int, default=500_000)
    parser.add_argument("--many", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.many:
            print(json.dumps(asyncio.run(many(Path(folder), options.many))))
            return 0
        passes = [asyncio.run(rates(Path(folder) / f"rates{n}", options.rows)) for n in range(3)]
        found = {key: (min if "cpu" in key else max)(one[key] for one in passes) for key in passes[0]}
        found |= asyncio.run(latency(Path(folder) / "latency", 5.0))
    found |= apart(options.waiting)
    if options.json:
        print(json.dumps(found))
        return 0
    for key, value in found.items():
        print(f"{key:20} {value:14,.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
