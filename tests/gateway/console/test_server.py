"""The listeners as clients and attackers meet them: real sockets on loopback, nothing simulated."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gateway.console import pages
from gateway.console.feed import CAPACITY, Feed
from gateway.console.pages import Behind
from gateway.console.server import serve_console, serve_metrics
from gateway.console.serving import Address, ListenError
from gateway.metrics import Metrics
from protocols.record import Event
from tests.gateway.console import traffic
from tests.gateway.console.looking import get

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Stream:
    """A client of the live stream that reads when it likes."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def head(self) -> str:
        return (await self._reader.readuntil(b"\r\n\r\n")).decode()

    async def update(self) -> tuple[str, dict[str, Any]]:
        """The id and data of the next update; comments are passed over."""
        place = ""
        while True:
            line = (await self._reader.readline()).decode().strip()
            if line.startswith("id: "):
                place = line[4:]
            if line.startswith("data: "):
                return place, json.loads(line[6:])

    async def comment(self) -> str:
        while True:
            line = (await self._reader.readline()).decode().strip()
            if line.startswith(":"):
                return line


@asynccontextmanager
async def streaming(console: Address, *headers: str) -> AsyncIterator[Stream]:
    reader, writer = await asyncio.open_connection(console.host, console.port, limit=2**22)
    lines = ("GET /events HTTP/1.1", f"Host: {console.host}:{console.port}", *headers, "", "")
    writer.write("\r\n".join(lines).encode())
    try:
        async with asyncio.timeout(60):
            yield Stream(reader)
    finally:
        writer.close()
        await writer.wait_closed()


def seqs(update: dict[str, Any]) -> list[int]:
    return [row["seq"] for row in update["rows"]]


async def test_a_new_viewer_gets_what_is_kept_and_then_what_comes(console: Address, feed: Feed) -> None:
    feed(traffic.outcome(Event.FORWARDED, traffic.track(1)))
    async with streaming(console) as stream:
        assert "text/event-stream" in await stream.head()
        place, first = await stream.update()
        assert seqs(first) == [1]
        assert first["totals"]["forwarded"] == 1
        assert place == f"{feed.boot}-1"
        feed(traffic.outcome(Event.WITHHELD, traffic.track(2), reason="no-agreement"))
        _, second = await stream.update()
        assert seqs(second) == [2]
        assert second["flows"][0]["stopped"] == 1


async def test_a_returning_viewer_misses_nothing_and_gets_nothing_twice(console: Address, feed: Feed) -> None:
    for number in range(1, 6):
        feed(traffic.outcome(Event.FORWARDED, traffic.track(number)))
    async with streaming(console, f"Last-Event-ID: {feed.boot}-3") as stream:
        _, update = await stream.update()
    assert seqs(update) == [4, 5]


async def test_a_place_of_another_run_or_nonsense_starts_anew(console: Address, feed: Feed) -> None:
    feed(traffic.outcome(Event.FORWARDED, traffic.track(1)))
    for place in ("00000000-1", "nonsense", f"{feed.boot}-999999"):
        async with streaming(console, f"Last-Event-ID: {place}") as stream:
            _, update = await stream.update()
        assert seqs(update) == [1]


async def test_silence_is_filled_with_comments(console: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "HEARTBEAT_S", 0.05)
    async with streaming(console) as stream:
        assert await stream.comment() == ": alive"


async def test_a_slow_viewer_is_told_what_it_missed_and_holds_nobody_up(console: Address, feed: Feed) -> None:
    async with streaming(console) as stream:
        await stream.update()
        for number in range(1, 20_001):  # all of it while the viewer reads nothing
            feed(traffic.outcome(Event.FORWARDED, traffic.track(number % 50 + 1)))
            if number % 500 == 0:
                await asyncio.sleep(0.01)
        heard, missed = 0, 0
        while heard + missed < 20_000:
            _, update = await stream.update()
            heard += len(update["rows"])
            missed += update.get("missed", 0)
    assert heard + missed == 20_000
    assert missed > 0
    assert heard >= CAPACITY


async def test_one_record_and_one_message_are_told_as_json(console: Address, feed: Feed) -> None:
    track = traffic.track(1)
    feed(traffic.outcome(Event.FORWARDED, track))
    feed(traffic.outcome(Event.WITHHELD, track, destination="charlie/ops", reason="no-agreement"))

    record = await get(f"{console.url}/records/1")
    message = await get(f"{console.url}/messages/{track.id}")
    assert record.headers["content-type"] == "application/json"
    assert record.headers["cache-control"] == "no-store"
    assert json.loads(record.text)["verdict"]["event"] == "forwarded"
    assert [row["destination"] for row in json.loads(message.text)["journey"]] == ["bravo/hq", "charlie/ops"]
    assert (await get(f"{console.url}/records/3")).status == 404
    assert (await get(f"{console.url}/records/99999999999999999999999")).status == 404
    assert (await get(f"{console.url}/messages/ffff")).status == 404
    assert (await get(f"{console.url}/messages/..%2f..%2fetc%2fpasswd")).status == 404


async def test_health_is_life_and_readiness_is_the_gateways_word(feed: Feed) -> None:
    obstacle: list[str | None] = ["coalition link is down"]
    async with serve_console(feed, "alpha", "127.0.0.1", 0, Behind(ready=lambda: obstacle[0])) as console:
        assert (await get(f"{console.url}/healthz")).status == 200
        unready = await get(f"{console.url}/readyz")
        assert (unready.status, unready.text) == (503, "not ready: coalition link is down\n")
        obstacle[0] = None
        assert (await get(f"{console.url}/readyz")).status == 200


@pytest.mark.parametrize("path", ["/", "/events", "/records/1", "/static/console.js", "/healthz", "/nowhere"])
async def test_a_foreign_host_name_is_turned_away_everywhere(console: Address, path: str) -> None:
    answer = await get(console.url + path, Host="evil.example")

    assert answer.status == 421
    assert "access-control-allow-origin" not in answer.headers


async def test_addresses_and_localhost_are_welcome_in_any_spelling(console: Address) -> None:
    for host in (f"127.0.0.1:{console.port}", "localhost", f"LOCALHOST:{console.port}", "[::1]:80", "10.1.2.3:8080"):
        assert (await get(f"{console.url}/healthz", Host=host)).status == 200
    for host in ("localhost.evil.example", "127.0.0.1.evil.example", "evil.example:127", "", "[", "a:b:c"):
        assert (await get(f"{console.url}/healthz", Host=host)).status in {400, 421}


async def test_every_answer_keeps_the_page_to_itself(console: Address) -> None:
    for path in ("/", "/static/console.css", "/nowhere"):
        headers = (await get(console.url + path, Origin="https://evil.example")).headers
        assert headers["content-security-policy"].startswith("default-src 'self';")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers
        assert headers["cache-control"] in {"no-store", "no-cache"}


async def test_nothing_can_be_written(console: Address) -> None:
    for path in ("/", "/events", "/records/1", "/healthz", "/static/console.css"):
        reader, writer = await asyncio.open_connection(console.host, console.port)
        writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
        assert b" 405 " in await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_static_files_stay_in_their_folder(console: Address) -> None:
    for path in ("/static/../pages.py", "/static/%2e%2e/pages.py", "/static/..%2fpages.py"):
        assert (await get(console.url + path)).status == 404


async def test_stopping_ends_open_streams_at_once(feed: Feed) -> None:
    loop = asyncio.get_running_loop()
    async with serve_console(feed, "alpha", "127.0.0.1", 0) as console:
        reader, writer = await asyncio.open_connection(console.host, console.port)
        writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"event: update")
        started = loop.time()
    assert loop.time() - started < 1.5
    writer.close()
    await writer.wait_closed()


async def test_the_signals_of_the_process_are_left_alone(feed: Feed) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with serve_console(feed, "alpha", "127.0.0.1", 0):
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


async def test_a_taken_address_is_one_line_for_the_operator(console: Address, feed: Feed) -> None:
    with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{console.port}: .*in use"):
        async with serve_console(feed, "alpha", "127.0.0.1", console.port):
            pass


async def test_the_console_refuses_to_listen_beyond_this_machine(feed: Feed) -> None:
    for host in ("0.0.0.0", "192.0.2.1", "::"):
        with pytest.raises(ListenError, match="for this machine only"):
            async with serve_console(feed, "alpha", host, 0):
                pass


async def test_metrics_come_as_text_and_as_openmetrics() -> None:
    registry = CollectorRegistry()
    Metrics(registry)(traffic.outcome(Event.FORWARDED, traffic.track(1), latency_ms=2.0))
    async with serve_metrics(registry, "127.0.0.1", 0, hosts=("alpha",)) as address:
        text = await get(f"{address.url}/metrics")
        openmetrics = await get(f"{address.url}/metrics", Accept="application/openmetrics-text; version=1.0.0")
        assert text.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert 'comity_latency_seconds_bucket{direction="outbound",le="0.002",precedence="routine"} 1.0' in text.text
        assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
        assert openmetrics.text.endswith("# EOF\n")
        assert (await get(f"{address.url}/metrics", Host="alpha:9464")).status == 200
        assert (await get(f"{address.url}/metrics", Host="evil.example")).status == 421
        assert (await get(f"{address.url}/healthz")).status == 200
