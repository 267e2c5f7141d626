"""The last outcomes, in memory only: a reader of the Record stream that any number of slow viewers can follow.

The ring is the only queue there is. A viewer keeps its own place in it; one that is too slow finds that its place is
gone, is told how many it missed, and goes on from the oldest one kept. Nobody can hold the gateway up.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter, deque
from collections.abc import AsyncGenerator
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import msgspec

from gateway.stream import Outcome
from protocols.message import Message
from protocols.record import Event, Record

CAPACITY = 1000  # outcomes kept
DATA_MAX = 4096  # bytes kept of what a destination received
PAIRS_MAX = 256  # pairs of units that are tallied one by one
_TALLIED = (Event.DELIVERED, Event.FORWARDED, Event.WITHHELD, Event.REFUSED)


class Entry(NamedTuple):
    """One outcome and its place in the stream. ``data`` is the beginning of what a local unit received."""

    sequence: int
    record: Record
    message: Message | None = None
    data: bytes | None = None


class Batch(NamedTuple):
    """What a viewer has not seen yet. ``missed`` outcomes before the first entry are no longer kept."""

    last: int
    missed: int
    entries: tuple[Entry, ...]


class Flow(msgspec.Struct):
    """What went from one unit to another since the start. ``last`` is the time of the newest hand-over."""

    source: str
    destination: str
    passed: int = 0
    stopped: int = 0
    last: datetime | None = None


class Feed:
    """A ring of outcomes with sequence numbers from 1. Lives in one event loop and is not for threads."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self.boot = secrets.token_hex(4)  # places of an earlier run must not be mistaken for places of this one
        self.last = 0
        self.totals: Counter[str] = Counter(dict.fromkeys(_TALLIED, 0))
        self._ring: deque[Entry] = deque(maxlen=capacity)
        self._flows: dict[tuple[str, str], Flow] = {}
        self._fresh: asyncio.Event | None = None
        self._closed = False

    def __call__(self, outcome: Outcome) -> None:
        """Keep one outcome and wake who waits for it."""
        record, message, data = outcome
        self.last += 1
        self._ring.append(Entry(self.last, record, _slim(message), None if data is None else data[:DATA_MAX]))
        self.totals[record.event] += 1
        self._tally(record)
        self._wake()

    @property
    def flows(self) -> tuple[Flow, ...]:
        """Who sends to whom, in the order of their first message."""
        return tuple(self._flows.values())

    def find(self, sequence: int) -> Entry | None:
        """One outcome by its place, or None when it is not kept (any more)."""
        first = self.last - len(self._ring) + 1
        return self._ring[sequence - first] if first <= sequence <= self.last else None

    def of_message(self, message_id: str) -> tuple[Entry, ...]:
        """Every outcome of one message that is still kept, oldest first."""
        return tuple(entry for entry in self._ring if entry.record.message == message_id)

    def since(self, place: int) -> Batch:
        """What came after a place. A place outside this run is the beginning of the ring, with nothing missed."""
        if not 0 <= place <= self.last:
            place = self.last - len(self._ring)
        fresh = min(self.last - place, len(self._ring))
        newest_first = islice(reversed(self._ring), fresh)
        return Batch(self.last, self.last - place - fresh, tuple(newest_first)[::-1])

    def start_place(self, last_event_id: str | None) -> int:
        """Where a viewer goes on that last saw ``boot-sequence``; a new one starts with all that is kept."""
        boot, _, sequence = (last_event_id or "").partition("-")
        known = boot == self.boot and sequence.isascii() and sequence.isdigit() and len(sequence) < 20
        return int(sequence) if known else self.last - len(self._ring)

    async def follow(self, place: int, pace_s: float, heartbeat_s: float) -> AsyncGenerator[Batch | None, None]:
        """Yield batches after a place, at most one each ``pace_s``; None when nothing came for ``heartbeat_s``."""
        while not self._closed:
            if self.last == place:
                if not await self._wait(heartbeat_s):
                    yield None
                continue
            batch = self.since(place)
            place = batch.last
            yield batch
            await asyncio.sleep(pace_s)

    def close(self) -> None:
        """End every viewer's stream."""
        self._closed = True
        self._wake()

    async def _wait(self, limit_s: float) -> bool:
        """Wait for the next outcome or the end; False when neither came in time."""
        if self._fresh is None:
            self._fresh = asyncio.Event()
        try:
            await asyncio.wait_for(self._fresh.wait(), limit_s)
        except TimeoutError:
            return False
        return True

    def _wake(self) -> None:
        if self._fresh is not None:
            self._fresh.set()
            self._fresh = None

    def _tally(self, record: Record) -> None:
        if record.source is None or record.destination is None or record.event not in _TALLIED:
            return
        pair = (record.source, record.destination)
        flow = self._flows.get(pair)
        if flow is None:
            if len(self._flows) >= PAIRS_MAX:
                return
            flow = self._flows[pair] = Flow(*pair)
        if record.event is Event.FORWARDED or record.event is Event.DELIVERED:
            flow.passed += 1
            flow.last = record.at
        else:
            flow.stopped += 1


def _slim(message: Message | None) -> Message | None:
    """The message without the bytes it was read from, which nobody looks at here."""
    if message is None or message.original is None:
        return message
    return msgspec.structs.replace(message, original=None)
