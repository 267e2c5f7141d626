"""Copies that wait a moment for company, so that several reports share one envelope on a link where bytes are dear.

Only a route that says so lingers, and nothing urgent does. What lingers is in memory; its source is not acknowledged
before it has gone its way like everything else.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.dispatch import Copy, Passage, precedence_of
from gateway.outbound.item import Ticket
from gateway.outbound.turns import URGENT


class Gathered(NamedTuple):
    """Copies of one sender that have waited long enough, and the sources that wait for them."""

    copies: Sequence[Copy | Passage]
    tickets: Sequence[Ticket]
    arrived: datetime


class _Waits(NamedTuple):
    copy: Copy | Passage
    ticket: Ticket


class _Bucket:
    def __init__(self, arrived: datetime, due_s: float) -> None:
        self.waits: list[_Waits] = []
        self.arrived = arrived
        self.due_s = due_s

    def gathered(self, waits: Iterable[_Waits]) -> Gathered:
        copies, tickets = zip(*waits, strict=True)
        return Gathered(copies, tickets, self.arrived)


class Linger:
    """What waits for company, by sender and route terms."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, float, int], _Bucket] = {}
        self._ready: list[Gathered] = []
        self._wake = asyncio.Event()

    def sift(self, copies: Sequence[Copy | Passage], ticket: Ticket, arrived: datetime) -> Sequence[Copy | Passage]:
        """Keep what may linger; gives what goes at once."""
        at_once = []
        now_s = asyncio.get_running_loop().time()
        joined: dict[tuple[str, float, int], _Bucket] = {}
        for copy in copies:
            terms = copy.way.linger
            if terms is None or precedence_of(copy.message) >= URGENT:
                at_once.append(copy)
                continue
            key = (copy.message.origin or "", terms.seconds, terms.messages)
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = _Bucket(arrived, now_s + terms.seconds)
            ticket.add()
            bucket.waits.append(_Waits(copy, ticket))
            joined[key] = bucket
        for key, bucket in joined.items():
            *full, rest = _portions(bucket.waits, key[2])
            self._ready += map(bucket.gathered, full)
            if full:  # what is left came just now
                del self._buckets[key]
            if full and rest:
                self._buckets[key] = begun = _Bucket(arrived, now_s + key[1])
                begun.waits = rest
        self._wake.set()
        return at_once

    async def due(self) -> Sequence[Gathered]:
        """Wait until something has waited long enough, and give that."""
        while True:
            now_s = asyncio.get_running_loop().time()
            late = [key for key, bucket in self._buckets.items() if bucket.due_s <= now_s]
            buckets = [self._buckets.pop(key) for key in late]
            ready = [*self._ready, *(bucket.gathered(bucket.waits) for bucket in buckets)]
            self._ready.clear()
            if ready:
                return ready
            self._wake.clear()
            first = min((bucket.due_s for bucket in self._buckets.values()), default=None)
            try:
                async with asyncio.timeout_at(first):
                    await self._wake.wait()
            except TimeoutError:
                continue


def _portions(waits: Sequence[_Waits], limit: int) -> list[list[_Waits]]:
    """What may go together: of each destination at most so many, in their order; the last may still have company."""
    portions: list[list[_Waits]] = [[]]
    had: Counter[str] = Counter()
    for each in waits:
        to = each.copy.way.destination.id
        number = had[to] // limit
        had[to] += 1
        if number == len(portions):
            portions.append([])
        portions[number].append(each)
    if max(had.values(), default=0) % limit == 0:
        portions.append([])  # the last one is full as well
    return portions
