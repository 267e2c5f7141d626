"""``comity rollback``: bring back the table that was in force before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.config import ConfigError, load, parse
from gateway.durable import write_private
from gateway.exits import reported
from gateway.reload import difference
from gateway.versions import VERSIONS, previous, version_of

app = typer.Typer(add_completion=False)
File = Annotated[Path, typer.Argument(help="the gateway's TOML file")]


@app.command()
def rollback(file: File) -> None:
    """Put the version that was in force before into the file, and its SPIFs; a running gateway takes it at once."""
    with reported():
        loaded = load(file)
        version = previous(loaded.state / VERSIONS, version_of(loaded))
        if version is None:
            raise ConfigError([f"{file}: no earlier version was in force"])
        lines = difference(loaded.config, parse(version.text, loaded.file.parent, dict(version.beside))).lines
        for name, data in version.beside:
            if loaded.beside.get(name) != data:
                write_private(loaded.path(name), data)
        write_private(file, version.text)
    for line in lines:
        typer.echo(line)
