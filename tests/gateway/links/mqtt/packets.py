"""Packets to and from an MQTT 5 session that has no network, and the session that they are for."""

from __future__ import annotations

import asyncio

import mqtt5

from gateway.links import Parcel, Settings, Subscription
from gateway.links.ledger import Batch, Entry
from gateway.links.mqtt.session import Credentials, Session

QOS1 = mqtt5.QoS.AT_LEAST_ONCE
SETTINGS = Settings("mqtt://x", "gateway", (Subscription("in/#"),), packet_max=4096)
GRANTED = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE


class Waiting:
    """Stands for the future of a batch where no event loop runs."""

    def __init__(self) -> None:
        self.finished = False

    def done(self) -> bool:
        return self.finished

    def set_result(self, _: None) -> None:
        self.finished = True


def batch(*parcels: Parcel) -> list[Entry]:
    future: asyncio.Future[None] = Waiting()  # type: ignore[assignment] # all that a batch uses of it
    shared = Batch(len(parcels), future)
    return [Entry(parcel, shared, index) for index, parcel in enumerate(parcels)]


def connack(**fields: object) -> bytes:
    return mqtt5.ConnAckPacket(**fields).write()  # type: ignore[arg-type]


def suback(session: Session) -> bytes:
    sent = [packet for packet in written(session) if isinstance(packet, mqtt5.SubscribePacket)]
    return mqtt5.SubAckPacket(sent[-1].packet_id, [GRANTED]).write()


def publish(pid: int, data: bytes = b"x", *, duplicate: bool = False, topic: str = "in/a") -> bytes:
    return mqtt5.PublishPacket(topic, data, qos=QOS1, packet_id=pid, duplicate=duplicate).write()


def written(session: Session) -> list[mqtt5.Packet]:
    """What the session wants to write, taken from it."""
    data = b"".join(session.out)
    session.out.clear()
    packets, position = [], 0
    while position < len(data):
        packet, size = mqtt5.read(memoryview(data)[position:])
        packets.append(packet)
        position += size
    return packets


def up(session: Session | None = None, **fields: object) -> Session:
    session = session or Session(SETTINGS)
    session.open(Credentials())
    session.out.clear()
    session.feed(connack(**fields))
    session.feed(suback(session))
    session.out.clear()
    return session


def acknowledged(session: Session) -> list[int]:
    session.incoming.answer()
    return [packet.packet_id for packet in written(session) if isinstance(packet, mqtt5.PubAckPacket)]
