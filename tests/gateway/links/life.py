"""Links while they live: opened, read from and waited for, within bounds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from gateway.links import Frame, Link

WAIT_S = 60.0  # for what takes a moment: only a fault reaches it, however much else the machine does


async def take(link: Link, count: int, within_s: float = WAIT_S) -> list[Frame]:
    """The next frames, not acknowledged."""
    frames: list[Frame] = []
    async with asyncio.timeout(within_s):
        async for frame in link:
            frames.append(frame)
            if len(frames) == count:
                break
    return frames


async def nothing_comes(link: Link, for_s: float = 0.5) -> bool:
    with contextlib.suppress(TimeoutError):
        await take(link, 1, for_s)
        return False
    return True


async def until(condition: object, within_s: float = WAIT_S) -> None:
    """Wait for a condition that no event announces."""
    assert callable(condition)
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def alive(link: Link) -> AsyncIterator[Link]:
    async with asyncio.timeout(WAIT_S):
        await link.__aenter__()
    try:
        yield link
    finally:
        await link.__aexit__(None, None, None)
