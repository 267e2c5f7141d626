"""A link with a byte budget between real gateways: ``python -m tests.bench.thin_link [--json] [--budget N]``.

Three gateways and a mosquitto between them; the way from alpha to that broker is metered, byte by byte as TCP carries
it, MQTT's own bytes included. Positions come faster than the budget allows. Measured are bytes upstream a position
that was delivered, how the budget was shared between bravo and charlie, and how long flash messages took beside that,
next to the longest frame. Announcements of keys, 5 kB a partner twice a day, are on the way before measuring starts:
``start_s`` is how long that takes, until both partners have the first position. ``late_s`` is how much later than it
should the machine at worst woke a process that only slept meanwhile, which is no doing of the gateways: a
millisecond or two where nothing else runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import aiomqtt

from gateway.config import parse
from gateway.countersigned import Countersigned
from gateway.demo.coalition import gateways
from gateway.demo.layout import Layout, prepare
from gateway.demo.tally import Told
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import KEY_FILE, key_file
from gateway.outbound.turns import FRAMING
from protocols.body import Chat, Identity, Track
from protocols.message import Message, Precedence, Quality, Source, Times, message_id, to_json
from protocols.quantity import Affiliation, AltitudeDatum, Kinematics, Position, Symbol
from protocols.record import Event
from tests.e2e.stage import mosquitto_everywhere, mqtt_observer
from tests.gateway.links.proxy import Path as Network
from tests.servers import free_port

SHARES = {"bravo": 2.0, "charlie": 1.0}
REPORT_MAX = 100.0  # bytes of a position report upstream, at 300 B/s
SHARE_MAX = 0.10  # that a share may differ from what is configured
TOPIC = "tak/alpha/thin"
_COALITION = re.compile(r'(name = "coalition"\n)url = "mqtt://127\.0\.0\.1:\d+"')
_ROUTES = re.compile(r'\[\[routes\]\]\nfrom = \["alpha/patrols"\]\n(?:(?!\[\[).*\n)*')
_NAMELESS = "transformation = { coarsen_m = 1000.0, drop_identities = true }\n"
_ROUTE = """[[routes]]
from = ["alpha/patrols"]
to = ["{to}"]
kinds = [{kinds}]
agreement = "{agreement}"
{linger}
"""


class Plan(NamedTuple):
    """One run: a budget, and what is sent by it.

    ``remarks``: characters that nothing compresses; then charlie is given them too, else neither them nor names.
    """

    bytes_per_s: float
    together: int
    rate: float  # positions a second
    remarks: int
    quiet_s: float
    loaded_s: float
    flash_every_s: float


PLANS = {
    300: Plan(300, 12, 4.0, 0, 90.0, 60.0, 4.0),
    3_000: Plan(3_000, 12, 40.0, 0, 8.0, 8.0, 0.5),
    200_000: Plan(200_000, 16, 60.0, 3_000, 10.0, 20.0, 0.1),
}


class Meter(Network):
    """A path that counts what passes upstream."""

    def __init__(self, port: int, target: int) -> None:
        super().__init__(port, target)
        self.upstream = 0

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up = writer.get_extra_info("peername")[1] == self._target
        try:
            while data := await reader.read(65_536):
                self.upstream += len(data) if up else 0
                writer.write(data)
                await writer.drain()
        except OSError:
            return


class Report(NamedTuple):
    """What was measured."""

    budget_bytes_per_s: float
    used_bytes_per_s: float
    positions: int
    bytes_a_position: float
    shares: dict[str, float]
    frame_s: float
    flash_alone_s: float
    flash_p99_s: float
    flashes: int
    start_s: float
    late_s: float

    def missed(self) -> Iterator[str]:
        """Bars that were not kept."""
        if self.budget_bytes_per_s == 300 and self.bytes_a_position > REPORT_MAX:
            yield f"{self.bytes_a_position:.1f} bytes a position, at most {REPORT_MAX:.0f}"
        for partner, share in self.shares.items():
            if abs(share / (SHARES[partner] / sum(SHARES.values())) - 1) > SHARE_MAX:
                yield f"{partner} had {share:.3f} of the budget"
        if self.flash_p99_s > self.frame_s + self.flash_alone_s + self.late_s:
            yield f"flash took {self.flash_p99_s:.2f} s, a frame takes {self.frame_s:.2f} s"
        if self.used_bytes_per_s > 1.05 * self.budget_bytes_per_s:
            yield f"{self.used_bytes_per_s:.0f} B/s were used of {self.budget_bytes_per_s:.0f}"


class Field:
    """Alpha's units, and everything that the gateways told."""

    def __init__(self, client: aiomqtt.Client, plan: Plan) -> None:
        self._client = client
        self._plan = plan
        self.told: list[Told] = []

    async def position(self) -> None:
        """One more unit says where it is, with what a TAK handset says."""
        now, uid, random = datetime.now(UTC), f"ANDROID-{secrets.token_hex(8)}", secrets.SystemRandom()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        body = Track(
            position=Position(
                latitude=round(random.uniform(46, 48), 6),
                longitude=round(random.uniform(7, 9), 6),
                altitude_m=round(random.uniform(300, 900), 1),
                altitude_datum=AltitudeDatum.HAE,
                circular_error_m=round(random.uniform(3, 12), 1),
            ),
            symbol=Symbol(affiliation=Affiliation.FRIEND, cot_type="a-f-G-U-C"),
            identity=Identity(callsign=f"ZULU {random.randrange(100)}", team="Cyan", role="Team Member"),
            kinematics=Kinematics(
                course_deg=round(random.uniform(0, 359), 1), speed_mps=round(random.uniform(0, 20), 1)
            ),
            battery_percent=float(random.randrange(101)),
            remarks=secrets.token_urlsafe(self._plan.remarks)[: self._plan.remarks] or None,
        )
        times = Times(observed=now, created=now, valid_from=now, valid_until=now + timedelta(minutes=5))
        await self._say(body, uid, now, times=times, quality=Quality(how="m-g"))

    async def flash(self) -> None:
        """A cry for help."""
        now = datetime.now(UTC)
        body = Chat(text="Ambush at the bridge.", sender=Identity(callsign="ZULU 1"))
        await self._say(body, f"flash-{secrets.token_hex(4)}", now, precedence=Precedence.FLASH)

    async def _say(self, body: Chat | Track, subject: str, now: datetime, **more: object) -> None:
        family = "position" if isinstance(body, Track) else "chat"
        source = Source(format="cot", version="2.0", label_hint="access=UNCLASSIFIED")
        message = Message(
            id=message_id(family, subject, now),
            subject=subject,
            body=body,
            source=source,
            **({"times": Times(observed=now)} | more),  # type: ignore[arg-type]
        )
        await self._client.publish(TOPIC, to_json(message), qos=1)

    def count(self, kind: str, destination: str | None = None) -> int:
        """How many of a kind were delivered so far."""
        records = (told.record for told in self.told if told.record.event is Event.DELIVERED)
        return sum(r.subject_kind == kind and (destination is None or r.destination == destination) for r in records)

    def flashes_s(self) -> list[float]:
        """How old each flash message was when bravo's cell had it."""
        records = (told.record for told in self.told if told.record.event is Event.DELIVERED)
        return [(record.age_ms or 0) / 1000 for record in records if record.subject_kind == "chat"]

    async def until(self, enough: Callable[[], bool], seconds: float) -> None:
        """Wait."""
        async with asyncio.timeout(seconds):
            while not enough():
                await asyncio.sleep(0.05)


async def measure(plan: Plan, folder: Path) -> Report:
    """One run."""
    async with _coalition(plan, folder) as (field, meter, seen):
        started = asyncio.get_running_loop().time()
        await field.position()
        await field.until(lambda: bool(field.count("track", "bravo/cell") and field.count("track", "charlie/map")), 150)
        start_s = asyncio.get_running_loop().time() - started
        for number in range(1, 4):
            await field.flash()
            await field.until(lambda number=number: field.count("chat") >= number, 60)  # type: ignore[misc]
            await asyncio.sleep(400 / plan.bytes_per_s)
        alone_s = max(field.flashes_s())
        async with _positions(field, plan):
            await asyncio.sleep(4 * plan.together / plan.rate + 2500 / plan.bytes_per_s)
            before, delivered, first = meter.upstream, field.count("track"), len(seen)
            await asyncio.sleep(plan.quiet_s)
            upstream, positions = meter.upstream - before, field.count("track") - delivered
            shares, _ = _shared(seen[first:])
            flashes = round(plan.loaded_s / plan.flash_every_s)
            async with _lateness() as late_s:
                for _ in range(flashes):
                    await field.flash()
                    await asyncio.sleep(plan.flash_every_s)
                await field.until(lambda: field.count("chat") >= 3 + flashes, 60)
        _, frame = _shared(seen[first:])
    return Report(
        plan.bytes_per_s,
        round(upstream / plan.quiet_s, 1),
        positions,
        round(upstream / max(1, positions), 1),
        {name: round(share, 3) for name, share in shares.items()},
        round(frame / plan.bytes_per_s, 3),
        round(alone_s, 3),
        round(_p99(field.flashes_s()[3:]), 3),
        flashes,
        round(start_s, 1),
        round(max(late_s), 4),
    )


@asynccontextmanager
async def _coalition(plan: Plan, folder: Path) -> AsyncIterator[tuple[Field, Meter, list[bytes]]]:
    layout = prepare(folder, datetime.now(UTC), usual_ports=False)
    seen: list[bytes] = []
    with mosquitto_everywhere(layout) as (ports, courier, password), _canonical(folder):
        async with Meter(free_port(), courier) as meter, mqtt_observer(courier, password, seen):
            layout = _on_a_thin_link(layout, plan, meter.port)
            async with aiomqtt.Client("127.0.0.1", ports["alpha"]) as client:
                field = Field(client, plan)
                async with gateways(layout, field.told.append):
                    yield field, meter, seen


@contextmanager
def _canonical(folder: Path) -> Iterator[None]:
    """Let gateways find the format of the bench, as they find an installed one."""
    info = folder / "site" / "bench-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[comity.adapters]\ncanonical = tests.bench.canonical\n")
    kept = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder / "site"), str(Path(__file__).parents[2])])
    try:
        yield
    finally:
        if kept is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = kept


def _on_a_thin_link(layout: Layout, plan: Plan, port: int) -> Layout:
    """Budgets on everybody's link to the coalition; alpha's is metered, and its routes linger."""
    linger = f"linger = {{ seconds = {2 * plan.together / plan.rate:.1f}, messages = {plan.together} }}"
    shares = ", ".join(f"{name} = {share}" for name, share in SHARES.items())
    for name, file in layout.files.items():
        thin = f"bytes_per_s = {plan.bytes_per_s}\nheartbeat_s = 0\n"
        text = file.read_text()
        if name == "alpha":
            thin += f"shares = {{ {shares} }}\n"
            text, count = _COALITION.subn(rf'\1url = "mqtt://127.0.0.1:{port}"', text)
            text = text.replace(
                'adapter = "cot"\nlink = "national"\nreceive = ["tak/alpha/#"]',
                'adapter = "canonical"\nlink = "national"\nreceive = ["tak/alpha/#"]',
            )
            text = _ROUTES.sub("", text)
            text += _ROUTE.format(to="bravo/cell", kinds='"track"', agreement="alpha-bravo", linger=linger)
            text += _ROUTE.format(to="bravo/cell", kinds='"chat"', agreement="alpha-bravo", linger="")
            text += _ROUTE.format(to="charlie/map", kinds='"track"', agreement="alpha-charlie-map", linger=linger)
            if count != 1 or 'adapter = "canonical"' not in text:
                raise RuntimeError("the demonstration's table is not as expected")
        text = text.replace(_NAMELESS, "") if plan.remarks else text
        file.write_text(text.replace('name = "coalition"\n', f'name = "coalition"\n{thin}', 1))
    layout = layout._replace(configs={name: parse(file.read_bytes()) for name, file in layout.files.items()})
    _agree(layout)
    return layout


def _agree(layout: Layout) -> None:
    """Every partner signs the agreements as they stand now."""
    states = {name: layout.folder / config.gateway.state for name, config in layout.configs.items()}
    held = {name: Holdings.open(state, key_file(state / KEY_FILE)) for name, state in states.items()}
    for name, config in layout.configs.items():
        kept = Countersigned(states[name], held[name].pins())
        for agreement in config.agreements:
            for partner in agreement.partners:
                kept.keep(agreement, held[partner].countersign(agreement))


def _p99(seconds: list[float]) -> float:
    """Of few, the longest."""
    return sorted(seconds)[-max(1, len(seconds) // 100)]


@asynccontextmanager
async def _lateness() -> AsyncIterator[list[float]]:
    """How much later than it should somebody is woken who only sleeps."""
    late_s: list[float] = []

    async def doze() -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await asyncio.sleep(0.02)
            late_s.append(loop.time() - began - 0.02)

    dozing = asyncio.create_task(doze())
    try:
        yield late_s
    finally:
        dozing.cancel()
        await asyncio.wait([dozing])


def _shared(seen: list[bytes]) -> tuple[dict[str, float], int]:
    """Which part of alpha's bytes each partner had, and the longest frame."""
    sizes = dict.fromkeys(SHARES, 0)
    longest = 0
    for each in seen:
        head, _, payload = each.partition(b"\0")
        topic = head.split(b" ")[0]
        levels = topic.decode().split("/")
        if len(levels) > 4 and levels[3] == "alpha" and levels[2] in sizes:
            size = len(topic) + len(payload) + FRAMING
            sizes[levels[2]] += size
            longest = max(longest, size)
    return {name: size / max(1, sum(sizes.values())) for name, size in sizes.items()}, longest


@asynccontextmanager
async def _positions(field: Field, plan: Plan) -> AsyncIterator[None]:
    """Positions without end, at a rate."""

    async def publish() -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await field.position()
            due += 1 / plan.rate
            await asyncio.sleep(max(0.0, due - loop.time()))

    publishing = asyncio.create_task(publish())
    try:
        yield
    finally:
        publishing.cancel()
        await asyncio.wait([publishing])


def main() -> int:
    """Measure one budget after the other, and fail when a bar is missed."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--budget", type=int, choices=sorted(PLANS), action="append")
    given = arguments.parse_args()
    failed = False
    for budget in given.budget or [200_000, 300]:
        with tempfile.TemporaryDirectory() as folder:
            report = asyncio.run(measure(PLANS[budget], Path(folder)))
        missed = list(report.missed())
        failed |= bool(missed)
        result = report._asdict() | {"missed": missed}
        print(json.dumps(result) if given.json else "\n".join(f"{k:20} {v}" for k, v in result.items()), flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
