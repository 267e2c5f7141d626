"""THE STRAIGHT LINE: frame -> reports -> ways -> release -> form -> encode or seal -> hand over -> record -> ack.

Read it from top to bottom. A source frame is acknowledged only after every copy of what it held was acknowledged by
its link and every outcome is in the audit; until then nothing more is read from that link, so pressure goes back to
the source and nothing is dropped. Bad input ends in one Record with a bounded reason, never in an exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from gateway.dispatch import Consignment, Copy, Dispatch
from gateway.intake import Intake, RefusalError, Report
from gateway.links import Frame, Link
from gateway.release import check
from gateway.repeats import Repeats
from gateway.routing import Table, Way
from gateway.stream import HandedOver, Stream
from gateway.transform import transform
from protocols.record import Event, Withheld


class Rules(NamedTuple):
    """What the decisions rest on."""

    table: Table
    pseudonym_key: bytes
    clock: Callable[[], datetime]


class Relay:
    """Carries the frames of every link of one gateway."""

    def __init__(self, rules: Rules, intake: Intake, dispatch: Dispatch, stream: Stream) -> None:
        self._rules = rules
        self._intake = intake
        self._dispatch = dispatch
        self._stream = stream
        self._repeats = Repeats()

    async def run(self, name: str, links: Mapping[str, Link]) -> None:
        """Carry everything that arrives on one link, batch by batch, until the link closes."""
        async for frames in links[name].batches():
            arrived = self._rules.clock()
            accepted, reports = self._read(name, frames, arrived)
            copies = [copy for report in reports for copy in self._copies(report, arrived)]
            ready, unsent = self._dispatch.pack(copies, arrived)
            for copy, reason in unsent:
                self._stream.kept(Event.WITHHELD, reason, copy.message, copy.way)
            await self._hand_over(ready, links, arrived)
            self._stream.commit()
            self._intake.settle(reports)
            for frame in accepted:
                frame.ack()

    def _read(self, link: str, frames: Sequence[Frame], arrived: datetime) -> tuple[list[Frame], list[Report]]:
        """What the gateway vouches for; a frame that is not accepted ends here."""
        accepted: list[Frame] = []
        reports: list[Report] = []
        for frame in frames:
            try:
                reports += self._intake.read(link, frame, arrived)
                accepted.append(frame)
            except RefusalError as refusal:
                self._stream.frame(refusal.reason, refusal.source, refusal.form)
                self._stream.commit()
                frame.refuse(refusal.reason)
        return accepted, reports

    def _copies(self, report: Report, now: datetime) -> Iterator[Copy]:
        """One copy for each destination that may have the message, in the form that its agreement allows."""
        message = report.message
        if objection := report.objection or self._repeats.objection(message):
            self._stream.kept(Event.REFUSED, objection, message)
            return
        choices = self._choices(report)
        if not choices:
            self._stream.kept(Event.WITHHELD, Withheld.NO_ROUTE, message)
        for ways in choices.values():
            verdicts = [(way, check(message, way, self._rules.table.policies, now)) for way in ways]
            way, verdict = next((each for each in verdicts if each[1].released), verdicts[0])
            if verdict.reason is None:
                yield Copy(transform(message, way.agreement, self._rules.pseudonym_key), way)
            else:
                self._stream.kept(Event.WITHHELD, verdict.reason, message, way)

    def _choices(self, report: Report) -> dict[str, list[Way]]:
        """The ways by destination; to units of ours only those that a partner's envelope was sealed for."""
        found: dict[str, list[Way]] = {}
        sealed = report.envelope
        for way in self._rules.table.ways(report.message.origin or "", report.message.kind):
            if sealed is None or way.local is None or way.destination.id in sealed.audience:
                found.setdefault(way.destination.id, []).append(way)
        return found

    async def _hand_over(self, ready: Sequence[Consignment], links: Mapping[str, Link], arrived: datetime) -> None:
        """Send everything, each link in order and all links at once; record each copy when its link has it."""
        by_link: dict[str, list[Consignment]] = {}
        for consignment in ready:
            by_link.setdefault(consignment.link, []).append(consignment)
        sending = (links[name].send_all([each.parcel for each in batch]) for name, batch in by_link.items())
        for batch, refusals in zip(by_link.values(), await asyncio.gather(*sending), strict=True):
            for consignment, refusal in zip(batch, refusals, strict=True):
                what = HandedOver(consignment.form, consignment.parcel.data, consignment.loss, arrived)
                for message, way in consignment.copies:
                    if refusal is None:
                        self._stream.handed(consignment.event, message, way, what)
                    else:
                        self._stream.kept(Event.REFUSED, refusal, message, way)
