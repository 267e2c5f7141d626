"""What the field can get wrong ends in one Record with a bounded reason, and the next good message passes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from protocols.record import Event
from tests.e2e.pair import LIMIT_S, until
from tests.e2e.stage import Stage, is_delivered, publish, stage

BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">'
    + b"".join(
        b'<!ENTITY lol%d "%s">' % (n, b"&lol%d;" % (n - 1) * 10 if n > 1 else b"&lol;" * 10) for n in range(1, 9)
    )
    + b']><event version="2.0" uid="x" type="a-f-G"><point lat="&lol8;"/></event>'
)


def track(uid: str, latitude: str = "47.06", access: str | None = "UNCLASSIFIED") -> bytes:
    now = datetime.now(UTC)
    moment, stale = (f"{t:%Y-%m-%dT%H:%M:%S}.{t.microsecond // 1000:03}Z" for t in (now, now + timedelta(minutes=5)))
    marking = f' access="{access}"' if access else ""
    return (
        f'<event version="2.0" uid="{uid}" type="a-f-G-U-C" how="m-g"{marking} time="{moment}" start="{moment}" '
        f'stale="{stale}"><point lat="{latitude}" lon="8.3" hae="500" ce="10" le="9999999"/><detail/></event>'
    ).encode()


CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated-xml": (lambda: track("bad")[:120], "malformed"),
    "entity-bomb": (lambda: BOMB, "unsafe"),
    "degrees-and-minutes": (lambda: track("bad", latitude="4703.6"), "out-of-range"),
    "not-a-number": (lambda: track("bad", latitude="NaN"), "out-of-range"),
    "no-label": (lambda: track("unmarked", access=None), "unlabelled"),
    "unknown-label": (lambda: track("strange", access="BANANA"), "unknown-label"),
    "two-mebibytes": (lambda: b"<event>" + b"x" * 2_097_152 + b"</event>", "too-large"),
    "noise": (lambda: os.urandom(512), "malformed"),
    "empty": (lambda: b"\0", "malformed"),
}


@pytest.mark.parametrize("brokers", ["embedded", "mosquitto"])
async def test_bad_input_is_recorded_and_the_next_good_message_passes(
    tmp_path: Path, brokers: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with stage(tmp_path, brokers) as coalition:
        port = coalition.ports["alpha"]
        for name, (data, reason) in CASES.items():
            before = len(coalition.told)
            await publish(port, "tak/alpha/bad", data())
            await publish(port, "tak/alpha/good", track(f"good-{name}"))
            await _passes(coalition, before)
            ended = [
                told.record.reason
                for told in coalition.told[before:]
                if told.record.event in {Event.REFUSED, Event.WITHHELD} and told.record.gateway == "alpha"
            ]
            assert set(ended) == {reason}, name
        await _wildcard_topic(coalition)

    assert "Traceback" not in capfd.readouterr().err
    audit = (tmp_path / "state" / "alpha" / "audit.log").read_text()
    assert "4703.6" not in audit
    assert "BANANA" not in audit


async def _passes(coalition: Stage, before: int) -> None:
    """Wait until the unit at the far end has one more."""
    await until(lambda: any(is_delivered("bravo/ops")(told) for told in coalition.told[before:]))


async def _wildcard_topic(coalition: Stage) -> None:
    """A publication to a topic with a wildcard: the broker ends that connection; nobody else notices."""
    before = len(coalition.told)
    reader, writer = await asyncio.open_connection("127.0.0.1", coalition.ports["alpha"])
    writer.write(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04evil")
    assert (await asyncio.wait_for(reader.readexactly(4), LIMIT_S))[3] == 0
    topic, payload = b"tak/alpha/+", track("evil")
    body = len(topic).to_bytes(2, "big") + topic + payload
    length = bytes([len(body) % 128 | 128, len(body) // 128])
    writer.write(b"\x30" + length + body)
    await writer.drain()
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(16), LIMIT_S) == b""
    writer.close()
    await publish(coalition.ports["alpha"], "tak/alpha/good", track("good-after-wildcard"))
    await _passes(coalition, before)
    assert not [told for told in coalition.told[before:] if told.record.event is Event.REFUSED]
