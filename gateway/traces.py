"""What passed leaves a trace on disk, so that duplicates are known, and subjects owned, also after a restart.

Two files of fixed records, the newer one appended to: when it is full it becomes the older one, and the older one goes.
An append reaches the kernel before the call returns, which outlives the process; a power cut may lose the newest. Every
record has a check of its own, so a torn or damaged one is passed over and costs no other. Digests only: no name of a
unit or of a subject, and no id of a message.
"""

from __future__ import annotations

import contextlib
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from gateway.generation import Generation, key_of

NEWER: Final = "traces.log"
OLDER: Final = "traces.old"
DIGEST: Final = 16  # bytes
LOOK_S: Final = 0.02  # that others' files are not looked at again
_OWNED = struct.Struct(">16sqB3x")
_RECORD = struct.Struct(">16s16s16s28sI")  # two ids, subject, whose it is, check over all before
_SIZE = _RECORD.size  # 80 bytes
_CHECKED = _SIZE - 4
_SEED = zlib.crc32(b"comity traces 1")  # records of another form do not hold
_NOTHING = bytes(DIGEST)
_FOREIGN, _TIMED = 1, 2
_IDS = 2  # of a message at most


class Owned(NamedTuple):
    """Whose a subject is (a digest), when its newest report was (microseconds since 1970), whether a partner's."""

    owner: bytes
    newest: int | None
    foreign: bool

    def pack(self) -> bytes:
        """The same in 28 bytes, as it is kept in memory and on disk."""
        flags = _FOREIGN * self.foreign | _TIMED * (self.newest is not None)
        return _OWNED.pack(self.owner, self.newest or 0, flags)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read it again."""
        owner, newest, flags = _OWNED.unpack(data)
        return cls(owner, newest if flags & _TIMED else None, bool(flags & _FOREIGN))


class Trace(NamedTuple):
    """What one message leaves: digests of its ids (at most two; none when nobody got it), its subject, and whose."""

    ids: tuple[bytes, ...]
    subject: bytes
    owned: bytes

    def put_in(self, generation: Generation) -> None:
        """Know it from now on."""
        for each in self.ids:
            generation.ids.put(key_of(each))
        generation.subjects.put(key_of(self.subject), self.owned)


def generation(room: int) -> Generation:
    """Memory for so many ids, and as many subjects."""
    return Generation(room, _OWNED.size)


class Others:
    """What other processes of this gateway wrote: whose subjects are, and ids. Read on, at most every ``LOOK_S``."""

    def __init__(self, folders: Sequence[Path], full: int, clock: Callable[[], float] = time.monotonic) -> None:
        """``full``: how many subjects, or ids, are kept in each of two generations."""
        self._places = dict.fromkeys(folders, (0, 0))  # the inode of the newer file, and how far it was read
        self._full = full
        self._clock = clock
        self._looked = float("-inf")
        self._new, self._old = generation(full), generation(full)

    def owned(self, subject: bytes) -> bytes | None:
        """Whose a subject is, packed; None when none of them knows."""
        self._look()
        key = key_of(subject)
        return self._new.subjects.get(key) or self._old.subjects.get(key)

    def seen(self, digest: bytes) -> bool:
        """Whether one of them had an id."""
        self._look()
        key = key_of(digest)
        return key in self._new.ids or key in self._old.ids

    def _look(self) -> None:
        now = self._clock()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        for folder, (inode, at) in self._places.items():
            with contextlib.suppress(OSError):  # a worker that never started has nothing
                self._places[folder] = self._follow(folder, inode, at)

    def _follow(self, folder: Path, inode: int, at: int) -> tuple[int, int]:
        with (folder / NEWER).open("rb") as newer:
            there = os.fstat(newer.fileno()).st_ino
            if there != inode:  # it became the older one, or we begin
                with contextlib.suppress(OSError), (folder / OLDER).open("rb") as older:
                    older.seek(at if os.fstat(older.fileno()).st_ino == inode else 0)
                    self._take(older.read())
                at = 0
            newer.seek(at)
            data = newer.read()
        whole = len(data) - len(data) % _SIZE
        self._take(data[:whole])
        return there, at + whole

    def _take(self, data: bytes) -> None:
        for trace in _unpacked(data):
            if trace is None:
                continue
            if len(self._new.subjects) >= self._full or len(self._new.ids) >= self._full:
                self._new, self._old = generation(self._full), self._new
            trace.put_in(self._new)


class Traces:
    """The two files of one gateway. Only one process writes them: whoever holds the lock of the audit beside them."""

    def __init__(self, folder: Path, records: int) -> None:
        """Read what is there into ``older`` and ``newer``; ``records``: after how many a file is full. Raise OSError.

        A batch is not split, so a file may have a batch more.
        """
        self._paths = folder / OLDER, folder / NEWER
        self._full = records * _SIZE
        self.damaged = 0  # records that were passed over
        self.unwritten = 0  # traces that the disk did not take; they are known until this process ends
        self.older, self.newer = (self._read(path) for path in self._paths)
        self._open()

    def write(self, traces: Sequence[Trace]) -> None:
        """Append, in one write. What the disk does not take is counted, and the next write begins where it should."""
        if not traces:
            return
        block = b"".join([_pack(each) for each in traces])
        try:
            if self._end >= self._full:
                self._turn()
            whole = os.pwrite(self._log, block, self._end) == len(block)
        except OSError:
            whole = False
        if whole:
            self._end += len(block)
        else:
            self.unwritten += len(traces)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._log)

    def _open(self) -> None:
        self._log = os.open(self._paths[1], os.O_WRONLY | os.O_CREAT, 0o600)
        size = os.fstat(self._log).st_size
        self._end = size - size % _SIZE  # a torn last record is written over

    def _turn(self) -> None:
        """The newer file becomes the older one."""
        older, newer = self._paths
        newer.replace(older)
        os.close(self._log)
        self._open()

    def _read(self, path: Path) -> Generation:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return generation(self._full // _SIZE * _IDS)
        found = generation(self._full // _SIZE * _IDS)
        for trace in _unpacked(data):
            if trace is None:
                self.damaged += 1
                continue
            trace.put_in(found)
        return found


def _unpacked(data: bytes) -> Iterator[Trace | None]:
    """The whole records of a file; None for one that is damaged."""
    view = memoryview(data)
    whole = view[: len(data) - len(data) % _SIZE]
    for at, (first, second, subject, owned, check) in enumerate(_RECORD.iter_unpack(whole)):
        if zlib.crc32(view[at * _SIZE : at * _SIZE + _CHECKED], _SEED) == check:
            ids = (first, second) if second != _NOTHING else (first,) if first != _NOTHING else ()
            yield Trace(ids, subject, owned)
        else:
            yield None


def _pack(trace: Trace) -> bytes:
    first, second = (*trace.ids, _NOTHING, _NOTHING)[:2]
    fields = first + second + trace.subject + trace.owned
    return fields + zlib.crc32(fields, _SEED).to_bytes(4, "big")
