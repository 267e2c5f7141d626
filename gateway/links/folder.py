"""A drop folder: files in ``in/`` are frames, what is sent becomes a file in ``out/``, refused ones go to ``refused/``.

A file counts once it has its final name (whoever writes it renames it there, or its name begins with a dot until then).
It is removed when its frame is acknowledged, so a crash repeats it. ``send`` returns when the file is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

from gateway.durable import sync_folder
from gateway.links import LinkError, SendRefusal, Settings, Statistics
from gateway.links.backoff import Pace
from gateway.links.fault import LostError
from gateway.links.ledger import Entry
from gateway.links.plain import PlainFrame, Tally, topic_of
from gateway.links.upkeep import Upkeep

LOOK_S = 0.2  # how often the folder is looked at
_TEMPORARY = (".part", ".tmp", "~")


class FileFrame(PlainFrame):
    """One file of the folder."""

    __slots__ = ("_link", "name")

    def __init__(self, link: FolderLink, name: str, data: bytes) -> None:
        super().__init__(link.topic, data, link.tally, lambda: None)
        self._link = link
        self.name = name

    def ack(self) -> None:
        """See Frame. The file is removed."""
        if not self._done:
            self._link.remove(self.name)
        super().ack()

    def refuse(self, reason: str) -> None:
        """See Frame. The file is set aside."""
        if not self._done:
            self._link.set_aside(self.name)
        super().refuse(reason)


class FolderLink(Upkeep[FileFrame]):
    """See Link."""

    def __init__(self, name: str, settings: Settings, folder: Path, pace: Pace = Pace()) -> None:  # noqa: B008 - an immutable value
        super().__init__(name, settings, pace)
        self._folder = folder
        self.topic = topic_of(settings, name)
        self.tally = Tally()
        self._in_hand: set[str] = set()
        self._queue: list[Entry] = []
        self._work = asyncio.Event()
        self._count = 0

    @property
    def statistics(self) -> Statistics:
        """See Link."""
        return self.tally.statistics(self._connects)

    def remove(self, name: str) -> None:
        """The file's frame is acknowledged."""
        (self._folder / "in" / name).unlink(missing_ok=True)
        self._in_hand.discard(name)

    def set_aside(self, name: str) -> None:
        """The file's frame is refused, or the file is none."""
        (self._folder / "in" / name).replace(self._folder / "refused" / f"{secrets.token_hex(4)}-{name}"[:255])
        self._in_hand.discard(name)

    def _check(self) -> None:
        try:
            for part in ("in", "out", "refused"):
                (self._folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LinkError(f"{self._folder}: {(error.strerror or 'cannot be used').lower()}") from error

    async def _connection(self) -> None:
        self._came_up()
        while True:
            try:
                await self._write_queued()
                if self.settings.subscriptions:
                    self._look()
            except OSError as error:
                raise LostError((error.strerror or "the folder is gone").lower()) from None
            self._work.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._work.wait()

    def _look(self) -> None:
        """Take the oldest files, as many as may be in hand."""
        room = self.settings.receive_maximum - len(self._in_hand)
        if room <= 0 or self._inbox.full:
            return
        names = [path.name for path in (self._folder / "in").iterdir() if self._is_whole(path.name)]
        ages = sorted((self._age(name), name) for name in names)
        for _, name in ages[:room]:
            data = self._read(name)
            if data is None:
                self.tally.refused += 1
                self.set_aside(name)
                continue
            self._in_hand.add(name)
            self.tally.bytes_received += len(data)
            self._inbox.put([FileFrame(self, name, data)])

    def _is_whole(self, name: str) -> bool:
        return name not in self._in_hand and not name.startswith(".") and not name.endswith(_TEMPORARY)

    def _age(self, name: str) -> int:
        return (self._folder / "in" / name).lstat().st_mtime_ns

    def _read(self, name: str) -> bytes | None:
        """A file's bytes, or None when it is no plain file, or bigger than a frame may be. Follows no link."""
        path = self._folder / "in" / name
        kind = path.lstat()
        if not stat.S_ISREG(kind.st_mode) or kind.st_size > self.settings.packet_max:
            return None
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(self.settings.packet_max)

    def _submit(self, entries: Sequence[Entry]) -> None:
        self._queue.extend(entries)
        self._work.set()

    async def _write_queued(self) -> None:
        """Put every waiting parcel on the disk, in order, and only then settle them."""
        queue = self._queue[:]
        for entry in queue:
            if len(entry.parcel.data) > self.settings.packet_max:
                entry.settle(SendRefusal.TOO_LARGE)
        fitting = [entry for entry in queue if len(entry.parcel.data) <= self.settings.packet_max]
        if fitting:
            await asyncio.to_thread(self._store, [entry.parcel.data for entry in fitting])
        del self._queue[: len(queue)]
        for entry in fitting:
            self.tally.sent += 1
            self.tally.bytes_sent += len(entry.parcel.data)
            entry.settle(None)

    def _store(self, frames: Sequence[bytes]) -> None:
        """Write files, make each sure, give each its final name, and make those sure at once."""
        folder = self._folder / "out"
        for data in frames:
            self._count += 1
            name = f"{self._count:012d}-{secrets.token_hex(6)}"
            place = folder / f".{name}"
            with place.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            place.rename(folder / name)
        sync_folder(folder)

    def _taken(self) -> None:
        self._work.set()
