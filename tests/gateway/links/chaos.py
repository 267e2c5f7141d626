"""Faults at random moments while messages flow, and an account of every message.

publisher -> upstream broker -> (path) -> gateway process -> (path) -> downstream broker -> recorder. Messages are
numbered; a message that the gateway acknowledged and that the recorder never saw is a loss of ours.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path as File
from typing import Any, NamedTuple

import uvloop

from gateway.links import Parcel
from tests.gateway.links.certificates import Authority
from tests.gateway.links.chaos_relay import link
from tests.gateway.links.proxy import Path
from tests.servers import Server, free_port, mosquitto, nats_server

ROOT = File(__file__).parents[3]
DIGITS = 12
TOPICS = 5


class Plan(NamedTuple):
    """One run."""

    upstream: str = "mqtt"
    downstream: str = "mqtt"
    messages: int = 40_000
    rate: float = 5_000.0
    faults: int = 20
    seed: int = 1
    settle_s: float = 60.0
    tls: bool = False  # every connection; what tears then tears records
    only: str = ""  # faults whose name holds this
    crash_mosquitto: bool = False  # kill -9 of a broker whose disk has not what it acknowledged: its own losses


class Gateway:
    """The gateway process, started again when it is killed."""

    def __init__(self, plan: Plan, ports: tuple[int, int], log: File, ca_file: str | None) -> None:
        self._command = [plan.upstream, str(ports[0]), plan.downstream, str(ports[1]), str(log), ca_file or ""]
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.gateway.links.chaos_relay", *self._command), cwd=ROOT, stdout=subprocess.PIPE
        )

    async def ready(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        assert await self._process.stdout.readline() == b"ready\n"

    async def kill(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        assert process.returncode is None, "the gateway ended by itself"
        process.kill()
        await process.wait()


class Recorder:
    """What the sink saw: how often each number, and whether first sights were in order within a topic."""

    def __init__(self) -> None:
        self.seen: dict[int, int] = defaultdict(int)
        self.inversions = 0
        self._last: dict[str, int] = {}

    def record(self, topic: str, number: int) -> None:
        self.seen[number] += 1
        if self.seen[number] > 1:
            return
        if number < self._last.get(topic, -1):
            self.inversions += 1
        self._last[topic] = max(number, self._last.get(topic, -1))


class Stage(NamedTuple):
    """What faults act on."""

    upstream: Server
    downstream: Server
    near: Path
    far: Path
    gateway: Gateway


def faults(plan: Plan, stage: Stage, chance: random.Random) -> dict[str, Callable[[], Awaitable[None]]]:
    """Everything that can happen, by name."""

    async def restart(server: Server, how: Callable[[], None]) -> None:
        await asyncio.to_thread(how)
        await asyncio.sleep(0.3)
        await asyncio.to_thread(server.start)

    async def freeze(server: Server) -> None:
        server.freeze()
        await asyncio.sleep(chance.uniform(0.3, 1.5))
        server.thaw()

    async def kill_gateway() -> None:
        await stage.gateway.kill()
        await asyncio.sleep(0.3)
        await stage.gateway.start()

    async def hold(path: Path, how: Callable[[], None], seconds: float) -> None:
        how()
        await asyncio.sleep(seconds)
        path.go()

    async def cut(path: Path) -> None:
        path.cut()

    async def tear(path: Path) -> None:
        if plan.tls:
            path.tear_record(chance.uniform(0.0, 1.0))
        else:
            path.cut_within(chance.randrange(1, 4000))

    found: dict[str, Callable[[], Awaitable[None]]] = {"kill -9 gateway": kill_gateway}
    for name, server, path, scheme in (
        ("upstream", stage.upstream, stage.near, plan.upstream),
        ("downstream", stage.downstream, stage.far, plan.downstream),
    ):
        found[f"SIGSTOP {name}"] = lambda server=server: freeze(server)  # type: ignore[misc]
        found[f"half-open {name}"] = lambda path=path: hold(path, path.stop, 3.5)  # type: ignore[misc]
        found[f"throttle {name}"] = lambda path=path: hold(path, lambda: path.throttle(1000), 1.5)  # type: ignore[misc]
        found[f"cut {name}"] = lambda path=path: cut(path)  # type: ignore[misc]
        found[f"tear {name}"] = lambda path=path: tear(path)  # type: ignore[misc]
        found[f"SIGTERM {name}"] = lambda server=server: restart(server, server.stop)  # type: ignore[misc]
        if scheme == "nats" or plan.crash_mosquitto:
            found[f"kill -9 {name}"] = lambda server=server: restart(server, server.kill)  # type: ignore[misc]
    return {name: fault for name, fault in found.items() if plan.only in name}


def broker(scheme: str, folder: File, authority: Authority | None) -> Server:
    """A broker of a family, that keeps what it acknowledged over a restart."""
    pair = None if authority is None else authority.issue("server", "127.0.0.1")
    if scheme == "mqtt":
        lines = None if pair is None else f"certfile {pair.certificate}\nkeyfile {pair.key}"
        return mosquitto(folder, "persistence true", listener=lines)
    lines = "" if pair is None else f'tls {{ cert_file: "{pair.certificate}", key_file: "{pair.key}" }}'
    return nats_server(folder, lines, mqtt=False)


async def publish(plan: Plan, port: int, ca_file: str | None) -> None:
    """Every number once, at the rate, until each is acknowledged."""
    async with link(plan.upstream, port, "publisher", None, ca_file) as out, asyncio.TaskGroup() as group:
        began, step = time.monotonic(), 50
        for start in range(0, plan.messages, step):
            pause = began + start / plan.rate - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
            numbers = range(start, min(start + step, plan.messages))
            parcels = [Parcel(f"in/{number % TOPICS}", b"%0*d" % (DIGITS, number)) for number in numbers]
            group.create_task(_acknowledged(out.send_all(parcels)))


async def _acknowledged(sending: Awaitable[Any]) -> None:
    assert not any(await sending)


@contextlib.asynccontextmanager
async def recording(plan: Plan, port: int, recorder: Recorder, ca_file: str | None) -> AsyncIterator[None]:
    """The sink: a subscriber with a session of its own."""
    async with link(plan.downstream, port, "recorder", "out/#", ca_file) as sink:

        async def read() -> None:
            async for frames in sink.batches():
                for frame in frames:
                    recorder.record(frame.topic, int(frame.data))
                    frame.ack()

        task = asyncio.create_task(read())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def run(plan: Plan) -> dict[str, Any]:
    """The account of one run."""
    chance = random.Random(plan.seed)  # noqa: S311 - a repeatable choice of faults
    recorder, happened = Recorder(), []
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(File(folder) / "pki") if plan.tls else None
        ca_file = None if authority is None else authority.file
        upstream = broker(plan.upstream, File(folder) / "up", authority)
        downstream = broker(plan.downstream, File(folder) / "down", authority)
        log = File(folder) / "acknowledged"
        async with contextlib.AsyncExitStack() as stack:
            for server in (upstream, downstream):
                stack.callback(server.kill)
                await asyncio.to_thread(server.start)
            near = await stack.enter_async_context(Path(free_port(), upstream.port))
            far = await stack.enter_async_context(Path(free_port(), downstream.port))
            gateway = Gateway(plan, (near.port, far.port), log, ca_file)
            await stack.enter_async_context(recording(plan, downstream.port, recorder, ca_file))
            await gateway.start()
            stack.push_async_callback(gateway.kill)
            await gateway.ready()
            stage = Stage(upstream, downstream, near, far, gateway)
            publishing = asyncio.create_task(publish(plan, upstream.port, ca_file))
            possible = faults(plan, stage, chance)
            for _ in range(plan.faults):
                await asyncio.sleep(chance.uniform(0.1, 2 * plan.messages / plan.rate / max(1, plan.faults)))
                name = chance.choice(sorted(possible))
                happened.append(name)
                await possible[name]()
            await publishing
            await settled(plan, recorder)
            torn = near.torn + far.torn
            acknowledged = {int(number) for number in numbers(log.read_bytes())}
    missing = set(range(plan.messages)) - set(recorder.seen)
    return {
        "plan": plan._asdict(),
        "faults": happened,
        "records_torn": torn,
        "seen": len(recorder.seen),
        "lost_by_gateway": len(acknowledged & missing),
        "lost_before_gateway": len(missing - acknowledged),
        "duplicates": sum(recorder.seen.values()) - len(recorder.seen),
        "inversions": recorder.inversions,
    }


def numbers(data: bytes) -> list[bytes]:
    """The numbers of the gateway's log; a half-written last one is none."""
    return [data[at : at + DIGITS] for at in range(0, len(data) - DIGITS + 1, DIGITS)]


async def settled(plan: Plan, recorder: Recorder) -> None:
    """Return when everything is there, or when nothing has come for long."""
    end = time.monotonic() + plan.settle_s
    last, since = -1, time.monotonic()
    while len(recorder.seen) < plan.messages and time.monotonic() < end:
        if len(recorder.seen) != last:
            last, since = len(recorder.seen), time.monotonic()
        if time.monotonic() - since > plan.settle_s / 2:
            return
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", choices=["mqtt", "nats"], default="mqtt")
    parser.add_argument("--downstream", choices=["mqtt", "nats"], default="mqtt")
    parser.add_argument("--messages", type=int, default=40_000)
    parser.add_argument("--rate", type=float, default=5_000.0)
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tls", action="store_true", help="TLS everywhere; connections are cut within its records")
    parser.add_argument("--only", default="", help="only faults whose name holds this, such as tear")
    parser.add_argument("--crash-mosquitto", action="store_true", help="kill -9 mosquitto too, to see what it loses")
    print(json.dumps(uvloop.run(run(Plan(**vars(parser.parse_args()))))))


if __name__ == "__main__":
    main()
