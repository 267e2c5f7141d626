"""``comity run``: a gateway from its one TOML file, in one process or in several."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from gateway.app import Eyes, brokers
from gateway.app import run as run_gateway
from gateway.config import ConfigError, Loaded, load
from gateway.exits import Status, reported
from gateway.supervisor import MisconfiguredError, Worker, claim, supervise
from gateway.table.sharing import WORKERS_MAX, Part, obstacles

app = typer.Typer(add_completion=False)
File = Annotated[Path, typer.Argument(help="the gateway's TOML file")]
Workers = Annotated[int, typer.Option("--workers", min=1, max=WORKERS_MAX, help="processes that share the work")]
OneWorker = Annotated[str | None, typer.Option("--worker", hidden=True, help="NUMBER/WORKERS, from 0")]


@app.command()
def run(file: File, workers: Workers = 1, worker: OneWorker = None) -> None:
    """Run a gateway until it is told to stop (SIGTERM, SIGINT)."""
    with reported():
        loaded = load(file)
        part = _part(worker)
        if part is not None:
            uvloop.run(run_gateway(loaded, _aloud(f"worker {part.worker}: "), part=part))
            return
        if faults := tuple(obstacles(loaded.config, workers)):
            raise ConfigError(faults)
        claim(loaded.state, workers)
        if workers == 1:
            uvloop.run(run_gateway(loaded, _aloud()))
            return
        try:
            uvloop.run(_supervised(loaded, workers))
        except MisconfiguredError:  # the worker has said why
            raise typer.Exit(Status.USAGE) from None


def _aloud(prefix: str = "") -> Eyes:
    return Eyes(announce=lambda line: typer.echo(f"{prefix}{line}", err=True))


def _part(worker: str | None) -> Part | None:
    """What a supervisor told us to be."""
    if worker is None:
        return None
    number, _, count = worker.partition("/")
    if not (number.isdecimal() and count.isdecimal() and int(number) < int(count) <= WORKERS_MAX):
        raise typer.BadParameter("is NUMBER/WORKERS, from 0")
    return Part(int(number), int(count))


async def _supervised(loaded: Loaded, workers: int) -> None:
    """The embedded broker and the workers, until we are told to stop."""
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)

    def command(worker: Worker) -> Sequence[str]:
        told = f"{worker.number}/{worker.workers}"
        return (sys.executable, "-m", "gateway.cli", "run", str(loaded.file), "--worker", told)

    async with brokers(loaded, _aloud()):
        await supervise(command, workers, over)
