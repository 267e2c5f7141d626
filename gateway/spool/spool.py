"""The spool as the event loop sees it: what ``put`` returned for is on disk; one hop to the writer and back a call."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self, TypeVar, cast

from gateway.spool import (
    DATA_MAX,
    SUBJECT_BYTES,
    SYSTEM,
    Clock,
    Count,
    Ended,
    Health,
    Kept,
    Limits,
    Note,
    Put,
    Row,
    SpoolError,
    Trouble,
)
from gateway.spool.fault import of_system
from gateway.spool.index import NOTES, PRECEDENCES
from gateway.spool.room import PRECEDENCE_MAX, Allowed
from gateway.spool.store import Store
from gateway.spool.writer import Answers, Asked, Writer

_NONE: Final[Mapping[str, Limits]] = MappingProxyType({})
T = TypeVar("T")


class Spool:
    """What waits for destinations, in one folder that one process has at a time."""

    def __init__(self, store: Store, lock: int, on_level: Callable[[str, bool], None] | None) -> None:
        """``open`` makes one."""
        self._store = store
        self._lock = lock
        self._on_level = on_level
        self._loop = asyncio.get_running_loop()
        self._closing: asyncio.Future[None] | None = None
        self._writer = Writer(store, self._answered)
        self._writer.start()

    @classmethod
    async def open(
        cls,
        folder: Path,
        limits: Limits | None = None,
        lanes: Mapping[str, Limits] = _NONE,
        *,
        clock: Clock = SYSTEM,
        on_level: Callable[[str, bool], None] | None = None,
    ) -> Self:
        """Open what is there, with what is damaged made good. Raise SpoolError.

        ``lanes`` has limits of its own for some; ``on_level(lane, up)`` is called when a lane passes its warning level.
        """
        lock = await asyncio.to_thread(_lock, folder)
        allowed = Allowed(lanes, limits or Limits())
        try:
            store = await asyncio.to_thread(Store, folder, allowed, clock)
        except BaseException:
            os.close(lock)
            raise
        return cls(store, lock, on_level)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Do what was asked, then let go of the folder."""
        if self._closing is None:
            self._closing = self._loop.create_future()
            self._writer.stop()
            await asyncio.to_thread(self._writer.join)
            os.close(self._lock)
            self._closing.set_result(None)
        await self._closing

    async def put(self, things: Sequence[Kept]) -> Put:
        """Keep all of them; when this returns they survive a power cut. Raise SpoolError, and then none is kept.

        SpoolFull: a lane is at its limit; stop reading, and try again. ValueError: what cannot be kept at all.
        """
        for kept in things:
            _check(kept)
        return await self._ask(Asked(self._future(), things=things)) if things else Put((), ())

    async def take(
        self, lane: str, precedences: Sequence[int], limit: int = 256, bytes_max: int = 1 << 20
    ) -> list[Row]:
        """Give out rows that wait, in the order of these precedences and the oldest of each first. Raise SpoolError.

        They are in hand until ``done`` or ``release``; none is given out twice. One row may exceed ``bytes_max``.
        """
        return await self._call(lambda store: store.take(lane, precedences, limit, bytes_max))

    def release(self, ids: Iterable[int]) -> None:
        """They are no longer in hand, and will be given out again."""
        self._tell(Asked(None, released=list(ids)))

    def done(self, ids: Iterable[int]) -> None:
        """They wait no longer; written with the next group. Before it is, a kill makes them wait again."""
        self._tell(Asked(None, done=list(ids)))

    async def settle(self, lane: str, ranges: Sequence[tuple[bytes, bytes]]) -> list[Ended]:
        """Rows with keys in these ranges, both ends included, wait no longer, in hand or not. Raise SpoolError."""
        return await self._call(lambda store: store.settle(lane, ranges))

    async def holds(self, ranges: Sequence[tuple[bytes, bytes]]) -> list[bool]:
        """Of each of these ranges of keys, both ends included, whether a row of any lane has one. Raise SpoolError."""
        return await self._call(lambda store: store.holds(ranges))

    async def expire(self) -> list[Ended]:
        """End what is too old; give what ended since the last call otherwise than by being asked to. Raise SpoolError.

        To be called every second or so, and again at once when it gives ENDED_MAX.
        """
        return await self._call(lambda store: store.expire())

    async def put_note(self, note: Note) -> None:
        """Keep a note, in place of one with the same eid. Raise SpoolError."""
        await self._call(lambda store: store.put_note(note))

    async def notes(self, eids: Sequence[bytes] | None = None) -> list[Note]:
        """These notes as far as they are here; None: all. Raise SpoolError."""
        return await self._call(lambda store: store.notes(eids))

    def limits(self, lane: str) -> Limits:
        """What a lane may hold."""
        return self._store.room.limits(lane)

    def counts(self) -> dict[str, dict[int, Count]]:
        """What waits, by lane and precedence. From memory."""
        index, now_s = self._store.catalogue.index, self._store.ageing.now_s()
        sums, oldest, names = dict(index.sums), dict(index.oldest), dict(index.names)
        counts: dict[str, dict[int, Count]] = {}
        for queue, (rows, size) in sums.items():
            lane, precedence = divmod(queue, PRECEDENCES)
            if queue != NOTES and rows and lane in names:
                waited_s = max(0.0, now_s - oldest.get(queue, now_s))
                in_hand = self._store.hand.counts[queue]
                counts.setdefault(names[lane], {})[precedence] = Count(rows, size, in_hand, waited_s)
        return counts

    def wall_s(self) -> float:
        """Unix seconds by the clock as it is believed: one that was set counts once it has gone evenly for a while."""
        return self._store.ageing.stamp()[1]

    def health(self) -> Health:
        """How it is. From memory."""
        store, log = self._store, self._store.catalogue.log
        repaired = store.catalogue.remade + log.repaired
        return Health(store.trouble, repaired, store.lost + log.gaps, store.commits, 2 * log.size_bytes)

    async def _call(self, call: Callable[[Store], T]) -> T:
        return cast("T", await self._ask(Asked(self._future(), call)))

    async def _ask(self, asked: Asked) -> Put:
        self._tell(asked)
        return cast("Put", await cast("asyncio.Future[object]", asked.future))

    def _tell(self, asked: Asked) -> None:
        if self._closing is not None:
            raise SpoolError(Trouble.CLOSED)
        self._writer.ask(asked)

    def _future(self) -> asyncio.Future[object]:
        return self._loop.create_future()

    def _answered(self, answers: Answers, passed: list[tuple[str, bool]]) -> None:
        """In the writer's thread: one wake-up for a whole group."""
        if answers or passed:
            self._loop.call_soon_threadsafe(self._deliver, answers, passed)

    def _deliver(self, answers: Answers, passed: list[tuple[str, bool]]) -> None:
        for future, answer in answers:
            if future is None or future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        for lane, up in passed:
            if self._on_level is not None:
                self._on_level(lane, up)


def _check(kept: Kept) -> None:
    if not kept.lane or not 0 <= kept.precedence <= PRECEDENCE_MAX or len(kept.data) + len(kept.facts) > DATA_MAX:
        raise ValueError("a lane, a precedence from 0 to 5, at most 64 MiB")
    if any(len(subject) != SUBJECT_BYTES for subject in kept.subjects):
        raise ValueError("a subject is 16 bytes")


def _lock(folder: Path) -> int:
    """Have the folder alone. Raise SpoolError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SpoolError(of_system(error), str(folder)) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise SpoolError(Trouble.IN_USE, str(folder)) from None
    return lock
