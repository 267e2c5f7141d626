"""``comity rollback``: bring back the table that was in force before, also where the file is none any more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gateway.config import Config, ConfigError, Loaded, load, parse, state_of
from gateway.durable import write_private
from gateway.exits import reported
from gateway.reload import difference
from gateway.versions import VERSIONS, Version, previous, version_of

app = typer.Typer(add_completion=False)
File = Annotated[Path, typer.Argument(help="the gateway's TOML file")]
State = Annotated[
    Path | None, typer.Option("--state", help="the gateway's state folder, where the file cannot say it any more")
]


@app.command()
def rollback(file: File, *, state: State = None) -> None:
    """Put the version that was in force before into the file, and its SPIFs; a running gateway takes it at once."""
    with reported():
        loaded, faults = _loaded(file)
        text = _text(file)
        folder = state or (state_of(text, file.resolve().parent) if loaded is None else loaded.state)
        if folder is None:
            raise ConfigError([*faults, f"{file}: does not say where its earlier versions are: name --state"])
        current = Version(text) if loaded is None else version_of(loaded)
        now = None if loaded is None else loaded.config
        version = previous(folder / VERSIONS, current, lambda each: (back := _table(each)) is not None and back != now)
        if version is None:
            raise ConfigError([*faults, f"{file}: no earlier version was in force"])
        for name, data in version.beside:
            if loaded is None or loaded.beside.get(name) != data:
                write_private(file.resolve().parent / name, data)
        write_private(file, version.text)
    for fault in faults:
        typer.echo(f"it was no table: {fault}", err=True)
    if loaded is not None and (back := _table(version)) is not None:
        for line in difference(loaded.config, back).lines:
            typer.echo(line)


def _loaded(file: Path) -> tuple[Loaded | None, Sequence[str]]:
    """The table as it is now; or none, where it has faults, and these."""
    try:
        return load(file), ()
    except ConfigError as error:
        return None, error.faults


def _table(version: Version) -> Config | None:
    """What a version said; None where a power cut left it in part."""
    try:
        return parse(version.text, None, dict(version.beside))
    except ConfigError:
        return None


def _text(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
