"""Copies that wait a moment for company, so that several reports share one envelope on a link where bytes are dear.

Only a route that says so lingers, and nothing urgent does. What lingers is in memory; its source is not acknowledged
before it has gone its way like everything else.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
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


class _Bucket:
    def __init__(self, arrived: datetime, due_s: float) -> None:
        self.copies: list[Copy | Passage] = []
        self.tickets: list[Ticket] = []
        self.arrived = arrived
        self.due_s = due_s
        self.to: Counter[str] = Counter()  # how many there are for each destination


class Linger:
    """What waits for company, by sender and route terms."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, float, int], _Bucket] = {}
        self._wake = asyncio.Event()

    def sift(self, copies: Sequence[Copy | Passage], ticket: Ticket, arrived: datetime) -> Sequence[Copy | Passage]:
        """Keep what may linger; gives what goes at once."""
        at_once = []
        now_s = asyncio.get_running_loop().time()
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
            bucket.copies.append(copy)
            bucket.tickets.append(ticket)
            bucket.to[copy.way.destination.id] += 1
            if bucket.to[copy.way.destination.id] >= terms.messages:
                bucket.due_s = now_s
            self._wake.set()
        return at_once

    async def due(self) -> Sequence[Gathered]:
        """Wait until something has waited long enough, and give that."""
        while True:
            now_s = asyncio.get_running_loop().time()
            ready = [key for key, bucket in self._buckets.items() if bucket.due_s <= now_s]
            if ready:
                buckets = [self._buckets.pop(key) for key in ready]
                return [Gathered(each.copies, each.tickets, each.arrived) for each in buckets]
            self._wake.clear()
            first = min((bucket.due_s for bucket in self._buckets.values()), default=None)
            try:
                async with asyncio.timeout_at(first):
                    await self._wake.wait()
            except TimeoutError:
                continue
