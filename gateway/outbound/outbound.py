"""The way out: parcels go to their destinations by precedence, and to the disk where a destination does not keep up.

A source's ticket is settled when everything that came of its frames is delivered, in the custody of a partner's
gateway, or on disk. While destinations are healthy the disk is not touched. What was given to a broker for a partner is
kept until the partner's gateway says that it has it, and is sent again when it does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

from gateway.dispatch import CONTROL, Consignment, Dispatch
from gateway.links import Link, LinkError, LinkState, SendRefusal
from gateway.outbound.item import Item, State, Ticket
from gateway.outbound.lane import Lane
from gateway.outbound.turns import FRAMING, Offer, Turns
from gateway.outbound.waiting import Waiting
from gateway.spool import SpoolError, SpoolFull
from gateway.stream import About, HandedOver, Stream
from protocols.custody import Taken
from protocols.record import Event, Holding

HOLD_S: Final = 0.2  # that a source waits for a destination before its copies go to the disk
TICK_S: Final = 0.05
LATE: Final = 8  # times that a tick came late are added to that
SLOW_TICKS: Final = 20  # between two looks at what is overdue, expired or delayed
BATCH: Final = 256  # parcels given to a link at once
LOAD: Final = 64  # parcels read from the disk at once
FINAL: Final = frozenset({SendRefusal.TOO_LARGE, SendRefusal.BAD_TOPIC})  # no later try could end otherwise
PAUSE_S: Final = 1.0  # after a refusal that may pass, doubled each time
PAUSE_MAX_S: Final = 60.0


class Roads(NamedTuple):
    """The links by name, and the order on each."""

    links: Mapping[str, Link]
    turns: Mapping[str, Turns]


class Outbound:
    """Everything on its way out of one gateway."""

    def __init__(
        self, roads: Roads, waiting: Waiting, dispatch: Dispatch, stream: Stream, clock: Callable[[], datetime]
    ) -> None:
        self._links, self._turns = roads
        self._waiting = waiting
        self._dispatch = dispatch
        self._stream = stream
        self._clock = clock
        self._lanes: dict[str, Lane] = {}
        self._busy: dict[Lane, None] = {}  # that may have something to send
        self._over: list[int] = []  # rows whose Records are still to be written
        self._said: dict[tuple[str, bytes], Taken] = {}  # custody of what may be on disk alone
        self._faults: set[str] = set()
        self._late = 0.0  # how much later than it should our own work is done
        self._wake = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        for name, levels in waiting.rows().items():
            self._lane(name).disk = levels

    @property
    def lanes(self) -> Mapping[str, Lane]:
        """Every destination so far, for those who look on."""
        return self._lanes

    def sent_bytes(self, destination: str) -> dict[str, int]:
        """Bytes sent to a destination over links with a budget, by link."""
        return {name: turns.bytes[destination] for name, turns in self._turns.items() if destination in turns.bytes}

    def submit(self, ready: Sequence[Consignment], arrived: datetime, ticket: Ticket | None = None) -> Ticket:
        """Take parcels; never waits. The ticket is settled when all that deliver something are safe."""
        ticket = ticket or Ticket()
        since = asyncio.get_running_loop().time()
        for consignment in ready:
            lane = self._lane(consignment.to)
            self._waiting.announced(consignment, arrived)
            item = Item(consignment, arrived, since, ticket if consignment.copies else None)
            held = Holding.NOT_DUE if consignment.due is not None else lane.put(item)
            if held is not None:
                lane.spill.append((item, held))
            self._busy[lane] = None
        self._wake.set()
        return ticket

    def taken(self, partner: str, said: Sequence[Taken]) -> None:
        """A partner's gateway has custody of these envelopes."""
        lane = self._lanes.get(partner)
        if lane is None:
            return
        now = asyncio.get_running_loop().time()
        for each in said:
            for item in lane.taken(each):
                if item.state is State.SENT:
                    if not lane.thin:  # there the budget says how much may be sent, not the round trip
                        lane.window.answered(now - item.sent_at - self._late, now)
                    lane.window.ended(item.size)
                elif item.state is State.READY:
                    with suppress(ValueError):
                        lane.fresh[item.precedence].remove(item)
                self._arrived(lane, item)
            if lane.waiting:
                self._said[partner, each.eid] = each
        self._mark(lane)

    async def run(self) -> None:
        """Send, until cancelled."""
        await self._waiting.recall()
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._tick(), name="outbound")
            self._busy.update(dict.fromkeys(self._lanes.values()))
            self._wake.set()
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._pump(group)

    async def finish(self, ready: Sequence[Consignment]) -> None:
        """Send what ends our epochs, past every queue."""
        by_road: dict[str, list[Consignment]] = {}
        for consignment in ready:
            by_road.setdefault(self._road(self._lane(consignment.to)), []).append(consignment)
        for road, batch in by_road.items():
            await self._links[road].send_all([each.parcel for each in batch])

    def _lane(self, to: str) -> Lane:
        lane = self._lanes.get(to)
        if lane is None:
            lane = self._lanes[to] = Lane(to)
        return lane

    def _road(self, lane: Lane, tries: int = 0) -> str:
        """The link to send by: the first that is up, and the next one at every other try."""
        names = self._dispatch.links_to(lane.name)
        up = [name for name in names if self._links[name].state is LinkState.UP] or list(names)
        return up[tries % len(up)]

    def _mark(self, lane: Lane) -> None:
        """There may be something to send there."""
        self._busy[lane] = None
        self._wake.set()

    def _pump(self, group: asyncio.TaskGroup) -> None:
        """Give the links what they may have, the disk what has to wait, and read from it where there is room."""
        now = asyncio.get_running_loop().time()
        batches: dict[str, list[tuple[Lane, Item]]] = {}
        thin: dict[str, list[Lane]] = {}
        busy, self._busy = self._busy, {}
        for lane in busy:
            if lane.spill and not lane.spilling:
                lane.spilling = True
                group.create_task(self._spill(lane))
            if not lane.loading and lane.wants_load(now):
                lane.loading = True
                group.create_task(self._load(lane))
            if (level := lane.next_level(now)) is None:
                continue
            road = self._road(lane)
            lane.thin = self._turns[road].budgeted
            if lane.thin:
                thin.setdefault(road, []).append(lane)
                continue
            while level is not None:
                item = lane.take(level)
                batches.setdefault(self._road(lane, item.tries) if item.tries else road, []).append((lane, item))
                level = lane.next_level(now)
        for road, lanes in thin.items():
            batches[road] = self._share(road, lanes, now)
        for road, items in batches.items():
            for start in range(0, len(items), BATCH):
                group.create_task(self._send(road, items[start : start + BATCH]))

    def _share(self, road: str, lanes: Sequence[Lane], now: float) -> list[tuple[Lane, Item]]:
        """One parcel by a link with a budget, of whose turn it is; the next when the budget allows it."""
        turns = self._turns[road]
        self._busy.update(dict.fromkeys(lanes))
        if wait_s := turns.wait_s(now):
            asyncio.get_running_loop().call_later(wait_s, self._wake.set)
            return []
        offers = []
        for lane in lanes:
            if (level := lane.next_level(now)) is not None:
                head = lane.fresh[level][0]
                offers.append(Offer(lane.name, level, head.size + FRAMING))
        chosen = turns.choose(offers)
        if chosen is None:
            return []
        turns.sent(chosen, now)
        self._wake.set()
        lane = self._lanes[chosen.lane]
        return [(lane, lane.take(chosen.precedence))]

    async def _send(self, road: str, items: Sequence[tuple[Lane, Item]]) -> None:
        """Give parcels to a link, and see to what it answers."""
        items = [(lane, item) for lane, item in items if self._is_sound(lane, item)]
        started = asyncio.get_running_loop().time()
        try:
            answers = await self._links[road].send_all([item.consignment.parcel for _, item in items])
        except LinkError:
            return  # the link was closed: the gateway stops, and sources that wait will tell us again
        now = asyncio.get_running_loop().time()
        for (lane, item), refusal in zip(items, answers, strict=True):
            if item.state is State.DONE:
                lane.window.ended(item.size)
            elif refusal is not None:
                lane.window.ended(item.size)
                self._refused(lane, item, refusal, now)
            elif item.consignment.custody is not None:
                item.state, item.sent_at = State.SENT, now
            else:
                lane.window.ended(item.size)
                lane.window.answered(now - started - self._late, now)
                self._arrived(lane, item)
            self._busy[lane] = None
        self._wake.set()

    def _is_sound(self, lane: Lane, item: Item) -> bool:
        """Whether it may still leave; an envelope of a closed epoch is sealed anew for those who may still read it."""
        number = item.consignment.custody
        if number is None or not self._dispatch.is_closed(number.eid):
            return True
        lane.window.ended(item.size)
        ready, unsent = self._dispatch.reseal(item.consignment, self._clock())
        if item.drafts:
            names = {copy.way.destination.id for each in ready for copy in each.copies}
            for draft in item.drafts:
                if draft.destination not in names:
                    self._stream.ended(draft, Event.WITHHELD, unsent[0].reason if unsent else None)
        for each in unsent:
            self._stream.kept(Event.WITHHELD, each.reason, each.copy.message, each.copy.way)
        self.submit(ready, item.arrived)
        self._close(lane, item, delivered=False)
        return False

    def _arrived(self, lane: Lane, item: Item) -> None:
        """The destination has it."""
        what = item.consignment
        lane.pauses = 0
        if item.drafts:
            messages = item.messages or (None,) * len(item.drafts)
            data = what.parcel.data if what.event is Event.DELIVERED else None
            for draft, message in zip(item.drafts, messages, strict=False):
                self._stream.ended(draft, draft.event, draft.reason, message, data)
        else:
            handed = HandedOver(what.form, what.parcel.data, what.loss, item.arrived, what.reason)
            for message, way in what.copies:
                self._stream.handed(what.event, message, way, handed)
        self._close(lane, item)

    def _refused(self, lane: Lane, item: Item, refusal: SendRefusal, now: float) -> None:
        """The far side will not take it: never, or not now."""
        if refusal in FINAL or item.precedence == CONTROL:
            for draft in item.drafts:
                self._stream.ended(draft, Event.REFUSED, refusal)
            for message, way in () if item.drafts else item.consignment.copies:
                self._stream.kept(Event.REFUSED, refusal, message, way)
            self._close(lane, item, delivered=False)
            return
        if now >= lane.paused_until:
            lane.paused_until = now + min(PAUSE_MAX_S, PAUSE_S * 2**lane.pauses)
            lane.pauses += 1
        item.state = State.READY
        if item.row is not None:
            self._waiting.release([item])
            lane.disk[item.precedence] += 1
            lane.drop(item)
        else:
            lane.unsafe.pop(item, None)
            lane.spill.append((item, refusal))

    def _close(self, lane: Lane, item: Item, *, delivered: bool = True) -> None:
        if item.row is not None:
            self._over.append(item.row)
        lane.forget(item, delivered=delivered)

    async def _spill(self, lane: Lane) -> None:
        """Put on disk what has to wait there; what the disk does not take stays in memory, and its source waits."""
        while lane.spill:
            held, lane.spill = lane.spill, []
            held = [(item, reason) for item, reason in held if item.state is not State.DONE]
            try:
                await self._waiting.keep(lane.name, held)
            except SpoolError as error:
                self._fault(f"spool-{error.reason}", lane.name if isinstance(error, SpoolFull) else None)
                lane.back([item for item, _ in held])
                lane.back_at = asyncio.get_running_loop().time() + PAUSE_S
                break
            self._mended("spool")
            for item, _ in held:
                self._rest(lane, item)
        lane.spilling = False
        self._mark(lane)

    def _rest(self, lane: Lane, item: Item) -> None:
        """It is on disk: its source need not wait, and the memory need not keep what is not under way."""
        due = item.consignment.due
        if item.state is State.DONE:
            self._over.append(item.row or 0)
        elif item.state is State.READY:
            if due is None:
                lane.disk[item.precedence] += 1
            else:
                lane.delay(due.timestamp(), item.precedence)
            lane.drop(item)
        item.safe(delivered=False)

    async def _load(self, lane: Lane) -> None:
        """Read from the disk what may be sent next."""
        now = asyncio.get_running_loop().time()
        level = lane.load_level(self._waiting.oldest_s(lane.name))
        if level is not None:
            room = max(1, min(LOAD, lane.room))
            items = await self._waiting.load(lane.name, level, room, now)
            lane.loaded(level, items)
            for eid in {item.consignment.custody.eid for item in items if item.consignment.custody is not None}:
                self._announce(lane, eid)
        lane.loading = False
        self._mark(lane)

    def _announce(self, lane: Lane, eid: bytes) -> None:
        """Publish an epoch's announcement again, once for each start and for each time that something is overdue."""
        if eid in lane.announced:
            return
        lane.announced.add(eid)
        parcel = self._waiting.announcement(eid, lane.name)
        if parcel is not None:
            self.submit([Consignment(lane.name, parcel, Event.FORWARDED, precedence=CONTROL)], self._clock())

    async def _tick(self) -> None:
        """What time brings: what takes too long goes to the disk, or is sent again; what is over is written down."""
        ticks, before = 0, asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(TICK_S)
            ticks += 1
            now = asyncio.get_running_loop().time()
            self._late, before = max(0.0, now - before - TICK_S), now  # we are busy: no destination's fault
            for lane in self._lanes.values():
                oldest = next(iter(lane.unsafe), None)
                if oldest is not None and now - oldest.since > HOLD_S + LATE * self._late and now > lane.back_at:
                    lane.spill += [(item, Holding.SLOW) for item in lane.to_disk()]
                if lane.spill or lane.waiting or any(lane.fresh):
                    self._mark(lane)
            if self._over:
                over, self._over = self._over, []
                await self._stream.committed()
                self._waiting.done(over)
            if ticks % SLOW_TICKS == 0:
                await self._look(now)

    async def _look(self, now: float) -> None:
        """Every second: what is overdue, due, expired, or taken although it was on disk alone."""
        wall = self._clock()
        for lane in self._lanes.values():
            lane.ripen(wall.timestamp())
            for item in lane.overdue(now):
                item.tries += 1
                number = item.consignment.custody
                lane.window.ended(item.size)
                if number is not None:
                    lane.announced.discard(number.eid)
                    self._announce(lane, number.eid)
                lane.again(item)
                self._mark(lane)
        for name, levels in self._waiting.rows().items():
            self._lane(name).look_for(levels)
        said, self._said = self._said, {}
        with suppress(SpoolError):
            for (partner, _), taken in said.items():
                ended = await self._waiting.settle(partner, [taken])
                mine = {item.row for item in self._lanes[partner].in_hand()} | set(self._over)
                others = [each for each in ended if each.id not in mine]
                self._waiting.tell(others, Event.FORWARDED)
                self._recount(partner)
            ended = await self._waiting.expire()
            self._waiting.tell(ended)
            for partner in {each.lane for each in ended}:
                self._recount(partner)
        self._waiting.sweep(wall)
        await self._stream.committed()

    def _recount(self, name: str) -> None:
        """Rows went without passing through our hands."""
        self._lane(name).disk = self._waiting.rows().get(name) or [0] * len(self._lane(name).disk)

    def _fault(self, reason: str, destination: str | None = None) -> None:
        """Say once that something does not work."""
        if reason not in self._faults:
            self._faults.add(reason)
            self._stream.about(Event.FAULT, About(reason=reason, destination=destination))

    def _mended(self, what: str) -> None:
        """Say once that it works again."""
        for reason in [each for each in self._faults if each.startswith(what)]:
            self._faults.discard(reason)
            self._stream.about(Event.MENDED, About(reason=reason))
