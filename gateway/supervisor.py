"""Several worker processes for one gateway: started, started again when one dies, ended together. It does nothing else.

A worker is told its number and how many there are; what is its share follows from that alone (``Share``), so workers
never talk to each other, and a supervisor that is gone for a moment loses nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from gateway.audit.segments import NAME
from gateway.child import dying_with_us, stop
from gateway.config import ConfigError
from gateway.links.backoff import Backoff, Pace

STOP_S = 15.0  # what a worker has to finish what it has in hand
PACE = Pace(first_s=0.2, longest_s=30.0, refused_s=60.0, stable_s=30.0)
REFUSED = 2  # the exit status of a worker whose configuration is wrong: starting it again helps nobody
COUNT = "workers"  # the file that says by how many a state folder is shared
MOVE = "how to change it stands in gateway/README.md"
_log = logging.getLogger("comity.supervisor")


class Worker(NamedTuple):
    """One worker's number, from 0, and how many there are."""

    number: int
    workers: int


class MisconfiguredError(Exception):
    """A worker will not start because of its configuration; it has said why itself."""


def claim(state: Path, workers: int) -> None:
    """Note how many share a state folder. Raise ConfigError when it was left by another number of them.

    Each worker remembers what it received and keeps what waits; another number would share that out otherwise.
    """
    file = state / COUNT
    before = int(file.read_text()) if file.exists() else 1 if (state / NAME).exists() else workers
    if before != workers:
        raise ConfigError([f"{state} was left by {before} worker(s): run with --workers {before}; {MOVE}"])
    if workers > 1:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(f"{workers}\n")


async def supervise(
    command: Callable[[Worker], Sequence[str]], count: int, until: asyncio.Event, pace: Pace = PACE
) -> None:
    """Run ``count`` workers until ``until`` is set. Raise MisconfiguredError when one ends with status 2."""
    keepers = [
        asyncio.create_task(_keep(command, Worker(number, count), pace), name=f"worker {number}")
        for number in range(count)
    ]
    over = asyncio.create_task(until.wait(), name="stop")
    try:
        done, _ = await asyncio.wait((over, *keepers), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (over, *keepers):
            task.cancel()
        await asyncio.wait((over, *keepers))


async def _keep(command: Callable[[Worker], Sequence[str]], worker: Worker, pace: Pace) -> None:
    """Run one worker again and again."""
    backoff = Backoff(pace, random.SystemRandom())
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        process = await asyncio.create_subprocess_exec(
            *command(worker),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in a terminal is for us; we stop the workers ourselves
            preexec_fn=dying_with_us(),
        )
        try:
            status = await process.wait()
        finally:
            await stop(process, STOP_S)
        if status == REFUSED:
            raise MisconfiguredError(f"worker {worker.number} refuses its configuration")
        wait_s = backoff.after_fault(loop.time() - started)
        _log.error("worker %d ended with status %d; again in %.1f s", worker.number, status, wait_s)
        await asyncio.sleep(wait_s)
