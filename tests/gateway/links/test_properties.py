"""Properties beside a payload, as independent clients of real brokers receive them."""

from __future__ import annotations

import asyncio
import queue
from pathlib import Path

import nats
import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from gateway.links import Parcel, SendError, SendRefusal, Settings
from gateway.links.properties import carried
from gateway.links.urls import open_link
from tests.servers import mosquitto, mosquitto_path, nats_server, running

PROPERTIES = (("trace", "7f3a"), ("report-time", "0412Z é"), ("trace", "again"))


async def test_an_mqtt5_client_receives_them_in_order(tmp_path: Path) -> None:
    if mosquitto_path() is None:
        pytest.skip("mosquitto is not installed")
    arrived: queue.Queue[tuple[bytes, list[tuple[str, str]]]] = queue.Queue()
    ready: queue.Queue[bool] = queue.Queue()
    with running(mosquitto(tmp_path)) as broker:
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        client.on_message = lambda _c, _u, message: arrived.put(
            (bytes(message.payload), list(getattr(message.properties, "UserProperty", [])))
        )
        client.on_subscribe = lambda *_: ready.put(True)
        client.connect("127.0.0.1", broker.port)
        client.subscribe("t/#", 1)
        client.loop_start()
        await asyncio.to_thread(ready.get, True, 10)
        async with open_link("writer", Settings(f"mqtt://127.0.0.1:{broker.port}", "writer")) as writer:
            await writer.send_all([Parcel("t/x", b"1", properties=PROPERTIES), Parcel("t/x", b"2")])
        got = [await asyncio.to_thread(arrived.get, True, 10) for _ in range(2)]
        client.disconnect()
        client.loop_stop()
    assert got == [(b"1", list(PROPERTIES)), (b"2", [])]


@pytest.mark.parametrize("stream", [True, False], ids=["kept by a stream", "only heard"])
async def test_a_nats_client_receives_them_as_headers(tmp_path: Path, *, stream: bool) -> None:
    with running(nats_server(tmp_path)) as broker:
        client = await nats.connect(f"nats://127.0.0.1:{broker.port}")
        if stream:
            await client.jetstream().add_stream(name="T", subjects=["t.>"])
        heard = await client.subscribe("t.>")
        await client.flush()
        async with open_link("writer", Settings(f"nats://127.0.0.1:{broker.port}", "writer")) as writer:
            await writer.send(Parcel("t/x", b"1", properties=PROPERTIES[:2], media_type="text/plain"))
        message = await heard.next_msg(timeout=10)
        await client.close()
    assert message.data == b"1"
    assert message.headers is not None
    assert message.headers["trace"] == "7f3a"
    assert message.headers["report-time"] == "0412Z é"
    assert message.headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize("scheme", ["mqtt", "nats"])
async def test_one_bad_property_refuses_its_parcel_and_no_other(tmp_path: Path, scheme: str) -> None:
    if scheme == "mqtt" and mosquitto_path() is None:
        pytest.skip("mosquitto is not installed")
    server = mosquitto(tmp_path) if scheme == "mqtt" else nats_server(tmp_path)
    with running(server) as broker:
        async with open_link("writer", Settings(f"{scheme}://127.0.0.1:{broker.port}", "writer")) as writer:
            bad = Parcel("t/x", b"", properties=(("Nats-Rollup", "all"),))
            assert await writer.send_all([Parcel("t/x", b""), bad, Parcel("t/x", b"")]) == [
                None,
                SendRefusal.REJECTED,
                None,
            ]
            with pytest.raises(SendError):
                await writer.send(bad)
            assert writer.statistics.connects == 1


@pytest.mark.parametrize(
    "properties",
    [
        (("", "x"),),
        (("a b", "x"),),
        (("a:", "x"),),
        (("a\0", "x"),),
        (("é", "x"),),
        (("n" * 65, "x"),),
        (("nats-ttl", "1"),),
        (("a", "two\r\nNats-Rollup: all"),),
        (("a", "\0"),),
        (("a", "\ud800"),),
        (("a", " x"),),
        (("a", "v" * 1024),),
        tuple((f"a{n}", "") for n in range(17)),
    ],
)
def test_what_no_transport_should_carry(properties: tuple[tuple[str, str], ...]) -> None:
    assert not carried(properties)


def test_what_every_transport_carries() -> None:
    assert carried(())
    assert carried(PROPERTIES)
    assert carried((("a", "v" * 1023),))
    assert carried(tuple((f"a{n}", "") for n in range(16)))
