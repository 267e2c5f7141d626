"""One partner's gateway as a process of the demonstration: ``python -m gateway.demo.partner FILE``.

An ordinary gateway with one more reader, which tells every outcome on standard output. It stops when its standard
input closes, so that it never outlives the demonstration.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec
import typer
import uvloop

from gateway import app
from gateway.config import load
from gateway.demo.tally import Told
from gateway.exits import reported
from gateway.stream import Outcome

_encode = msgspec.json.Encoder().encode


def tell(outcome: Outcome) -> None:
    """Write one outcome as a line."""
    sys.stdout.buffer.write(_encode(Told(record=outcome.record, data=outcome.data)) + b"\n")
    sys.stdout.buffer.flush()


async def _until_orphaned() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


def main(file: Path) -> None:
    """Run the gateway of a configuration file."""
    with reported():
        uvloop.run(app.run(load(file), app.Eyes((tell,)), _until_orphaned()))


if __name__ == "__main__":
    typer.run(main)
