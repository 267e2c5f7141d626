"""To the disk and back: what a destination does not take in time, what is read again when it does, what is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from gateway.outbound.announcing import Announcing, epochs
from gateway.outbound.faults import Full
from gateway.outbound.item import Item, State
from gateway.outbound.lane import Lane, stored
from gateway.outbound.resealing import Resealing
from gateway.outbound.waiting import Waiting
from gateway.spool import SpoolError, SpoolFull
from gateway.stream import Stream
from protocols.custody import Taken
from protocols.record import Event

PAUSE_S: Final = 1.0  # before the disk is asked again


class Storing:
    """What of every lane waits on disk."""

    def __init__(
        self,
        waiting: Waiting,
        stream: Stream,
        resealing: Resealing,
        announcing: Announcing,
        mark: Callable[[Lane], None],
    ) -> None:
        """``mark`` is called with a lane that may have something to send."""
        self._waiting = waiting
        self._stream = stream
        self._resealing = resealing
        self._announcing = announcing
        self._mark = mark
        self._over: list[int] = []  # rows whose Records are still to be written
        self._said: dict[tuple[str, bytes], Taken] = {}  # custody of what may be on disk alone
        self.full = Full(stream)  # destinations for which the disk holds no more

    def tend(self, lane: Lane, group: asyncio.TaskGroup, now: float) -> None:
        """Have on disk what has to wait there, and from it what there is room for."""
        if lane.spill and not lane.spilling:
            lane.spilling = True
            group.create_task(self.spill(lane))
        if not lane.loading and lane.wants_load(now):
            lane.loading = True
            group.create_task(self.load(lane))

    async def spill(self, lane: Lane) -> None:
        """Put on disk what has to wait there; what the disk does not take stays in memory, and its source waits."""
        while lane.spill:
            held, lane.spill = lane.spill, []
            held = [(item, reason) for item, reason in held if item.state is not State.DONE]
            away = [item for item, _ in held if item.state is not State.READY]
            lane.storing = stored(held)
            try:
                await self._waiting.keep(lane.name, held)
            except SpoolError as error:
                now = asyncio.get_running_loop().time()
                if isinstance(error, SpoolFull):
                    self.full.refused(lane.name, now)
                lane.back([item for item, _ in held])
                lane.back_at = now + PAUSE_S
                break
            self._waiting.release([item for item in away if item.state is State.READY])  # it came back meanwhile
            for item, _ in held:
                self._rest(lane, item)
        lane.spilling, lane.storing = False, frozenset()
        self._mark(lane)

    def _rest(self, lane: Lane, item: Item) -> None:
        """It is on disk: its source need not wait, and the memory need not keep what is not under way."""
        due = item.consignment.due
        if item.state is State.DONE:
            self.over(item)
        elif item.state is State.READY:
            if due is None:
                lane.disk[item.precedence] += 1
            else:
                lane.delay(due.timestamp(), item.precedence)
            lane.drop(item)
        item.safe(delivered=False)

    async def load(self, lane: Lane) -> None:
        """Read from the disk what may be sent next."""
        now = asyncio.get_running_loop().time()
        level = lane.load_level(self._waiting.oldest_s(lane.name))
        if level is not None:
            try:
                items = await self._waiting.load(lane.name, level, lane.load_size, now)
            except SpoolError:  # the lookout tells it; the next look tries again
                lane.paused_until = now + PAUSE_S
            else:
                lane.loaded(level, items)
                self._resealing.loaded(items)
                for eid in epochs(items):
                    self._announcing.once(lane, eid)
        lane.loading = False
        self._mark(lane)

    def put_back(self, lane: Lane, item: Item) -> None:
        """It has a row, and waits there alone again."""
        self._waiting.release([item])
        lane.disk[item.precedence] += 1
        lane.drop(item)

    def over(self, item: Item) -> None:
        """It is done with, and so is its row, as soon as its Records are written."""
        if item.row is not None:
            self._over.append(item.row)

    async def write(self) -> None:
        """Write the Records of what is over, then end its rows."""
        if self._over:
            over, self._over = self._over, []
            await self._stream.committed()
            self._waiting.done(over)

    def said(self, partner: str, taken: Taken) -> None:
        """A partner's gateway has custody of what may be on disk alone."""
        self._said[partner, taken.eid] = taken

    async def look(self, lanes: Mapping[str, Lane], now: float) -> Sequence[str]:
        """End what on disk alone was taken, or is too old, or can leave no more; gives where."""
        self.full.look(now)
        ended_in: dict[str, None] = {}
        said, self._said = self._said, {}
        with suppress(SpoolError):
            for (partner, _), taken in said.items():
                ended = await self._waiting.settle(partner, [taken])
                mine = {item.row for item in lanes[partner].in_hand()} | set(self._over)
                self._waiting.tell([each for each in ended if each.id not in mine], Event.FORWARDED)
                ended_in[partner] = None
            ended = await self._waiting.expire()
            self._waiting.tell(ended)
            ended_in |= dict.fromkeys(each.lane for each in ended)
            ended_in |= dict.fromkeys(await self._resealing.end_earlier(lanes, self._over))
            await self._resealing.keep_keys(lanes.values())
        self._waiting.sweep()
        return list(ended_in)
