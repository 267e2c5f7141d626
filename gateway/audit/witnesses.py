"""What partners' gateways signed about their audits, kept: whoever rewrites a log now contradicts what we hold.

One file for each partner, ``witness/<partner>.checkpoints``, only ever appended to; contradictions are kept like the
rest, since two signatures that cannot both be true are the proof.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from gateway.audit.checkpoints import keep_bundle
from gateway.audit.lines import AuditError
from gateway.audit.statements import append, latest
from gateway.keyring.ring import Keyring
from protocols.envelope import Reject
from protocols.log_checkpoint import CheckpointFault, Growth, LogCheckpoint, read_checkpoint, unpack_verify
from protocols.transparency import follows

FOLDER: Final = "witness"
FILE_MAX: Final = 1 << 30  # bytes for one partner: some years at one checkpoint in five minutes
LOGS_MAX: Final = 64  # logs of one partner that are told apart: one a worker, and those it began anew


class Standing(StrEnum):
    """What a checkpoint says beside those that came before it. Bounded: the reason of a Record."""

    FIRST = "log-first"  # the first of this partner
    FOLLOWS = "log-follows"  # the log has grown, and what it held is still there
    SAME = "log-same"  # we have it already
    UNLINKED = "log-unlinked"  # it has grown since a checkpoint that never reached us; only the log itself can tell
    LATE = "log-late"  # it was overtaken by a newer one
    ANOTHER = "log-another"  # this partner began another log; the old one should still be somewhere
    SHRUNK = "log-shrunk"  # it was longer before: lines are gone
    FORKED = "log-forked"  # other lines stand where there were some before: the log was rewritten


ALARMS: Final = frozenset({Standing.ANOTHER, Standing.SHRUNK, Standing.FORKED})


class Witnessed(NamedTuple):
    """A checkpoint that was taken, and what it says; ``alarm`` where somebody has to ask."""

    checkpoint: LogCheckpoint
    standing: Standing

    @property
    def alarm(self) -> bool:
        """Whether an operator has to be told."""
        return self.standing in ALARMS


class _Known:
    """The checkpoints of one partner that are compared with: the newest of each log, and roots by size."""

    def __init__(self) -> None:
        self.newest: dict[bytes, LogCheckpoint] = {}
        self.roots: dict[tuple[bytes, int], bytes] = {}

    def note(self, checkpoint: LogCheckpoint) -> None:
        """One more. Of two that contradict each other the first stays."""
        before = self.newest.get(checkpoint.log)
        if before is None or before.size < checkpoint.size:
            self.newest[checkpoint.log] = checkpoint
        self.roots.setdefault((checkpoint.log, checkpoint.size), checkpoint.root)

    def standing(self, checkpoint: LogCheckpoint, growth: Growth) -> Standing:
        """What another one says beside these."""
        if checkpoint.log not in self.newest:
            return Standing.ANOTHER if self.newest else Standing.FIRST
        newest = self.newest[checkpoint.log]
        known = self.roots.get((checkpoint.log, checkpoint.size))
        if known is not None:
            return Standing.SAME if known == checkpoint.root else Standing.FORKED
        if checkpoint.size < newest.size:
            return Standing.SHRUNK if checkpoint.at > newest.at else Standing.LATE
        before = self.roots.get((checkpoint.log, growth.past.end))
        if before is None:
            return Standing.UNLINKED
        return Standing.FOLLOWS if follows(before, *growth, checkpoint.root) else Standing.FORKED


class Witnesses:
    """The checkpoints of partners, in one state folder."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._known: dict[str, _Known] = {}

    def take(self, partner: str, data: bytes, keyring: Keyring, now: datetime) -> Witnessed:
        """A checkpoint that came from a partner, on disk when this returns.

        ``partner``: whose verified unit sent it. Raise Reject for one that does not verify or is of somebody else,
        AuditError and OSError when it cannot be kept: then the sender is not to be told that it was.
        """
        attested, growth = unpack_verify(data, keyring.roster, now.timestamp())
        checkpoint = attested.checkpoint
        if checkpoint.partner != partner:
            raise Reject(CheckpointFault.WRONG_PARTNER)
        known = self._of(partner)
        standing = known.standing(checkpoint, growth)
        if standing is Standing.SAME:
            return Witnessed(checkpoint, standing)
        path = witness_file(self._state, partner)
        if (standing is Standing.ANOTHER and len(known.newest) >= LOGS_MAX) or _size(path) > FILE_MAX:
            raise Reject(CheckpointFault.TOO_MANY)
        keep_bundle(self._state, partner, keyring.bundle_file(partner))
        append(path, attested.statement, int(now.timestamp()))
        known.note(checkpoint)
        return Witnessed(checkpoint, standing)

    def latest(self, partner: str) -> LogCheckpoint | None:
        """The newest that came from a partner, by its own clock. Raise AuditError."""
        return max(self._of(partner).newest.values(), key=lambda each: each.at, default=None)

    def _of(self, partner: str) -> _Known:
        """What is known of a partner, read from the disk at first."""
        if partner not in self._known:
            known, path = _Known(), witness_file(self._state, partner)
            try:
                for statement in latest(path):
                    known.note(read_checkpoint(statement))
            except Reject:
                raise AuditError(f"{path}: not a checkpoint") from None
            self._known[partner] = known
        return self._known[partner]


def witness_file(state: Path, partner: str) -> Path:
    """Where the checkpoints of a partner are kept."""
    return state / FOLDER / f"{partner}.checkpoints"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
