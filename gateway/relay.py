"""THE STRAIGHT LINE: frame -> reports -> ways -> release -> form -> encode or seal -> way out -> record -> ack.

Read it from top to bottom. A source frame is acknowledged only when every copy of what it held is delivered, in the
custody of a partner's gateway or on disk, and every outcome is in the audit; so many batches may wait for that, and
until then nothing more is read from that link, so pressure goes back to the source and nothing is dropped. Bad input
ends in one Record with a bounded reason, never in an exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.custody import Custody
from gateway.decisions import Decided, Decisions
from gateway.dispatch import Copy, Dispatch, Passage
from gateway.intake import Arrival, Intake, RefusalError, Report
from gateway.linger import Gathered, Linger
from gateway.links import Frame, Link
from gateway.outbound.item import Ticket
from gateway.outbound.outbound import Outbound
from gateway.receipts import Receipts
from gateway.repeats import Repeats
from gateway.routing import Table, Way
from gateway.stream import Stream
from gateway.transform import transform
from protocols.envelope import Reject
from protocols.proof import disclose
from protocols.record import Event, Withheld
from protocols.unit import partner_of

WAIT = timedelta(seconds=2)  # that a frame stays unacknowledged for its key: brokers stall behind it (MQTT 5, 4.6)
TEND_S = 1.0
FINISH_S = 2.0
BATCHES_MAX = 8  # of one link that wait for their destinations


class _Waiting(NamedTuple):
    """A frame whose envelope came before the announcement of its epoch."""

    eid: bytes
    since: datetime
    frame: Frame


class _Batch(NamedTuple):
    """Frames that were read together, and what has to be safe before they are acknowledged."""

    ticket: Ticket
    taken: list[tuple[Frame, Arrival]]
    refused: list[tuple[Frame, RefusalError]]
    arrived: datetime


class Rules(NamedTuple):
    """What the decisions rest on."""

    decisions: Decisions
    pseudonym_key: bytes
    clock: Callable[[], datetime]


class WaysOut(NamedTuple):
    """Where copies go."""

    dispatch: Dispatch
    outbound: Outbound
    custody: Custody


class Relay:
    """Carries the frames of every link of one gateway."""

    def __init__(self, rules: Rules, intake: Intake, ways_out: WaysOut, stream: Stream, repeats: Repeats) -> None:
        self._rules = rules
        self._intake = intake
        self._dispatch, self._outbound, self._custody = ways_out
        self._stream = stream
        self._repeats = repeats
        self._lingering = Linger()
        self._receipts = Receipts()
        self._waiting: list[_Waiting] = []

    def adopt(self, table: Table) -> None:
        """Another table is in force from the next message on; what was decided before stays decided."""
        self._rules = self._rules._replace(decisions=Decisions(table))
        self._intake.adopt(table)
        self._dispatch.adopt(table)
        self._custody.adopt(table)

    async def run(self, name: str, links: Mapping[str, Link]) -> None:
        """Carry everything that arrives on one link, batch by batch, until the link closes."""
        handed: asyncio.Queue[_Batch | None] = asyncio.Queue(BATCHES_MAX)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._acknowledge(handed), name=f"acknowledge {name}")
            async for frames in links[name].batches():
                arrived = self._rules.clock()
                batch = _Batch(Ticket(), [], [], arrived)
                for frame in frames:
                    self._read(name, frame, batch)
                copies = [copy for _, got in batch.taken for copy in self._all_copies(got, arrived)]
                await self._stream.committed()  # what cannot be accounted for is not sealed
                await self._pass_on(self._lingering.sift(copies, batch.ticket, arrived), batch.ticket, arrived)
                answers = [got.answer for _, got in batch.taken if got.answer is not None]
                self._outbound.submit(self._dispatch.answers(answers, arrived), arrived)
                await handed.put(batch)
            await handed.put(None)

    async def linger(self) -> None:
        """Pass on what has waited for company, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for gathered in await self._lingering.due():
                    group.create_task(self._gathered(gathered))

    async def _gathered(self, gathered: Gathered) -> None:
        """Pass copies on, and tell their sources when all are safe."""
        ticket = Ticket()
        await self._stream.committed()
        await self._pass_on(gathered.copies, ticket, gathered.arrived)
        await ticket
        for source in gathered.tickets:
            source.undelivered |= ticket.undelivered
            source.end()

    async def _pass_on(self, copies: Sequence[Copy | Passage], ticket: Ticket, arrived: datetime) -> None:
        """Encode or seal copies, and put them on their way out."""
        plan = self._dispatch.plan(copies, arrived)
        for announced in self._dispatch.prepare(plan, arrived):
            self._outbound.submit(announced, arrived)
            await asyncio.sleep(0)  # each step takes milliseconds; others may have the loop in between
        ready, unsent = self._dispatch.seal(plan, arrived)
        for copy, reason in unsent:
            self._stream.kept(Event.WITHHELD, reason, copy.message, copy.way)
        self._outbound.submit(ready, arrived, ticket)

    async def _acknowledge(self, handed: asyncio.Queue[_Batch | None]) -> None:
        """Acknowledge batches in their order, each when all that came of it is safe and accounted for."""
        while (batch := await handed.get()) is not None:
            await batch.ticket
            await self._stream.committed()
            self._intake.settle(got for _, got in batch.taken)
            self._repeats.commit([report.message for _, got in batch.taken for report in got.reports])
            for frame, refusal in batch.refused:
                frame.refuse(refusal.reason)
                if refusal.eid is not None:
                    self._custody.repeated(refusal.eid)
            for frame in self._finished(batch.taken, batch.arrived):
                frame.ack()
            for _, got in batch.taken:
                self._custody.took(got.opened)

    async def tend(self) -> None:
        """Send what the sealing layer owes besides the traffic, once a second, until cancelled."""
        while True:
            now = self._rules.clock()
            self._outbound.submit(self._dispatch.due(now), now)
            for frame in self._released([each for each in self._waiting if now - each.since > WAIT]):
                frame.ack()
            await asyncio.sleep(TEND_S)

    async def finish(self) -> None:
        """Send what ends our epochs; given up after a while, since a link may be down."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FINISH_S):
                await self._outbound.finish(self._dispatch.final(self._rules.clock()))

    def _read(self, link: str, frame: Frame, batch: _Batch) -> None:
        """What the gateway vouches for in a frame, or why it is not accepted."""
        try:
            got = self._intake.read(link, frame, batch.arrived)
        except RefusalError as refusal:
            self._stream.frame(refusal.reason, refusal.source, refusal.form)
            batch.refused.append((frame, refusal))
            return
        for envelope in got.opened:
            self._custody.alive(partner_of(envelope.sender))
        for passer, reason in got.unproven:
            self._stream.frame(reason, passer, "cse1")
        for said in got.said:
            self._custody.hear(said.sender, said.control)
        batch.taken.append((frame, got))

    def _finished(self, taken: Sequence[tuple[Frame, Arrival]], now: datetime) -> Iterator[Frame]:
        """The frames that are done with. One that waits for its key is not yet: a crash now must not lose it."""
        for frame, got in taken:
            if got.waits is not None:
                self._waiting.append(_Waiting(got.waits, now, frame))
                continue
            yield frame
            yield from self._released([each for each in self._waiting if each.eid == got.announced])

    def _released(self, done: Sequence[_Waiting]) -> Iterator[Frame]:
        """Frames that wait no longer; what their envelopes hold waits on in memory, within the keyring's bounds."""
        for each in done:
            self._waiting.remove(each)
            yield each.frame

    def _all_copies(self, got: Arrival, now: datetime) -> Iterator[Copy | Passage]:
        """What reports are to become, and receipts of which a partner's gateway brought word."""
        for report in got.reports:
            yield from self._copies(report, now)
        for said in got.said:
            for told in said.control.told:
                receipt = (
                    self._receipts.answer(told, now)
                    if partner_of(told.destination) == partner_of(said.sender)
                    else None
                )
                if receipt is not None:
                    copies = self._copies(receipt, now)
                    yield from (copy for copy in copies if copy.way.destination.id == told.origin)

    def _copies(self, report: Report, now: datetime) -> Iterator[Copy | Passage]:
        """One copy for each destination that may have the message, in the form that its agreement allows."""
        message = report.message
        if objection := report.objection or self._repeats.objection(message):
            self._stream.kept(Event.REFUSED, objection, message)
            return
        decided = self._decided(report, now)
        if not decided:
            reason = self._rules.decisions.without_way(message.origin or "", through=report.through)
            self._stream.kept(Event.WITHHELD, reason, message)
        given = False
        for way, kept in decided:
            copy = self._copy(report, way) if kept is None else None
            if copy is None:
                self._stream.kept(Event.WITHHELD, kept or Withheld.PROOF_LOST, message, way)
            else:
                given = True
                if isinstance(copy, Copy):
                    self._receipts.ask(message, copy)
                yield copy
        if not given:
            self._repeats.forget(message)

    def _copy(self, report: Report, way: Way) -> Copy | Passage | None:
        """What goes a way: the form that its agreement asks for, or what we pass on, with its originator's proof."""
        if way.local is not None or way.through is None:
            return Copy(transform(report.message, way.agreement, self._rules.pseudonym_key), way)
        if report.envelope is None:
            return None
        try:
            record = disclose(report.envelope, report.place)
        except Reject:
            return None
        return Passage(report.message, way, record, report.envelope.audience)

    def _decided(self, report: Report, now: datetime) -> Sequence[Decided]:
        """A decision for each destination; of units of ours only those that a partner's envelope was sealed for."""
        decided = self._rules.decisions.decide(report.message, now, report.through)
        sealed = report.envelope
        if sealed is None:
            return decided
        return [each for each in decided if each.way.local is None or each.way.destination.id in sealed.audience]
