"""``comity demo``: a whole coalition on this machine."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.live import Live

from gateway.demo import table
from gateway.demo.coalition import CoalitionError, Listeners, field, gateways
from gateway.demo.field import Publication
from gateway.demo.layout import Layout, coalition_broker, prepare
from gateway.demo.tally import Line, Summary, Tally, Told, line
from gateway.exits import Status, reported

app = typer.Typer(add_completion=False)
REFRESH_HZ = 4
SETTLE_S = 1.0  # after the last publication, for what is still on its way


@app.command()
def demo(
    *,
    seconds: Annotated[float | None, typer.Option(help="stop after so many seconds; else Ctrl-C", min=1)] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON object a line; the last one is the summary")] = False,
) -> None:
    """Run three partners and a coalition broker on this machine, and show what each unit receives."""
    with reported(), tempfile.TemporaryDirectory(prefix="comity-demo-") as folder:
        layout = prepare(Path(folder), datetime.now(UTC))
        screen = _Json() if json else _Terminal(layout)
        try:
            uvloop.run(_coalition(layout, screen, seconds))
        except CoalitionError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(Status.UNEXPECTED) from None


class _Json:
    """One JSON object a line on standard output."""

    def __init__(self) -> None:
        self.tally = Tally()

    def outcome(self, told: Told) -> None:
        self.tally.count(told.record)
        if (made := line(told)) is not None:
            self._write(made)

    def live(self) -> AbstractContextManager[object]:
        return nullcontext()

    def close(self, summary: Summary) -> None:
        self._write(summary)

    def _write(self, made: Line | Summary) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(made) + b"\n")
        sys.stdout.buffer.flush()


class _Terminal:
    """A live table, and tables at the end."""

    def __init__(self, layout: Layout) -> None:
        self.tally = Tally()
        self._view = table.View(self.tally)
        self._console = Console()
        table.addresses(self._console, layout.addresses, datetime.now(UTC))

    def outcome(self, told: Told) -> None:
        self.tally.count(told.record)
        self._view.note(told.record)

    def live(self) -> AbstractContextManager[object]:
        return Live(self._view, console=self._console, refresh_per_second=REFRESH_HZ)

    def close(self, summary: Summary) -> None:
        table.closing(self._console, summary)


async def _coalition(layout: Layout, screen: _Json | _Terminal, seconds: float | None) -> None:
    tally, loop = screen.tally, asyncio.get_running_loop()

    def published(_: Publication) -> None:
        tally.published += 1

    def received() -> None:
        tally.received += 1

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    begin = loop.time()
    async with coalition_broker(layout), gateways(layout, screen.outcome):
        listeners = Listeners(screen.outcome, published, received)
        begin = loop.time()
        with screen.live():
            units = asyncio.create_task(field(layout.configs, listeners), name="field")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), seconds)
            await asyncio.sleep(SETTLE_S)
            units.cancel()
            with suppress(asyncio.CancelledError):
                await units
    screen.close(tally.summary(datetime.now(UTC), loop.time() - begin))
