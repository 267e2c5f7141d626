"""``comity audit``: read and verify an audit file, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.audit import GENESIS, read
from gateway.exits import reported

app = typer.Typer(no_args_is_help=True, help="Read and verify an audit file, offline.")
File = Annotated[Path, typer.Argument(help="the audit file of a gateway (audit.log in its state folder)")]


@app.command("list")
def show(file: File, *, json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False) -> None:
    """Print the records, oldest first."""
    with reported():
        for entry in read(file):
            record = entry.record
            if json:
                typer.echo(msgspec.json.encode(record).decode())
            else:
                way = f"{record.source or '?'} -> {record.destination or '?'}"
                what = f"{record.event} {record.reason or ''}".strip()
                typer.echo(f"{record.at:%Y-%m-%dT%H:%M:%SZ}  {what:28} {record.subject_kind or '-':8} {way}")


@app.command()
def verify(file: File) -> None:
    """Check that no record was removed, changed or moved. Status 3 with the line number when one was."""
    with reported():
        count, chain = 0, GENESIS
        for entry in read(file):
            count, chain = entry.number, entry.chain
    typer.echo(f"{count} records hold; last link {chain}")
