"""``comity translate``: one frame from one format to another, with what was lost on the way."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from adapters import Encoded, load
from gateway.cli.inputs import JSON, decode_input, read_input
from gateway.exits import reported
from gateway.formats.fidelity import account
from gateway.formats.home import keep, restored
from protocols.message import Message, to_json

app = typer.Typer(add_completion=False)


@app.command()
def translate(
    source: Annotated[str, typer.Option("--from", help="format of the input, or json")],
    to: Annotated[str, typer.Option("--to", help="format of the output, or json")],
    path: Annotated[Path, typer.Argument(help="file to read, - for standard input", allow_dash=True)] = Path("-"),
    *,
    report: Annotated[bool, typer.Option("--report", help="loss report, as JSON on stderr")] = False,
) -> None:
    """Translate one frame. Status 3: the input is refused; 4: the target format cannot say it."""
    with reported():
        data = read_input(path)
        messages = decode_input(source, data)
        if source != JSON and len(messages) == 1:
            messages = [keep(messages[0], source, data)]
        written = [_encode(to, message) for message in messages]
    for message, encoded in zip(messages, written, strict=True):
        sys.stdout.buffer.write(encoded.data if encoded.data.endswith(b"\n") else encoded.data + b"\n")
        if report:
            typer.echo(msgspec.json.encode(_report(message, encoded)).decode(), err=True)


def _encode(name: str, message: Message) -> Encoded:
    """In the format asked for; what went through JSON and was not touched comes back as the bytes that it was."""
    return Encoded(to_json(message)) if name == JSON else restored(message, name) or load(name).encode(message)


def _report(message: Message, encoded: Encoded) -> dict[str, object]:
    losses = (*message.loss, *encoded.loss)
    return {
        "message": message.id,
        "kind": message.kind,
        "kept": account(message, encoded).kept,
        "dropped": [{"field": loss.field, "reason": loss.reason} for loss in losses if not loss.approximated],
        "approximated": [{"field": loss.field, "reason": loss.reason} for loss in losses if loss.approximated],
        "derived": [
            {"field": each.field, "source": each.source, "rule": each.rule}
            for each in (*message.derived, *encoded.derived)
        ],
    }
