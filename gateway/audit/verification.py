"""Whether a log is what its gateway wrote: each line follows, and it says what was signed and what witnesses hold.

Offline: the log, checkpoints, and bundles of those who signed them. The chain finds the line at which something was
done by somebody who left the rest alone; a checkpoint finds what was rewritten from a line on, or cut off the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from gateway.audit.lines import GENESIS, AuditError
from gateway.audit.segments import Walk, segments
from gateway.audit.statements import statements
from gateway.audit.vouchers import Vouchers
from protocols.envelope import Reject
from protocols.log_checkpoint import LOG_ID, LogCheckpoint, read_checkpoint
from protocols.transparency import Range

_BLOCK: Final = 4096  # lines between two times that the tree is brought up to date


class Claim(NamedTuple):
    """What a checkpoint says of a log, and where it stands; ``own``: beside the log, and not at a witness."""

    checkpoint: LogCheckpoint
    where: str
    own: bool

    def __str__(self) -> str:
        at = datetime.fromtimestamp(self.checkpoint.at, UTC)
        return f"{self.checkpoint.partner} signed {at:%Y-%m-%dT%H:%M:%SZ} ({self.where})"


class Verified(NamedTuple):
    """A log that holds. ``witnessed``: how many of its lines a witness's checkpoint covers."""

    lines: int
    files: int
    chain: bytes
    own: int
    witnesses: int
    signed: int
    witnessed: int


def claims(path: Path, vouchers: Vouchers | None, *, own: bool) -> Iterator[Claim]:
    """The checkpoints of a file, their signatures verified where bundles are given. Raise AuditError."""
    for number, statement in statements(path):
        where = f"{path}:{number}"
        try:
            checkpoint = read_checkpoint(statement) if vouchers is None else vouchers.attest(statement).checkpoint
        except Reject as refusal:
            raise AuditError(f"{where}: the checkpoint does not hold: {refusal}") from None
        yield Claim(checkpoint, where, own)


def shared_out(files: Sequence[Path], found: Iterable[Claim]) -> dict[Path, list[Claim]]:
    """Which of these logs each checkpoint is of. Raise AuditError for one that is of none of them."""
    shared: dict[Path, list[Claim]] = {file: [] for file in files}
    ids = {line.chain[:LOG_ID]: file for file in files for line in islice(Walk(file), 1)}
    for claim in found:
        file = ids.get(claim.checkpoint.log, files[0] if len(files) == 1 else None)
        if file is None:
            raise AuditError(f"none of these is the log that {claim}")
        shared[file].append(claim)
    return shared


def verify(file: Path, found: Iterable[Claim]) -> Verified:
    """Read a log from its first line to its last and compare. Raise AuditError: one line, with the number of a line."""
    due = sorted(found, key=lambda each: each.checkpoint.size)
    walk, tree, held = Walk(file), Range(), 0
    leaves: list[bytes] = []
    size, chain, stop = 0, GENESIS, 1
    for size, chain, leaf, _ in walk:
        leaves.append(leaf)
        if size < stop:
            continue
        tree.extend(leaves)
        leaves.clear()
        if size == 1:
            _same_log(file, due, chain[:LOG_ID])
        while held < len(due) and due[held].checkpoint.size == size:
            _compare(file, due, held, chain, tree)
            held += 1
        stop = min(due[held].checkpoint.size if held < len(due) else size + _BLOCK, size + _BLOCK)
    if held < len(due):
        last = due[-1]
        raise AuditError(f"{file}: ends at line {size}, but there were {last.checkpoint.size} when {last}")
    own = [each.checkpoint.size for each in due if each.own]
    witnesses = [each.checkpoint.size for each in due if not each.own]
    counts = len(own), len(witnesses), max(own, default=0), max(witnesses, default=0)
    return Verified(size, len(segments(file)), chain, *counts)


def _same_log(file: Path, due: list[Claim], log: bytes) -> None:
    """Whether the checkpoints are of this log: its first line tells it from all others. Raise AuditError."""
    for claim in due:
        if claim.checkpoint.log != log:
            raise AuditError(f"{file}:1: is not the first line of the log that {claim}")


def _compare(file: Path, due: list[Claim], held: int, chain: bytes, tree: Range) -> None:
    """Compare the log so far with one checkpoint. Raise AuditError with the lines among which something was done."""
    claim = due[held]
    if (chain, tree.root()) == (claim.checkpoint.chain, claim.checkpoint.root):
        return
    good = due[held - 1].checkpoint.size if held else 0
    between = f"{good + 1} to {claim.checkpoint.size}"
    raise AuditError(f"{file}: of lines {between} at least one is not what it was when {claim}")
