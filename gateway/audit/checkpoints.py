"""Our checkpoints: made every so many lines or minutes, kept beside the log, and handed to the partners as witnesses.

A checkpoint is signed only over lines that are on the disk, so that no power cut makes it look as if lines had been
taken away. Every bundle that vouches for one is kept with them: keys change, and what they signed is asked for later.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from gateway.audit.lines import AuditError
from gateway.audit.resume import checkpoint_file, last_signed
from gateway.audit.statements import append
from gateway.audit.writer import Audit
from gateway.durable import write_private
from gateway.keyring.keystore import KeyringError
from gateway.keyring.ring import Keyring
from protocols.log_checkpoint import FORMAT, LogCheckpoint, pack_checkpoint, payload_of
from protocols.schedule import LOG_SIGNED

BUNDLES: Final = "bundles"  # below a log's folder of witnesses and vouchers
_log = logging.getLogger("comity.audit")


class Rhythm(NamedTuple):
    """When a checkpoint is due: after so many lines, or after so many seconds in which any were written."""

    lines: int = 10_000
    seconds: float = 900.0
    again_s: float = 60.0  # after one could not be made


class Checkpoints:
    """Makes the checkpoints of one log."""

    def __init__(self, audit: Audit, keyring: Keyring, rhythm: Rhythm = Rhythm()) -> None:  # noqa: B008 - never changed
        """Go on from the newest one that was kept. Raise AuditError."""
        self._audit = audit
        self._keyring = keyring
        self._rhythm = rhythm
        self._failed_s = float("-inf")
        self.latest: LogCheckpoint | None = last_signed(audit.path)

    async def due(self, now: datetime) -> bytes | None:
        """What every partner is to be sent now, if anything. Call it every second or so; it does not raise."""
        latest, now_s = self.latest, now.timestamp()
        if abs(now_s - self._failed_s) < self._rhythm.again_s:
            return None
        lines = self._audit.size - (0 if latest is None else latest.size)
        waited_s = float("inf") if latest is None else abs(now_s - latest.at)  # a clock may have been put back
        if lines and (lines >= self._rhythm.lines or waited_s >= self._rhythm.seconds):
            return await self._make(now)
        return None

    async def last(self, now: datetime) -> bytes | None:
        """As ``due``, before a gateway stops: what was written since the last one is covered too."""
        self._audit.commit()
        if self._audit.size == (0 if self.latest is None else self.latest.size):
            return None
        return await self._make(now)

    async def _make(self, now: datetime) -> bytes | None:
        point = self._audit.point()
        if point is None:
            return None
        try:
            await self._audit.sync()
            checkpoint = LogCheckpoint(
                format=FORMAT,
                partner=self._keyring.partner,
                log=point.log,
                size=point.size,
                root=point.growth.past.joined(point.growth.recent).root(),
                chain=point.chain,
                at=int(now.timestamp()),
            )
            statement = self._keyring.attest(LOG_SIGNED, payload_of(checkpoint))
            await asyncio.to_thread(self._keep, statement, checkpoint.at)
        except (AuditError, KeyringError, OSError) as error:
            _log.warning("no checkpoint of the audit could be made: %s", error)
            self._failed_s = now.timestamp()
            return None
        self._audit.signed(point.size)
        self.latest = checkpoint
        return pack_checkpoint(statement, point.growth)

    def _keep(self, statement: bytes, at_s: int) -> None:
        keep_bundle(self._audit.path.parent, self._keyring.partner, self._keyring.bundle_file(self._keyring.partner))
        append(checkpoint_file(self._audit.path), statement, at_s)


def keep_bundle(state: Path, partner: str, data: bytes) -> None:
    """Keep a bundle that vouches for a checkpoint, once. Raise OSError."""
    path = vouchers(state) / f"{partner}.{hashlib.sha256(data).hexdigest()[:16]}.bundle"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, data)


def vouchers(state: Path) -> Path:
    """Where the bundles are kept that vouch for checkpoints."""
    return state / "witness" / BUNDLES
