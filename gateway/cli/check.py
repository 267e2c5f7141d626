"""``comity check``: whether tables hold, and what should be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.agreement import at_hand, kept
from gateway.config import ConfigError, Loaded, load
from gateway.exits import Status, reported
from gateway.review.findings import differences, review
from gateway.review.proof import prove

app = typer.Typer(add_completion=False)
Files = Annotated[list[Path], typer.Argument(help="TOML files of one gateway or of several")]


@app.command()
def check(files: Files) -> None:
    """Validate tables: types, references, leaks, agreements, reach. Status 2 with the path of each fault."""
    with reported():
        tables = {str(file): loaded for file in files if (loaded := _loaded(file, alone=len(files) == 1))}
        if len(tables) < len(files):
            raise typer.Exit(Status.USAGE)
        found = list(differences({name: loaded.config for name, loaded in tables.items()}))
        missing = {name: _missing(loaded) for name, loaded in tables.items()}
    for name, loaded in tables.items():
        prefix = "" if len(files) == 1 else f"{name}: "
        reviewed = review(loaded.config, datetime.now(UTC), missing[name])
        found += [finding._replace(line=prefix + finding.line) for finding in reviewed]
    for finding in found:
        typer.echo(finding.line if finding.fatal else f"warning: {finding.line}", err=True)
    if any(finding.fatal for finding in found):
        raise typer.Exit(Status.USAGE)
    for name, loaded in tables.items():
        typer.echo(_summary(name, loaded, missing[name]))


def _loaded(file: Path, *, alone: bool) -> Loaded | None:
    """A table, or None when it has faults, each of which is told."""
    try:
        return load(file)
    except ConfigError as error:
        for fault in error.faults:
            typer.echo(fault if alone else f"{file}: {fault}", err=True)
        return None


def _missing(loaded: Loaded) -> Mapping[str, Sequence[str]] | None:
    """Who has not signed, by agreement; None where the gateway's keys are not here. Raise KeyringError."""
    if not at_hand(loaded):
        return None
    here = kept(loaded)
    return {agreement.id: here.signatures(agreement).missing for agreement in loaded.config.agreements}


def _summary(name: str, loaded: Loaded, missing: Mapping[str, Sequence[str]] | None) -> str:
    config = loaded.config
    signed = "keys not here, so signatures not checked" if missing is None else "all signed"
    counts = f"{len(config.units)} units, {len(config.peers)} peers, {len(config.agreements)} agreements ({signed})"
    tried = f"{prove(config).tried} cases that no agreement allows are kept back"
    return f"{name}: {counts}, {len(config.routes)} routes hold; {tried}"
