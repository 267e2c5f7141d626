from __future__ import annotations

import asyncio

from gateway.console.feed import DATA_MAX, Batch, Feed
from protocols.message import Original
from protocols.record import Event
from tests.gateway.console import traffic


def filled(count: int, capacity: int = 10) -> Feed:
    feed = Feed(capacity)
    for number in range(1, count + 1):
        feed(traffic.outcome(Event.FORWARDED, traffic.track(number)))
    return feed


def places(batch: Batch) -> list[int]:
    return [entry.sequence for entry in batch.entries]


def test_tells_only_what_came_after_a_place() -> None:
    feed = filled(5)

    assert places(feed.since(3)) == [4, 5]
    assert places(feed.since(5)) == []
    assert feed.since(3).missed == 0


def test_tells_a_slow_viewer_how_many_it_missed() -> None:
    batch = filled(25).since(3)

    assert places(batch) == list(range(16, 26))
    assert batch.missed == 12
    assert batch.last == 25


def test_a_returning_viewer_goes_on_where_it_was_and_one_of_another_run_starts_anew() -> None:
    feed = filled(25)

    assert feed.start_place(f"{feed.boot}-19") == 19
    assert feed.start_place("0badcafe-19") == 15
    assert feed.start_place(None) == 15
    assert feed.start_place(f"{feed.boot}-") == 15
    assert feed.start_place(f"{feed.boot}-²") == 15
    assert places(feed.since(feed.start_place(f"{feed.boot}-99999999"))) == list(range(16, 26))


def test_finds_an_outcome_while_it_is_kept() -> None:
    feed = filled(25)

    found = feed.find(16)
    assert found is not None
    assert found.sequence == 16
    assert feed.find(15) is None
    assert feed.find(26) is None
    assert Feed().find(0) is None


def test_keeps_every_outcome_of_one_message_together() -> None:
    feed = Feed()
    track = traffic.track(7)
    feed(traffic.outcome(Event.FORWARDED, track))
    feed(traffic.outcome(Event.REFUSED, None, reason="malformed"))
    feed(traffic.outcome(Event.WITHHELD, track, destination="charlie/ops", reason="no-agreement"))

    assert [entry.record.destination for entry in feed.of_message(track.id)] == ["bravo/hq", "charlie/ops"]


def test_counts_everything_even_what_it_no_longer_keeps() -> None:
    feed = filled(25)
    feed(traffic.outcome(Event.WITHHELD, traffic.track(), reason="no-agreement"))

    assert feed.totals == {"forwarded": 25, "withheld": 1, "delivered": 0, "refused": 0}
    (flow,) = feed.flows
    assert (flow.source, flow.destination, flow.passed, flow.stopped) == ("alpha/patrol-1", "bravo/hq", 25, 1)
    assert flow.last == traffic.START


def test_keeps_neither_the_source_bytes_nor_more_than_the_beginning_of_what_was_delivered() -> None:
    feed = Feed()
    track = traffic.track(original=Original(format="cot", data=b"<event/>"))
    feed(traffic.outcome(Event.DELIVERED, track, b"x" * 1_000_000))

    entry = feed.find(1)
    assert entry is not None
    assert entry.message is not None
    assert entry.message.original is None
    assert entry.message.body == track.body
    assert entry.data == b"x" * DATA_MAX


async def test_a_follower_is_woken_by_an_outcome_and_hears_a_heartbeat_in_silence() -> None:
    feed = filled(2)
    following = feed.follow(1, pace_s=0.01, heartbeat_s=0.05)

    async with asyncio.timeout(60):
        first = await anext(following)
        assert first is not None
        assert places(first) == [2]
        assert await anext(following) is None
        asyncio.get_running_loop().call_later(0.01, feed, traffic.outcome(Event.FORWARDED, traffic.track(3)))
        while (woken := await anext(following)) is None:  # another heartbeat, where 0.05 s go by sooner
            pass
        assert places(woken) == [3]


async def test_closing_ends_every_follower() -> None:
    feed = filled(1)
    following = feed.follow(1, pace_s=0.01, heartbeat_s=60)
    asyncio.get_running_loop().call_later(0.01, feed.close)

    async with asyncio.timeout(60):
        assert [batch async for batch in following] == []


async def test_outcomes_that_come_faster_than_the_pace_come_in_one_batch() -> None:
    feed = Feed(1000)

    async def publish() -> None:
        for number in range(200):
            feed(traffic.outcome(Event.FORWARDED, traffic.track(number + 1)))
            await asyncio.sleep(0.001)
        feed.close()

    begin = asyncio.get_running_loop().time()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(publish())
        sizes = [len(batch.entries) async for batch in feed.follow(0, pace_s=0.1, heartbeat_s=60) if batch is not None]
    assert sum(sizes) > 100
    paces = (asyncio.get_running_loop().time() - begin) / 0.1
    assert len(sizes) <= paces + 2
    assert len(sizes) < 100
