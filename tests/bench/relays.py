"""Relays to compare: take from ``in/#``, publish to ``out/x`` at QoS 1. ``python -m tests.bench.relays KIND URL URL``.

``bare`` is the codec alone and acknowledges at once; ``link`` acknowledges upstream what downstream has acknowledged;
``once`` is the same with an id for each message and a file that remembers them, so at QoS 2 downstream.
Prints ``ready`` when it can take messages, and runs until it is ended.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
import mqtt5
import uvloop
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gateway.links import Frame, Parcel, Settings, Subscription
from gateway.links.urls import open_link
from tests.bench.peers import QOS1, Peer, connect, subscribe

UNDER_WAY = 2  # batches


def _port(url: str) -> int:
    return urlsplit(url).port or 0


async def bare(source: str, target: str) -> None:
    numbers = 0
    out: Peer

    def outgoing(peer: Peer, packet: object) -> None:
        if isinstance(packet, mqtt5.ConnAckPacket):
            peer.ready.set()

    def incoming(peer: Peer, packet: object) -> None:
        nonlocal numbers
        if isinstance(packet, mqtt5.PublishPacket):
            numbers = numbers % 65_535 + 1
            out.write(mqtt5.PublishPacket("out/x", packet.payload, qos=QOS1, packet_id=numbers).write())
            if packet.packet_id is not None:
                peer.write(mqtt5.PubAckPacket(packet.packet_id).write())
        elif isinstance(packet, mqtt5.ConnAckPacket):
            peer.write(subscribe("in/#"))
        elif isinstance(packet, mqtt5.SubAckPacket):
            peer.ready.set()

    loop = asyncio.get_running_loop()
    _, out = await loop.create_connection(lambda: Peer(outgoing, connect("bare-out")), "127.0.0.1", _port(target))
    await out.ready.wait()

    class Incoming(Peer):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            out.flush()

    _, peer = await loop.create_connection(lambda: Incoming(incoming, connect("bare-in")), "127.0.0.1", _port(source))
    await peer.ready.wait()
    print("ready", flush=True)
    await peer.lost


async def link(source: str, target: str) -> None:
    await _linked(source, Settings(target, "link-out", session_expiry_s=0))


async def once(source: str, target: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "inflight")
        await _linked(source, Settings(target, "once-out", session_expiry_s=0, inflight_file=file))


async def _linked(source: str, target: Settings) -> None:
    # No session is left behind: the broker would queue the other relays' messages for it.
    settings = Settings(source, "link-in", (Subscription("in/#"),), receive_maximum=2048, session_expiry_s=0)
    taken = open_link("in", settings)
    given = open_link("out", target)
    numbers = itertools.count()
    named = target.inflight_file is not None
    async with given, taken:
        print("ready", flush=True)
        turn = asyncio.Semaphore(UNDER_WAY)

        async def forward(frames: list[Frame]) -> None:
            refusals = await given.send_all(
                [Parcel("out/x", frame.data, id=f"{next(numbers):032x}" if named else None) for frame in frames]
            )
            for frame, refusal in zip(frames, refusals, strict=True):
                if refusal is None:
                    frame.ack()
                else:
                    frame.refuse(refusal)
            turn.release()

        async with asyncio.TaskGroup() as group:
            async for frames in taken.batches(512):
                await turn.acquire()
                group.create_task(forward(list(frames)))


async def through_aiomqtt(source: str, target: str) -> None:
    async with (
        aiomqtt.Client("127.0.0.1", _port(target), identifier="aio-out", max_inflight_messages=1000) as out,
        aiomqtt.Client("127.0.0.1", _port(source), identifier="aio-in") as taken,
    ):
        await taken.subscribe("in/#", 1)
        out.pending_calls_threshold = 1_000_000  # it warns on stderr otherwise, and is slower still
        print("ready", flush=True)
        turn = asyncio.Semaphore(256)

        async def forward(payload: bytes) -> None:
            await out.publish("out/x", payload, 1)
            turn.release()

        async with asyncio.TaskGroup() as group:
            async for message in taken.messages:
                await turn.acquire()
                group.create_task(forward(bytes(message.payload)))


def through_paho(source: str, target: str) -> None:
    out = paho.Client(CallbackAPIVersion.VERSION2, "paho-out")
    out.max_inflight_messages_set(1000)
    out.max_queued_messages_set(0)
    out.connect("127.0.0.1", _port(target))
    out.loop_start()
    taken = paho.Client(CallbackAPIVersion.VERSION2, "paho-in")

    def forward(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        out.publish("out/x", message.payload, 1)

    taken.on_message = forward
    taken.on_subscribe = lambda *_: print("ready", flush=True)
    taken.on_connect = lambda client, *_: client.subscribe("in/#", 1) and None
    taken.connect("127.0.0.1", _port(source))
    taken.loop_forever()


def main() -> None:
    kind, source, target = sys.argv[1:]
    if kind == "paho":
        through_paho(source, target)
        return
    uvloop.run({"bare": bare, "link": link, "once": once, "aiomqtt": through_aiomqtt}[kind](source, target))


if __name__ == "__main__":
    main()
