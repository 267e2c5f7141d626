"""The writer of the log: takes Records, chains them, and has them in the file before anything is acknowledged.

An append reaches the kernel with ``commit``, which outlives this process; the disk follows within a second, beside the
traffic (``keep``). So a power cut may take the records of the last second, and nothing else does. While the file
cannot be written nothing is acknowledged and nothing sealed (``committed``), and it goes on by itself.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

from gateway.audit.growing import Growing
from gateway.audit.lines import GENESIS, AuditError, Salts, leaf_of, link
from gateway.audit.place import Place, keep_place
from gateway.audit.resume import resume
from gateway.audit.segments import Spot, aside
from gateway.audit.tree import Tree
from gateway.durable import sync_folder
from gateway.stream import Outcome
from protocols.log_checkpoint import LOG_ID, Growth

SEGMENT_BYTES: Final = 1 << 27  # bytes after which a file is full; about 250 000 lines
SYNC_S: Final = 1.0  # seconds between two times that the disk is waited for
PLACE_LINES: Final = 50_000  # lines after which the place is kept anew; they are read again at a start, 0.3 s
RETRY_S: Final = 0.1  # seconds before what could not be written is tried again, at first
RETRY_MAX_S: Final = 2.0

_encode = msgspec.json.Encoder().encode
_log = logging.getLogger("comity.audit")


class Point(NamedTuple):
    """The log at one moment, and how its tree grew since the last checkpoint."""

    log: bytes
    size: int
    chain: bytes
    growth: Growth


class Audit:
    """The writer. A reader of the Record stream, and the first."""

    def __init__(self, file: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.path = file
        self._segment_bytes = segment_bytes
        self._salts = Salts()
        self._pending: list[bytes] = []
        self._leaves: list[bytes] = []
        self._chain = GENESIS
        self._log_id = b""
        self._tree = Tree()
        self._lock = -1
        self._files: list[Growing] = []  # full ones that are not on the disk yet, and the one that grows
        self._syncing = asyncio.Lock()
        self._placed = 0
        self._named = False  # whether the names of the files are on the disk
        self._fault: str | None = None
        self.lost = 0  # bytes of lines that a power cut spoilt, put aside at the start

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise AuditError(f"audit {self.path}: {error.strerror}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two writers would fork the chain
            self._log_id, spot, self._tree, self.lost = resume(self.path)
            self._files = [Growing(self.path, spot)]
        except AuditError:
            os.close(self._lock)
            raise
        except OSError as error:
            os.close(self._lock)
            busy = isinstance(error, BlockingIOError)
            reason = "another gateway is writing it" if busy else error.strerror
            raise AuditError(f"audit {self.path}: {reason}") from None
        self._chain, self._placed = spot.chain, spot.size
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.write()
            self._rewrite()
            _bring([each.handle() for each in self._files], self._unnamed())
            if self.size:
                with suppress(OSError):
                    keep_place(self.path, self._place())
        except OSError as refused:
            raise AuditError(f"audit {self.path}: {refused.strerror}") from None
        finally:
            for each in self._files:
                each.close()
            os.close(self._lock)

    @property
    def size(self) -> int:
        """Lines in the file."""
        return self._tree.size

    @property
    def pending(self) -> int:
        """Records that wait to be written."""
        return len(self._pending)

    @property
    def fault(self) -> str | None:
        """Why it cannot be written now; None while it can."""
        return self._fault

    def __call__(self, outcome: Outcome) -> None:
        """Chain one Record; it reaches the file with the next ``commit`` or ``committed``."""
        text = self._salts.draw() + b" " + _encode(outcome.record)
        leaf = leaf_of(text)
        self._chain = link(self._chain, leaf)
        self._log_id = self._log_id or self._chain[:LOG_ID]
        self._leaves.append(leaf)
        self._pending.append(b"%b %b\n" % (self._chain.hex().encode(), text))

    def commit(self) -> None:
        """Write what is pending now, if the disk takes it; else it stays pending, and whoever acknowledges waits."""
        with suppress(AuditError):
            self.write()

    def write(self) -> None:
        """Write what is pending, whole or not at all; it stays pending when that fails. Raise AuditError."""
        if not self._pending:
            return
        if any(each.doubtful for each in self._files):
            raise AuditError(self._fault)  # what the disk refused comes first, with ``sync``
        self._turn()
        try:
            self._files[-1].append(b"".join(self._pending), self.size + len(self._pending), self._chain)
        except OSError as error:
            raise self._failed(error) from None
        self._tree.extend(self._leaves)
        self._pending.clear()
        self._leaves.clear()
        self._mended()

    async def committed(self) -> None:
        """Return when everything told so far is written, however long the disk refuses; then nothing was lost."""
        pause = RETRY_S
        while True:
            try:
                self.write()
            except AuditError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_MAX_S)
            else:
                return

    async def keep(self) -> None:
        """Bring what is written to the disk, at most once a second, until cancelled."""
        while True:
            await asyncio.sleep(SYNC_S)
            try:
                await self.sync()
            except AuditError:
                continue  # ``fault`` says so, and nothing is acknowledged meanwhile

    async def sync(self) -> None:
        """Have on the disk everything that was written when this was called. Raise AuditError."""
        async with self._syncing:
            files = [(each, each.spot) for each in self._files if each.unsynced]
            if not files:
                return
            place = self._place()
            try:
                self._rewrite()
                await asyncio.to_thread(_bring, [each.handle() for each, _ in files], self._unnamed())
            except OSError as error:
                for each, _ in files:
                    each.doubtful = True
                raise self._failed(error) from None
            self._brought(files)
            if self.size - self._placed >= PLACE_LINES:
                self._placed = place.spot.size
                with suppress(OSError):  # it only makes the next start quicker
                    await asyncio.to_thread(keep_place, self.path, place)

    def point(self) -> Point | None:
        """The log as it is written now, for a checkpoint; None while it is empty."""
        spot = self._files[-1].spot
        return Point(self._log_id, spot.size, spot.chain, self._tree.split()) if spot.size else None

    def signed(self, size: int) -> None:
        """A checkpoint over so many lines, of the last ``point``, was made: growth counts from there."""
        self._tree.settle(size)

    def _rewrite(self) -> None:
        """Give the disk again what it refused. Raise OSError."""
        for each in self._files:
            if each.doubtful:
                each.rewrite()

    def _turn(self) -> None:
        """Begin another file when this one is full. Where that cannot be, it goes on growing."""
        full = self._files[-1]
        if full.spot.offset < self._segment_bytes:
            return
        name = aside(self.path, full.spot.first)
        try:
            if self.path.exists() and not name.exists():
                self.path.rename(name)
            begun = Growing(
                self.path, Spot(full.spot.size, full.spot.chain, full.spot.size + 1), os.O_CREAT | os.O_EXCL
            )
        except OSError:
            return
        self._files.append(begun)
        self._named = False

    def _brought(self, files: Sequence[tuple[Growing, Spot]]) -> None:
        """Take note of what is on the disk."""
        for each, spot in files:
            each.settle(spot)
        if files[-1][0] is self._files[-1]:  # else another was begun meanwhile
            self._named = True
        for full in self._files[:-1]:
            if not full.unsynced:
                self._files.remove(full)
                full.close()
        if not self._pending:  # else it may be what is written that the disk does not take
            self._mended()

    def _unnamed(self) -> Path | None:
        """The folder, while the name of a file in it may not be on the disk."""
        return None if self._named else self.path.parent

    def _place(self) -> Place:
        return Place(self._log_id, self._files[-1].spot, self._tree.growth())

    def _failed(self, error: OSError) -> AuditError:
        text = f"audit {self.path}: {error.strerror}"
        if self._fault is None:
            _log.error("%s; nothing is acknowledged or sealed until it can be written", text)
        self._fault = text
        return AuditError(text)

    def _mended(self) -> None:
        if self._fault is not None:
            _log.warning("audit %s: is written again", self.path)
        self._fault = None


def _bring(handles: Sequence[int], folder: Path | None) -> None:
    """Have files on the disk, and the names in a folder. Closes the descriptors. Raise OSError."""
    try:
        for handle in handles:
            os.fdatasync(handle)
        if folder is not None:
            sync_folder(folder)
    finally:
        for handle in handles:
            os.close(handle)
