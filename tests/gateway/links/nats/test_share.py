from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from gateway.links import Link, LinkError, Parcel, Settings, Share, Subscription
from gateway.links.urls import open_link
from tests.gateway.links.life import alive
from tests.servers import nats_server, running

UNITS = 40


async def collect(link: Link, into: list[tuple[str, int]], total: list[int], most: int) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(15):
            async for frames in link.batches():
                for frame in frames:
                    into.append((frame.topic, int(frame.data)))
                    frame.ack()
                total[0] += len(frames)
                if total[0] >= most:
                    return


async def test_workers_share_the_work_by_topic_and_keep_its_order_also_when_their_number_changes(
    tmp_path: Path,
) -> None:
    with running(nats_server(tmp_path)) as server:
        url = f"nats://127.0.0.1:{server.port}"

        def worker(number: int, count: int) -> Link:
            return open_link(
                f"w{number}", Settings(url, "gateway", (Subscription("field/#"),), share=Share(number, count))
            )

        async with alive(open_link("writer", Settings(url, "writer"))) as writer:
            async with alive(worker(0, 2)) as one, alive(worker(1, 2)) as two:
                parcels = [Parcel(f"field/u{n % UNITS}", b"%d" % n) for n in range(400)]
                assert await writer.send_all(parcels) == [None] * 400
                first: list[tuple[str, int]] = []
                second: list[tuple[str, int]] = []
                total = [0]
                tasks = [
                    asyncio.create_task(collect(link, seen, total, 400)) for link, seen in ((one, first), (two, second))
                ]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            assert sorted(number for _, number in first + second) == list(range(400))
            assert not {topic for topic, _ in first} & {topic for topic, _ in second}
            assert first
            assert second
            for seen in (first, second):
                for topic in {topic for topic, _ in seen}:
                    numbers = [number for name, number in seen if name == topic]
                    assert numbers == sorted(numbers)
            await writer.send_all([Parcel(f"field/u{n % UNITS}", b"%d" % n) for n in range(400, 440)])
            async with alive(worker(0, 1)) as alone:
                rest: list[tuple[str, int]] = []
                await collect(alone, rest, [0], 40)
            assert sorted(number for _, number in rest) == list(range(400, 440))


def test_a_share_that_cannot_be_is_refused() -> None:
    for share in (Share(2, 2), Share(-1, 2), Share(0, 17)):
        with pytest.raises(LinkError, match="share"):
            open_link("x", Settings("nats://h", "x", share=share))
