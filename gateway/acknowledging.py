"""The end of the line: a frame is acknowledged when all that came of it is safe and accounted for, in its order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.custody import Custody
from gateway.intake import Arrival, Intake, RefusalError
from gateway.links import Frame
from gateway.outbound.item import Ticket
from gateway.quarantine import Quarantine
from gateway.repeats import Repeats
from gateway.stream import Stream
from protocols.record import Refused

HELD_MAX = 512  # messages of one link that wait for their destinations
WAIT = timedelta(seconds=2)  # that a frame stays unacknowledged for its key: brokers stall behind it (MQTT 5, 4.6)


class Batch(NamedTuple):
    """Frames that were read together, and what has to be safe before they are acknowledged."""

    ticket: Ticket
    taken: list[tuple[Frame, Arrival]]
    refused: list[tuple[Frame, RefusalError]]
    arrived: datetime


class Handed:
    """Batches that wait for their destinations, in their order.

    Bounded in messages: what comes one by one waits as many together as what comes in portions.
    """

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self._held = 0
        self._over = False
        self._changed = asyncio.Event()

    async def put(self, batch: Batch) -> None:
        """One more; waits while there are too many."""
        while self._held >= HELD_MAX:
            await self._change()
        self._held += _messages(batch)
        self._batches.append(batch)
        self._changed.set()

    def close(self) -> None:
        """No more will come."""
        self._over = True
        self._changed.set()

    async def get(self) -> Batch | None:
        """The next, or None when there will be none."""
        while not self._batches:
            if self._over:
                return None
            await self._change()
        batch = self._batches.popleft()
        self._held -= _messages(batch)
        self._changed.set()
        return batch

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


def _messages(batch: Batch) -> int:
    return sum(max(1, len(got.reports)) for _, got in batch.taken) + len(batch.refused)


class _Waiting(NamedTuple):
    """A frame whose envelope came before the announcement of its epoch."""

    eid: bytes
    since: datetime
    frame: Frame


class Marks(NamedTuple):
    """What takes note, on disk, of what was handed over, and where partners' gateways hear of it."""

    intake: Intake
    repeats: Repeats
    custody: Custody
    quarantine: Quarantine


class Acknowledging:
    """Acknowledges the frames of every link of one gateway."""

    def __init__(self, marks: Marks, stream: Stream) -> None:
        self._intake, self._repeats, self._custody, self._quarantine = marks
        self._stream = stream
        self._waiting: list[_Waiting] = []

    async def run(self, handed: Handed) -> None:
        """Acknowledge batches in their order, each when its ticket is settled and its Records are written."""
        while (batch := await handed.get()) is not None:
            await batch.ticket
            await self._stream.committed()
            self._intake.settle(got for _, got in batch.taken)
            self._repeats.commit([report.message for _, got in batch.taken for report in got.reports])
            for frame, refusal in batch.refused:
                if refusal.reason == Refused.ADAPTER_CRASHED and refusal.source is not None:
                    await self._quarantine.keep_frame(refusal.source, frame)
                frame.refuse(refusal.reason)
                if refusal.unopened:
                    self._custody.unopened(refusal)
                elif refusal.eid is not None:
                    self._custody.repeated(refusal.eid)
            for frame in self._finished(batch):
                frame.ack()
            for _, got in batch.taken:
                self._custody.took(got.opened)

    def late(self, now: datetime) -> None:
        """Acknowledge frames whose keys did not come in time; their envelopes wait on in memory."""
        for frame in self._released([each for each in self._waiting if now - each.since > WAIT]):
            frame.ack()

    def _finished(self, batch: Batch) -> Iterator[Frame]:
        """The frames that are done with. One that waits for its key is not yet: a crash now must not lose it."""
        for frame, got in batch.taken:
            if got.waits is not None:
                self._waiting.append(_Waiting(got.waits, batch.arrived, frame))
                continue
            yield frame
            yield from self._released([each for each in self._waiting if each.eid == got.announced])

    def _released(self, done: Sequence[_Waiting]) -> Iterator[Frame]:
        """Frames that wait no longer; what their envelopes hold waits on within the keyring's bounds."""
        for each in done:
            self._waiting.remove(each)
            yield each.frame
