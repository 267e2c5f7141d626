"""What an adapter crashed on: kept under the local key until the adapter is mended, and taken up again at a start.

Nothing is lost for a bug in somebody's format; nothing waits for it either: the next frame goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.dispatch import Copy
from gateway.links import Frame, Parcel
from gateway.outbound.wrapping import Wrapping
from gateway.routing import Table
from gateway.spool import Kept, Row, SpoolError
from gateway.spool.spool import Spool
from protocols.record import Refused

LANE: Final = "quarantine:"  # and the unit whose adapter it was
TAKEN: Final = 256  # rows taken up at once
AGAIN_S: Final = 1.0  # between two tries to write


class Quarantined:
    """A frame that came again from quarantine. One that makes the adapter crash once more stays there."""

    def __init__(self, spool: Spool, row: int, topic: str, data: bytes) -> None:
        self._spool = spool
        self._row = row
        self.topic = topic
        self.data = data

    def ack(self) -> None:
        """It went its way."""
        self._spool.done((self._row,))

    def refuse(self, reason: str) -> None:
        """It is not wanted, unless it is the adapter again."""
        if reason != Refused.ADAPTER_CRASHED:
            self._spool.done((self._row,))


class _Once:
    """A link that gives what was in quarantine, and ends."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = frames

    async def batches(self, limit: int = 256, /) -> AsyncIterator[Sequence[Frame]]:
        """Everything, a portion at a time."""
        for start in range(0, len(self._frames), limit):
            yield self._frames[start : start + limit]


class Again(NamedTuple):
    """What is taken up again: frames by link, and copies with their rows."""

    frames: Mapping[str, _Once]
    copies: Sequence[tuple[int, Copy]]


class Quarantine:
    """What waits for better adapters at one gateway. While the disk does not take it, its source waits."""

    def __init__(self, spool: Spool, wrapping: Wrapping) -> None:
        self._spool = spool
        self._wrapping = wrapping

    async def keep_frame(self, unit: str, frame: Frame) -> None:
        """Keep a frame of a unit of ours."""
        if not isinstance(frame, Quarantined):
            await self._keep(unit, self._wrapping.wrapped(Parcel(frame.topic, frame.data), ()))

    async def keep_copy(self, copy: Copy) -> None:
        """Keep what a unit of ours was to be told."""
        agreement = copy.way.agreement.id
        await self._keep(copy.way.destination.id, self._wrapping.wrapped(Parcel(agreement, b""), (copy.message,)))

    async def again(self, table: Table) -> Again:
        """Everything, in hand; what no unit or way of this table can take stays."""
        frames: dict[str, list[Frame]] = {}
        copies: list[tuple[int, Copy]] = []
        for lane in [name for name in self._spool.counts() if name.startswith(LANE)]:
            unit = lane.removeprefix(LANE)
            for row in await self._spool.take(lane, (0,), TAKEN):
                self._sort(row, unit, table, frames, copies)
        return Again({link: _Once(each) for link, each in frames.items()}, copies)

    def done(self, rows: Sequence[int]) -> None:
        """These copies went their way."""
        self._spool.done(rows)

    def _sort(
        self, row: Row, unit: str, table: Table, frames: dict[str, list[Frame]], copies: list[tuple[int, Copy]]
    ) -> None:
        try:
            parcel, messages = self._wrapping.open(row.data, wrapped=True)
        except ValueError:
            return
        if not messages:
            for link in table.links_to(unit) if unit in table.units else ():
                frames.setdefault(link, []).append(Quarantined(self._spool, row.id, parcel.topic, parcel.data))
            return
        for message in messages:
            ways = table.ways(message.origin or "", message.kind)
            way = next((way for way in ways if (way.destination.id, way.agreement.id) == (unit, parcel.topic)), None)
            if way is not None:
                copies.append((row.id, Copy(message, way)))

    async def _keep(self, unit: str, data: bytes) -> None:
        while True:
            try:
                await self._spool.put([Kept(LANE + unit, 0, data)])
            except SpoolError:
                await asyncio.sleep(AGAIN_S)
            else:
                return
