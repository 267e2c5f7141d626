"""One file of a log while it is written: what the kernel has of it, and how much of that is known to be on the disk."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from gateway.audit.lines import CHAIN, leaf_of, link
from gateway.audit.segments import Spot


class Growing:
    """An open file. ``spot`` is where the next line goes, ``synced`` where what is known to be on the disk ends."""

    def __init__(self, path: Path, spot: Spot, flags: int = 0) -> None:
        """Open a file, made with ``flags`` O_CREAT. Raise OSError."""
        self._descriptor = os.open(path, os.O_RDWR | flags, 0o600)
        self.spot = spot
        self.synced = spot
        self.unsynced = True  # also at first: whoever wrote it before us may have been killed
        self.doubtful = False  # the disk has refused: the kernel may count as written what is not

    def append(self, block: bytes, size: int, chain: bytes) -> None:
        """Write whole lines, after which the log has ``size`` with this ``chain``; all or nothing. Raise OSError.

        The file has one writer, so a place is written again after a failure, never behind half a line.
        """
        offset = self.spot.offset
        try:
            self._write(block, offset)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, offset)
            raise
        self.spot = self.spot._replace(size=size, chain=chain, offset=offset + len(block))
        self.unsynced = True

    def handle(self) -> int:
        """A descriptor for another thread, which closes it. Raise OSError."""
        return os.dup(self._descriptor)

    def settle(self, spot: Spot) -> None:
        """Everything before this spot is on the disk."""
        self.synced = spot
        self.unsynced = spot != self.spot
        self.doubtful = False

    def rewrite(self) -> None:
        """Hand the kernel once more what the disk refused, after checking it line by line. Raise OSError.

        After an error the kernel drops what it could not write, and reports success the next time.
        """
        start, chain = self.synced.offset, self.synced.chain
        block = os.pread(self._descriptor, self.spot.offset - start, start)
        for line in block.splitlines():
            chain = link(chain, leaf_of(line[CHAIN + 1 :]))
        if chain != self.spot.chain:
            raise OSError(errno.EIO, "the disk lost lines that were written; restart the gateway")
        self._write(block, start)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def _write(self, block: bytes, offset: int) -> None:
        if os.pwrite(self._descriptor, block, offset) != len(block):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
