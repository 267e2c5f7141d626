"""A coalition for tests: the demonstration's three gateways, over embedded brokers or over mosquitto in every role."""

from __future__ import annotations

import asyncio
import re
import secrets
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import NamedTuple

import aiomqtt
import nats
from nats.aio.msg import Msg

from gateway.config import parse
from gateway.demo.coalition import gateways, mqtt_port
from gateway.demo.layout import PARTNERS, Layout, coalition_broker, prepare
from gateway.demo.tally import Told
from protocols.record import Event
from tests.e2e.pair import LIMIT_S, until
from tests.servers import mosquitto, mosquitto_passwords, running

ROOT = Path(__file__).parents[2]
STANDARDS = ROOT.parent / "shared" / "standards"
OBSERVER = "observer"
_NATIONAL = re.compile(r'name = "national"\nmqtt = "127\.0\.0\.1:(\d+)"\nnats = "[^"]+"')


class Stage(NamedTuple):
    """A running coalition, and everything that its gateways told."""

    layout: Layout
    told: list[Told]
    ports: dict[str, int]
    envelopes: list[bytes]

    async def until(self, wanted: Callable[[Told], bool], count: int = 1, seconds: float = LIMIT_S) -> list[Told]:
        """Wait until so many outcomes are as wanted, and give those."""
        async with asyncio.timeout(seconds):
            while len(found := [told for told in self.told if wanted(told)]) < count:
                await asyncio.sleep(0.02)
        return found


@asynccontextmanager
async def stage(folder: Path, brokers: str) -> AsyncIterator[Stage]:
    """Run a coalition on ``embedded`` or ``mosquitto`` brokers, with an observer at the courier."""
    layout = prepare(folder, datetime.now(UTC), usual_ports=False)
    told: list[Told] = []
    envelopes: list[bytes] = []
    if brokers == "embedded":
        ports = {name: mqtt_port(config) for name, config in layout.configs.items()}
        async with coalition_broker(layout), _embedded_observer(layout, envelopes), gateways(layout, told.append):
            yield Stage(layout, told, ports, envelopes)
        return
    with mosquitto_everywhere(layout) as (ports, courier, password):
        watched = mqtt_observer(courier, password, envelopes)
        async with watched, gateways(layout, told.append):
            yield Stage(layout, told, ports, envelopes)


@contextmanager
def mosquitto_everywhere(layout: Layout) -> Iterator[tuple[dict[str, int], int, str]]:
    """Start mosquitto for every role and rewrite the tables to it: ports of the partners, the courier, a password."""
    folder = layout.folder / "mosquitto"
    with ExitStack() as stack:
        passwords = {name: secrets.token_hex(12) for name in (*PARTNERS, OBSERVER)}
        rules = [f"user {name}\ntopic write comity/1/+/{name}/#\ntopic read comity/1/{name}/#" for name in PARTNERS]
        (folder / "coalition").mkdir(parents=True)
        (folder / "coalition" / "acl").write_text("\n\n".join([*rules, f"user {OBSERVER}\ntopic read #"]) + "\n")
        users = mosquitto_passwords(folder / "coalition", passwords)
        courier = mosquitto(folder / "coalition", f"password_file {users}", f"acl_file {folder}/coalition/acl")
        stack.enter_context(running(courier))
        ports = {}
        for name, file in layout.files.items():
            national = stack.enter_context(running(mosquitto(folder / name)))
            ports[name] = national.port
            kept = layout.folder / f"{name}.password"
            kept.write_text(passwords[name])
            kept.chmod(0o600)
            text = _NATIONAL.sub(f'name = "national"\nurl = "mqtt://127.0.0.1:{national.port}"', file.read_text())
            text = text.replace(f'"nats://{layout.courier}"', f'"mqtt://127.0.0.1:{courier.port}"')
            text = text.replace(f'"state/coalition/passwords/{name}"', f'"{name}.password"')
            file.write_text(text)
            assert not any(link.embedded for link in parse(file.read_bytes()).links)
        yield ports, courier.port, passwords[OBSERVER]


@asynccontextmanager
async def _embedded_observer(layout: Layout, seen: list[bytes]) -> AsyncIterator[None]:
    """The courier's owner itself looks at everything that passes: subjects, headers and payloads."""
    password = (layout.folder / "state" / "coalition" / "passwords" / "comity").read_text().strip()
    client = await nats.connect(f"nats://{layout.courier}", user="comity", password=password)

    async def see(message: Msg) -> None:
        seen.append(repr((message.subject, message.headers)).encode() + b"\0" + message.data)

    await client.subscribe(">", cb=see)
    await client.flush()
    try:
        yield
    finally:
        await client.close()


@asynccontextmanager
async def mqtt_observer(port: int, password: str, seen: list[bytes]) -> AsyncIterator[None]:
    """A third client at the courier, subscribed to everything: topics, properties and payloads."""

    def see(message: aiomqtt.Message) -> None:
        seen.append(f"{message.topic} {message.properties}".encode() + b"\0" + bytes(message.payload))

    v5 = aiomqtt.ProtocolVersion.V5
    client = aiomqtt.Client("127.0.0.1", port, username=OBSERVER, password=password, protocol=v5)
    async with _subscribed(client, see, "#"):
        yield


@asynccontextmanager
async def listening(port: int, *topics: str) -> AsyncIterator[list[tuple[str, bytes]]]:
    """A client of a partner's broker, subscribed by now: what arrives, as (topic, payload)."""
    got: list[tuple[str, bytes]] = []

    def hear(message: aiomqtt.Message) -> None:
        got.append((str(message.topic), bytes(message.payload)))

    async with _subscribed(aiomqtt.Client("127.0.0.1", port), hear, *topics):
        yield got


@asynccontextmanager
async def _subscribed(
    client: aiomqtt.Client, take: Callable[[aiomqtt.Message], None], *topics: str
) -> AsyncIterator[None]:
    """Give everything to a function, from the broker's answer to the subscription on."""

    async def collect() -> None:
        async for message in client.messages:
            take(message)

    async with client:
        await client.subscribe([(topic, 0) for topic in topics])
        collecting = asyncio.create_task(collect())
        try:
            yield
        finally:
            collecting.cancel()
            with suppress(asyncio.CancelledError):
                await collecting


def fetch(url: str) -> tuple[str, Message]:
    """A page and its headers. Raise OSError (HTTPError too) when there is none."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode(), answer.headers


async def connected(console: str) -> None:
    """Wait until a gateway says, at its console's address, that it is connected everywhere."""

    def says_so() -> bool:
        with suppress(OSError):
            return bool(fetch(f"http://{console}/readyz"))
        return False

    await until(says_so)


async def publish(port: int, topic: str, data: bytes) -> None:
    """``mosquitto_pub``: one payload at QoS 1."""
    command = ["mosquitto_pub", "-p", str(port), "-q", "1", "-t", topic, "-s"]
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE)
    await process.communicate(data)


def is_delivered(destination: str) -> Callable[[Told], bool]:
    """Outcomes that say that a unit has something."""
    return lambda told: told.record.event is Event.DELIVERED and told.record.destination == destination
