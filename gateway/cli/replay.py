"""``comity replay``: what a proposed table would have changed for the messages of past days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from gateway.audit import read
from gateway.audit.segments import logs_in
from gateway.cli.inputs import AT
from gateway.cli.secrets import Json
from gateway.config import load
from gateway.decisions import Decisions
from gateway.exits import reported
from gateway.keyring.ring import PSEUDONYM_KEY
from gateway.review.replay import Change, compare, heard
from gateway.routing import Table
from gateway.transform import pseudonym

app = typer.Typer(add_completion=False)


@app.command()
def replay(
    table: Annotated[Path, typer.Option("--table", help="the proposed TOML file")],
    *,
    state: Annotated[Path | None, typer.Option("--state", help="state directory; else the one that it names")] = None,
    at: Annotated[datetime | None, typer.Option("--at", formats=AT, help="agreements as of then; else now")] = None,
    json: Json = False,
) -> None:
    """Compare recorded outcomes with what a table would decide, as if its agreements were signed."""
    with reported():
        loaded = load(table)
        folder = state or loaded.state
        decisions = Decisions(Table(loaded.config, [agreement.id for agreement in loaded.config.agreements]))
        records = (entry.record for log in logs_in(folder) for entry in read(log))
        now = at.replace(tzinfo=UTC) if at is not None else datetime.now(UTC)
        count, changes = compare(heard(records, _alias(folder)), decisions, now)
    for change in changes:
        typer.echo(msgspec.json.encode(change).decode() if json else _line(change))
    if not json:
        gained, lost = sum(change.gained for change in changes), sum(change.lost for change in changes)
        unsure = sum(change.unsure for change in changes)
        typer.echo(f"{count} messages: {gained} deliveries gained, {lost} lost, {unsure} that only content decides")


def _alias(state: Path) -> Callable[[str], str]:
    """How the gateway of a state directory names what it may not name; without its key nothing is recognised."""
    try:
        return partial(pseudonym, (state / PSEUDONYM_KEY).read_bytes())
    except OSError:
        return str


def _line(change: Change) -> str:
    sign = "+" if change.gained else "-" if change.lost else "?"
    number = change.gained or change.lost or change.unsure
    under = f'  under "{change.agreement}"' if change.agreement else ""
    why = f"  {change.reason}" if change.reason else ""
    return f"{sign} {number:6}  {change.kind:9} {change.source} -> {change.destination}{under}{why}"
