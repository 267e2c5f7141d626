"""``comity trace``: every step of one message across a partner's gateways, and what others' receipts say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from gateway.audit.trace import Step
from gateway.audit.trace import trace as steps_of
from gateway.cli.audit import WHERE, located
from gateway.cli.secrets import Json
from gateway.exits import Status, reported
from protocols.record import Event, Record

app = typer.Typer(add_completion=False)
WIDTH = 180  # columns of the table where there is no terminal
MEANING = {
    Event.FORWARDED: "its gateway has it",
    Event.HELD: "waits on disk",
    Event.RECEIPT: "says its gateway",
}


@app.command()
def trace(
    message: Annotated[str, typer.Argument(metavar="ID", help="id of the message")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=f"{WHERE}; several are merged by time")],
    *,
    json: Json = False,
) -> None:
    """Show what became of one message, step by step. Status 3 when nothing was recorded of it."""
    with reported():
        steps = steps_of(message, [log for path in files for log in located(path)])
    if not steps:
        typer.echo(f"nothing was recorded of {message}", err=True)
        raise typer.Exit(Status.REFUSED)
    if json:
        for step in steps:
            told = {"file": str(step.file), "line": step.line} | msgspec.to_builtins(step.record)
            typer.echo(msgspec.json.encode(told).decode())
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    console.print(_table(message, steps))


def _table(message: str, steps: list[Step]) -> Table:
    table = Table(title=f"message {message}", title_justify="left", box=None, pad_edge=False)
    for name in ("time (UTC)", "after", "gateway", "what", "from", "to", "how"):
        table.add_column(name, justify="right" if name == "after" else "left", overflow="fold")
    begin = steps[0].record.at
    for step in steps:
        record = step.record
        after_s = (record.at - begin).total_seconds()
        what = f"{record.event} {record.reason or ''}".strip()
        ends = (record.source or "", record.destination or "")
        at = f"{record.at:%Y-%m-%d %H:%M:%S}.{record.at.microsecond // 1000:03}"
        table.add_row(at, f"{after_s:.3f} s", record.gateway, what, *ends, _how(record))
    return table


def _how(record: Record) -> str:
    """What else a record says, in few words."""
    told = [MEANING.get(record.event, "")]
    if record.agreement is not None:
        told.append(f"under {record.agreement}")
    if record.format_in is not None or record.format_out is not None:
        told.append(
            f"{record.format_in or '?'} > {record.format_out or '?'}" if record.format_out else f"{record.format_in}"
        )
    if record.bytes_out is not None:
        told.append(f"{record.bytes_out} B")
    if record.losses:
        told.append(f"{len(record.losses)} losses")
    return ", ".join(each for each in told if each)
