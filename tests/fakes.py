"""Stand-ins for what lies beyond the straight line: a link fed by hand, an audit in memory, a clock that stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from gateway.links import Frame, LinkError, LinkState, Parcel, SendError, SendRefusal, Statistics
from gateway.spool import Count, Ended, Kept, Note, Put, Row, SpoolError, SpoolFull, Trouble, Why
from gateway.stream import Outcome

NOW = datetime(2026, 3, 14, 21, 7, 30, 125_000, tzinfo=UTC)


def clock() -> datetime:
    """A clock that stands still."""
    return NOW


class FakeFrame:
    """A frame that remembers what became of it; answering twice is an error."""

    def __init__(self, topic: str, data: bytes) -> None:
        self.topic = topic
        self.data = data
        self.answer: str | None = None

    def ack(self) -> None:
        self._answer("ack")

    def refuse(self, reason: str) -> None:
        self._answer(f"refused {reason}")

    def _answer(self, answer: str) -> None:
        if self.answer is not None:
            raise RuntimeError("a frame is answered once")
        self.answer = answer


class FakeLink:
    """Yields the batches it was given and then closes; keeps what it is sent, and refuses what ``refuses`` names."""

    def __init__(
        self, *batches: Sequence[FakeFrame], refuses: Mapping[str, SendRefusal] | None = None, closed: bool = False
    ) -> None:
        self._closed = closed
        self._batches = batches
        self._refuses = refuses or {}
        self.sent: list[Parcel] = []
        self.openings = 0
        self.is_up = True
        self.taking = asyncio.Event()
        self.taking.set()  # cleared: the far side does not acknowledge
        self.asked = asyncio.Event()  # somebody wants to send
        self.told: Callable[[Sequence[Parcel]], None] = lambda _: None  # of what the far side has taken

    @property
    def state(self) -> LinkState:
        return LinkState.UP if self.is_up else LinkState.CONNECTING

    @property
    def statistics(self) -> Statistics:
        return Statistics(sent=len(self.sent), openings=self.openings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def batches(self, limit: int = 256) -> AsyncIterator[Sequence[Frame]]:
        for batch in self._batches:
            for start in range(0, len(batch), limit):
                yield batch[start : start + limit]

    async def __aiter__(self) -> AsyncIterator[Frame]:
        async for frames in self.batches():
            for frame in frames:
                yield frame

    async def send(self, parcel: Parcel) -> None:
        (refusal,) = await self.send_all([parcel])
        if refusal is not None:
            raise SendError(refusal)

    async def send_all(self, parcels: Sequence[Parcel]) -> Sequence[SendRefusal | None]:
        self.asked.set()
        await self.taking.wait()
        if self._closed:
            raise LinkError("the link is closed")
        answers = [self._refuses.get(parcel.topic) for parcel in parcels]
        taken = [parcel for parcel, refusal in zip(parcels, answers, strict=True) if refusal is None]
        self.sent += taken
        self.told(taken)
        return answers

    def topics(self) -> list[str]:
        """Where it was sent to, in order."""
        return [parcel.topic for parcel in self.sent]


class FakeSpool:
    """A spool in memory; ``broken`` is why it takes nothing."""

    def __init__(self) -> None:
        self.rows: dict[int, Kept] = {}
        self.held: set[int] = set()
        self.kept_notes: dict[bytes, Note] = {}
        self.broken: Trouble | None = None
        self.puts = 0
        self.clock: Callable[[], datetime] = clock
        self._next = 1

    async def put(self, things: Sequence[Kept]) -> Put:
        await asyncio.sleep(0)
        if self.broken is not None:
            raise SpoolFull(things[0].lane) if self.broken is Trouble.LANE_FULL else SpoolError(self.broken)
        self.puts += 1
        ids = tuple(range(self._next, self._next + len(things)))
        self._next += len(things)
        self.rows.update(zip(ids, things, strict=True))
        self.held |= {row for row, thing in zip(ids, things, strict=True) if thing.in_hand}
        return Put(ids, ())

    async def take(self, lane: str, precedences: Sequence[int], limit: int = 256) -> list[Row]:
        await asyncio.sleep(0)
        found = [
            Row(row, lane, thing.precedence, thing.data, thing.facts, thing.key, thing.note, thing.expires_s, 0.0)
            for level in precedences
            for row, thing in self.rows.items()
            if thing.lane == lane and thing.precedence == level and row not in self.held
        ][:limit]
        self.held |= {row.id for row in found}
        return found

    def release(self, ids: Iterable[int]) -> None:
        self.held -= set(ids)

    def done(self, ids: Iterable[int]) -> None:
        for row in ids:
            self.rows.pop(row, None)

    async def settle(self, lane: str, ranges: Sequence[tuple[bytes, bytes]]) -> list[Ended]:
        found = [
            Ended(row, lane, thing.precedence, thing.key, thing.facts, Why.SETTLED)
            for row, thing in self.rows.items()
            if thing.lane == lane and any(first <= thing.key <= last for first, last in ranges)
        ]
        self.done([each.id for each in found])
        return found

    async def holds(self, ranges: Sequence[tuple[bytes, bytes]]) -> list[bool]:
        keys = [thing.key for thing in self.rows.values()]
        return [any(first <= key <= last for key in keys) for first, last in ranges]

    async def expire(self) -> list[Ended]:
        return []

    def wall_s(self) -> float:
        return self.clock().timestamp()

    async def put_note(self, note: Note) -> None:
        self.kept_notes[note.eid] = note

    async def notes(self, eids: Sequence[bytes] | None = None) -> list[Note]:
        return [note for eid, note in self.kept_notes.items() if eids is None or eid in eids]

    def counts(self) -> dict[str, dict[int, Count]]:
        found: dict[str, dict[int, Count]] = {}
        for row, thing in self.rows.items():
            levels = found.setdefault(thing.lane, {})
            rows, size, held, _ = levels.get(thing.precedence, Count(0, 0, 0, 0.0))
            levels[thing.precedence] = Count(rows + 1, size + len(thing.data), held + (row in self.held), 0.0)
        return found


class FakeAudit:
    """An accountant in memory, whose disk can be full."""

    def __init__(self, *, full: bool = False, full_on_commit: bool = False) -> None:
        self.outcomes: list[Outcome] = []
        self.written = 0
        self._full = full
        self._full_on_commit = full_on_commit

    def __call__(self, outcome: Outcome, /) -> None:
        if self._full:
            raise OSError("disk full")
        self.outcomes.append(outcome)

    def commit(self) -> None:
        if self._full_on_commit:
            raise OSError("disk full")
        self.written = len(self.outcomes)

    async def committed(self) -> None:
        self.commit()

    def said(self) -> list[tuple[str, str | None, str | None]]:
        """Event, reason and destination of every Record, in order."""
        return [(str(o.record.event), o.record.reason, o.record.destination) for o in self.outcomes]


def frames(topic: str, data: Iterable[bytes]) -> list[FakeFrame]:
    """Frames that came by one topic."""
    return [FakeFrame(topic, each) for each in data]
