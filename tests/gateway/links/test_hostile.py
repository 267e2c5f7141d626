"""Links against brokers that are made for it: floods, lies, references elsewhere, challenges."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import mqtt5
import pytest

from gateway.links import LinkState, Parcel, Settings, Subscription
from gateway.links.address import Address
from gateway.links.backoff import Pace
from gateway.links.mqtt.link import MqttLink
from tests.bench.peers import Peer
from tests.gateway.links.certificates import Authority
from tests.gateway.links.life import WAIT_S, alive, until
from tests.servers import free_port

FAST = Pace(first_s=0.02, longest_s=0.1, refused_s=0.2)
GRANTED = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE
Answer = Callable[[Peer, Any], None]


@contextlib.asynccontextmanager
async def fake(answer: Answer, context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[Peer]]]:
    """A broker that answers each packet as it is told."""
    peers: list[Peer] = []

    def accept() -> Peer:
        peers.append(Peer(answer))
        return peers[-1]

    port = free_port()
    server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", port, ssl=context)
    try:
        yield port, peers
    finally:
        server.close()
        for peer in peers:
            if peer.transport is not None:
                peer.transport.abort()
        await asyncio.sleep(0.01)


def polite(peer: Peer, packet: Any) -> None:
    """What any broker answers; publishes are acknowledged."""
    if isinstance(packet, mqtt5.ConnectPacket):
        peer.write(mqtt5.ConnAckPacket().write())
    elif isinstance(packet, mqtt5.SubscribePacket):
        peer.write(mqtt5.SubAckPacket(packet.packet_id, [GRANTED]).write())
    elif isinstance(packet, mqtt5.PingReqPacket):
        peer.write(mqtt5.PingRespPacket().write())
    elif isinstance(packet, mqtt5.PublishPacket):
        peer.write(mqtt5.PubAckPacket(packet.packet_id or 0).write())


def link(port: int, *, tls: bool = False, **changes: object) -> MqttLink:
    settings = Settings(f"mqtt://127.0.0.1:{port}", "gateway", (Subscription("in/#"),), receive_maximum=64)
    return MqttLink("x", settings._replace(**changes), Address("127.0.0.1", port, tls), FAST)  # type: ignore[arg-type]


async def test_a_flood_stops_at_the_bound_while_nobody_reads() -> None:
    flood = mqtt5.PublishPacket("in/a", bytes(1000)).write() * 1000
    async with fake(polite) as (port, peers), alive(link(port)) as one:
        assert isinstance(one, MqttLink)
        for _ in range(100):
            assert peers[0].transport is not None
            if peers[0].transport.get_write_buffer_size() > 8_000_000:
                break
            peers[0].transport.write(flood)
            await asyncio.sleep(0.005)
        assert peers[0].transport is not None
        assert peers[0].transport.get_write_buffer_size() > 1_000_000
        assert one.statistics.received < 4 * (4 * 64 + 1024)


async def test_a_flood_does_not_stop_our_own_sends() -> None:
    flood = mqtt5.PublishPacket("in/a", bytes(1000)).write() * 1000

    def flooding(peer: Peer, packet: Any) -> None:
        if isinstance(packet, mqtt5.PublishPacket):
            peer.write(flood * 10)
        polite(peer, packet)

    async with fake(flooding) as (port, _), alive(link(port)) as one:
        assert isinstance(one, MqttLink)
        async with asyncio.timeout(WAIT_S):
            for _ in range(5):
                await one.send(Parcel("out", b"x"))
        assert one._traffic.dropped > 0
        assert len(one._inbox) <= 4 * (4 * 64 + 1024) + 10_000


async def test_a_broker_that_never_acknowledges_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.links.mqtt.wire.STALL_S", 0.3)

    def silent(peer: Peer, packet: Any) -> None:
        if not isinstance(packet, mqtt5.PublishPacket):
            polite(peer, packet)

    async with fake(silent) as (port, peers), alive(link(port)) as one:
        sending = asyncio.create_task(one.send(Parcel("out", b"x")))
        await until(lambda: len(peers) >= 2)
        assert not sending.done()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_a_half_open_connection_is_left_after_one_and_a_half_keep_alives() -> None:
    def mute(peer: Peer, packet: Any) -> None:
        if not isinstance(packet, mqtt5.PingReqPacket):
            polite(peer, packet)

    async with fake(mute) as (port, peers), alive(link(port, keep_alive_s=1)):
        await until(lambda: len(peers) >= 2)


async def test_a_broker_that_breaks_the_protocol_again_and_again_costs_only_attempts() -> None:
    def mad(peer: Peer, packet: Any) -> None:
        polite(peer, packet)
        if isinstance(packet, mqtt5.SubscribePacket):
            peer.write(b"\x30\x05\x00\x0aab\x00")

    async with fake(mad) as (port, peers):
        one = link(port)
        entering = asyncio.create_task(one.__aenter__())
        await until(lambda: len(peers) >= 4)
        entering.cancel()
        await asyncio.wait((entering,))
        await one.__aexit__(None, None, None)
        assert one.state is LinkState.CLOSED


def _context(authority: Authority) -> ssl.SSLContext:
    pair = authority.issue("server", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.mark.parametrize("secure", [True, False])
async def test_a_reference_to_another_server_is_followed_only_with_tls(tmp_path: Path, *, secure: bool) -> None:
    authority = Authority(tmp_path)
    context = _context(authority) if secure else None
    async with fake(polite, context) as (elsewhere, there):

        def refer(peer: Peer, packet: Any) -> None:
            if isinstance(packet, mqtt5.ConnectPacket):
                code = mqtt5.ConnAckReasonCode.USE_ANOTHER_SERVER
                peer.write(mqtt5.ConnAckPacket(reason_code=code, server_reference=f"127.0.0.1:{elsewhere}").write())

        async with fake(refer, context) as (port, here):
            one = link(port, tls=secure, ca_file=authority.file)
            entering = asyncio.create_task(one.__aenter__())
            await until(lambda: len(here) >= 1 and (one.state is LinkState.UP or len(here) >= 3))
            assert bool(there) is secure
            assert (one.state is LinkState.UP) is secure
            entering.cancel()
            await asyncio.wait((entering,))
            await one.__aexit__(None, None, None)


class Sum:
    """A toy exchange: the answer is the challenge reversed; a challenge that is not digits is no broker of ours."""

    method = "SUM"

    def first(self) -> bytes:
        return b"begin"

    def answer(self, challenge: bytes) -> bytes:
        if not challenge.isdigit():
            raise ValueError("not ours")
        return challenge[::-1]


@pytest.mark.parametrize("challenge", [b"123", b"abc"])
async def test_an_exchange_beyond_a_password(challenge: bytes) -> None:
    def challenging(peer: Peer, packet: Any) -> None:
        if isinstance(packet, mqtt5.ConnectPacket):
            assert (packet.authentication_method, packet.authentication_data) == ("SUM", b"begin")
            code = mqtt5.AuthReasonCode.CONTINUE_AUTHENTICATION
            auth = mqtt5.AuthPacket(reason_code=code, authentication_method="SUM", authentication_data=challenge)
            peer.write(auth.write())
        elif isinstance(packet, mqtt5.AuthPacket):
            assert packet.authentication_data == b"321"
            peer.write(mqtt5.ConnAckPacket(authentication_method="SUM").write())
        else:
            polite(peer, packet)

    async with fake(challenging) as (port, _):
        one = link(port, authenticator=Sum())
        entering = asyncio.create_task(one.__aenter__())
        await until(lambda: one.state in {LinkState.UP, LinkState.REFUSED})
        assert one.state is (LinkState.UP if challenge.isdigit() else LinkState.REFUSED)
        entering.cancel()
        await asyncio.wait((entering,))
        await one.__aexit__(None, None, None)


async def test_an_acknowledgement_leaves_at_once_though_nothing_else_happens() -> None:
    heard = asyncio.Event()

    def once(peer: Peer, packet: Any) -> None:
        polite(peer, packet)
        if isinstance(packet, mqtt5.SubscribePacket):
            peer.write(mqtt5.PublishPacket("in/a", b"x", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=9).write())
        elif isinstance(packet, mqtt5.PubAckPacket):
            heard.set()

    async with fake(once) as (port, _), alive(link(port)) as one:
        async for frame in one:
            frame.ack()
            break
        await asyncio.wait_for(heard.wait(), WAIT_S)


async def test_a_full_session_that_comes_before_suback_does_not_keep_the_link_down() -> None:
    backlog = b"".join(
        mqtt5.PublishPacket("in/a", b"%d" % pid, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=pid).write()
        for pid in range(1, 6001)
    )

    def resuming(peer: Peer, packet: Any) -> None:
        if isinstance(packet, mqtt5.ConnectPacket):
            peer.write(mqtt5.ConnAckPacket(session_present=True).write() + backlog)
        else:
            polite(peer, packet)

    async with fake(resuming) as (port, _):
        one = link(port)
        await asyncio.wait_for(one.__aenter__(), WAIT_S)
        frames = 0
        async for batch in one.batches():
            frames += len(batch)
            if frames == 6000:
                break
        await one.__aexit__(None, None, None)
