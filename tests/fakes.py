"""Stand-ins for what lies beyond the straight line: a link fed by hand, an audit in memory, a clock that stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from gateway.links import Frame, LinkError, LinkState, Parcel, SendError, SendRefusal, Statistics
from gateway.stream import Outcome

NOW = datetime(2026, 3, 14, 21, 7, 30, 125_000, tzinfo=UTC)


def clock() -> datetime:
    """A clock that stands still."""
    return NOW


class FakeFrame:
    """A frame that remembers what became of it; answering twice is an error."""

    def __init__(self, topic: str, data: bytes) -> None:
        self.topic = topic
        self.data = data
        self.answer: str | None = None

    def ack(self) -> None:
        self._answer("ack")

    def refuse(self, reason: str) -> None:
        self._answer(f"refused {reason}")

    def _answer(self, answer: str) -> None:
        if self.answer is not None:
            raise RuntimeError("a frame is answered once")
        self.answer = answer


class FakeLink:
    """Yields the batches it was given and then closes; keeps what it is sent, and refuses what ``refuses`` names."""

    def __init__(
        self, *batches: Sequence[FakeFrame], refuses: Mapping[str, SendRefusal] | None = None, closed: bool = False
    ) -> None:
        self._closed = closed
        self._batches = batches
        self._refuses = refuses or {}
        self.sent: list[Parcel] = []
        self.taking = asyncio.Event()
        self.taking.set()  # cleared: the far side does not acknowledge
        self.asked = asyncio.Event()  # somebody wants to send

    @property
    def state(self) -> LinkState:
        return LinkState.UP

    @property
    def statistics(self) -> Statistics:
        return Statistics(sent=len(self.sent))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def batches(self, limit: int = 256) -> AsyncIterator[Sequence[Frame]]:
        for batch in self._batches:
            for start in range(0, len(batch), limit):
                yield batch[start : start + limit]

    async def __aiter__(self) -> AsyncIterator[Frame]:
        async for frames in self.batches():
            for frame in frames:
                yield frame

    async def send(self, parcel: Parcel) -> None:
        (refusal,) = await self.send_all([parcel])
        if refusal is not None:
            raise SendError(refusal)

    async def send_all(self, parcels: Sequence[Parcel]) -> Sequence[SendRefusal | None]:
        self.asked.set()
        await self.taking.wait()
        if self._closed:
            raise LinkError("the link is closed")
        answers = [self._refuses.get(parcel.topic) for parcel in parcels]
        self.sent += [parcel for parcel, refusal in zip(parcels, answers, strict=True) if refusal is None]
        return answers

    def topics(self) -> list[str]:
        """Where it was sent to, in order."""
        return [parcel.topic for parcel in self.sent]


class FakeAudit:
    """An accountant in memory, whose disk can be full."""

    def __init__(self, *, full: bool = False, full_on_commit: bool = False) -> None:
        self.outcomes: list[Outcome] = []
        self.committed = 0
        self._full = full
        self._full_on_commit = full_on_commit

    def __call__(self, outcome: Outcome, /) -> None:
        if self._full:
            raise OSError("disk full")
        self.outcomes.append(outcome)

    def commit(self) -> None:
        if self._full_on_commit:
            raise OSError("disk full")
        self.committed = len(self.outcomes)

    def said(self) -> list[tuple[str, str | None, str | None]]:
        """Event, reason and destination of every Record, in order."""
        return [(str(o.record.event), o.record.reason, o.record.destination) for o in self.outcomes]


def frames(topic: str, data: Iterable[bytes]) -> list[FakeFrame]:
    """Frames that came by one topic."""
    return [FakeFrame(topic, each) for each in data]
