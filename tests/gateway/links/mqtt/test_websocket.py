from __future__ import annotations

import asyncio
import base64
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.links import Parcel, Settings, Subscription
from gateway.links.address import Address
from gateway.links.fault import LostError, ProtocolError, RefusedError
from gateway.links.mqtt import websocket
from gateway.links.urls import open_link
from tests.gateway.links.life import alive, take, until
from tests.servers import free_port, nats_server, running

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3
GOOD = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: %b\r\nSec-WebSocket-Protocol: mqtt"
)


def test_the_handshake_of_the_standard_is_accepted() -> None:
    websocket.check_answer(GOOD % ACCEPT, KEY)
    asked = websocket.request(Address("::1", 443, tls=True), "/mqtt", KEY)
    assert asked.startswith(b"GET /mqtt HTTP/1.1\r\nHost: [::1]:443\r\n")
    assert b"Sec-WebSocket-Protocol: mqtt\r\n" in asked


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"HTTP/1.1 404 Not Found", RefusedError),
        (b"HTTP/1.1 503 Busy", LostError),
        (b"SSH-2.0-x", RefusedError),
        (GOOD % b"wrong", RefusedError),
        ((GOOD % ACCEPT).replace(b"mqtt", b"chat"), RefusedError),
    ],
)
def test_other_answers_are_not(head: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        websocket.check_answer(head, KEY)


@given(st.binary(max_size=70_000), st.binary(min_size=4, max_size=4))
def test_masking_is_its_own_inverse_and_byte_by_byte(payload: bytes, key: bytes) -> None:
    masked = websocket.mask(payload, key)
    assert websocket.mask(masked, key) == payload
    assert masked[:9] == bytes(byte ^ key[index % 4] for index, byte in enumerate(payload[:9]))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x82\x03abcX", (websocket.Frame(2, b"abc"), 5)),
        (b"\x82\x7e\x00\x03abc", (websocket.Frame(2, b"abc"), 7)),
        (b"\x82\x7f" + bytes(7) + b"\x03abc", (websocket.Frame(2, b"abc"), 13)),
        (b"\x82\x03ab", None),
        (b"\x82", None),
        (b"\x82\x7e\x00", None),
    ],
)
def test_frames_of_every_length_form_are_read(data: bytes, expected: tuple[websocket.Frame, int] | None) -> None:
    assert websocket.read(data, 0, 100) == expected


@pytest.mark.parametrize("data", [b"\xc2\x00", b"\x82\x80", b"\x81\x00", b"\x08\x00", b"\x89\x7e", b"\x82\x7e\xff\xff"])
def test_what_a_server_may_not_send_is_a_fault(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        websocket.read(data, 0, 100)


async def _bridge(port: int, target: int) -> asyncio.Server:
    """A WebSocket server in front of an MQTT broker: Debian's mosquitto is not always built with one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")).split()[1]
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324
        writer.write(GOOD % accept + b"\r\n\r\n\x89\x02hi")
        there, back = await asyncio.open_connection("127.0.0.1", target)
        answers = asyncio.create_task(_answers(there, writer))
        try:
            while True:
                first, second = await reader.readexactly(2)
                size = second & 0x7F
                if size >= 126:
                    size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
                mask = await reader.readexactly(4)
                data = websocket.mask(await reader.readexactly(size), mask)
                if first & 0x0F == 2:
                    back.write(data)
        except asyncio.IncompleteReadError:
            pass
        finally:
            answers.cancel()
            back.transport.abort()
            writer.transport.abort()

    return await asyncio.start_server(serve, "127.0.0.1", port)


async def _answers(there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await there.read(50_000):
        size = len(data)
        writer.write((b"\x82" + bytes((size,)) if size < 126 else b"\x82\x7e" + size.to_bytes(2, "big")) + data)


async def test_mqtt_5_over_websocket(tmp_path: Path) -> None:
    servers = pytest.importorskip("tests.servers")
    if servers.mosquitto_path() is None:
        pytest.skip("mosquitto is not installed")
    port = free_port()
    with running(servers.mosquitto(tmp_path)) as broker:
        bridge = await _bridge(port, broker.port)
        async with bridge:
            settings = Settings(f"ws://127.0.0.1:{port}/mqtt", "reader", (Subscription("t/#"),))
            async with (
                alive(open_link("reader", settings)) as reader,
                alive(open_link("writer", Settings(f"ws://127.0.0.1:{port}", "writer"))) as writer,
            ):
                parcels = [Parcel(f"t/{number}", bytes(number * 500)) for number in range(200)]
                assert await writer.send_all(parcels) == [None] * 200
                frames = await take(reader, 200)
                assert [(one.topic, one.data) for one in frames] == [(one.topic, one.data) for one in parcels]
                for frame in frames:
                    frame.ack()


async def test_the_websocket_listener_of_nats_is_refused_clearly_when_it_is_not_mqtt(tmp_path: Path) -> None:
    port = free_port()
    server = nats_server(tmp_path, f"websocket {{ listen: 127.0.0.1:{port}, no_tls: true }}")
    with running(server):
        link = open_link("x", Settings(f"ws://127.0.0.1:{port}/other", "x"))
        entering = asyncio.create_task(link.__aenter__())
        await until(lambda: "refused" in repr(link))
        entering.cancel()
        await asyncio.wait((entering,))
