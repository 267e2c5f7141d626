"""Two gateways, a courier and everything between them, each of which can be broken while messages flow.

A unit's client -> mosquitto -> alpha's ``comity run`` -> mosquitto (the courier) -> bravo's ``comity run`` -> mosquitto
-> a unit's client. A path of the tests lies before every broker that a gateway speaks to.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from gateway.config import Config, load
from gateway.countersigned import Countersigned
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import KEY_FILE, key_file
from tests.gateway.links.proxy import Path as Way
from tests.servers import Server, free_port, mosquitto

ROOT = Path(__file__).parents[2]
PARTNERS = ("alpha", "bravo")
SOURCE, SINK = "tak/alpha/field", "geojson/to-cell"
_TABLE = """
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
url = "mqtt://127.0.0.1:{coalition}"
partners = ["{other}"]

{ends}

[[agreements]]
id = "alpha-bravo"
partners = ["alpha", "bravo"]
kinds = ["graphic", "track"]
directions = [{{ from = "alpha", to = "bravo" }}]
highest = {{ policy = "MISSION", classification = "UNCLASSIFIED" }}
valid_from = 2026-01-01T00:00:00Z
valid_until = 2036-01-01T00:00:00Z

[[routes]]
from = ["alpha/field"]
to = ["bravo/cell"]
agreement = "alpha-bravo"
"""
_FIELD = """
[[{what}]]
id = "alpha/field"
clearance = {{ policy = "MISSION", classification = "UNCLASSIFIED" }}
"""
_CELL = """
[[{what}]]
id = "bravo/cell"
clearance = {{ policy = "MISSION", classification = "UNCLASSIFIED" }}
"""
_FIELD_HERE = """adapter = "cot"
link = "national"
receive = ["tak/alpha/#"]
default_label = { policy = "MISSION", classification = "UNCLASSIFIED" }
"""
_CELL_HERE = """adapter = "geojson"
link = "national"
deliver = "geojson/to-cell"
"""


class Gateway:
    """A ``comity run`` that is started again after it was killed. What it says goes to a file."""

    def __init__(self, file: Path, console: int) -> None:
        self._file = file
        self._console = console
        self._process: asyncio.subprocess.Process | None = None

    @property
    def said(self) -> Path:
        """Everything that it wrote on standard error."""
        return self._file.with_suffix(".err")

    async def start(self) -> None:
        with self.said.open("ab") as errors:
            command = [sys.executable, "-m", "gateway.cli", "run", str(self._file)]
            self._process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=errors, stderr=errors)

    async def ready(self) -> None:
        """Wait until it says that it is connected everywhere."""
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(_answers, f"http://127.0.0.1:{self._console}/readyz"):
                assert self._process is not None
                assert self._process.returncode is None, self.said.read_text()
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.returncode is None, f"the gateway ended by itself: {self.said.read_text()[-2000:]}"
        process.kill()
        await process.wait()


class Stage(NamedTuple):
    """What can be broken, and where units attach."""

    gateways: Mapping[str, Gateway]
    courier: Server
    ways: Mapping[str, Way]
    source_port: int
    sink_port: int


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)
    return False


@asynccontextmanager
async def stage(folder: Path) -> AsyncIterator[Stage]:
    """Everything running, in an empty folder. The brokers of the nations are kept; the courier may forget all."""
    async with AsyncExitStack() as stack:
        brokers = {name: mosquitto(folder / f"{name}-broker") for name in (*PARTNERS, "courier")}
        for broker in brokers.values():
            stack.callback(broker.kill)
            await asyncio.to_thread(broker.start)
        targets = {f"{name} national": brokers[name].port for name in PARTNERS}
        targets |= {f"{name} coalition": brokers["courier"].port for name in PARTNERS}
        ways = {name: await stack.enter_async_context(Way(free_port(), port)) for name, port in targets.items()}
        gateways = {name: _gateway(folder / name, name, ways) for name in PARTNERS}
        await asyncio.to_thread(_keys, folder)
        for gateway in gateways.values():
            await gateway.start()
            stack.push_async_callback(gateway.kill)
        for gateway in gateways.values():
            await gateway.ready()
        yield Stage(gateways, brokers["courier"], ways, brokers["alpha"].port, brokers["bravo"].port)


def _gateway(folder: Path, partner: str, ways: Mapping[str, Way]) -> Gateway:
    folder.mkdir()
    here = partner == "alpha"
    field, cell = _FIELD.format(what="units" if here else "peers"), _CELL.format(what="peers" if here else "units")
    console = free_port()
    (folder / "comity.toml").write_text(
        _TABLE.format(
            partner=partner,
            other="bravo" if here else "alpha",
            console=console,
            metrics=free_port(),
            national=ways[f"{partner} national"].port,
            coalition=ways[f"{partner} coalition"].port,
            ends=f"{field}{_FIELD_HERE}{cell}" if here else f"{field}{cell}{_CELL_HERE}",
        )
    )
    return Gateway(folder / "comity.toml", console)


def _keys(folder: Path) -> None:
    """Each partner makes its own keys; bundles and countersigned agreements change hands."""
    now_s = int(datetime.now(UTC).timestamp())
    configs: dict[str, Config] = {name: load(folder / name / "comity.toml").config for name in PARTNERS}
    held = {}
    for name, config in configs.items():
        state = folder / name / "state"
        held[name] = Holdings.create(state, [unit.id for unit in config.units], key_file(state / KEY_FILE), now_s)
    for name, other in (PARTNERS, PARTNERS[::-1]):
        held[name].pin(held[other].bundle_file(other), held[other].fingerprint(other), now_s)
    for name, config in configs.items():
        kept = Countersigned(folder / name / "state", held[name].pins())
        for agreement in config.agreements:
            for partner in agreement.partners:
                kept.keep(agreement, held[partner].countersign(agreement))


Fault = Callable[[], Awaitable[None]]


def kills(what: Stage, chance: random.Random) -> dict[str, Fault]:
    """``kill -9`` of each gateway and of the courier, and another one in its place soon after."""

    async def gateway(one: Gateway) -> None:
        await one.kill()
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        await one.start()

    async def courier() -> None:
        await asyncio.to_thread(what.courier.kill)
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        await asyncio.to_thread(what.courier.start)

    found: dict[str, Fault] = {f"kill -9 {name}": lambda one=one: gateway(one) for name, one in what.gateways.items()}  # type: ignore[misc]
    return found | {"kill -9 courier": courier}


def cuts(what: Stage, chance: random.Random) -> dict[str, Fault]:
    """Every path cut, cut within a packet, silent for a while, or slow for a while."""

    async def held(way: Way, how: Callable[[], None], seconds: float) -> None:
        how()
        await asyncio.sleep(seconds)
        way.go()

    async def at_once(how: Callable[[], None]) -> None:
        how()

    found: dict[str, Fault] = {}
    for name, way in what.ways.items():
        found[f"cut {name}"] = lambda way=way: at_once(way.cut)  # type: ignore[misc]
        found[f"tear {name}"] = lambda way=way: at_once(lambda: way.cut_within(chance.randrange(1, 8000)))  # type: ignore[misc]
        found[f"silent {name}"] = lambda way=way: held(way, way.stop, chance.uniform(0.2, 1.5))  # type: ignore[misc]
        found[f"slow {name}"] = lambda way=way: held(way, lambda: way.throttle(20_000), chance.uniform(0.5, 1.5))  # type: ignore[misc]
    return found
