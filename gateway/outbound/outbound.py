"""The way out: parcels go to their destinations by precedence, and to the disk where a destination does not keep up.

A source's ticket is settled when everything that came of its frames is delivered, in the custody of a partner's
gateway, or on disk. While destinations are healthy the disk is not touched. What was given to a broker for a partner is
kept until the partner's gateway says that it has it, and is sent again when it does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from math import inf
from typing import Final

from gateway.dispatch import CONTROL, Consignment, Dispatch
from gateway.links import LinkError, SendRefusal
from gateway.outbound import telling
from gateway.outbound.announcing import Announcing, epochs
from gateway.outbound.faults import Full
from gateway.outbound.item import Item, State, Ticket
from gateway.outbound.lane import Lane
from gateway.outbound.resealing import AT_ONCE, Resealing
from gateway.outbound.roads import Roads
from gateway.outbound.sharing import Given, affordable, share
from gateway.outbound.storing import Storing
from gateway.outbound.turns import RANKS, URGENT
from gateway.outbound.waiting import Waiting
from gateway.stream import Stream
from protocols.custody import Taken
from protocols.record import Holding

__all__ = ["Outbound", "Roads"]
HOLD_S: Final = 0.2  # that a source waits for a destination before its copies go to the disk
TICK_S: Final = 0.05
LATE: Final = 8  # times that a tick came late are added to that
SLOW_TICKS: Final = 20  # between two looks at what is overdue, expired or delayed
BATCH: Final = 256  # parcels given to a link at once
FINAL: Final = frozenset({SendRefusal.TOO_LARGE, SendRefusal.BAD_TOPIC})  # no later try could end otherwise
PAUSE_S: Final = 1.0  # after a refusal that may pass, doubled each time
PAUSE_MAX_S: Final = 60.0


class Outbound:
    """Everything on its way out of one gateway."""

    def __init__(
        self, roads: Roads, waiting: Waiting, dispatch: Dispatch, stream: Stream, clock: Callable[[], datetime]
    ) -> None:
        self._roads = roads
        self._links, self._turns, _ = roads
        self._waiting = waiting
        self._dispatch = dispatch
        self._stream = stream
        self._clock = clock
        self._lanes: dict[str, Lane] = {}
        self._busy: dict[Lane, None] = {}  # that may have something to send
        self._announcing = Announcing(waiting, dispatch, self.submit, clock)
        self._resealing = Resealing(waiting, dispatch, stream)
        self._storing = Storing(waiting, stream, self._resealing, self._announcing, self._mark)
        self._late = 0.0  # how much later than it should our own work is done
        self._wake = asyncio.Event()
        for name, levels in waiting.rows().items():
            self._lane(name).disk = levels

    @property
    def lanes(self) -> Mapping[str, Lane]:
        """Every destination so far, for those who look on."""
        return self._lanes

    @property
    def astray(self) -> frozenset[str]:
        """Links by which what is sent does not arrive, though its destination is heard by another one."""
        lanes = [lane.name for lane in self._lanes.values() if lane.detour.leads_nowhere]
        return frozenset(links[0] for name in lanes if (links := self._dispatch.links_to(name)))

    @property
    def full(self) -> Full:
        """Destinations for which the disk holds no more."""
        return self._storing.full

    def sent_bytes(self, destination: str) -> dict[str, int]:
        """Bytes sent to a destination over links with a budget, by link."""
        return {name: turns.bytes[destination] for name, turns in self._turns.items() if destination in turns.bytes}

    def submit(self, ready: Sequence[Consignment], arrived: datetime, ticket: Ticket | None = None) -> Ticket:
        """Take parcels; never waits. The ticket is settled when all that deliver something are safe."""
        ticket = ticket or Ticket()
        since = asyncio.get_running_loop().time()
        for consignment in ready:
            lane = self._lane(consignment.to)
            self._waiting.announced(consignment)
            if consignment.note is not None:
                lane.announced.add(consignment.note)  # on its way: rows that need it do not have it sent once more
            item = Item(consignment, arrived, since, ticket if consignment.copies else None)
            held = Holding.NOT_DUE if consignment.due is not None else lane.put(item)
            if held is not None:
                lane.spill.append((item, held))
            self._busy[lane] = None
        self._wake.set()
        return ticket

    def heard(self, partner: str, link: str) -> None:
        """A partner's gateway spoke by this link."""
        links = self._dispatch.links_to(partner)
        if link in links:
            self._lane(partner).detour.heard(link, links)

    def unheard(self, partner: str) -> None:
        """What we told a partner's gateway does not arrive: it says again what it was answered to."""
        self._lane(partner).detour.follow(asyncio.get_running_loop().time())

    def taken(self, partner: str, said: Sequence[Taken]) -> None:
        """A partner's gateway has custody of these envelopes."""
        lane = self._lanes.get(partner)
        if lane is None:
            return
        now = asyncio.get_running_loop().time()
        lane.heard(now)
        for each in said:
            if not each.below:
                self._resealing.unopened(partner, each.eid)
                continue
            for item in lane.taken(each):
                if item.tries:
                    lane.detour.follow(now)
                if item.parts is not None:
                    lane.window.ended(item.size)  # the rest of it need not go
                elif item.state is State.SENT:
                    self._timed(lane, item, now)
                    lane.window.ended(item.size)
                elif item.state is State.READY:
                    with suppress(ValueError):
                        lane.fresh[item.precedence].remove(item)
                self._arrived(lane, item)
            if lane.waiting:
                self._storing.said(partner, each)
        self._mark(lane)

    async def run(self) -> None:
        """Send, until cancelled."""
        await self._waiting.recall()
        await self._resealing.keep_keys(self._lanes.values())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tick(), name="outbound")
            self._busy.update(dict.fromkeys(self._lanes.values()))
            self._wake.set()
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._pump(group)

    async def finish(self, ready: Sequence[Consignment]) -> None:
        """Send what ends our epochs, past every queue; over a link with a budget as much of it as that allows."""
        now = asyncio.get_running_loop().time()
        by_road: dict[str, list[Consignment]] = {}
        for consignment in ready:
            by_road.setdefault(self._roads.for_word(self._names(self._lane(consignment.to), now)), []).append(
                consignment
            )
        for road, batch in by_road.items():
            await self._links[road].send_all(list(affordable(self._turns[road], batch)))

    def _lane(self, to: str) -> Lane:
        lane = self._lanes.get(to)
        if lane is None:
            lane = self._lanes[to] = Lane(to)
        return lane

    def _mark(self, lane: Lane) -> None:
        """There may be something to send there."""
        self._busy[lane] = None
        self._wake.set()

    def _pump(self, group: asyncio.TaskGroup) -> None:
        """Give the links what they may have, the disk what has to wait, and read from it where there is room."""
        now = asyncio.get_running_loop().time()
        self._resealing.left = AT_ONCE
        batches: dict[str, list[Given]] = {}
        thin: dict[str, dict[Lane, int]] = {}
        busy, self._busy = self._busy, {}
        for lane in busy:
            self._reopened(lane)
            self._storing.tend(lane, group, now)
            for road, given in self._leaving(lane, thin, now):
                batches.setdefault(road, []).append(given)
        for road, lanes in thin.items():
            batches.setdefault(road, []).extend(self._share(road, lanes, now))
        for road, items in batches.items():
            for start in range(0, len(items), BATCH):
                group.create_task(self._send(road, items[start : start + BATCH]))

    def _leaving(self, lane: Lane, thin: dict[str, dict[Lane, int]], now: float) -> Iterator[tuple[str, Given]]:
        """Everything that may leave now, and by which link; ``thin`` is told what would go by one with a budget."""
        names = self._names(lane, now)
        first = self._first(lane, names) if names else ""
        lane.thin = bool(names) and self._turns[first].budgeted
        while names and (level := self._next_level(lane, now)) is not None:
            item = lane.head(level)
            road = self._road(lane, names, item) if item.tries or level == CONTROL else first
            if self._turns[road].budgeted:
                lane.thin = True
                thin.setdefault(road, {})[lane] = level
                return
            if level in lane.cut:  # begun in frames by a link with a budget, which is down
                lane.not_sent([item])
                continue
            yield road, Given(lane, lane.take(level), item.consignment.parcel)

    def _road(self, lane: Lane, names: Sequence[str], item: Item) -> str:
        roads = self._roads
        return roads.again(names, item.road, silent=lane.silent) if item.tries else roads.for_word(names)

    def _names(self, lane: Lane, now: float) -> Sequence[str]:
        return lane.detour.order(self._dispatch.links_to(lane.name), now)

    def _next_level(self, lane: Lane, now: float) -> int | None:
        """The precedence whose turn it is. The one that goes next may leave: else it is sealed anew first, or ended."""
        while (level := lane.next_level(now)) is not None:
            item = lane.head(level)
            if self._resealing.is_fit(item):
                return level
            if level in lane.cut:
                lane.not_sent([item])
                continue
            if self._resealing.left <= 0:
                self._mark(lane)
                return None
            wall = self._clock()
            ready = self._resealing.anew(item, wall) if level < CONTROL else ()
            if not ready:
                lane.fresh[level].popleft()
                self._close(lane, item, delivered=False)
                continue
            lane.renumber(item, ready[-1])
            self.submit(ready[:-1], wall)
            for eid in epochs([item]):
                self._announcing.once(lane, eid)
        return None

    def _share(self, road: str, lanes: Mapping[Lane, int], now: float) -> list[Given]:
        """One frame by a link with a budget, of whose turn it is; the next when the budget allows it."""
        turns = self._turns[road]
        self._busy.update(dict.fromkeys(lanes))
        if wait_s := turns.wait_s(now):
            asyncio.get_running_loop().call_later(wait_s, self._wake.set)
            return []
        self._wake.set()
        return share(turns, lanes, now)

    async def _send(self, road: str, items: Sequence[Given]) -> None:
        """Give parcels to a link, and see to what it answers."""
        items = self._sound(items)
        now = asyncio.get_running_loop().time()
        for each in items:
            each.item.left_at, each.item.given_to = now, road
        try:
            answers = await self._links[road].send_all([each.parcel for each in items])
        except LinkError:
            return  # the link was closed: the gateway stops, and sources that wait will tell us again
        left_at, now = now, asyncio.get_running_loop().time()
        back: dict[Lane, list[Item]] = {}
        for (lane, item, _, parts), refusal in zip(items, answers, strict=True):
            if parts is None and item.left_at != left_at:
                continue  # another link has had it since
            if parts is not item.parts or (parts is not None and refusal is None and not parts.answered()):
                self._busy[lane] = None
                continue  # it begins anew, or goes on
            if _comes_back(item, refusal):
                back.setdefault(lane, []).append(item)
            elif item.state is not State.DONE and refusal is None and item.consignment.custody is not None:
                item.road = road
                lane.at_broker(item, now)
            else:
                self._ended(lane, item, refusal)
            self._busy[lane] = None
        for lane, given in back.items():
            lane.given_back(given)
            if SendRefusal.NOBODY in answers:
                lane.hold_off(now)
                self._elsewhere(lane, given, road, now)
        self._wake.set()

    def _elsewhere(self, lane: Lane, given: Sequence[Item], road: str, now: float) -> None:
        """Nobody is there to receive by this link: where there is another one, these go by that, and their keys."""
        if self._roads.again(self._names(lane, now), road, silent=lane.silent) != road:
            for item in given:
                item.road, item.tries = road, max(item.tries, 1)
            self._announcing.anew(lane, given)

    def _first(self, lane: Lane, names: Sequence[str]) -> str:
        """The link for a destination's envelopes. What the last one, now down, has not brought there goes first."""
        road, lane.road = lane.road, self._roads.choose(names)
        if road not in {None, lane.road} and not self._roads.is_up(road) and self._roads.is_up(lane.road):
            held = lane.held_by(road)
            for item in held:
                item.left_at, item.road, item.tries = inf, road, max(item.tries, 1)
            lane.given_back(held)
            self._announcing.reopened(lane)
            self._announcing.anew(lane, lane.under_way())
        return lane.road

    def _sound(self, items: Sequence[Given]) -> Sequence[Given]:
        """Those that may leave now; the others go back."""
        for lane in dict.fromkeys(each.lane for each in items):
            its = [each.item for each in items if each.lane is lane]
            if self._reopened(lane):
                lane.given_back(its)
            elif all(map(self._resealing.is_fit, its)):
                continue
            else:
                lane.not_sent(its)  # in their order
                self._mark(lane)
            items = [each for each in items if each.lane is not lane]
        return items

    def _ended(self, lane: Lane, item: Item, refusal: SendRefusal | None) -> None:
        """It is not under way any more."""
        now = asyncio.get_running_loop().time()
        lane.window.ended(item.size)
        if item.state is State.DONE:
            return
        if refusal is not None:
            self._refused(lane, item, refusal, now)
            return
        self._timed(lane, item, now)
        self._arrived(lane, item)

    def _timed(self, lane: Lane, item: Item, now: float) -> None:
        """It was answered. That says how wide the window is to be, unless it went past it or a budget says so."""
        if item.precedence < URGENT and not lane.thin:
            lane.window.answered(now - item.left_at, now, self._late)

    def _reopened(self, lane: Lane) -> bool:
        """Whether a link that leads there has connected again: what was sent by it may be lost, and goes again."""
        openings = self._roads.openings(self._dispatch.links_to(lane.name))
        if openings == lane.openings:
            return False
        again, lane.openings = bool(lane.openings), openings
        lane.cut_anew()
        if again:
            self._announcing.reopened(lane)
        if not any(item.state is State.SENT for item in lane.under_way()):
            return False  # as at the start: nothing was sent that may be lost
        lane.silent = False
        lane.go_back()
        self._announcing.anew(lane, lane.under_way())
        return True

    def _arrived(self, lane: Lane, item: Item) -> None:
        """The destination has it."""
        lane.pauses = 0
        telling.arrived(self._stream, item)
        self._close(lane, item)

    def _refused(self, lane: Lane, item: Item, refusal: SendRefusal, now: float) -> None:
        """The far side will not take it: never, or not now."""
        if refusal in FINAL or item.precedence == CONTROL:
            telling.refused(self._stream, item, refusal)
            self._close(lane, item, delivered=False)
            return
        if now >= lane.paused_until:
            lane.paused_until = now + min(PAUSE_MAX_S, PAUSE_S * 2**lane.pauses)
            lane.pauses += 1
        item.state = State.READY
        if item.row is not None:
            self._storing.put_back(lane, item)
        else:
            lane.unsafe.pop(item, None)
            lane.spill.append((item, refusal))

    def _close(self, lane: Lane, item: Item, *, delivered: bool = True) -> None:
        self._storing.over(item)
        lane.forget(item, delivered=delivered)

    async def _tick(self) -> None:
        """What time brings: what takes too long goes to the disk, or is sent again; what is over is written down."""
        ticks, before = 0, asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(TICK_S)
            ticks += 1
            now = asyncio.get_running_loop().time()
            self._late, before = max(0.0, now - before - TICK_S), now  # we are busy: no destination's fault
            for lane in self._lanes.values():
                oldest = lane.oldest(now)
                if oldest is not None and now - oldest.since > HOLD_S + LATE * self._late and now > lane.back_at:
                    lane.spill += [(item, Holding.SLOW) for item in lane.to_disk(now)]
                if lane.spill or lane.waiting or any(lane.fresh):
                    self._mark(lane)
            self._announcing.step()
            await self._storing.write()
            if ticks % SLOW_TICKS == 0:
                await self._look(now)

    async def _look(self, now: float) -> None:
        """Every second: what is overdue, due, expired, or taken although it was on disk alone."""
        wall = self._clock()
        for lane in self._lanes.values():
            lane.ripen(wall.timestamp())
            self._reopened(lane)
            if lane.numbered:
                self._mark(lane)  # for the case that its link went down
            overdue = lane.overdue(now, [eid for eid in lane.numbered if self._dispatch.is_closed(eid)])
            for item in overdue:
                item.tries += 1
                lane.window.ended(item.size)
            if overdue and lane.is_there(overdue):
                lane.detour.follow(now)
            self._announcing.anew(lane, overdue)
            lane.again(overdue)
            lane.listen(overdue)
        for name, levels in self._waiting.rows().items():
            self._lane(name).look_for(levels)
        for name in await self._storing.look(self._lanes, now):  # rows that went without passing through our hands
            self._lane(name).disk = self._waiting.rows().get(name) or [0] * RANKS
        await self._stream.committed()


def _comes_back(item: Item, refusal: SendRefusal | None) -> bool:
    """Whether it is to be sent again, in order. Of announcements a broker keeps the last, whoever listens."""
    absent = refusal is SendRefusal.NOBODY and item.precedence != CONTROL
    return item.state is not State.DONE and (absent or refusal is SendRefusal.LOST)
