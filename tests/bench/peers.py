"""The two ends of a measurement, as cheap as they can be: a publisher and a counter on the bare codec.

They speak to a broker as clients, or take its place: ``feed`` and ``swallow`` accept one connection and answer it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import mqtt5

QOS1 = mqtt5.QoS.AT_LEAST_ONCE


class Peer(asyncio.Protocol):
    """One MQTT 5 connection that calls ``packet`` with every packet, and joins its writes."""

    def __init__(self, packet: Callable[[Peer, Any], None], hello: bytes = b"") -> None:
        self._packet = packet
        self._hello = hello
        self._rest = b""
        self._out: list[bytes] = []
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self.ready = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment] # uvloop's transports are no subclass
        if self._hello:
            self.write(self._hello)
            self.flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is asyncio's
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        view = memoryview(data)
        position, end = 0, len(data)
        try:
            while position < end:
                packet, size = mqtt5.read(view[position:])
                position += size
                self._packet(self, packet)
        except IndexError:
            pass
        self._rest = data[position:]
        self.flush()

    def write(self, data: bytes) -> None:
        self._out.append(data)

    def flush(self) -> None:
        if self._out and self.transport is not None:
            self.transport.write(b"".join(self._out))
            self._out.clear()


def connect(client_id: str) -> bytes:
    return mqtt5.ConnectPacket(client_id, clean_start=True, session_expiry_interval=0).write()


def subscribe(topic_filter: str) -> bytes:
    filters = [mqtt5.TopicFilter(topic_filter, max_qos=QOS1, retain_as_published=False)]
    return mqtt5.SubscribePacket(1, filters).write()


class Publisher:
    """Publishes ``count`` messages, at most ``window`` unacknowledged; as a client, or in a broker's place."""

    def __init__(self, topic: str, count: int, size: int, window: int) -> None:
        self._topic = topic
        self._count = count
        self._body = b"x" * size
        self._window = window
        self._sent = 0
        self.acknowledged = 0
        self.done = asyncio.Event()

    def packet(self, peer: Peer, packet: Any) -> None:
        if isinstance(packet, mqtt5.PubAckPacket):
            self.acknowledged += 1
            if self.acknowledged == self._count:
                self.done.set()
            self.fill(peer)
        elif isinstance(packet, mqtt5.ConnAckPacket):
            peer.ready.set()
        elif isinstance(packet, mqtt5.ConnectPacket):
            peer.write(mqtt5.ConnAckPacket().write())
        elif isinstance(packet, mqtt5.SubscribePacket):
            peer.write(mqtt5.SubAckPacket(packet.packet_id, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]).write())
            self.fill(peer)
        elif isinstance(packet, mqtt5.PingReqPacket):
            peer.write(mqtt5.PingRespPacket().write())

    def fill(self, peer: Peer) -> None:
        while self._sent < self._count and self._sent - self.acknowledged < self._window:
            self._sent += 1
            number = (self._sent - 1) % 60_000 + 1
            peer.write(mqtt5.PublishPacket(self._topic, self._body, qos=QOS1, packet_id=number).write())
        peer.flush()


class Counter:
    """Acknowledges at once and counts; as a subscriber, or in a broker's place."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.received = 0
        self.done = asyncio.Event()
        self.seen: list[bytes] | None = None

    def packet(self, peer: Peer, packet: Any) -> None:
        if isinstance(packet, mqtt5.PublishPacket):
            self.received += 1
            if self.seen is not None:
                self.seen.append(packet.payload)
            if packet.packet_id is not None:
                peer.write(b"\x40\x02" + packet.packet_id.to_bytes(2, "big"))
            if self.received == self._count:
                self.done.set()
        elif isinstance(packet, mqtt5.ConnectPacket):
            peer.write(mqtt5.ConnAckPacket().write())
        elif isinstance(packet, mqtt5.ConnAckPacket):
            peer.write(subscribe("out/#"))
        elif isinstance(packet, mqtt5.SubAckPacket):
            peer.ready.set()
        elif isinstance(packet, mqtt5.PingReqPacket):
            peer.write(mqtt5.PingRespPacket().write())


class Clocked:
    """Counts like Counter and notes how old each message is, from the time in its first bytes."""

    def __init__(self, count: int) -> None:
        self._counter = Counter(count)
        self.ages_ms: list[float] = []
        self.done = self._counter.done

    def packet(self, peer: Peer, packet: Any) -> None:
        if isinstance(packet, mqtt5.PublishPacket):
            sent_ns = int.from_bytes(packet.payload[:8], "big")
            self.ages_ms.append((time.monotonic_ns() - sent_ns) / 1e6)
        self._counter.packet(peer, packet)
