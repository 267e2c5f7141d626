"""Two gateways and a courier, each a process; a unit that publishes at one end and one that hears at the other.

The units speak the format of the tests, in which a message can say its precedence.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import mqtt5

from gateway.audit import read
from gateway.config import parse
from gateway.countersigned import Countersigned
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import KEY_FILE, key_file
from protocols.body import Chat
from protocols.message import Message, Precedence, Source, Times, to_json
from protocols.record import Record
from tests.bench.peers import QOS1, Peer, connect
from tests.gateway.reports import OPEN
from tests.servers import Server, free_port, mosquitto

ROOT = Path(__file__).parents[2]
PARTNERS = ("alpha", "bravo")
OTHER = {"alpha": "bravo", "bravo": "alpha"}
SOURCE, SINK = "plain/field", "plain/to-cell"
WINDOW = 400  # publishes that the nation's broker has not acknowledged
TOGETHER = 2  # messages in one publish
LIMIT_S = 90.0  # for what takes a second or two: only a fault reaches it, however much else the machine does
TABLE = """
[gateway]
partner = "{partner}"
state = "state"

[http]
console = "127.0.0.1:{console}"
metrics = "127.0.0.1:{metrics}"

[[policies]]
name = "MISSION"
classifications = ["UNCLASSIFIED"]

[[partners]]
id = "alpha"
kind = "nation"

[[partners]]
id = "bravo"
kind = "nation"

[[links]]
name = "national"
url = "mqtt://127.0.0.1:{national}"

[[links]]
name = "coalition"
{coalition}
partners = ["{other}"]

{units}

[[agreements]]
id = "alpha-bravo"
partners = ["alpha", "bravo"]
kinds = {kinds}
directions = [{{ from = "alpha", to = "bravo" }}]
highest = {{ policy = "MISSION", classification = "UNCLASSIFIED" }}
valid_from = 2026-01-01T00:00:00Z
valid_until = 2036-01-01T00:00:00Z

[[routes]]
from = ["alpha/field"]
to = ["bravo/cell"]
agreement = "alpha-bravo"
"""
_UNIT = """
[[{what}]]
id = "{id}"
clearance = {{ policy = "MISSION", classification = "UNCLASSIFIED" }}
"""
_UNMARKED = 'default_label = { policy = "MISSION", classification = "UNCLASSIFIED" }\n'
_NUMBER = re.compile(rb"number (\d+)\.")


class Traffic(NamedTuple):
    """What passes from the field to the cell: of which kinds, in which formats, and what runs the gateways."""

    kinds: str
    field: tuple[str, str]  # adapter, and the topic that it publishes to
    cell: tuple[str, str]  # adapter, and the topic that it hears
    program: tuple[str, ...]  # modules and words before the gateway's file


TEXTS = Traffic('["chat"]', ("plain", SOURCE), ("plain", SINK), ("tests.e2e.plain_gateway",))


class Gateway:
    """A gateway's process, its state, its metrics. ``inside``: a command that runs it in an environment of its own."""

    def __init__(self, file: Path, ports: tuple[int, int], program: tuple[str, ...]) -> None:
        self.file = file
        self._program = program
        self.state = file.parent / "state"
        self.inside: Sequence[str] = ()
        self._console, self._metrics = ports
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def said(self) -> str:
        """Everything that it wrote on standard error."""
        return self.file.with_suffix(".err").read_text()

    async def start(self) -> None:
        command = [*self.inside, sys.executable, "-m", *self._program, str(self.file)]
        with self.file.with_suffix(".err").open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=errors, stderr=errors)

    async def ended(self) -> int:
        """Its exit status."""
        assert self._process is not None
        process, self._process = self._process, None
        return await asyncio.wait_for(process.wait(), LIMIT_S)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        await self.ended()

    async def kill(self) -> None:
        """As a power cut would. It must not have ended by itself before."""
        if self._process is None:
            return
        assert self._process.returncode is None, f"the gateway ended by itself: {self.said[-2000:]}"
        await self.end(signal.SIGKILL)

    async def ready(self) -> None:
        """Wait until it is connected everywhere."""
        async with asyncio.timeout(LIMIT_S):
            while not await asyncio.to_thread(_fetch, f"http://127.0.0.1:{self._console}/readyz"):
                assert self._process is not None
                assert self._process.returncode is None, self.said[-2000:]
                await asyncio.sleep(0.05)

    def metrics(self) -> dict[str, float]:
        """Every series by its name with its labels; empty while it does not answer."""
        lines = _fetch(f"http://127.0.0.1:{self._metrics}/metrics").splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def waiting(self, partner: str) -> float:
        """Parcels on disk for a destination."""
        return self.metrics().get(f'comity_waiting_parcels{{destination="{partner}"}}', 0.0)

    def records(self) -> list[Record]:
        """Its audit so far."""
        file = self.state / "audit.log"
        return [entry.record for entry in read(file)] if file.exists() else []

    def memory_mb(self) -> tuple[float, float]:
        """Resident now, and at most so far."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        now, most = (int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) / 1000 for name in ("VmRSS", "VmHWM"))
        return now, most


class Pair(NamedTuple):
    """What runs."""

    alpha: Gateway
    bravo: Gateway
    courier: Server
    field: Field
    cell: Cell


class Field:
    """The publishing unit's client: numbered texts, many in a publish, a bounded number unacknowledged."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self._sent = 0
        self.peer: Peer | None = None

    def packet(self, peer: Peer, packet: Any) -> None:
        if isinstance(packet, mqtt5.PubAckPacket):
            self.acknowledged += 1
        elif isinstance(packet, mqtt5.ConnAckPacket):
            peer.ready.set()

    async def publish(self, numbers: range, precedence: Precedence | None = None) -> None:
        """Until the nation's broker has acknowledged them."""
        for start in range(numbers.start, numbers.stop, TOGETHER):
            part = range(start, min(start + TOGETHER, numbers.stop))
            self.give(b"\n".join(text(number, precedence) for number in part))
            while self._sent - self.acknowledged >= WINDOW:
                await asyncio.sleep(0.001)
        while self.acknowledged < self._sent:
            await asyncio.sleep(0.005)

    def give(self, data: bytes) -> None:
        """One publish."""
        assert self.peer is not None
        self._sent += 1
        packet = mqtt5.PublishPacket(SOURCE, data, qos=QOS1, packet_id=self._sent % 60_000 + 1)
        self.peer.write(packet.write())
        self.peer.flush()


class Cell:
    """The hearing unit's client: how often each number came, and when first."""

    def __init__(self) -> None:
        self.at: dict[int, float] = {}
        self.repeats = 0

    def packet(self, peer: Peer, packet: Any) -> None:
        if isinstance(packet, mqtt5.PublishPacket):
            found = _NUMBER.search(packet.payload)
            assert found is not None, packet.payload
            number = int(found[1])
            self.repeats += number in self.at
            self.at.setdefault(number, time.monotonic())
            if packet.packet_id is not None:
                answer = mqtt5.PubAckPacket if packet.qos is QOS1 else mqtt5.PubRecPacket
                peer.write(answer(packet.packet_id).write())
        elif isinstance(packet, mqtt5.PubRelPacket):
            peer.write(mqtt5.PubCompPacket(packet.packet_id).write())
        elif isinstance(packet, mqtt5.ConnAckPacket):
            filters = [mqtt5.TopicFilter(SINK, max_qos=mqtt5.QoS.EXACTLY_ONCE)]
            peer.write(mqtt5.SubscribePacket(1, filters).write())
        elif isinstance(packet, mqtt5.SubAckPacket):
            peer.ready.set()

    async def has(self, numbers: range, seconds: float) -> None:
        """Wait until it has heard all of these."""
        try:
            await until(lambda: self.at.keys() >= set(numbers), seconds)
        except TimeoutError:
            lacking = sorted(set(numbers) - self.at.keys())
            raise AssertionError(f"{len(lacking)} are missing, the first {lacking[:5]}") from None


def text(number: int, precedence: Precedence | None = None) -> bytes:
    """A numbered text."""
    message = Message(
        id=f"{number:032x}",
        subject=f"text.{number}",
        body=Chat(text=f"number {number}."),
        source=Source(format="plain"),
        label=OPEN,
        times=Times(observed=datetime.now(UTC)),
        precedence=precedence,
    )
    return to_json(message)


async def until(wanted: Callable[[], object], seconds: float = LIMIT_S) -> None:
    """Wait until a function says yes."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(wanted):
            await asyncio.sleep(0.05)


@asynccontextmanager
async def pair(
    folder: Path, courier: Server | None = None, links: Callable[[str, int], str] | None = None
) -> AsyncIterator[Pair]:
    """Brokers and units, and both gateways laid out but not started. ``links`` is a partner's way to the courier."""
    async with AsyncExitStack() as stack:
        nations = {name: mosquitto(folder / f"{name}-broker") for name in PARTNERS}
        courier = courier or mosquitto(folder / "courier")
        for broker in (*nations.values(), courier):
            stack.callback(broker.kill)
            await asyncio.to_thread(broker.start)
        way = links or (lambda _, port: f'url = "mqtt://127.0.0.1:{port}"')
        gateways = {
            name: laid_out(folder / name, nations[name].port, way(name, courier.port), TEXTS) for name in PARTNERS
        }
        await asyncio.to_thread(exchange_keys, folder)
        for gateway in gateways.values():
            stack.push_async_callback(gateway.end)
        field, cell = Field(), Cell()
        field.peer = await stack.enter_async_context(_attached(nations["alpha"].port, field))
        await stack.enter_async_context(_attached(nations["bravo"].port, cell))
        yield Pair(gateways["alpha"], gateways["bravo"], courier, field, cell)


async def started(*gateways: Gateway) -> None:
    """Start them, and wait until they are ready."""
    for gateway in gateways:
        await gateway.start()
    for gateway in gateways:
        await gateway.ready()


@asynccontextmanager
async def _attached(port: int, who: Field | Cell) -> AsyncIterator[Peer]:
    loop = asyncio.get_running_loop()
    name = type(who).__name__.lower()
    _, peer = await loop.create_connection(lambda: Peer(who.packet, connect(name)), "127.0.0.1", port)
    try:
        await asyncio.wait_for(peer.ready.wait(), LIMIT_S)
        yield peer
    finally:
        assert peer.transport is not None
        peer.transport.abort()
        await peer.lost


def laid_out(folder: Path, national: int, coalition: str, traffic: Traffic) -> Gateway:
    """The gateway of the partner after which a new folder is named: its table, without keys.

    ``national``: the port of its nation's broker. ``coalition``: lines that say how it gets to the courier.
    """
    folder.mkdir()
    partner = folder.name
    field = 'adapter = "{}"\nlink = "national"\nreceive = ["{}"]\n'.format(*traffic.field) + _UNMARKED
    cell = 'adapter = "{}"\nlink = "national"\ndeliver = "{}"\n'.format(*traffic.cell)
    ports = free_port(), free_port()
    (folder / "comity.toml").write_text(
        TABLE.format(
            partner=partner,
            other=OTHER[partner],
            console=ports[0],
            metrics=ports[1],
            national=national,
            coalition=coalition,
            kinds=traffic.kinds,
            units=_entry("alpha/field", field, partner) + _entry("bravo/cell", cell, partner),
        )
    )
    return Gateway(folder / "comity.toml", ports, traffic.program)


def _entry(unit: str, here: str, partner: str) -> str:
    """A unit at its own partner's, a peer at the other's."""
    ours = unit.startswith(f"{partner}/")
    return _UNIT.format(what="units" if ours else "peers", id=unit) + (here if ours else "")


def exchange_keys(folder: Path) -> None:
    """Each partner makes its own keys; bundles and countersigned agreements change hands."""
    now_s = int(datetime.now(UTC).timestamp())
    configs = {name: parse((folder / name / "comity.toml").read_bytes()) for name in PARTNERS}
    held = {}
    for name, config in configs.items():
        state = folder / name / "state"
        held[name] = Holdings.create(state, [unit.id for unit in config.units], key_file(state / KEY_FILE), now_s)
    for name, other in OTHER.items():
        held[name].pin(held[other].bundle_file(other), held[other].fingerprint(other), now_s)
    for name, config in configs.items():
        kept = Countersigned(folder / name / "state", held[name].pins())
        for agreement in config.agreements:
            for partner in agreement.partners:
                kept.keep(agreement, held[partner].countersign(agreement))


def _fetch(url: str) -> str:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
        return str(answer.read().decode()) if answer.status == 200 else ""
    return ""
