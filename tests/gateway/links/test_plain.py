"""Links without a broker: TCP and TLS streams, UDP, drop folders."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from gateway.links import LinkError, LinkState, Parcel, SendError, SendRefusal, Settings, Subscription
from gateway.links.address import Address
from gateway.links.backoff import Pace
from gateway.links.framed import ByteStream
from gateway.links.plain import lines
from gateway.links.stream import StreamLink
from gateway.links.urls import open_link
from tests.gateway.links.life import WAIT_S, alive, nothing_comes, take, until
from tests.servers import free_port

FAST = Pace(first_s=0.02, longest_s=0.1)
HERE = (Subscription("field/tak"),)


class Far:
    """The far side of a stream: keeps what it hears, and says what it is told to."""

    def __init__(self) -> None:
        self.heard = b""
        self.writers: list[asyncio.Transport] = []

    def cut(self) -> None:
        for writer in self.writers:
            writer.abort()
        self.writers.clear()


class _End(asyncio.Protocol):
    def __init__(self, far: Far) -> None:
        self._far = far

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._far.writers.append(transport)

    def data_received(self, data: bytes) -> None:
        self._far.heard += data


@contextlib.asynccontextmanager
async def far_side() -> AsyncIterator[tuple[Far, int]]:
    far = Far()
    server = await asyncio.get_running_loop().create_server(lambda: _End(far), "127.0.0.1", 0)
    try:
        yield far, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        far.cut()
        await asyncio.sleep(0)


def stream(port: int, split: Callable[[bytes], tuple[Sequence[bytes], bytes]] = lines) -> StreamLink:
    settings = Settings(f"tcp://127.0.0.1:{port}", "gateway", HERE, receive_maximum=8, packet_max=4096)
    return StreamLink("tak", settings, ByteStream(Address("127.0.0.1", port), split), FAST)


def test_lines_keep_what_is_not_yet_whole() -> None:
    assert lines(b"a\r\n\nb\nc") == ([b"a", b"b"], b"c")


async def test_a_stream_is_cut_into_frames_however_it_arrives() -> None:
    async with far_side() as (far, port), alive(stream(port)) as link:
        await until(lambda: far.writers)
        for piece in (b"one\ntw", b"o", b"\nthree\n"):
            far.writers[0].write(piece)
            await asyncio.sleep(0.02)
        frames = await take(link, 3)
        for frame in frames:
            frame.ack()
        assert [(frame.topic, frame.data) for frame in frames] == [
            ("field/tak", b"one"),
            ("field/tak", b"two"),
            ("field/tak", b"three"),
        ]


async def test_a_stream_is_not_read_while_too_much_waits() -> None:
    async with far_side() as (far, port), alive(stream(port)) as link:
        await until(lambda: far.writers)
        for number in range(64):
            far.writers[0].write(b"%d\n" % number)
            await asyncio.sleep(0.002)
        frames = await take(link, 8)
        await asyncio.sleep(0.1)
        assert link.statistics.received < 64
        for frame in frames:
            frame.ack()
        seen = [frame.data for frame in frames]
        while len(seen) < 64:
            (frame,) = await take(link, 1)
            seen.append(frame.data)
            frame.ack()
        assert seen == [b"%d" % number for number in range(64)]


async def test_a_send_over_a_stream_survives_a_reconnect() -> None:
    async with far_side() as (far, port), alive(stream(port)) as link:
        await link.send(Parcel("ignored", b"first\n"))
        assert far.heard == b"first\n" or await _heard(far, b"first\n")
        far.cut()
        await until(lambda: link.statistics.connects == 2)
        await asyncio.wait_for(link.send(Parcel("ignored", b"second\n")), WAIT_S)
        assert await _heard(far, b"second\n")


async def _heard(far: Far, data: bytes) -> bool:
    await until(lambda: data in far.heard)
    return True


async def test_a_far_side_that_speaks_something_else_or_without_end_is_left() -> None:
    def strict(buffer: bytes) -> tuple[Sequence[bytes], bytes]:
        if buffer.startswith(b"\0"):
            raise ValueError("not ours")
        return lines(buffer)

    async with far_side() as (far, port), alive(stream(port, strict)) as link:
        for bad in (b"\0", b"x" * 10_000):
            await until(lambda: far.writers and link.state is LinkState.UP)
            connects = link.statistics.connects
            far.writers.pop().write(bad)
            await until(lambda connects=connects: link.statistics.connects > connects)


async def test_too_large_a_frame_is_refused_before_it_is_sent() -> None:
    async with far_side() as (_, port), alive(stream(port)) as link:
        with pytest.raises(SendError) as caught:
            await link.send(Parcel("t", bytes(5000)))
        assert caught.value.refusal is SendRefusal.TOO_LARGE


async def test_datagrams_are_frames_both_ways() -> None:
    port, other = free_port(), free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", other))
        peer.settimeout(5)
        taking = open_link("in", Settings(f"udp://127.0.0.1:{port}", "gateway", HERE))
        giving = open_link("out", Settings(f"udp://127.0.0.1:{other}", "gateway"))
        async with alive(taking) as inward, alive(giving) as outward:
            peer.sendto(b"<event/>", ("127.0.0.1", port))
            (frame,) = await take(inward, 1)
            frame.ack()
            assert (frame.topic, frame.data) == ("field/tak", b"<event/>")
            await outward.send(Parcel("t", b"answer"))
            assert peer.recv(100) == b"answer"
            with pytest.raises(SendError):
                await outward.send(Parcel("t", bytes(65_508)))


def group(client_id: str, url: str, *, hears: bool = True) -> Settings:
    """A link to a group on the loopback interface."""
    return Settings(url, client_id, HERE if hears else (), interface="127.0.0.1")


async def test_a_multicast_group_is_joined() -> None:
    url = f"udp://239.255.77.77:{free_port()}"
    async with alive(open_link("in", group("a", url))) as inward:
        async with alive(open_link("out", group("b", url, hears=False))) as outward:
            await outward.send(Parcel("t", b"to all"))
            (frame,) = await take(inward, 1, 5)
        assert frame.data == b"to all"


async def test_what_we_say_to_a_group_does_not_come_back_as_a_report() -> None:
    url = f"udp://239.255.77.78:{free_port()}"
    async with alive(open_link("a", group("a", url))) as one, alive(open_link("b", group("b", url))) as other:
        await one.send(Parcel("t", b"from one"))
        (frame,) = await take(other, 1, 5)
        await other.send(Parcel("t", b"from the other"))
        (answer,) = await take(one, 1, 5)
        assert (frame.data, answer.data) == (b"from one", b"from the other")
        assert (one.statistics.received, other.statistics.received) == (1, 1)


async def test_what_comes_faster_than_it_is_taken_is_dropped_and_counted() -> None:
    port = free_port()
    settings = Settings(f"udp://127.0.0.1:{port}", "gateway", HERE, receive_maximum=2)
    async with alive(open_link("in", settings)) as link:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            for _ in range(30):
                peer.sendto(b"x", ("127.0.0.1", port))
                await asyncio.sleep(0.001)
        await until(lambda: link.statistics.received + link.statistics.dropped == 30)
        assert link.statistics.received == 8
        assert link.statistics.dropped == 22


def test_receiving_datagrams_needs_an_address() -> None:
    link = open_link("in", Settings("udp://localhost:5000", "a", HERE))
    with pytest.raises(LinkError, match="needs an IP address"):
        link._check()  # type: ignore[attr-defined]


def _drop(folder: Path, name: str, data: bytes, age: int) -> None:
    (folder / "in" / name).write_bytes(data)
    os.utime(folder / "in" / name, (age, age))


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_files_are_frames_oldest_first_and_gone_when_acknowledged(tmp_path: Path) -> None:
    link = open_link("drop", Settings(f"file://{tmp_path}", "gateway", HERE))
    async with alive(link):
        _drop(tmp_path, "b.xml", b"first", 1000)
        _drop(tmp_path, "a.xml", b"second", 2000)
        _drop(tmp_path, "half.part", b"not yet", 1)
        _drop(tmp_path, ".hidden", b"not yet", 1)
        one, two = await take(link, 2)
        assert (one.topic, one.data, two.data) == ("field/tak", b"first", b"second")
        one.ack()
        two.refuse("malformed")
        assert _names(tmp_path / "in") == [".hidden", "half.part"]
        (refused,) = _names(tmp_path / "refused")
        assert refused.endswith("-a.xml")


async def test_a_file_not_acknowledged_comes_again(tmp_path: Path) -> None:
    for _ in range(2):
        async with alive(open_link("drop", Settings(f"file://{tmp_path}", "gateway", HERE))) as link:
            if not _names(tmp_path / "in"):
                _drop(tmp_path, "x", b"kept", 1)
            (frame,) = await take(link, 1)
            assert frame.data == b"kept"


async def test_links_devices_and_oversized_files_are_set_aside_unread(tmp_path: Path) -> None:
    settings = Settings(f"file://{tmp_path}/d", "gateway", HERE, packet_max=100)
    (tmp_path / "secret").write_bytes(b"secret")
    async with alive(open_link("drop", settings)) as link:
        folder = tmp_path / "d"
        (folder / "in" / "link").symlink_to(tmp_path / "secret")
        os.mkfifo(folder / "in" / "pipe")
        _drop(folder, "big", bytes(101), 1)
        await until(lambda: not _names(folder / "in"))
        assert len(_names(folder / "refused")) == 3
        assert await nothing_comes(link, 0.3)
        assert (tmp_path / "secret").read_bytes() == b"secret"


async def test_what_is_sent_is_a_file_in_order(tmp_path: Path) -> None:
    async with alive(open_link("drop", Settings(f"file://{tmp_path}", "gateway"))) as link:
        await link.send_all([Parcel("t", b"1"), Parcel("t", b"2")])
        await link.send(Parcel("t", b"3"))
    assert [path.read_bytes() for path in sorted((tmp_path / "out").iterdir())] == [b"1", b"2", b"3"]


@pytest.mark.parametrize("url", ["file://host/x", "file:relative", "tcp://h", "udp://h:1/x", "mqtt://h?x=1"])
def test_urls_that_cannot_be(url: str) -> None:
    with pytest.raises(LinkError):
        open_link("x", Settings(url, "a"))
