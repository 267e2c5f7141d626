"""``comity run``: a gateway from its one TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import uvloop

from gateway import app
from gateway.config import load
from gateway.exits import reported

File = Annotated[Path, typer.Argument(help="the gateway's TOML file")]


def run(file: File) -> None:
    """Run a gateway until it is told to stop (SIGTERM, SIGINT)."""
    with reported():
        loaded = load(file)
        uvloop.run(app.run(loaded, app.Eyes(announce=lambda line: typer.echo(line, err=True))))
