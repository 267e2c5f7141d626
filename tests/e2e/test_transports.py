"""A gateway of one force, with units on every kind of transport: what one says is told to the others."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config import parse
from gateway.countersigned import Countersigned
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import KEY_FILE, key_file
from tests.e2e.pair import LIMIT_S, until
from tests.e2e.stage import connected, listening, publish
from tests.e2e.test_bad_input import track
from tests.e2e.test_run import comity_run
from tests.servers import free_port, mosquitto, mosquitto_path, running

COUNT = 12
HEAD = """
[gateway]
partner = "alpha"

[http]
console = "127.0.0.1:{console}"

[[policies]]
name = "MISSION"
classifications = ["UNCLASSIFIED"]

[[partners]]
id = "alpha"
kind = "nation"

[[agreements]]
id = "inside"
partners = ["alpha"]
kinds = ["track", "delete"]
directions = [{{ from = "alpha", to = "alpha" }}]
highest = {{ policy = "MISSION", classification = "UNCLASSIFIED" }}
valid_from = 2026-01-01T00:00:00Z
valid_until = 2099-01-01T00:00:00Z

[[links]]
name = "national"
url = "mqtt://127.0.0.1:{national}"

[[units]]
id = "alpha/cell"
clearance = {{ policy = "MISSION", classification = "UNCLASSIFIED" }}
adapter = "cot"
link = "national"
receive = ["cell/out"]
deliver = "cell/in"
default_label = {{ policy = "MISSION", classification = "UNCLASSIFIED" }}
"""
TEAM = """
[[links]]
name = "{name}"
url = "{url}"

[[units]]
id = "alpha/{name}"
clearance = {{ policy = "MISSION", classification = "UNCLASSIFIED" }}
adapter = "cot"
link = "{name}"
{ways}
default_label = {{ policy = "MISSION", classification = "UNCLASSIFIED" }}
labels = [
  {{ hint = "access=UNCLASSIFIED", label = {{ policy = "MISSION", classification = "UNCLASSIFIED" }} }},
]
"""
FROM = """
[[routes]]
from = ["alpha/{name}"]
to = ["alpha/cell"]
agreement = "inside"
"""
TO = """
[[routes]]
from = ["alpha/cell"]
to = ["alpha/{name}"]
agreement = "inside"
"""


@contextmanager
def national(folder: Path) -> Iterator[int]:
    """The force's own broker; its port."""
    if mosquitto_path() is None:
        pytest.skip("mosquitto is not installed")
    with running(mosquitto(folder / "national")) as broker:
        yield broker.port


def keys(file: Path) -> None:
    """Keys and signatures of a force that is alone."""
    config = parse(file.read_bytes())
    state = file.parent / config.gateway.state
    units = [unit.id for unit in config.units]
    held = Holdings.create(state, units, key_file(state / KEY_FILE), int(datetime.now(UTC).timestamp()))
    for agreement in config.agreements:
        Countersigned(state, held.pins()).keep(agreement, held.countersign(agreement))


@asynccontextmanager
async def gateway(folder: Path, broker: int, *teams: str) -> AsyncIterator[None]:
    """``comity run`` with teams beside the cell, connected everywhere."""
    console = free_port()
    file = folder / "alpha.toml"
    file.write_text(HEAD.format(console=console, national=broker) + "".join(teams))
    keys(file)
    async with comity_run(file):
        await connected(f"127.0.0.1:{console}")
        yield


def team(name: str, url: str, *, heard: bool = True, told: bool = True) -> str:
    """A unit on a link of its own."""
    ways = ('receive = ["team/out"]\n' if heard else "") + ('deliver = "team/in"\n' if told else "")
    routes = (FROM if heard else "") + (TO if told else "")
    return (TEAM + routes).format(name=name, url=url, ways=ways)


async def heard_at_the_cell(heard: list[tuple[str, bytes]], uid: str) -> None:
    await until(lambda: len([data for _, data in heard if uid.encode() in data]) >= COUNT)


async def patrol(url: str, callsign: str) -> None:
    """Let PyTAK say so many positions. It would go on for ever, so it is stopped."""
    command = [sys.executable, str(Path(__file__).with_name("pytak_patrol.py")), url, callsign, str(COUNT)]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            while await process.stdout.readline() not in {b"sent\n", b""}:
                pass
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def pytak_ear(url: str) -> AsyncIterator[asyncio.StreamReader]:
    """PyTAK, listening: a line for every event."""
    script = Path(__file__).with_name("pytak_ear.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            assert await process.stdout.readline() == b"listening\n"
        yield process.stdout
    finally:
        process.kill()
        await process.wait()


async def test_pytak_finds_a_tak_servers_port_and_is_heard_over_mqtt(tmp_path: Path) -> None:
    port = free_port()
    with national(tmp_path) as broker:
        async with (
            gateway(tmp_path, broker, team("team", f"tcp+listen://127.0.0.1:{port}")),
            listening(broker, "cell/in") as heard,
        ):
            await patrol(f"tcp+wo://127.0.0.1:{port}", "TCP1")
            await heard_at_the_cell(heard, "PYTAK-TCP1")


async def test_pytak_is_told_over_tcp_what_was_said_over_mqtt(tmp_path: Path) -> None:
    port = free_port()
    with national(tmp_path) as broker:
        async with (
            gateway(tmp_path, broker, team("team", f"tcp+listen://127.0.0.1:{port}")),
            pytak_ear(f"tcp://127.0.0.1:{port}") as first,
            pytak_ear(f"tcp://127.0.0.1:{port}") as second,
        ):
            for number in range(3):
                await publish(broker, "cell/out", track(f"from-cell-{number}", access=None))
            async with asyncio.timeout(LIMIT_S):
                for ear in (first, second):
                    assert [await ear.readline() for _ in range(3)] == [b"from-cell-%d\n" % n for n in range(3)]


async def test_pytak_is_heard_over_udp(tmp_path: Path) -> None:
    port = free_port()
    with national(tmp_path) as broker:
        async with (
            gateway(tmp_path, broker, team("team", f"udp://127.0.0.1:{port}", told=False)),
            listening(broker, "cell/in") as heard,
        ):
            await patrol(f"udp+wo://127.0.0.1:{port}", "UDP1")
            await heard_at_the_cell(heard, "PYTAK-UDP1")


async def test_a_multicast_group_is_heard_and_told_and_nothing_echoes(tmp_path: Path) -> None:
    port = free_port()
    _needs_multicast()
    url = f"udp://239.255.77.79:{port}"
    with national(tmp_path) as broker:
        async with (
            gateway(tmp_path, broker, team("team", url)),
            listening(broker, "cell/in") as heard,
            pytak_ear(url) as ear,
        ):
            await patrol(url.replace("udp", "udp+wo"), "GROUP1")
            await heard_at_the_cell(heard, "PYTAK-GROUP1")
            await publish(broker, "cell/out", track("from-cell", access=None))
            async with asyncio.timeout(LIMIT_S):
                while await ear.readline() != b"from-cell\n":
                    pass
            await asyncio.sleep(0.5)
            assert not [data for _, data in heard if b"from-cell" in data]


async def test_files_are_reports_and_reports_are_files(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    with national(tmp_path) as broker:
        async with (
            gateway(tmp_path, broker, team("team", f"file://{drop}")),
            listening(broker, "cell/in") as heard,
        ):
            (drop / "in" / ".new").write_bytes(track("in-a-file", access=None))
            (drop / "in" / ".new").rename(drop / "in" / "report.xml")
            await publish(broker, "cell/out", track("from-cell", access=None))
            await until(lambda: [data for _, data in heard if b"in-a-file" in data])
            await until(lambda: written(drop / "out"))
            (path,) = written(drop / "out")
            assert b'uid="from-cell"' in path.read_bytes()
            await until(lambda: not list((drop / "in").iterdir()))


def written(folder: Path) -> list[Path]:
    """Files that are whole."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def _needs_multicast() -> None:
    """Skip where no datagram to a group comes back."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth,
    ):
        ear.bind(("239.255.77.80", 0))
        ear.settimeout(1)
        try:
            ear.setsockopt(
                socket.IPPROTO_IP,
                socket.IP_ADD_MEMBERSHIP,
                socket.inet_aton("239.255.77.80") + socket.inet_aton("0.0.0.0"),
            )
            mouth.sendto(b"x", ("239.255.77.80", ear.getsockname()[1]))
            ear.recv(1)
        except OSError:
            pytest.skip("no multicast on this machine")
