"""From copies to their ways out: a moment's wait for company, encoding and sealing, and what an adapter crashed on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from gateway.dispatch import Copy, Dispatch, Passage
from gateway.linger import Gathered, Linger
from gateway.outbound.item import Ticket
from gateway.outbound.outbound import Outbound
from gateway.quarantine import Quarantine
from gateway.stream import Stream
from protocols.record import Event, Refused


class Passing:
    """Passes copies on."""

    def __init__(self, dispatch: Dispatch, outbound: Outbound, quarantine: Quarantine, stream: Stream) -> None:
        self._dispatch = dispatch
        self._outbound = outbound
        self._quarantine = quarantine
        self._stream = stream
        self._lingering = Linger()

    async def take(self, copies: Sequence[Copy | Passage], ticket: Ticket, arrived: datetime) -> None:
        """Pass on what does not wait for company; the ticket is settled when all of it, at last, is safe."""
        await self._now(self._lingering.sift(copies, ticket, arrived), ticket, arrived)

    async def linger(self) -> None:
        """Pass on what has waited for company, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for gathered in await self._lingering.due():
                    group.create_task(self._gathered(gathered))

    async def _gathered(self, gathered: Gathered) -> None:
        """Pass copies on together, and tell their sources when all are safe."""
        ticket = Ticket()
        await self._stream.committed()
        await self._now(gathered.copies, ticket, gathered.arrived)
        await ticket
        for source in gathered.tickets:
            source.undelivered |= ticket.undelivered
            source.end()

    async def _now(self, copies: Sequence[Copy | Passage], ticket: Ticket, arrived: datetime) -> None:
        """Encode or seal copies, and put them on their way out."""
        plan = self._dispatch.plan(copies, arrived)
        for announced in self._dispatch.prepare(plan, arrived):
            self._outbound.submit(announced, arrived)
            await asyncio.sleep(0)  # each step takes milliseconds; others may have the loop in between
        ready, unsent = self._dispatch.seal(plan, arrived)
        for copy, reason in unsent:
            self._stream.kept(Event.WITHHELD, reason, copy.message, copy.way)
            if reason == Refused.ADAPTER_CRASHED:
                await self._quarantine.keep_copy(copy)
        self._outbound.submit(ready, arrived, ticket)

    async def again(self, row: int, copy: Copy, now: datetime) -> None:
        """Try once more to write what an adapter crashed on; it stays in quarantine until it is safe elsewhere."""
        ticket = Ticket()
        plan = self._dispatch.plan([copy], now)
        if plan.ready:
            self._outbound.submit(plan.ready, now, ticket)
            await ticket
            self._quarantine.done((row,))
