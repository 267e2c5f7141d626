"""Links that clients connect to, over TCP and TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.links import LinkError, LinkState, Parcel, Settings, Subscription, listen
from gateway.links.address import Address
from gateway.links.backoff import Pace
from gateway.links.framed import ByteStream
from gateway.links.listen import ListenLink
from gateway.links.urls import open_link
from tests.gateway.links.certificates import Authority, Pair
from tests.gateway.links.life import WAIT_S, alive, nothing_comes, take, until
from tests.servers import free_port

FAST = Pace(first_s=0.02, longest_s=0.1)
HERE = (Subscription("field/tak"),)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def listening(port: int, **changes: object) -> ListenLink:
    settings = Settings(f"tcp+listen://127.0.0.1:{port}", "gateway", HERE, packet_max=4096)
    settings = settings._replace(**changes)  # type: ignore[arg-type]
    return ListenLink("tak", settings, ByteStream(Address("127.0.0.1", port)), FAST)


@contextlib.asynccontextmanager
async def client(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def test_every_client_is_heard_and_all_are_told() -> None:
    port = free_port()
    async with alive(listening(port)) as link, client(port) as one, client(port) as two:
        await until(lambda: link.statistics.connects == 2)
        one[1].write(b"fro")
        two[1].write(b"from two\n")
        (first,) = await take(link, 1)
        one[1].write(b"m one\n")
        (second,) = await take(link, 1)
        assert (first.topic, first.data, second.data) == ("field/tak", b"from two", b"from one")
        await asyncio.wait_for(link.send(Parcel("t", b"to all\n")), WAIT_S)
        assert await one[0].readline() == await two[0].readline() == b"to all\n"
        assert link.statistics.sent == 1


async def test_what_is_sent_while_nobody_is_connected_waits_for_the_first_to_come() -> None:
    port = free_port()
    async with alive(listening(port)) as link:
        sending = asyncio.create_task(link.send_all([Parcel("t", b"1\n"), Parcel("t", b"2\n")]))
        await asyncio.sleep(0.1)
        assert not sending.done()
        async with client(port) as (reader, _):
            assert await sending == [None, None]
            assert await reader.readline() + await reader.readline() == b"1\n2\n"
        async with client(port) as (reader, _):
            later = asyncio.create_task(link.send(Parcel("t", b"3\n")))
            assert await reader.readline() == b"3\n"
            await later


@pytest.mark.parametrize("still_there", [True, False])
async def test_what_a_client_does_not_take_is_given_to_the_next(*, still_there: bool) -> None:
    port = free_port()
    async with alive(listening(port, packet_max=16_777_216)) as link, client(port) as silent:
        large = b"x" * 12_000_000 + b"\n"  # more than the kernel takes for a client that does not read
        await until(lambda: link.statistics.connects == 1)
        sending = asyncio.create_task(link.send(Parcel("t", large)))
        await asyncio.sleep(0.2)
        assert not sending.done()
        if not still_there:
            silent[1].transport.abort()
        async with client(port) as (reader, _):
            assert await reader.readexactly(len(large)) == large
            await sending
        assert link.statistics.resent == 1


async def test_a_client_that_does_not_read_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "BEHIND_MAX", 2_097_152)
    port, count = free_port(), 5000
    async with alive(listening(port, packet_max=65_536)) as link, client(port), client(port) as (reader, _):
        await until(lambda: link.statistics.connects == 2)
        parcels = [Parcel("t", b"%06d" % number + bytes(4089) + b"\n") for number in range(count)]
        sending = asyncio.create_task(link.send_all(parcels))
        async with asyncio.timeout(WAIT_S):
            heard = [int((await reader.readexactly(4096))[:6]) for _ in range(count)]
        assert heard == list(range(count))
        await asyncio.wait_for(sending, WAIT_S)
        assert isinstance(link, ListenLink)
        await until(lambda: link.clients == 1)


async def test_a_client_that_takes_nothing_for_long_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "BEHIND_S", 0.3)
    port = free_port()
    async with alive(listening(port, packet_max=16_777_216)) as link, client(port), client(port) as (reader, _):
        await until(lambda: link.statistics.connects == 2)
        large = b"x" * 12_000_000
        sending = asyncio.create_task(link.send(Parcel("t", large)))
        assert len(await reader.readexactly(len(large))) == len(large)
        await asyncio.wait_for(sending, WAIT_S)
        assert isinstance(link, ListenLink)
        await until(lambda: link.clients == 1)


async def test_a_client_that_speaks_something_else_is_let_go_and_no_other() -> None:
    port = free_port()
    async with alive(listening(port)) as link, client(port) as bad, client(port) as good:
        bad[1].write(b"x" * 5000)
        assert await bad[0].read() == b""
        good[1].write(b"fine\n")
        (frame,) = await take(link, 1)
        assert frame.data == b"fine"
        assert link.state is LinkState.UP


async def test_no_more_clients_than_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "CLIENTS_MAX", 1)
    port = free_port()
    async with alive(listening(port)) as link, client(port) as first:
        await until(lambda: link.statistics.connects == 1)
        async with client(port) as second:
            assert await second[0].read() == b""
        first[1].write(b"still here\n")
        (frame,) = await take(link, 1)
        assert frame.data == b"still here"
        assert await nothing_comes(link, 0.1)


async def test_clients_are_not_read_while_too_much_waits() -> None:
    port = free_port()
    async with alive(listening(port, receive_maximum=8)) as link, client(port) as (_, writer):
        for number in range(64):
            writer.write(b"%d\n" % number)
            await asyncio.sleep(0.002)
        seen: list[int] = []
        while len(seen) < 64:
            (frame,) = await take(link, 1)
            if not seen:
                await asyncio.sleep(0.1)
                assert link.statistics.received < 64
            seen.append(int(frame.data))
            frame.ack()
        assert seen == list(range(64))


async def test_a_port_that_is_taken_is_tried_again() -> None:
    port = free_port()
    holder = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port)
    link = listening(port)
    entering = asyncio.create_task(link.__aenter__())
    await until(lambda: link.trouble is not None)
    assert link.trouble == "address already in use"
    holder.close()
    await asyncio.wait_for(entering, WAIT_S)
    async with client(port) as (_, writer):
        writer.write(b"in\n")
        (frame,) = await take(link, 1)
        assert frame.data == b"in"
    await link.__aexit__(None, None, None)


def context(authority: Authority, shown: Pair | None) -> ssl.SSLContext:
    """What a client knows."""
    tls = ssl.create_default_context(cafile=authority.file)
    if shown is not None:
        tls.load_cert_chain(shown.certificate, shown.key)
    return tls


async def gets_in(port: int, tls: ssl.SSLContext | None) -> bool:
    """Whether a client is answered: with TLS 1.3 a refusal comes after the handshake."""
    try:
        async with client(port, tls) as (reader, _):
            return await asyncio.wait_for(reader.readline(), 1) == b"hello\n"
    except OSError:
        return False


async def test_only_clients_with_a_certificate_of_ours_get_in(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    server, good, revoked = ours.issue("server", "127.0.0.1"), ours.issue("good"), ours.issue("revoked")
    foreign = theirs.issue("foreign")
    port = free_port()
    settings = Settings(f"tls+listen://127.0.0.1:{port}", "gateway", HERE, ca_file=ours.file)
    settings = settings._replace(certificate_file=server.certificate, key_file=server.key)
    settings = settings._replace(crl_file=ours.revoke(revoked.serial))
    async with alive(open_link("tak", settings)) as link:
        sending = asyncio.create_task(link.send(Parcel("t", b"hello\n")))
        older = context(ours, good)
        older.maximum_version = ssl.TLSVersion.TLSv1_2
        for refused in (context(ours, None), context(ours, foreign), context(ours, revoked), older, None):
            assert not await gets_in(port, refused)
        assert not sending.done()
        async with client(port, context(ours, good)) as (reader, _):
            assert await reader.readline() == b"hello\n"
            await asyncio.wait_for(sending, WAIT_S)
        assert link.state is LinkState.UP


async def test_a_server_over_tls_needs_its_certificate(tmp_path: Path) -> None:
    settings = Settings("tls+listen://127.0.0.1:8089", "gateway", HERE)
    with pytest.raises(LinkError, match="certificate_file: is needed"):
        await open_link("tak", settings).__aenter__()
    pair = Authority(tmp_path).issue("server", "127.0.0.1")
    settings = settings._replace(certificate_file=pair.certificate, key_file=pair.key, crl_file="x")
    with pytest.raises(LinkError, match="crl_file: needs a ca_file"):
        await open_link("tak", settings).__aenter__()
