"""What has arrived on a link and not yet been taken: bounded in frames and bytes, read in batches by one reader."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Generic, TypeVar

from gateway.links import Frame

F = TypeVar("F", bound=Frame)


class Inbox(Generic[F]):
    """Frames between a transport and the relay. The transport stops reading while ``full``."""

    def __init__(self, frames_max: int, bytes_max: int, taken: Callable[[], None]) -> None:
        self._frames: deque[F] = deque()
        self._bytes = 0
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._taken = taken  # called when the reader has taken a batch: a transport that stopped may read again
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._failure: BaseException | None = None

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def full(self) -> bool:
        """Whether the transport should stop reading."""
        return self._bytes >= self._bytes_max or len(self._frames) >= self._frames_max

    @property
    def overfull(self) -> bool:
        """Whether what may be lost (QoS 0) must be dropped: four times the bound."""
        return self._bytes >= 4 * self._bytes_max or len(self._frames) >= 4 * self._frames_max

    @property
    def has_room(self) -> bool:
        """Whether the transport should read again: half the bound, so that it does not start and stop by the frame."""
        return 2 * self._bytes < self._bytes_max and 2 * len(self._frames) < self._frames_max

    def put(self, frames: Sequence[F]) -> None:
        """Add what has arrived, in order."""
        self._frames.extend(frames)
        for frame in frames:
            self._bytes += len(frame.data)
        self._wake()

    def close(self, failure: BaseException | None = None) -> None:
        """End the reader: at once, or with the fault that ended the link. What was not taken is dropped."""
        self._closed = True
        self._failure = failure
        self._frames.clear()
        self._bytes = 0
        self._wake()

    async def batches(self, limit: int) -> AsyncIterator[Sequence[F]]:
        """Yield what has arrived, at most ``limit`` frames at once, until closed."""
        while True:
            while not self._frames:
                if self._failure is not None:
                    raise self._failure
                if self._closed:
                    return
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            batch = self._take(limit)
            self._taken()
            yield batch

    def _take(self, limit: int) -> Sequence[F]:
        frames = self._frames
        if len(frames) <= limit:
            batch = list(frames)
            frames.clear()
            self._bytes = 0
            return batch
        batch = [frames.popleft() for _ in range(limit)]
        for frame in batch:
            self._bytes -= len(frame.data)
        return batch

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
