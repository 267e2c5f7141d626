"""``comity formats``: what adapters read and write, what every translation keeps, whether an adapter is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from adapters import Adapter, load, names
from gateway.exits import Status, reported
from gateway.formats.conformance import check as find
from gateway.formats.fidelity import Cell, matrix

app = typer.Typer(add_completion=False)


@app.command()
def formats(
    *,
    json: Annotated[bool, typer.Option("--json", help="JSON instead of tables")] = False,
    fidelity: Annotated[bool, typer.Option("--fidelity", help="what each translation of each kind keeps")] = False,
    check: Annotated[str | None, typer.Option("--check", help="try one adapter, also an installed one")] = None,
    samples: Annotated[list[Path] | None, typer.Argument(help="with --check: frames of its format")] = None,
) -> None:
    """List the formats, or what their translations keep, found by running them. Status 1: --check found faults."""
    with reported():
        if check is not None:
            _check(check, samples or ())
            return
        adapters = {name: load(name) for name in names()}
    rows = [_row(name, adapter) for name, adapter in adapters.items()]
    cells = list(matrix(adapters)) if fidelity else []
    if json:
        found = {"formats": rows, "fidelity": [_cell(cell) for cell in cells]} if fidelity else rows
        typer.echo(msgspec.json.encode(found).decode())
        return
    Console().print(_losses(cells) if fidelity else _kinds(rows))


def _check(name: str, samples: Iterable[Path]) -> None:
    findings = find(load(name), [file.read_bytes() for file in samples])
    for finding in findings:
        typer.echo(finding)
    if findings:
        raise typer.Exit(Status.UNEXPECTED)
    typer.echo(f"{name}: keeps every rule that was tried")


def _row(name: str, adapter: Adapter) -> dict[str, object]:
    return {
        "format": name,
        "edition": adapter.EDITION,
        "media_type": adapter.MEDIA_TYPE,
        "reads": sorted(adapter.READS),
        "writes": sorted(adapter.WRITES),
    }


def _kinds(rows: Iterable[Mapping[str, object]]) -> Table:
    table = Table("format", "edition", "reads", "writes")
    for row in rows:
        reads, writes = row["reads"], row["writes"]
        table.add_row(str(row["format"]), str(row["edition"]), _listed(reads), _listed(writes))
    return table


def _listed(kinds: object) -> str:
    return ", ".join(kinds) if isinstance(kinds, list) else ""


def _cell(cell: Cell) -> dict[str, object]:
    account = None if cell.account is None else cell.account._asdict()
    return {"from": cell.source, "to": cell.target, "kind": cell.kind, "account": account}


def _losses(cells: Iterable[Cell]) -> Table:
    """One row for each translation of each kind: how many fields of a full report came through."""
    table = Table("from", "to", "kind", "kept", "rounded", "dropped")
    for cell in cells:
        if cell.account is None:
            table.add_row(cell.source, cell.target, cell.kind, "cannot be said", "", "", style="dim")
            continue
        kept, rounded, dropped = cell.account.kept, cell.account.approximated, cell.account.dropped
        table.add_row(cell.source, cell.target, cell.kind, str(len(kept)), ", ".join(rounded), ", ".join(dropped))
    return table
