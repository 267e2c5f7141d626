"""One segment of the log: the same bytes in two files, so that what is damaged in one is put right from the other."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway.spool.entry import HEAD_BYTES, MAGIC, claimed, whole

SIDES: Final = ("a", "b")
_BLOCK_BYTES: Final = 1 << 20  # read at a time


def path(folder: Path, number: int, side: str) -> Path:
    """The file of one side."""
    return folder / f"{number:010d}.{side}"


class Twin:
    """Both files of one segment, open."""

    def __init__(self, folder: Path, number: int, *, create: bool = False) -> None:
        """Raise OSError. A side that is missing is begun anew; reading puts into it what it lacks."""
        self.number = number
        self.repaired = sum(not path(folder, number, side).exists() for side in SIDES) % len(SIDES)
        flags = os.O_RDWR | os.O_CREAT | (os.O_EXCL if create else 0)
        self._files: list[int] = []
        try:
            for side in SIDES:
                self._files.append(os.open(path(folder, number, side), flags, 0o600))
        except OSError:
            self.close()
            raise

    def even(self) -> None:
        """Where one side is missing or too short, put into it what the other has."""
        if len({os.fstat(file).st_size for file in self._files}) > 1:
            for _ in self.entries(0, both=True):
                pass

    def size(self) -> int:
        """How far the longer side reaches."""
        return max(os.fstat(file).st_size for file in self._files)

    def write(self, data: bytes, offset: int) -> None:
        """Write to both. Raise OSError, and then neither is to be believed from ``offset`` on."""
        for file in self._files:
            view, at = memoryview(data), offset
            while view:
                written = os.pwrite(file, view, at)
                view, at = view[written:], at + written

    def sync(self) -> None:
        """Bring both to the disk."""
        for file in self._files:
            os.fdatasync(file)

    def cut(self, size: int) -> None:
        """Forget what stands beyond, as far as the disk allows: what is left is read again as not acknowledged."""
        for file in self._files:
            with contextlib.suppress(OSError):
                os.ftruncate(file, size)

    def read(self, offset: int, length: int) -> bytes:
        """One side as it is, unchecked."""
        return _read(self._files[0], offset, length)

    def sound(self, offset: int, length: int) -> bytes:
        """The entry that stands here, from whichever side it is whole in; the other is put right. Empty: in none."""
        for file, other in (self._files, self._files[::-1]):
            raw = _read(file, offset, length)
            if whole(raw) == length:
                if _read(other, offset, length) != raw:
                    self._repair(other, raw, offset)
                return raw
        return b""

    def entries(self, start: int, *, both: bool = False) -> Iterator[tuple[int, bytes]]:
        """Every entry from here on with its offset; what is damaged beyond repair is left out.

        ``both``: compare the sides all through, not only where one is damaged.
        """
        sides = [_Side(file) for file in self._files[: 1 + both]]
        at, size = start, self.size()
        while at < size:
            lengths = [side.whole(at) for side in sides]
            if not all(lengths) and len(sides) == 1:
                sides.append(_Side(self._files[1]))
                continue
            length = max(lengths)
            if not length:
                at = _next(sides, at + 1, size)
                continue
            raw = sides[lengths.index(length)].read(at, length)
            if 0 in lengths:
                self._repair(self._files[lengths.index(0)], raw, at)
            yield at, raw
            at += length

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files:
            os.close(file)
        self._files.clear()

    def _repair(self, file: int, raw: bytes, offset: int) -> None:
        """Counted also where the disk does not take it, and not where the side only ends too early, as after a kill."""
        if os.fstat(file).st_size >= offset + len(raw):
            self.repaired += 1
        with contextlib.suppress(OSError):
            os.pwrite(file, raw, offset)
            os.fdatasync(file)


class _Side:
    """One file, read on in blocks."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._start = 0
        self._block = b""

    def whole(self, at: int) -> int:
        """The length of the entry that begins here; 0 when there is none that is whole."""
        self._reach(at, HEAD_BYTES)
        self._reach(at, claimed(self._block, at - self._start))
        return whole(self._block, at - self._start)

    def read(self, at: int, length: int) -> bytes:
        """What was found there."""
        return self._block[at - self._start : at - self._start + length]

    def find(self, at: int, end: int) -> int:
        """Where an entry may begin next."""
        while at < end:
            self._reach(at, HEAD_BYTES)
            found = self._block.find(MAGIC, at - self._start)
            if found >= 0:
                return self._start + found
            at = max(at + 1, self._start + len(self._block) - len(MAGIC) + 1)
        return end

    def _reach(self, at: int, length: int) -> None:
        if not self._start <= at <= at + length <= self._start + len(self._block):
            self._start, self._block = at, _read(self._file, at, max(length, _BLOCK_BYTES))


def _next(sides: Sequence[_Side], at: int, end: int) -> int:
    """Where the next whole entry begins in either."""
    while (at := min(side.find(at, end) for side in sides)) < end and not any(side.whole(at) for side in sides):
        at += 1
    return at


def _read(file: int, offset: int, length: int) -> bytes:
    """What is there of it; an unreadable stretch is as good as damaged."""
    parts = []
    try:
        while length > 0 and (part := os.pread(file, length, offset)):
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
    except OSError:
        return b""
    return b"".join(parts)
