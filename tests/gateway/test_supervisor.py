from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gateway.config import ConfigError
from gateway.links.backoff import Pace
from gateway.supervisor import MisconfiguredError, Worker, claim, supervise

PACE = Pace(first_s=0.05, longest_s=0.1)
PROGRAM = """
import os, sys, time
folder, number, count = sys.argv[1:]
open(f"{folder}/{number}-{count}-{os.getpid()}", "w").close()
time.sleep(60)
"""


def workers(folder: Path) -> Callable[[Worker], Sequence[str]]:
    return lambda worker: (sys.executable, "-c", PROGRAM, str(folder), str(worker.number), str(worker.workers))


def seen(folder: Path) -> list[tuple[int, int, int]]:
    """Number, count and process id of every worker that started."""
    return sorted(tuple(int(part) for part in path.name.split("-")) for path in folder.iterdir())  # type: ignore[misc]


async def until(folder: Path, count: int) -> list[tuple[int, int, int]]:
    async with asyncio.timeout(60):
        while len(seen(folder)) < count:
            await asyncio.sleep(0.02)
    return seen(folder)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_starts_each_worker_with_its_number_and_ends_all_of_them(tmp_path: Path) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(supervise(workers(tmp_path), 3, stop, PACE))
    started = await until(tmp_path, 3)
    assert [(number, count) for number, count, _ in started] == [(0, 3), (1, 3), (2, 3)]
    stop.set()
    await asyncio.wait_for(running, 60)
    assert not any(alive(pid) for _, _, pid in started)


async def test_a_worker_that_dies_is_started_again_and_the_others_are_left_alone(tmp_path: Path) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(supervise(workers(tmp_path), 2, stop, PACE))
    first = await until(tmp_path, 2)
    os.kill(first[0][2], signal.SIGKILL)
    after = await until(tmp_path, 3)
    assert [number for number, _, _ in after] == [0, 0, 1]
    assert alive(first[1][2])
    stop.set()
    await asyncio.wait_for(running, 60)


async def test_a_worker_that_refuses_its_configuration_ends_all(tmp_path: Path) -> None:
    command = workers(tmp_path)

    def second_refuses(worker: Worker) -> Sequence[str]:
        return command(worker) if worker.number == 0 else (sys.executable, "-c", "raise SystemExit(2)")

    with pytest.raises(MisconfiguredError):
        async with asyncio.timeout(60):
            await supervise(second_refuses, 2, asyncio.Event(), PACE)
    assert not any(alive(pid) for _, _, pid in seen(tmp_path))


def test_a_state_folder_belongs_to_the_number_of_workers_that_began_it(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    claim(new, 2)
    claim(new, 2)
    for workers in (1, 3):
        with pytest.raises(ConfigError, match=r"left by 2 worker\(s\): run with --workers 2"):
            claim(new, workers)
    old.mkdir()
    (old / "audit.log").touch()
    claim(old, 1)
    with pytest.raises(ConfigError, match=r"left by 1 worker"):
        claim(old, 2)
    assert not (old / "workers").exists()
