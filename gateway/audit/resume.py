"""Where a writer goes on: the end of the log as it was left, by an orderly stop, a killed process or a power cut.

What a crash left unfinished is cut off: half a line that was never committed, or, after a power cut, what begins with a
line that the disk wrote in part; that is kept beside the log. A whole line that does not follow is another matter, and
so is one that was signed or is known to be on disk: then the gateway does not start.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from gateway.audit.lines import AuditError
from gateway.audit.place import Place, find_place
from gateway.audit.segments import BEGINNING, BrokenError, Spot, Walk, segments
from gateway.audit.statements import latest
from gateway.audit.tree import Tree
from protocols.envelope import Reject
from protocols.log_checkpoint import LOG_ID, LogCheckpoint, read_checkpoint

LOST_MAX: Final = 1 << 24  # bytes that a power cut may have spoilt: far more than is written between two syncs
_WHOLE: Final = re.compile(rb"[0-9a-f]{64} [0-9a-f]{32} \{.*\}")  # a line as it is written, so not spoilt by the disk


class Resumed(NamedTuple):
    """A log ready to go on. ``lost``: bytes of whole lines that did not follow and were put aside."""

    log: bytes
    spot: Spot
    tree: Tree
    lost: int


def checkpoint_file(file: Path) -> Path:
    """Where a log's own checkpoints are kept."""
    return file.with_suffix(".checkpoints")


def last_signed(file: Path) -> LogCheckpoint | None:
    """The newest checkpoint of a log, as it was kept. Raise AuditError."""
    kept = latest(checkpoint_file(file))[-1:]
    try:
        return read_checkpoint(kept[0]) if kept else None
    except Reject:
        raise AuditError(f"{checkpoint_file(file)}: the last line is not a checkpoint") from None


def resume(file: Path) -> Resumed:
    """Go through what is not known yet, cut what a crash left unfinished. Raise AuditError, OSError."""
    if not segments(file):
        file.touch(mode=0o600)
    signed = last_signed(file)
    place = _place(file, signed)
    spot, log, tree = (place.spot, place.log, place.tree()) if place else (BEGINNING, b"", Tree())
    known = max(spot.size, signed.size if signed else 0)
    walk, lost = Walk(file, spot), 0
    try:
        for line in walk:
            tree.push(line.leaf)
            log = log or line.chain[:LOG_ID]
            if signed is not None and line.number == signed.size:
                _check(file, signed, log, line.chain, tree)
        end = walk.spot
    except BrokenError as broken:
        if broken.spot.size < known or broken.path != segments(file)[-1].path:
            raise
        end, lost = broken.spot, _put_aside(broken)
    if signed is not None and end.size < signed.size:
        raise AuditError(f"{file}: ends at line {end.size}, but {signed.size} lines were signed {_when(signed)}")
    if walk.torn or lost:
        os.truncate(segments(file)[-1].path, end.offset)
    if not file.exists():
        file.touch(mode=0o600)
        end = Spot(end.size, end.chain, end.size + 1)
    return Resumed(log, end, tree, lost)


def _place(file: Path, signed: LogCheckpoint | None) -> Place | None:
    """The place that was kept, when it goes on from the last checkpoint, or lies before it."""
    place = find_place(file)
    if place is None or signed is None or place.spot.size < signed.size:
        return place
    past = place.growth.past
    return place if (place.log, past.end, past.root()) == (signed.log, signed.size, signed.root) else None


def _check(file: Path, signed: LogCheckpoint, log: bytes, chain: bytes, tree: Tree) -> None:
    """Compare the log, read up to its last checkpoint, with that; from here its growth is counted. Raise AuditError."""
    growth = tree.split()
    tree.settle(signed.size)
    root = growth.past.joined(growth.recent).root()
    if (log, chain, root) != (signed.log, signed.chain, signed.root):
        raise AuditError(f"{file}: lines 1 to {signed.size} are not what was signed {_when(signed)}")


def _put_aside(broken: BrokenError) -> int:
    """Keep what stands from a line on that a power cut spoilt. Raise BrokenError when it was not that, OSError."""
    with broken.path.open("rb") as log:
        log.seek(broken.spot.offset)
        data = log.read(LOST_MAX + 1)
    if len(data) > LOST_MAX or _WHOLE.fullmatch(data.partition(b"\n")[0]):
        raise broken
    kept = broken.path.with_name(f"{broken.path.stem}.torn-{broken.spot.size + 1}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    return len(data)


def _when(signed: LogCheckpoint) -> str:
    return f"{datetime.fromtimestamp(signed.at, UTC):%Y-%m-%dT%H:%M:%SZ}"
