"""Hostile bytes for every parser of the links, for as long as asked. ``python -m tests.fuzz.links --seconds 60``.

With ``atheris`` installed its coverage guides the bytes; without, they are good traffic, cut, joined and bent.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import random
import sys
import time
from collections.abc import Callable

import mqtt5

from gateway.links import Settings, Subscription
from gateway.links.fault import LostError, ProtocolError, RefusedError
from gateway.links.mqtt import websocket
from gateway.links.mqtt.session import Credentials, Session
from gateway.links.nats import subjects
from gateway.links.nats.wire import Parser

SETTINGS = Settings("mqtt://x", "fuzz", (Subscription("in/#"),), packet_max=65_536)
HELD_MAX = 200_000  # bytes that a parser may keep of what is incomplete
QOS1 = mqtt5.QoS.AT_LEAST_ONCE
SEEDS = [
    mqtt5.ConnAckPacket(receive_max=10, topic_alias_max=5).write(),
    mqtt5.SubAckPacket(1, [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]).write(),
    mqtt5.PublishPacket("in/a", b"x" * 20, qos=QOS1, packet_id=7, topic_alias=2, content_type="a").write(),
    mqtt5.PublishPacket("in/b", b"y", qos=mqtt5.QoS.EXACTLY_ONCE, packet_id=8).write(),
    mqtt5.PubAckPacket(1).write() + mqtt5.PubRelPacket(8).write() + mqtt5.PingRespPacket().write(),
    mqtt5.DisconnectPacket(server_reference="h:1").write(),
    b'INFO {"max_payload":1000,"headers":true,"jetstream":true}\r\nPING\r\n',
    b"MSG a.b 1 $JS.ACK.S.C.1.2.3.4.5 5\r\nhello\r\nHMSG a 1 14 16\r\nNATS/1.0 1\r\n\r\nhi\r\n",
    b"-ERR 'x'\r\n+OK\r\nPONG\r\n",
    b"\x82\x05hello\x89\x00\x88\x02\x03\xe8\x82\x7e\x01\x00" + bytes(256),
]


def mqtt(data: bytes) -> None:
    """A session fed in two pieces, from its first byte and from the middle of a good connection."""
    for prepared in (False, True):
        session = Session(SETTINGS)
        session.open(Credentials())
        with contextlib.suppress(ProtocolError, RefusedError, LostError):
            if prepared:
                session.feed(SEEDS[0] + SEEDS[1])
            session.feed(data[: len(data) // 2])
            session.feed(data[len(data) // 2 :])
            for frame in session.arrived:
                frame.ack()
            session.incoming.answer()
        assert len(session._rest) < HELD_MAX


def nats(data: bytes) -> None:
    """A parser fed in two pieces."""
    parser = Parser(65_536)
    with contextlib.suppress(ProtocolError):
        parser.feed(data[: len(data) // 2])
        parser.feed(data[len(data) // 2 :])
    assert len(parser._rest) < HELD_MAX


def sockets(data: bytes) -> None:
    """WebSocket frames, and the answer to the handshake."""
    with contextlib.suppress(ProtocolError):
        position = 0
        while (found := websocket.read(data, position, 65_536)) is not None:
            position = found[1]
    with contextlib.suppress(RefusedError, LostError):
        websocket.check_answer(data, b"key")


def topics(data: bytes) -> None:
    """Whatever has a subject has its topic back."""
    text = data.decode(errors="replace")
    with contextlib.suppress(subjects.BadTopicError):
        assert subjects.topic(subjects.subject(text)) == text
    with contextlib.suppress(subjects.BadTopicError):
        subjects.filters(text)


TARGETS: tuple[Callable[[bytes], None], ...] = (mqtt, nats, sockets, topics)


def one(data: bytes) -> None:
    """One input for every target."""
    for target in TARGETS:
        target(data)


def bent(chance: random.Random) -> bytes:
    """Good traffic with damage."""
    data = bytearray(b"".join(chance.choices(SEEDS, k=chance.randint(1, 4))))
    for _ in range(chance.randint(0, 6)):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randint(1, 8)]
            case 2:
                data[at:at] = chance.randbytes(chance.randint(1, 8))
            case _:
                data[at:at] = data[max(0, at - 16) : at]
        if not data:
            break
    return bytes(data)


def run(seconds: float, seed: int) -> int:
    """Inputs tried until time is up."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable choice
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        one(bent(chance))
        count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    # The codec writes a traceback for each text that is not UTF-8; a fuzzer makes thousands.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    if importlib.util.find_spec("atheris") is not None:
        atheris = importlib.import_module("atheris")
        atheris.instrument_all()
        atheris.Setup([sys.argv[0], f"-max_total_time={int(options.seconds)}"], one)
        atheris.Fuzz()
        return
    print(f"{run(options.seconds, options.seed)} inputs, nothing but the faults that are meant")


if __name__ == "__main__":
    main()
