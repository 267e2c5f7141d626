"""A stream drops a parcel that it has by the parcel's id, also from the next process (real nats-server)."""

from __future__ import annotations

from pathlib import Path

import nats
from nats.js.api import StreamConfig

from gateway.links import Parcel, Settings
from gateway.links.address import Address
from gateway.links.nats.link import NatsLink
from tests.gateway.links.conftest import FAST
from tests.servers import nats_server, running


async def test_a_stream_keeps_a_parcel_once_whoever_sends_it(tmp_path: Path) -> None:
    with running(nats_server(tmp_path, mqtt=False)) as broker:
        client = await nats.connect(f"nats://127.0.0.1:{broker.port}")
        stream = client.jetstream()
        await stream.add_stream(StreamConfig(name="UNIT", subjects=["out.>"], duplicate_window=600))
        settings = Settings(f"nats://127.0.0.1:{broker.port}", "gateway")
        for name in ("first", "second"):
            async with NatsLink(name, settings, Address("127.0.0.1", broker.port), FAST) as link:
                parcels = [Parcel("out/a", b"1", id="one"), Parcel("out/a", b"2", id=name), Parcel("out/a", b"3")]
                assert await link.send_all([*parcels, *parcels]) == [None] * 6
        messages = [await stream.get_msg("UNIT", number) for number in range(1, 8)]
        assert [message.data for message in messages] == [b"1", b"2", b"3", b"3", b"2", b"3", b"3"]
        assert (await stream.stream_info("UNIT")).state.messages == 7
        await client.close()
