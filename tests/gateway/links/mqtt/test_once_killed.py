"""A sender killed again and again at random moments delivers every number once and in order (real mosquitto)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import mqtt5
import pytest

from gateway.links import Parcel, Settings
from gateway.links.address import Address
from gateway.links.mqtt.link import MqttLink
from tests.bench.peers import Peer, connect
from tests.gateway.links.conftest import FAST
from tests.gateway.links.mqtt.once_sender import CLIENT, TOPICS
from tests.servers import Server, mosquitto, mosquitto_path, running

ROOT = Path(__file__).parents[4]
KILLS = 40
LAST = 2_000  # numbers of the run that is let live
QOS2 = mqtt5.QoS.EXACTLY_ONCE

pytestmark = pytest.mark.skipif(mosquitto_path() is None, reason="mosquitto is not installed")


class Unit:
    """A subscriber at QoS 2, on the bare codec."""

    def __init__(self) -> None:
        self.heard: dict[str, list[bytes]] = defaultdict(list)
        self.count = 0

    def packet(self, peer: Peer, packet: object) -> None:
        if isinstance(packet, mqtt5.PublishPacket):
            self.heard[packet.topic].append(packet.payload)
            self.count += 1
            if packet.packet_id is not None:
                peer.write(mqtt5.PubRecPacket(packet.packet_id).write())
        elif isinstance(packet, mqtt5.PubRelPacket):
            peer.write(mqtt5.PubCompPacket(packet.packet_id).write())
        elif isinstance(packet, mqtt5.ConnAckPacket):
            peer.write(mqtt5.SubscribePacket(1, [mqtt5.TopicFilter("out/#", max_qos=QOS2)]).write())
        elif isinstance(packet, mqtt5.SubAckPacket):
            peer.ready.set()

    async def quiet(self, count: int) -> None:
        """Return when there are so many, or when no more come."""
        last, end = -1, time.monotonic() + 20
        while time.monotonic() < end and (self.count < count or self.count != last):
            last = self.count
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def listening(broker: Server) -> AsyncIterator[Unit]:
    unit = Unit()
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_connection(lambda: Peer(unit.packet, connect("unit")), "127.0.0.1", broker.port)
    try:
        await peer.ready.wait()
        yield unit
    finally:
        assert peer.transport is not None
        peer.transport.abort()
        await peer.lost


async def sender(broker: Server, folder: Path, until: int) -> asyncio.subprocess.Process:
    arguments = ("-m", "tests.gateway.links.mqtt.once_sender", str(broker.port), str(folder), str(until))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 20) == b"ready\n"
    return process


@pytest.mark.parametrize("inflight_messages", [20, 1000])
async def test_forty_kills_deliver_every_number_once_and_in_order(tmp_path: Path, inflight_messages: int) -> None:
    chance = random.Random(inflight_messages)  # noqa: S311 - a repeatable choice of moments
    noted = tmp_path / "settled"
    kept = f"max_inflight_messages {inflight_messages}"
    with running(mosquitto(tmp_path / "broker", kept)) as broker:
        async with listening(broker) as unit:
            for _ in range(KILLS // 2):
                process = await sender(broker, tmp_path, 0)
                await asyncio.sleep(chance.uniform(0.0, 0.1))
                process.kill()
                await process.wait()
            until = (int(noted.read_text()) if noted.exists() else 0) + LAST
            process = await sender(broker, tmp_path, until)
            out, _ = await asyncio.wait_for(process.communicate(), 60)
            await unit.quiet(until)
    assert process.returncode == 0, out
    heard = [int(each) for numbers in unit.heard.values() for each in numbers]
    assert [number for number, times in Counter(heard).items() if times > 1] == []
    assert sorted(heard) == list(range(until))
    for topic, numbers in unit.heard.items():
        assert [int(each) for each in numbers] == list(range(int(topic[4:]), until, TOPICS))


async def test_a_parcel_that_is_given_again_is_not_sent_again(tmp_path: Path) -> None:
    """While it is under way, when it is done, and by the next process."""
    with running(mosquitto(tmp_path / "broker")) as broker:
        settings = Settings(f"mqtt://127.0.0.1:{broker.port}", CLIENT, inflight_file=str(tmp_path / "slots"))
        address = Address("127.0.0.1", broker.port)
        parcel = Parcel("out/0", b"1", id="one")
        async with listening(broker) as unit:
            async with MqttLink("first", settings, address, FAST) as link:
                assert await asyncio.gather(*(link.send_all((parcel, parcel)) for _ in range(3))) == [[None, None]] * 3
                await link.send(parcel)
                assert (link.statistics.sent, link.statistics.repeated) == (1, 6)
            async with MqttLink("second", settings, address, FAST) as link:
                await link.send(parcel)
                await link.send(Parcel("out/0", b"2", id="two"))
                assert (link.statistics.sent, link.statistics.repeated) == (1, 1)
            await unit.quiet(2)
    assert unit.heard == {"out/0": [b"1", b"2"]}


async def test_a_broker_that_lost_its_sessions_gets_what_was_not_completed_and_not_what_was(tmp_path: Path) -> None:
    broker = mosquitto(tmp_path / "broker")
    with running(broker):
        settings = Settings(f"mqtt://127.0.0.1:{broker.port}", CLIENT, inflight_file=str(tmp_path / "slots"))
        async with MqttLink("once", settings, Address("127.0.0.1", broker.port), FAST) as link:
            await link.send(Parcel("out/0", b"done", id="done"))
            broker.freeze()
            sending = asyncio.create_task(link.send(Parcel("out/0", b"open", id="open")))
            await asyncio.sleep(0.1)
            broker.kill()
            broker.start()
            await asyncio.wait_for(sending, 10)
            await link.send(Parcel("out/0", b"done", id="done"))
            assert (link.statistics.sent, link.statistics.resent, link.statistics.repeated) == (2, 1, 1)
