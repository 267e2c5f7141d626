"""Exit statuses, and the one place where an expected error becomes one: a line or two on stderr, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import typer

from adapters import DecodeError, EncodeError, UnknownFormatError
from gateway.audit import AuditError
from gateway.broker import BrokerError
from gateway.config import ConfigError
from gateway.console.serving import ListenError
from gateway.keyring.keystore import KeyringError
from gateway.links import LinkError
from gateway.spool import SpoolError


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
    except ConfigError as error:
        for fault in error.faults:
            typer.echo(fault, err=True)
        raise typer.Exit(Status.USAGE) from None
    except (UnknownFormatError, LinkError, ListenError, KeyringError, BrokerError, SpoolError) as error:
        typer.echo(str(error.args[0]), err=True)
        raise typer.Exit(Status.USAGE) from None
    except AuditError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(Status.REFUSED) from None
    except DecodeError as error:
        typer.echo(f"refused: {error}", err=True)
        raise typer.Exit(Status.REFUSED) from None
    except EncodeError as error:
        typer.echo(f"cannot be said: {error}", err=True)
        raise typer.Exit(Status.CANNOT_SAY) from None
