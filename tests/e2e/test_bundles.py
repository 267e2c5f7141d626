"""Two gateways that share no broker: a courier carries files both ways, and nothing is lost or delivered twice."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
from typer.testing import CliRunner

from gateway.cli.main import app
from gateway.config import parse
from gateway.demo.coalition import gateways, mqtt_port
from gateway.demo.field import Fix, _cot_chat, _cot_event, _point, _sedap_text
from gateway.demo.layout import Layout, coalition_broker, prepare
from gateway.demo.tally import Told
from protocols.record import Event, Refused
from tests.e2e.pair import LIMIT_S

PAIR = ("alpha", "bravo")
COALITION = re.compile(r'url = "nats://[^"]+"\n(partners = [^\n]+\n)username = [^\n]+\npassword_file = [^\n]+\n')
COUNT = 12


class Voyage:
    """Two gateways, what they told, and a courier between them."""

    def __init__(self, folder: Path) -> None:
        whole = prepare(folder, datetime.now(UTC), usual_ports=False)
        files = {name: whole.files[name] for name in PAIR}
        self.layout = whole._replace(files=files, configs={name: whole.configs[name] for name in PAIR})
        self.over_the_air = {name: file.read_text() for name, file in files.items()}
        self.told: list[Told] = []
        self.medium = folder / "medium"
        self.medium.mkdir()

    def by_hand(self) -> None:
        """Both tables name a courier where they had the coalition's broker."""
        for name, text in self.over_the_air.items():
            place = f"{self.layout.folder}/{name}-bundles"
            changed, count = COALITION.subn(rf'url = "bundles://{place}"\n\1', text)
            assert count == 1
            self.layout.files[name].write_text(changed)

    def by_air(self) -> None:
        for name, text in self.over_the_air.items():
            self.layout.files[name].write_text(text)

    @asynccontextmanager
    async def running(self, *names: str) -> AsyncIterator[None]:
        some = names or PAIR
        part = Layout(
            self.layout.folder,
            {name: self.layout.files[name] for name in some},
            {name: parse(self.layout.files[name].read_bytes()) for name in some},
            self.layout.courier,
        )
        async with gateways(part, self.told.append):
            yield

    async def say(self, partner: str, topic: str, frames: Sequence[bytes]) -> None:
        async with aiomqtt.Client("127.0.0.1", mqtt_port(self.layout.configs[partner]), timeout=LIMIT_S) as client:
            for data in frames:
                await client.publish(topic, data, qos=1)

    def count(self, gateway: str, event: Event, **wanted: str) -> int:
        records = [told.record for told in self.told if told.record.gateway == gateway and told.record.event is event]
        return sum(all(getattr(record, name) == value for name, value in wanted.items()) for record in records)

    async def until(self, enough: Callable[[], bool], seconds: float = LIMIT_S) -> None:
        async with asyncio.timeout(seconds):
            while not enough():
                await asyncio.sleep(0.05)

    async def carry(self, sender: str, to: str, *, status: int = 0) -> dict[str, int]:
        """A courier goes from one to the other; what the export said."""
        out = self.medium / f"{sender}-{to}"
        exported = await command("bundle", "export", str(self.layout.files[sender]), "--to", to, str(out), "--json")
        said: dict[str, int] = json.loads(exported)
        if said["files"]:
            await command("bundle", "import", str(self.layout.files[to]), str(out), status=status)
        return said

    async def carry_until(self, sender: str, to: str, enough: Callable[[dict[str, int]], bool]) -> list[dict[str, int]]:
        """A courier goes again and again, until what it carried and what is told is enough; what each time was."""
        trips = [await self.carry(sender, to)]
        async with asyncio.timeout(LIMIT_S):
            while not enough(trips[-1]):
                await asyncio.sleep(0.1)
                trips.append(await self.carry(sender, to))
        return trips

    def delivered(self, gateway: str) -> Counter[tuple[str | None, str | None]]:
        """How often each message reached each unit of a gateway."""
        records = [told.record for told in self.told if told.record.gateway == gateway]
        return Counter((r.message, r.destination) for r in records if r.event is Event.DELIVERED)


async def command(*words: str, status: int = 0) -> str:
    result = await asyncio.to_thread(CliRunner().invoke, app, list(words))
    assert result.exit_code == status, result.output
    return result.stdout


def chats(first: int, count: int = COUNT) -> list[bytes]:
    now = datetime.now(UTC)
    return [_cot_chat(f"HAWK-{number}", f"Message {number}.", now) for number in range(first, first + count)]


def tracks(count: int = COUNT) -> list[bytes]:
    now, point = datetime.now(UTC), _point(Fix(47.06, 8.28, 10.0, 1.0))
    heads = [
        {"uid": f"UNIT-{number}", "type": "a-f-G-U-C", "how": "m-g", "access": "UNCLASSIFIED"}
        for number in range(count)
    ]
    return [_cot_event(head, point, f'<contact callsign="{head["uid"]}"/>', now) for head in heads]


def texts(first: int, count: int = COUNT) -> list[bytes]:
    return [_sedap_text(f"OTTER {n}", f"Text {n}.", datetime.now(UTC)) for n in range(first, first + count)]


async def test_messages_and_receipts_go_both_ways_by_file_and_rejoining_over_a_broker_repeats_nothing(
    tmp_path: Path,
) -> None:
    voyage = Voyage(tmp_path)
    voyage.by_hand()
    to_cell = {"destination": "bravo/cell"}
    async with voyage.running():
        await voyage.say("alpha", "tak/alpha/hawk", [*chats(0), *tracks()])
        await voyage.say("bravo", "sedap/bravo/1", texts(0))
        await voyage.until(lambda: voyage.count("alpha", Event.HELD, **to_cell) >= 2 * COUNT)
        await voyage.until(lambda: voyage.count("bravo", Event.HELD, destination="alpha/watch") >= COUNT)

        there = await voyage.carry("alpha", "bravo")
        assert there["envelopes"] > 0
        assert there["announcements"] > 0
        await voyage.until(lambda: voyage.count("bravo", Event.DELIVERED, **to_cell) == 2 * COUNT)

        def heard() -> bool:
            """Alpha has word of all that it sent."""
            receipts = voyage.count("alpha", Event.RECEIPT, reason="delivered", **to_cell)
            return receipts == voyage.count("alpha", Event.FORWARDED, **to_cell) == 2 * COUNT

        back = await voyage.carry_until("bravo", "alpha", lambda _: heard())
        assert any(trip["control"] for trip in back)
        await voyage.until(lambda: voyage.count("alpha", Event.DELIVERED, destination="alpha/watch") == COUNT)
        await voyage.carry_until("alpha", "bravo", lambda said: said["envelopes"] == 0)  # what arrived waits no longer
        read = {"reason": "delivered", "destination": "alpha/watch"}
        await voyage.carry_until("alpha", "bravo", lambda _: voyage.count("bravo", Event.RECEIPT, **read) == COUNT)

    # A second voyage, with gateways that are stopped while the courier comes and goes.
    async with voyage.running("alpha"):
        await voyage.say("alpha", "tak/alpha/hawk", chats(100))
        await voyage.until(lambda: voyage.count("alpha", Event.HELD, **to_cell) >= 3 * COUNT)
    lost = await voyage.carry("alpha", "bravo")
    assert lost["envelopes"] > 0
    assert (await voyage.carry("alpha", "bravo"))["envelopes"] == lost["envelopes"], "an export removes nothing"
    async with voyage.running("bravo"):
        await voyage.until(lambda: voyage.count("bravo", Event.DELIVERED, **to_cell) == 3 * COUNT)

    # Word of it never gets back by hand: over the air everything is sent again, and known again.
    voyage.by_air()
    async with coalition_broker(voyage.layout), voyage.running():
        await voyage.say("alpha", "tak/alpha/hawk", chats(200))
        await voyage.until(lambda: voyage.count("bravo", Event.DELIVERED, **to_cell) == 4 * COUNT)
        await voyage.until(lambda: voyage.count("alpha", Event.FORWARDED, **to_cell) == 4 * COUNT)
    for name in PAIR:
        assert max(voyage.delivered(name).values()) == 1, "nothing is delivered twice"
    assert voyage.count("bravo", Event.DELIVERED, **to_cell) == 4 * COUNT
    assert voyage.count("bravo", Event.REFUSED, reason="bad-tag") == 0
    assert voyage.count("bravo", Event.REFUSED, reason=Refused.TOPIC_SIGNER_MISMATCH) == 0
