"""THE STRAIGHT LINE: frame -> reports -> ways -> release -> form -> encode or seal -> way out -> record -> ack.

Read it from top to bottom. A source frame is acknowledged only when every copy of what it held is delivered, in the
custody of a partner's gateway or on disk, and every outcome is in the audit; so many messages may wait for that, and
until then nothing more is read from that link, so pressure goes back to the source and nothing is dropped. Bad input
ends in one Record with a bounded reason, never in an exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple, Protocol

from gateway.acknowledging import Acknowledging, Batch, Handed, Marks
from gateway.custody import Custody
from gateway.decisions import Decided, Decisions
from gateway.dispatch import Copy, Dispatch, Passage
from gateway.intake import Arrival, Intake, RefusalError, Report
from gateway.links import Frame
from gateway.outbound.item import Ticket
from gateway.outbound.outbound import Outbound
from gateway.passing import Passing
from gateway.quarantine import Quarantine
from gateway.receipts import Receipts
from gateway.repeats import Repeats
from gateway.routing import Table, Way
from gateway.stream import About, Stream
from gateway.transform import transform
from protocols.envelope import Reject
from protocols.proof import disclose
from protocols.record import Event, Withheld
from protocols.unit import partner_of

TEND_S = 1.0
FINISH_S = 2.0
PORTION = 64  # messages that are read before they go on, so that something urgent need not wait for many more


class Source(Protocol):
    """Of a link, what the line reads from."""

    def batches(self, limit: int = 256, /) -> AsyncIterator[Sequence[Frame]]:
        """Yield what has arrived, at most so many at once."""


class Rules(NamedTuple):
    """What the decisions rest on."""

    decisions: Decisions
    pseudonym_key: bytes
    clock: Callable[[], datetime]


class WaysOut(NamedTuple):
    """Where copies go, and what adapters crash on."""

    dispatch: Dispatch
    outbound: Outbound
    custody: Custody
    quarantine: Quarantine


class Relay:
    """Carries the frames of every link of one gateway."""

    def __init__(self, rules: Rules, intake: Intake, ways_out: WaysOut, stream: Stream, repeats: Repeats) -> None:
        self._rules = rules
        self._intake = intake
        self._dispatch, self._outbound, self._custody, self._quarantine = ways_out
        self._stream = stream
        self._repeats = repeats
        self._receipts = Receipts()
        self._passing = Passing(self._dispatch, self._outbound, self._quarantine, stream)
        self._acknowledging = Acknowledging(Marks(intake, repeats, self._custody, self._quarantine), stream)

    def adopt(self, table: Table) -> None:
        """Another table is in force from the next message on; what was decided before stays decided."""
        self._rules = self._rules._replace(decisions=Decisions(table))
        self._intake.adopt(table)
        self._dispatch.adopt(table)
        self._custody.adopt(table)

    async def run(self, name: str, links: Mapping[str, Source]) -> None:
        """Carry everything that arrives on one link, batch by batch, until the link closes."""
        handed = Handed()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._acknowledging.run(handed), name=f"acknowledge {name}")
            async for frames in links[name].batches():
                for batch in self._portions(name, frames):
                    copies = [copy for _, got in batch.taken for copy in self._copies_of(got, batch.arrived)]
                    await self._stream.committed()  # what cannot be accounted for is not sealed
                    await self._passing.take(copies, batch.ticket, batch.arrived)
                    answers = [got.answer for _, got in batch.taken if got.answer is not None]
                    self._outbound.submit(self._dispatch.answers(answers, batch.arrived), batch.arrived)
                    await handed.put(batch)
                    await asyncio.sleep(0)  # what is on its way out has its turn
            handed.close()

    def duties(self, table: Table) -> Iterator[tuple[str, Coroutine[None, None, None]]]:
        """What is to be done beside the links, each under its name."""
        yield "upkeep", self.tend()
        yield "linger", self.linger()
        yield "quarantine", self.take_up(table)

    async def linger(self) -> None:
        """Pass on what waits for company, until cancelled."""
        await self._passing.linger()

    async def take_up(self, table: Table) -> None:
        """Try once more what adapters crashed on before this start."""
        again = await self._quarantine.again(table)
        for name, frames in again.frames.items():
            await self.run(name, {name: frames})
        for row, copy in again.copies:
            await self._passing.again(row, copy, self._rules.clock())

    async def tend(self) -> None:
        """Send what the sealing layer owes besides the traffic, once a second, until cancelled."""
        while True:
            now = self._rules.clock()
            self._outbound.submit(self._dispatch.due(now), now)
            self._acknowledging.late(now)
            await asyncio.sleep(TEND_S)

    async def finish(self) -> None:
        """Send our last word and what ends our epochs; given up after a while, since a link may be down."""
        word = await self._custody.last_word()
        with suppress(TimeoutError):
            async with asyncio.timeout(FINISH_S):
                await self._outbound.finish([*word, *self._dispatch.final(self._rules.clock())])

    def _portions(self, link: str, frames: Sequence[Frame]) -> Iterator[Batch]:
        """The frames that arrived, read; as many together as hold a portion of messages.

        Each portion arrives when it is read, and is judged by the table of that moment.
        """
        batch, held = self._batch(), 0
        for frame in frames:
            if held >= PORTION:
                yield batch
                batch, held = self._batch(), 0
            held += self._read(link, frame, batch)
        if batch.taken or batch.refused:
            yield batch

    def _batch(self) -> Batch:
        return Batch(Ticket(), [], [], self._rules.clock())

    def _read(self, link: str, frame: Frame, batch: Batch) -> int:
        """What the gateway vouches for in a frame, or why it is not accepted; how many messages that was."""
        try:
            got = self._intake.read(link, frame, batch.arrived)
        except RefusalError as refusal:
            self._stream.frame(refusal.reason, refusal.source, refusal.form)
            batch.refused.append((frame, refusal))
            return 1
        for envelope in got.opened:
            self._custody.alive(partner_of(envelope.sender))
            self._outbound.heard(partner_of(envelope.sender), link)
        for passer, reason, message, units in got.unproven:
            for unit in units:
                self._stream.about(Event.REFUSED, About(reason, unit, message, passer))
            if not units:
                self._stream.frame(reason, passer, "cse1")
        for said in got.said:
            self._custody.hear(said.sender, said.control)
        batch.taken.append((frame, got))
        return max(1, len(got.reports))

    def _copies_of(self, got: Arrival, now: datetime) -> Iterator[Copy | Passage]:
        """What becomes of a frame's reports, and of word that a partner's gateway brings for our units."""
        for report in got.reports:
            yield from self._copies(report, now)
        for receipt, origin in self._receipts.answers(got.said, now):
            yield from (copy for copy in self._copies(receipt, now) if copy.way.destination.id == origin)

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
