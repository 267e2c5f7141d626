"""Exit statuses, and the one place where an expected error becomes one: a line or two on stderr, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from adapters import DecodeError, EncodeError, UnknownFormatError
from gateway.errors import OperatorError


class Status(IntEnum):
    """Exit statuses of every command."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    REFUSED = 3
    CANNOT_SAY = 4
    WITHHELD = 5


@contextmanager
def reported() -> Iterator[None]:
    """Turn the errors that operators can cause or mend into their message and exit status."""
    try:
        yield
    except OperatorError as error:
        for line in error.lines:
            typer.echo(line, err=True)
        raise typer.Exit(Status.REFUSED if error.refused else Status.USAGE) from None
    except UnknownFormatError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(Status.USAGE) from None
    except DecodeError as error:
        typer.echo(f"refused: {error}", err=True)
        raise typer.Exit(Status.REFUSED) from None
    except EncodeError as error:
        typer.echo(f"cannot be said: {error}", err=True)
        raise typer.Exit(Status.CANNOT_SAY) from None
