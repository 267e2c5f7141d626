"""``comity run --workers 2`` on both sides of a coalition: killed workers lose nothing and mix nothing up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import signal
import socket
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.audit import read
from gateway.config import parse
from gateway.demo.layout import Layout, coalition_broker, prepare
from gateway.links import Parcel, Settings
from gateway.links.urls import open_link
from protocols.record import Event
from tests.e2e.pair import LIMIT_S
from tests.e2e.stage import connected, listening, mosquitto_everywhere
from tests.e2e.test_bad_input import track
from tests.e2e.test_run import alive, children, comity_run
from tests.servers import mosquitto_path

COUNT = 600
TOPICS = 8
ACKNOWLEDGE = re.compile(r"^acknowledge = .*$", re.MULTILINE)


def workers_of(pid: int) -> dict[int, int]:
    """Process ids of a supervisor's workers, by number."""
    found = {}
    for child in children(pid):
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if b"--worker" in words:
            found[int(words[words.index(b"--worker") + 1].split(b"/")[0])] = child
    return found


def two_ports() -> int:
    """A port that is free, as the next one is; below those that the system gives to others."""
    while True:
        port = random.randrange(20_000, 32_000, 2)  # noqa: S311 - not a secret
        with socket.socket() as one, socket.socket() as other, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 1))
            return port


def for_workers(layout: Layout, partner: str) -> int:
    """Give a table ports for two workers and nothing that only one process can do; the console's port."""
    file = layout.files[partner]
    text = ACKNOWLEDGE.sub("", file.read_text())
    console = two_ports()
    text = re.sub(r'console = "[^"]+"', f'console = "127.0.0.1:{console}"', text)
    text = re.sub(r'metrics = "[^"]+"\n', f'metrics = "127.0.0.1:{two_ports()}"\n', text)
    file.write_text(text)
    return console


async def up(console: int) -> None:
    """Both workers are connected everywhere."""
    for port in (console, console + 1):
        await connected(f"127.0.0.1:{port}")


async def field_units(url: str, say: int) -> None:
    """Reports on many topics: each subject once, and on each topic one that moves north."""
    async with open_link("field", Settings(url, "field")) as out:
        for number in range(say):
            topic = f"tak/alpha/u{number % TOPICS}"
            moving = track(f"moving-{number % TOPICS}", latitude=f"{47 + number / 10_000:.4f}")
            assert await out.send_all([Parcel(topic, track(f"once-{number:04}")), Parcel(topic, moving)]) == [
                None,
                None,
            ]
            await asyncio.sleep(0.004)


def northings(heard: list[tuple[str, bytes]]) -> dict[bytes, list[float]]:
    """Latitudes in the order in which they came, by subject."""
    found: dict[bytes, list[float]] = defaultdict(list)
    for _, data in heard:
        uid = re.search(rb"<transponderId[^>]*>([^<]+)<", data)
        latitude = re.search(rb"<latitude[^>]*>([^<]+)<", data)
        assert uid is not None
        assert latitude is not None
        found[uid[1]].append(float(latitude[1]))
    return found


@asynccontextmanager
async def brokers(layout: Layout, *, embedded: bool) -> AsyncIterator[None]:
    """The courier, and for MQTT each force's own broker; with ``embedded`` the gateways bring theirs."""
    if embedded:
        async with coalition_broker(layout):
            yield
        return
    if mosquitto_path() is None:
        pytest.skip("mosquitto is not installed")
    with mosquitto_everywhere(layout):
        yield


def national(layout: Layout, partner: str) -> tuple[str, int]:
    """Where field units of a partner connect: a URL, and its port."""
    link = next(link for link in parse(layout.files[partner].read_bytes()).links if link.name == "national")
    url = f"mqtt3://{link.mqtt}" if link.embedded else link.url
    return url, int(url.rpartition(":")[2])


@pytest.mark.parametrize("embedded", [True, False], ids=["over NATS", "over MQTT"])
async def test_killed_workers_lose_nothing_and_keep_every_subjects_order(tmp_path: Path, *, embedded: bool) -> None:
    layout = prepare(tmp_path, datetime.now(UTC), usual_ports=False)
    async with brokers(layout, embedded=embedded):
        consoles = {partner: for_workers(layout, partner) for partner in ("alpha", "bravo")}
        (url, _), (_, port) = national(layout, "alpha"), national(layout, "bravo")
        async with AsyncExitStack() as stack:
            alpha = await stack.enter_async_context(comity_run(layout.files["alpha"], "--workers", "2"))
            bravo = await stack.enter_async_context(comity_run(layout.files["bravo"], "--workers", "2"))
            await asyncio.gather(*(up(console) for console in consoles.values()))
            heard = await stack.enter_async_context(listening(port, "nffi/to-ops"))
            sending = asyncio.create_task(field_units(url, COUNT))
            for number in range(2):
                for supervisor in (alpha, bravo):
                    await asyncio.sleep(0.5)
                    os.kill(workers_of(supervisor.pid)[number], signal.SIGKILL)
            await sending
            async with asyncio.timeout(LIMIT_S):
                while len([uid for uid in northings(heard) if uid.startswith(b"once-")]) < COUNT:
                    await asyncio.sleep(0.1)
                last = {b"moving-%d" % (n % TOPICS): 47 + n / 10_000 for n in range(COUNT - TOPICS, COUNT)}
                while {uid: max(seen) for uid, seen in northings(heard).items() if uid in last} != pytest.approx(last):
                    await asyncio.sleep(0.1)
            for uid, seen in northings(heard).items():
                first = list(dict.fromkeys(seen))  # after a crash something may come twice
                assert first == sorted(first), uid
            gone = workers_of(alpha.pid)
            alpha.send_signal(signal.SIGTERM)
            said = (await asyncio.wait_for(alpha.communicate(), LIMIT_S))[1].decode()
        assert alpha.returncode == 0
        assert "Traceback" not in said
        assert not any(alive(pid) for pid in gone.values())
    command = [sys.executable, "-m", "gateway.cli", "audit", "verify", str(layout.files["alpha"])]
    checked = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told = (await checked.communicate())[0].decode()
    assert checked.returncode == 0
    assert all(f"worker-{number}/audit.log: " in told for number in range(2))
    forwarded = [
        sum(entry.record.event is Event.FORWARDED for entry in read(tmp_path / f"state/alpha/worker-{n}/audit.log"))
        for n in range(2)
    ]
    assert sum(forwarded) >= COUNT
    assert all(forwarded) is embedded  # over MQTT a unit is one worker's, over NATS a topic


async def test_what_cannot_be_shared_is_told_before_anything_starts(tmp_path: Path) -> None:
    layout = prepare(tmp_path, datetime.now(UTC), usual_ports=False)
    async with comity_run(layout.files["bravo"], "--workers", "2") as process:
        said = (await asyncio.wait_for(process.communicate(), LIMIT_S))[1].decode()

    assert process.returncode == 2
    assert said.startswith("$.routes[")
    assert "acknowledge: the worker that waits" in said
    assert not (tmp_path / "state" / "bravo" / "workers").exists()


async def test_another_number_of_workers_is_refused(tmp_path: Path) -> None:
    layout = prepare(tmp_path, datetime.now(UTC), usual_ports=False)
    (tmp_path / "state" / "alpha" / "workers").write_text("2\n")
    async with comity_run(layout.files["alpha"]) as process:
        said = (await asyncio.wait_for(process.communicate(), LIMIT_S))[1].decode()

    assert process.returncode == 2
    assert "run with --workers 2" in said
    assert len(said.splitlines()) == 1
