"""``comity rollback``: bring back the table that was in force before."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.config import ConfigError, load, parse
from gateway.exits import reported
from gateway.keyring.keystore import write_private
from gateway.reload import VERSIONS, difference, previous

File = Annotated[Path, typer.Argument(help="the gateway's TOML file")]


def rollback(file: File) -> None:
    """Put the version that was in force before into the file; a running gateway takes it at once."""
    with reported():
        loaded = load(file)
        text = previous(loaded.state / VERSIONS, file.read_bytes())
        if text is None:
            raise ConfigError([f"{file}: no earlier version was in force"])
        lines = difference(loaded.config, parse(text, loaded.file.parent)).lines
        write_private(file, text)
    for line in lines:
        typer.echo(line)
