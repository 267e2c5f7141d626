"""What was received and handed over, on disk: so that a replay after a restart is refused. Never a key.

A log of fixed records over a snapshot. An append reaches the kernel before the call returns, which outlives the
process; a power cut may lose the newest records, and then a repeat is recognised by its message id.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import Final

import msgpack

from gateway.durable import write_private
from gateway.keyring.keystore import KeyringError
from protocols.envelope import ENVELOPES_MAX
from protocols.replay import Received

LOG: Final = "replay.log"
LOCK: Final = "replay.lock"
SNAPSHOT: Final = "replay.snapshot"
LOG_MAX: Final = 1 << 22  # bytes of log after which a snapshot is taken
_EPOCHS_MAX = 1 << 20
_RECORD = struct.Struct(">c8sI3x")  # 16 bytes, so that none crosses a page and none is ever written in part
_EPOCH, _OPENED, _SETTLED, _BURIED = b"E", b"O", b"S", b"T"


class _Kept:
    """What is known of one epoch."""

    __slots__ = ("doubtful", "opened", "settled", "until_s")

    def __init__(self, until_s: int, settled: bytes = b"", opened: bytes = b"") -> None:
        self.until_s = until_s
        self.settled = Received(settled)
        self.opened = Received(opened)
        self.doubtful = Received()  # opened before this start, and not known to be handed over


class Journal:
    """The receiving side's memory across restarts."""

    def __init__(self, directory: Path, now_s: float) -> None:
        """Read what is there, drop what expired, and begin a new log. Raise KeyringError."""
        self._directory = directory
        self._epochs: dict[bytes, _Kept] = {}
        self._buried: dict[bytes, int] = {}
        try:
            self._read_snapshot()
            self._read_log()
        except (OSError, ValueError, TypeError) as error:
            raise KeyringError(f"the replay journal in {directory} is damaged: {type(error).__name__}") from None
        for kept in self._epochs.values():
            for seq in range(kept.opened.highest + 1):
                if seq in kept.opened and seq not in kept.settled:
                    kept.doubtful.mark(seq)
        self._size = 0
        self._lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        self._log = os.open(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.sweep(now_s)
        self._compact()

    def epoch(self, eid: bytes, until_s: int) -> None:
        """Take note of an epoch and until when it can bring envelopes; the same one again changes nothing."""
        if eid not in self._epochs:
            self._epochs[eid] = _Kept(until_s)
            self._append(_EPOCH, eid, until_s)

    def opened(self, eid: bytes, seq: int) -> None:
        """An envelope was opened and is about to be delivered."""
        self._epochs[eid].opened.mark(seq)
        self._append(_OPENED, eid, seq)

    def settle(self, eid: bytes, seq: int) -> None:
        """An envelope's messages were handed over durably: it is never delivered again."""
        kept = self._epochs.get(eid)
        if kept is not None:
            kept.settled.mark(seq)
            self._append(_SETTLED, eid, seq)

    def bury(self, eid: bytes, until_s: int) -> None:
        """An epoch was closed for good."""
        self._epochs.pop(eid, None)
        self._buried[eid] = until_s
        self._append(_BURIED, eid, until_s)

    def doubtful(self, eid: bytes, seq: int) -> bool:
        """Whether this envelope was opened before the last start and may have been delivered then."""
        kept = self._epochs.get(eid)
        return kept is not None and seq in kept.doubtful

    def received(self, eid: bytes) -> Received | None:
        """Which envelopes of an epoch were handed over durably."""
        kept = self._epochs.get(eid)
        return None if kept is None else kept.settled

    def settled(self) -> dict[bytes, bytes]:
        """For each epoch, the bitmap of what was handed over."""
        return {eid: kept.settled.bits() for eid, kept in self._epochs.items()}

    def buried(self) -> dict[bytes, int]:
        """The epochs that were closed, and until when they stay refused (Unix seconds)."""
        return dict(self._buried)

    def sweep(self, now_s: float) -> None:
        """Forget epochs that have expired."""
        self._epochs = {eid: kept for eid, kept in self._epochs.items() if now_s <= kept.until_s}
        self._buried = {eid: until_s for eid, until_s in self._buried.items() if now_s <= until_s}

    def close(self) -> None:
        """Let go of the files."""
        os.close(self._log)
        os.close(self._lock)

    def _append(self, kind: bytes, eid: bytes, number: int) -> None:
        self._size += os.write(self._log, _RECORD.pack(kind, eid, number))
        if self._size > LOG_MAX:
            self._compact()

    def _compact(self) -> None:
        """Write the snapshot, then begin the log anew; a crash in between only repeats records.

        Where another process keeps the same journal, whoever came first does this; the other only appends.
        """
        self._size = 0
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        epochs = [[eid, k.until_s, k.settled.bits(), k.opened.bits()] for eid, k in self._epochs.items()]
        write_private(self._directory / SNAPSHOT, msgpack.packb([epochs, list(self._buried.items())]))
        os.ftruncate(self._log, 0)

    def _read_snapshot(self) -> None:
        path = self._directory / SNAPSHOT
        if not path.exists():
            return
        epochs, buried = msgpack.unpackb(
            path.read_bytes(), use_list=False, max_array_len=_EPOCHS_MAX, max_bin_len=ENVELOPES_MAX // 8, max_map_len=0
        )
        self._epochs = {eid: _Kept(*fields) for eid, *fields in epochs}
        self._buried = dict(buried)

    def _read_log(self) -> None:
        """Replay the log. A torn last record is what a crash leaves, and was never acted upon."""
        path = self._directory / LOG
        data = path.read_bytes() if path.exists() else b""
        whole = len(data) - len(data) % _RECORD.size
        for kind, eid, number in _RECORD.iter_unpack(data[:whole]):
            if kind == _EPOCH:
                self._epochs.setdefault(eid, _Kept(number))
            elif kind == _BURIED:
                self._epochs.pop(eid, None)
                self._buried[eid] = number
            elif eid in self._epochs and kind in (_OPENED, _SETTLED):
                kept = self._epochs[eid]
                (kept.opened if kind == _OPENED else kept.settled).mark(number)
