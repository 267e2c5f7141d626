"""What the key and partner commands share: the secret of a state directory, and what a refusal means to an operator."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.durable import write_private
from gateway.exits import Status, reported
from gateway.keyring.holdings import KEYS, Holdings
from gateway.keyring.keystore import (
    CREDENTIALS,
    KeyringError,
    Secret,
    SecretKind,
    check_secret,
    find_secret,
)
from protocols.countersign import AgreementFault
from protocols.envelope import ENVELOPE_MAX, Refusal, Reject
from protocols.statement import BundleFault

State = Annotated[Path, typer.Argument(help="state directory of the gateway or unit", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="JSON instead of text")]
Out = Annotated[Path, typer.Option("--out", help="file to write, - for standard output", allow_dash=True)]

ADVICE: Final[Mapping[StrEnum, str]] = {
    BundleFault.TOO_LARGE: "ask the partner for a bundle of at most 1 MiB",
    BundleFault.MALFORMED: "the file is damaged or not of this kind: ask for it again",
    BundleFault.WRONG_PARTNER: "check which partner's file this is",
    BundleFault.WRONG_ROOT: "import the bundle that changed the roots first, or compare fingerprints by voice again",
    BundleFault.BAD_SIGNATURE: "the file was altered: ask for it again over another channel",
    BundleFault.ROLLED_BACK: "a newer bundle is known: ask the partner for its newest",
    BundleFault.FORKED: "two bundles of one version exist: call the partner, its root may be stolen",
    BundleFault.EXPIRED: "ask the partner for a fresh bundle",
    BundleFault.NOT_YET_VALID: "check the clock of this machine",
    BundleFault.WEAK_KEY: "the partner has to replace the key: anybody could sign with it",
    BundleFault.KEY_COLLISION: "a key stands there twice, or is another partner's: it has to issue another bundle",
    BundleFault.FINGERPRINT_MISMATCH: "do not import it: compare the forty digits by voice, with a second person",
    AgreementFault.OTHER_WORDS: "compare the tables: every partner's has to say the same, then sign again",
    AgreementFault.STRANGER: "it is of none of the agreement's partners, or of a partner that is not pinned",
    BundleFault.NOT_PINNED: "import it with --fingerprint, after comparing the forty digits by voice",
}


@contextmanager
def explained() -> Iterator[None]:
    """As ``reported``, and a refusal of the sealing layer is its code and what to do: status 3."""
    with reported():
        try:
            yield
        except Reject as refusal:
            advice = ADVICE.get(refusal.code)
            typer.echo(f"refused: {refusal.code}" + (f": {advice}" if advice else ""), err=True)
            raise typer.Exit(Status.REFUSED) from None


def unlock(directory: Path) -> Secret:
    """The secret of a state directory: credential, key file, or asked for. Raise KeyringError, also without keys."""
    if not (directory / KEYS).exists():
        raise KeyringError(f"no keys in {directory}: name another state directory, or make them (comity key new)")
    return found(directory) or ask(f"passphrase of {directory}")


def found(directory: Path) -> Secret | None:
    """The secret of a state directory where nobody has to be asked for it. Raise KeyringError."""
    credentials = os.environ.get(CREDENTIALS)
    return find_secret(directory, None if credentials is None else Path(credentials))


def ask(question: str, *, confirm: bool = False) -> Secret:
    """A passphrase from the terminal; never from an argument. Raise KeyringError where there is none."""
    if not _terminal():
        raise KeyringError(f"no {question} given: use a key file, a systemd credential or a terminal")
    text = typer.prompt(question, hide_input=True, confirmation_prompt=confirm, err=True)
    return check_secret(Secret(SecretKind.PASSPHRASE, text.encode()))


def _terminal() -> bool:
    return sys.stdin.isatty()


def holdings(directory: Path) -> Holdings:
    """An unlocked state directory. Raise KeyringError."""
    return Holdings.open(directory, unlock(directory))


def read_file(path: Path) -> bytes:
    """A file that came from a partner. Raise KeyringError."""
    try:
        with path.open("rb") as file:
            data = file.read(ENVELOPE_MAX + 1)
    except OSError as error:
        raise KeyringError(f"{path}: {error.strerror}") from None
    if len(data) > ENVELOPE_MAX:
        raise Reject(Refusal.TOO_LARGE)
    return data


def write_file(path: Path, data: bytes) -> None:
    """Write what is handed to a partner. Raise KeyringError."""
    if str(path) == "-":
        sys.stdout.buffer.write(data)
        return
    try:
        write_private(path, data)
    except OSError as error:
        raise KeyringError(f"{path}: {error.strerror}") from None


def now_s() -> int:
    """This machine's clock, Unix seconds."""
    return int(datetime.now(UTC).timestamp())
