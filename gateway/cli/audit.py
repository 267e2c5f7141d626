"""``comity audit``: read and verify the log of a gateway, offline; prove one message to somebody else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import typer

from gateway.audit.checkpoints import vouchers
from gateway.audit.lines import AuditError
from gateway.audit.proof import PROOF_MAX, check_proof, prove, read_proof, write_proof
from gateway.audit.reading import read
from gateway.audit.resume import checkpoint_file
from gateway.audit.segments import logs_in
from gateway.audit.statements import statements
from gateway.audit.trace import trace
from gateway.audit.verification import Verified, claims, shared_out
from gateway.audit.verification import verify as verify_log
from gateway.audit.vouchers import Vouchers
from gateway.cli.secrets import Json, Out, explained, write_file
from gateway.config import load
from gateway.exits import reported
from gateway.keyring.holdings import BUNDLES
from protocols.record import Event, Record

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Read and verify the audit of a gateway, offline; prove one message.",
)
WHERE = "a gateway's TOML file, its state folder, or an audit.log"
AT = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"]
Where = Annotated[Path, typer.Argument(metavar="FILE", help=WHERE)]


class Wanted(NamedTuple):
    """Which records are listed: all that agree with everything that is given. Times in UTC."""

    since: datetime | None
    until: datetime | None
    unit: str | None
    message: str | None
    event: Event | None
    reason: str | None

    def holds(self, record: Record) -> bool:
        """Whether a record is one of them."""
        return (
            (self.since is None or record.at >= self.since)
            and (self.until is None or record.at < self.until)
            and (self.unit is None or self.unit in {record.source, record.destination})
            and (self.message is None or self.message == record.message)
            and (self.event is None or self.event is record.event)
            and (self.reason is None or self.reason == record.reason)
        )

    def needle(self) -> bytes:
        """Bytes that stand in every record that is wanted, so that the others need not be read."""
        known = self.message or self.unit or self.reason
        return b"" if known is None else msgspec.json.encode(known)


def located(path: Path) -> list[Path]:
    """The logs that a path means, one for each worker. Raise ConfigError for a configuration that cannot be read."""
    return logs_in(load(path).state if path.suffix == ".toml" else path)


def line_of(record: Record) -> str:
    """One record for people."""
    way = f"{record.source or '?'} -> {record.destination or '?'}"
    what = f"{record.event} {record.reason or ''}".strip()
    return f"{record.at:%Y-%m-%dT%H:%M:%SZ}  {what:28} {record.subject_kind or '-':8} {way}"


@app.command("list")
def show(  # noqa: PLR0913 - each parameter is an option of the command
    file: Where,
    *,
    since: Annotated[datetime | None, typer.Option(formats=AT, help="UTC")] = None,
    until: Annotated[datetime | None, typer.Option(formats=AT, help="UTC, not itself")] = None,
    unit: Annotated[str | None, typer.Option(help="source or destination, partner/unit")] = None,
    message: Annotated[str | None, typer.Option(help="id of a message")] = None,
    event: Annotated[Event | None, typer.Option(help="what happened")] = None,
    reason: Annotated[str | None, typer.Option(help="reason code")] = None,
    json: Json = False,
) -> None:
    """Print records, oldest first. Every line is verified on the way."""
    wanted = Wanted(_utc(since), _utc(until), unit, message, event, reason)
    with reported():
        logs = [read(log, wanted.needle()) for log in located(file)]
        for entry in merge(*logs, key=lambda each: each.record.at):
            if wanted.holds(entry.record):
                record = entry.record
                typer.echo(msgspec.json.encode(record).decode() if json else line_of(record))


@app.command()
def verify(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help=WHERE)] = None,
    *,
    witness: Annotated[list[Path] | None, typer.Option(help="checkpoints that a partner kept; repeat")] = None,
    bundle: Annotated[
        list[Path] | None, typer.Option(help="bundle of a signer; repeat; else those kept beside")
    ] = None,
    proof: Annotated[Path | None, typer.Option(help="instead of a log: a proof of one message")] = None,
) -> None:
    """Check that no record was removed, changed, moved or added. Status 3, and which line, when one was.

    A partner keeps our checkpoints in its state folder, witness/<us>.checkpoints: only they show a tail that was cut.
    """
    if bool(files) == (proof is not None):
        raise typer.BadParameter("give a FILE, or --proof and --bundle")
    with explained():
        logs = [log for path in files or [] for log in located(path)]
        told = _verified(logs, witness or [], bundle or []) if proof is None else _proved(proof, bundle or [])
        for line in told:
            typer.echo(line)


@app.command("prove")
def make_proof(
    message: Annotated[str, typer.Argument(metavar="MESSAGE-ID", help="id of the message")],
    file: Where,
    *,
    out: Out = Path("-"),
) -> None:
    """Write what was recorded of one message so that a third party can verify it, and sees nothing of any other."""
    with explained():
        log = _log_about(message, located(file))
        kept = checkpoint_file(log)
        signed = [statement for _, statement in statements(kept)] if kept.exists() else []
        write_file(out, write_proof(prove(log, signed, message)))


def _verified(logs: list[Path], witness: list[Path], bundle: list[Path]) -> Iterator[str]:
    beside = [path for log in logs for folder in _beside(log) for path in sorted(folder.glob("*.bundle"))]
    known = Vouchers.read(bundle or beside) if bundle or beside else None
    shared = shared_out(logs, [claim for path in witness for claim in claims(path, known, own=False)])
    for log, found in shared.items():
        own = checkpoint_file(log)
        held = verify_log(log, [*(claims(own, known, own=True) if own.exists() else ()), *found])
        which = "" if len(logs) == 1 else f"{log}: "
        files = "" if held.files == 1 else f" in {held.files} files"
        yield f"{which}{held.lines} records hold{files}; last link {held.chain.hex()}"
        yield f"{which}{_covered(held, known)}"


def _beside(log: Path) -> tuple[Path, Path]:
    """Where a gateway keeps the bundles that vouch for its checkpoints."""
    return log.parent / BUNDLES, vouchers(log.parent)


def _log_about(message: str, logs: list[Path]) -> Path:
    """The one of these logs that says something of a message. Raise AuditError."""
    if len(logs) == 1:
        return logs[0]
    about = sorted({step.file for step in trace(message, logs)})
    if len(about) > 1:
        raise AuditError(f"several workers recorded it; prove it from each: {', '.join(map(str, about))}")
    return (about or logs)[0]


def _covered(held: Verified, known: Vouchers | None) -> str:
    """What the checkpoints say, and what would go unnoticed."""
    signatures = "" if known is not None else ", their signatures NOT verified (no bundle given)"
    if held.own + held.witnesses == 0:
        return "no checkpoint was compared: a tail that was cut off, or a log written anew, would go unnoticed"
    told = f"{held.own} checkpoints beside it and {held.witnesses} of witnesses agree{signatures}"
    if not held.witnesses:
        return f"{told}; without --witness a tail cut off together with its checkpoints would go unnoticed"
    return f"{told}; witnessed up to line {held.witnessed}"


def _proved(path: Path, bundle: list[Path]) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            proof = read_proof(file.read(PROOF_MAX + 1))
    except OSError as error:
        raise AuditError(f"{path}: {error.strerror}") from None
    known = Vouchers.read(bundle)
    shown = check_proof(proof, known)
    stated, at = shown.attested.checkpoint, datetime.fromtimestamp(shown.attested.checkpoint.at, UTC)
    yield f"{len(shown.entries)} records of message {proof.message} hold: {shown.attested.signer} signed {stated.size} \
lines, {at:%Y-%m-%dT%H:%M:%SZ}"
    for digits in known.fingerprints(stated.partner):
        yield f"compare the fingerprint of {stated.partner} by voice: {digits}"
    for entry in shown.entries:
        yield line_of(entry.record)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
