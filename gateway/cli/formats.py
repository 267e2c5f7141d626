"""``comity formats``: what each adapter reads and writes."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from adapters import load, names


def formats(*, json: Annotated[bool, typer.Option("--json", help="one JSON array instead of a table")] = False) -> None:
    """List the formats: edition of the specification, and the kinds of message each can read and write."""
    rows = [
        {
            "format": name,
            "edition": adapter.EDITION,
            "media_type": adapter.MEDIA_TYPE,
            "reads": sorted(adapter.READS),
            "writes": sorted(adapter.WRITES),
        }
        for name in names()
        for adapter in [load(name)]
    ]
    if json:
        typer.echo(msgspec.json.encode(rows).decode())
        return
    table = Table("format", "edition", "reads", "writes")
    for row in rows:
        table.add_row(str(row["format"]), str(row["edition"]), ", ".join(row["reads"]), ", ".join(row["writes"]))
    Console().print(table)
