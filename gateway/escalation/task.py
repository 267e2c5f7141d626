"""Who must acknowledge, and what happens when nobody does: a reader of the Record stream, and a task beside the line.

A delivery under a route that asks for it begins to wait here; a receipt of the unit, or somebody at the console, ends
that. Otherwise the units that stand in are given the message, each released as any destination is and under the same
agreement, and in the end the origin is told by a receipt. What waits outlives a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from adapters import load
from gateway.decisions import Decisions
from gateway.dispatch import Consignment, Copy, Dispatch
from gateway.escalation.shelf import Shelf
from gateway.escalation.waiting import WAITING_MAX, Book, Due, Waiting, names_of, receipt, turn
from gateway.outbound.outbound import Outbound
from gateway.release import check
from gateway.routing import Table, Way
from gateway.stream import Outcome, Stream
from gateway.table.entries import Acknowledge, Config, LocalUnit
from gateway.transform import pseudonym, transform
from protocols.body import Receipt, ReceiptState
from protocols.custody import OURS
from protocols.message import Message
from protocols.record import Attention, Event, Record, Withheld

POLL_S = 0.25  # how late a step may end
OVER_MAX = 20_000  # messages whose time has ended while they are on disk; past that the oldest may be asked for again
SAID_MAX = 10_000  # receipts whose further outcomes are known as such
_GIVEN = frozenset({Event.DELIVERED, Event.HELD})  # a unit that takes nothing does not acknowledge either
_ANSWERS = frozenset({ReceiptState.DELIVERED, ReceiptState.READ, ReceiptState.ACCEPTED})


class Means(NamedTuple):
    """What escalation acts with."""

    dispatch: Dispatch
    outbound: Outbound
    stream: Stream
    shelf: Shelf
    pseudonym_key: bytes
    clock: Callable[[], datetime]


class Escalation:
    """What waits for an acknowledgement at one gateway. Add it to the stream as the last reader."""

    def __init__(self, config: Config, table: Table, means: Means, limit: int = WAITING_MAX) -> None:
        self._means = means
        self._stream = means.stream
        self._alias = partial(pseudonym, means.pseudonym_key)
        self._book = Book(limit)
        self._busy: set[str] = set()
        self._on_disk: set[str] = set()  # what waits here, and there too until its unit takes it
        self._over: dict[str, bool] = {}  # what does not wait here any more, and still does there; oldest first
        self._said: dict[tuple[str, datetime | None], bool] = {}
        self._accepted: list[Waiting] = []  # at the console; their origins are still to be told
        self._wake = asyncio.Event()
        for case in means.shelf.kept():
            self._book.open(case)
        self.adopt(config, table)

    def adopt(self, config: Config, table: Table) -> None:
        """From now on hours, alternates and times are those of this table, for what waits already too."""
        self._table = table
        self._decisions = Decisions(table)
        self._asks: dict[tuple[str, str, str], list[tuple[tuple[str, ...], Acknowledge]]] = {}
        for route in config.routes:
            if route.acknowledge is None:
                continue
            for source in route.sources:
                for to in route.to:
                    asks = self._asks.setdefault((source, to, route.agreement), [])
                    asks.append((route.kinds, route.acknowledge))
        self._wake.set()

    def __call__(self, outcome: Outcome) -> None:
        """Take note of one outcome: a delivery that must be acknowledged, or a receipt that does so."""
        record, message, data = outcome
        if message is None:
            return
        if isinstance(message.body, Receipt):
            if message.source.format != OURS and self._is_first(message):
                self._answered(message.origin or "", message.body)
        elif record.event in _GIVEN and record.reason is not Attention.STANDS_IN:
            self._delivered(record, message, data or b"")

    def waiting(self) -> Sequence[Waiting]:
        """Everything that waits, oldest first."""
        return tuple(self._book)

    def acknowledge(self, key: str) -> bool:
        """Somebody at the console acknowledges for the unit; False when it does not wait (any more)."""
        case = self._book.find(key)
        if case is None:
            return False
        self._acknowledged(case, case.unit, Attention.BY_CONSOLE)
        self._accepted.append(case)
        self._wake.set()
        self._stream.commit()
        return True

    def oldest_s(self) -> float:
        """For how long the oldest has waited, in seconds; 0 when nothing waits."""
        oldest = next(iter(self._book), None)
        return 0.0 if oldest is None else (self._means.clock() - oldest.since).total_seconds()

    def __len__(self) -> int:
        return len(self._book)

    async def run(self) -> None:
        """End each step when it is due, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                for work in self._work():
                    group.create_task(work)
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S if len(self._book) else None):
                        await self._wake.wait()

    async def once(self) -> None:
        """End each step that is due now."""
        await asyncio.gather(*self._work())

    def _work(self) -> Iterator[Coroutine[None, None, None]]:
        """One task for each step that is due: a link that takes nothing holds only its own up."""
        for due in self._book.due(self._means.clock(), self._table.units):
            if due.case.key not in self._busy:
                self._busy.add(due.case.key)
                yield self._end(due)
        told, self._accepted = self._accepted, []
        for case in told:
            yield self._tell(case, ReceiptState.ACCEPTED, Attention.BY_CONSOLE)

    def _delivered(self, record: Record, message: Message, data: bytes) -> None:
        key = (record.source or "", record.destination or "", record.agreement or "")
        asks = self._asks.get(key)
        if asks is None:
            return
        terms = next((terms for kinds, terms in asks if not kinds or message.kind in kinds), None)
        within_s = terms and terms.within_s(message.precedence)
        way = self._way(message, key[1], key[2])
        if not within_s or way is None or way.local is None:
            return
        case = Waiting(
            message=message,
            agreement=way.agreement.id,
            transformation=way.agreement.transformation,
            asked=(way.local.id,),
            names=self._names(message, data, way.local),
            within_s=within_s,
            since=record.at,
            due=record.at + timedelta(seconds=within_s),
        )
        on_disk = record.event is Event.HELD
        if self._book.find(case.key) is not None:
            self._on_disk.discard(case.key)
            return  # it came again after a crash, or from the disk, and is waited for already
        if self._over.pop(case.key, False) and not on_disk:
            return  # its time ran while it was on disk, and has ended
        if on_disk:
            self._on_disk.add(case.key)
        self._means.shelf.put(case)
        if (given_up := self._book.open(case)) is not None:
            self._ended(given_up, Event.NOT_ACKNOWLEDGED, Attention.TOO_MANY_WAITING)
        self._wake.set()

    def _is_first(self, said: Message) -> bool:
        """Whether this is the first outcome of what a unit said; others, also from the disk, say nothing again."""
        arrival = (said.id, said.times.received)
        if arrival in self._said:
            return False
        self._said[arrival] = True
        if len(self._said) > SAID_MAX:
            del self._said[next(iter(self._said))]
        return True

    def _answered(self, unit: str, body: Receipt) -> None:
        """A unit says what became of a message. One that it was given earlier, before others, counts as well."""
        case = self._book.called(unit, body.of)
        if case is None:
            return
        if body.state in _ANSWERS:
            for each in (*self._book.before(case, unit), case):
                self._acknowledged(each, unit, Attention.BY_RECEIPT)
        elif unit == case.unit:
            self._book.hurry(case.key, Attention.DECLINED)
            self._wake.set()

    def _acknowledged(self, case: Waiting, unit: str, how: Attention) -> None:
        self._close(case)
        self._stream.attended(Event.ACKNOWLEDGED, how, case.message, unit, case.agreement)

    def _ended(self, case: Waiting, event: Event, reason: Attention) -> None:
        if event is Event.NOT_ACKNOWLEDGED:
            self._close(case)
        self._stream.attended(event, reason, case.message, case.unit, case.agreement)

    def _close(self, case: Waiting) -> None:
        """It waits no longer; nor will it when what is on disk arrives at last."""
        self._book.close(case.key)
        self._means.shelf.drop(case.key)
        if case.key in self._on_disk:
            self._on_disk.discard(case.key)
            self._over[case.key] = True
            if len(self._over) > OVER_MAX:
                del self._over[next(iter(self._over))]

    async def _end(self, due: Due) -> None:
        """Give the message to who is next, or tell the origin that nobody is left."""
        case, reason = due
        try:
            after = await self._passed_on(due)
            if self._book.find(case.key) is not case:
                return  # acknowledged meanwhile
            if after is not None:
                self._means.shelf.put(after)
                self._ended(case, Event.ESCALATED, reason)
                self._book.replace(after)
            else:
                why = self._why(due)
                state = ReceiptState.EXPIRED if why is Attention.NOT_IN_TIME else ReceiptState.FAILED
                await self._tell(case, state, why)
                if self._book.find(case.key) is case:
                    self._ended(case, Event.NOT_ACKNOWLEDGED, why)
            if self._means.shelf.worn:
                self._means.shelf.renew(self._book)
            self._stream.commit()
        finally:
            self._busy.discard(case.key)

    def _why(self, due: Due) -> Attention:
        """Why nobody is left: that nobody is on duty, or what ended the last step."""
        nobody = turn(due.case, due.reason, self._table.units, self._means.clock()).everybody
        return Attention.NOBODY_ON_DUTY if nobody and due.reason is not Attention.TOO_MANY_WAITING else due.reason

    async def _passed_on(self, due: Due) -> Waiting | None:
        """The step that follows, where a unit that stands in has been given the message and has time to answer."""
        case, now = due.case, self._means.clock()
        next_up = turn(case, due.reason, self._table.units, now)
        for name in next_up.units:  # a link may take its time, and the table be another one then
            way, unit = self._way(case.message, case.asked[0], case.agreement), self._table.units.get(name)
            if way is None or self._book.find(case.key) is not case:
                return None
            if not isinstance(unit, LocalUnit):
                continue
            names = await self._given(case, way._replace(destination=unit), now)
            if names is not None and not next_up.everybody:
                return case.passed_to(name, names, self._means.clock())
        return None

    async def _given(self, case: Waiting, way: Way, now: datetime) -> Sequence[str] | None:
        """Deliver to a unit that stands in, if it may see this; how it may call it, or None when it did not get it."""
        message, unit = case.message, way.local
        reason = check(message, way, self._table.policies, now).reason
        if reason is not None or unit is None:
            self._stream.kept(Event.WITHHELD, reason or Withheld.NO_ROUTE, message, way)
            return None
        if way.agreement.transformation != case.transformation:
            message = transform(message, way.agreement, self._means.pseudonym_key)
        ready = self._packed(message, way, now)
        if not ready or not await self._handed(ready, now, Attention.STANDS_IN):
            return None
        return self._names(message, ready[0].parcel.data, unit)

    async def _tell(self, case: Waiting, state: ReceiptState, reason: Attention) -> None:
        """Tell the origin, where a route and an agreement bring receipts to it."""
        now = self._means.clock()
        message = receipt(case, state, reason, now)
        origin = case.message.origin or ""
        decided = [each for each in self._decisions.decide(message, now) if each.way.destination.id == origin]
        for way, kept in decided:
            if kept is not None:
                self._stream.kept(Event.WITHHELD, kept, message, way)
                continue
            form = transform(message, way.agreement, self._means.pseudonym_key)
            await self._handed(self._packed(form, way, now), now, reason)
        if not decided and state is not ReceiptState.ACCEPTED:
            self._stream.kept(Event.WITHHELD, self._decisions.without_way(case.asked[0], origin), message)
        self._stream.commit()

    async def _handed(self, ready: Sequence[Consignment], now: datetime, reason: Attention) -> bool:
        """Send, and wait until it is safe; False when it is not there yet, or never will be."""
        ticket = self._means.outbound.submit([each._replace(reason=reason) for each in ready], now)
        await ticket
        return not ticket.undelivered

    def _packed(self, message: Message, way: Way, now: datetime) -> list[Consignment]:
        ready, unsent = self._means.dispatch.pack([Copy(message, way)], now)
        for copy, reason in unsent:
            self._stream.kept(Event.WITHHELD, reason, copy.message, copy.way)
        return ready

    def _way(self, message: Message, unit: str, agreement: str) -> Way | None:
        """The way that the table still has from the origin to a unit under an agreement."""
        ways = self._table.ways(message.origin or "", message.kind)
        return next((way for way in ways if (way.destination.id, way.agreement.id) == (unit, agreement)), None)

    def _names(self, message: Message, data: bytes, unit: LocalUnit) -> tuple[str, ...]:
        """What a unit may call a message: by its subject, and as its own format wrote that."""
        try:
            read = [each.subject for each in load(unit.adapter).decode(data)]
        except Exception:  # noqa: BLE001  formats that are only written; or a stranger's adapter and its bug
            read = []
        return names_of((message.subject, *read), self._alias)
