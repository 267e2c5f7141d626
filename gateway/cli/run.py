"""``comity run`` and ``comity check``: a gateway from its one TOML file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from gateway import app
from gateway.config import load, warnings
from gateway.exits import reported

File = Annotated[Path, typer.Argument(help="the gateway's TOML file")]


def run(file: File) -> None:
    """Run a gateway until it is told to stop (SIGTERM, SIGINT)."""
    with reported():
        loaded = load(file)
        uvloop.run(app.run(loaded, app.Eyes(announce=lambda line: typer.echo(line, err=True))))


def check(file: File) -> None:
    """Validate a configuration: types, references, routes. Status 2 with the path of each fault."""
    with reported():
        loaded = load(file)
    for warning in warnings(loaded.config, datetime.now(UTC)):
        typer.echo(f"warning: {warning}", err=True)
    config = loaded.config
    typer.echo(
        f"{file}: {len(config.units)} units, {len(config.peers)} peers, {len(config.agreements)} agreements, "
        f"{len(config.routes)} routes hold"
    )
