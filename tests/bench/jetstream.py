"""A NATS link beside the bare protocol: pull from a stream, publish to another, acknowledge after the second's answer.

``python -m tests.bench.jetstream``. The bare worker is one read loop without reconnects, message ids or bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nats
import uvloop

from gateway.links import Frame, Parcel, Settings, Subscription
from gateway.links.urls import open_link
from tests.bench.link import cpu_s
from tests.servers import nats_server, running

ROOT = Path(__file__).parents[2]
SIZE = 256
BATCH = 512
DEADLINE_S = 60.0


async def bare(port: int) -> None:
    """The floor: what the protocol costs in Python when nothing can go wrong."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    pull = b'PUB $JS.API.CONSUMER.MSG.NEXT.IN.bare pulls 13\r\n{"batch":512}\r\n'
    writer.write(b'CONNECT {"verbose":false,"headers":true}\r\nSUB pulls 1\r\nSUB acks.* 2\r\n' + pull * 4)
    rest, left = b"", 0
    replies: dict[bytes, bytes] = {}
    number = 0
    while data := await reader.read(262_144):
        rest += data
        out: list[bytes] = []
        position = 0
        while (end := rest.find(b"\r\n", position)) >= 0:
            words = rest[position:end].split(b" ")
            if words[0] == b"PING":
                out.append(b"PONG\r\n")
                position = end + 2
                continue
            if words[0] not in {b"MSG", b"HMSG"}:
                position = end + 2
                continue
            stop = end + 2 + int(words[-1])
            if len(rest) < stop + 2:
                break
            if words[0] == b"MSG" and words[2] == b"1":
                number += 1
                token = b"%d" % number
                replies[token] = words[3]
                out.append(b"PUB out.x acks.%b %d\r\n%b\r\n" % (token, stop - end - 2, rest[end + 2 : stop]))
                left += 1
                if left == BATCH:
                    left = 0
                    out.append(pull)
            elif words[0] == b"MSG":
                out.append(b"PUB %b 4\r\n+ACK\r\n" % replies.pop(words[1][5:]))
            position = stop + 2
        rest = rest[position:]
        writer.write(b"".join(out))


async def link(port: int) -> None:
    """The same through two links."""
    url = f"nats://127.0.0.1:{port}"
    taken = open_link("in", Settings(url, "link", (Subscription("in/#"),), receive_maximum=4096))
    given = open_link("out", Settings(url, "link-out"))
    turn = asyncio.Semaphore(4)

    async def forward(frames: Sequence[Frame]) -> None:
        await given.send_all([Parcel("out/x", frame.data) for frame in frames])
        for frame in frames:
            frame.ack()
        turn.release()

    async with given, taken, asyncio.TaskGroup() as group:
        async for frames in taken.batches(BATCH):
            await turn.acquire()
            group.create_task(forward(frames))


async def through(port: int, kind: str, count: int) -> tuple[float, float]:
    """Messages a second of one worker, and its microseconds of processor time for each."""
    connection = await nats.connect(f"nats://127.0.0.1:{port}")
    js = connection.jetstream()
    for name, subject in (("IN", "in.>"), ("OUT", "out.>")):
        await js.add_stream(name=name, subjects=[subject])
    await js.add_consumer("IN", durable_name=kind, ack_policy="explicit", max_ack_pending=4096, deliver_policy="all")
    for start in range(0, count, 1000):
        for _ in range(start, min(start + 1000, count)):
            await connection.publish("in.x", bytes(SIZE))
        await connection.flush()
    while (await js.stream_info("IN")).state.messages < count:
        await asyncio.sleep(0.01)
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.jetstream", "--worker", kind, "--port", str(port)), cwd=ROOT
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not (done := (await js.stream_info("OUT")).state.messages):
                await asyncio.sleep(0.002)
            started, used = time.perf_counter(), cpu_s(worker.pid)
            while (now := (await js.stream_info("OUT")).state.messages) < count:
                await asyncio.sleep(0.002)
        took, used = time.perf_counter() - started, cpu_s(worker.pid) - used
    finally:
        worker.kill()
        await worker.wait()
        for name in ("IN", "OUT"):
            await js.delete_stream(name)
        await connection.close()
    return (now - done) / took, used * 1e6 / (now - done)


async def measure(rounds: int, count: int) -> dict[str, Any]:
    """Both workers, in turn."""
    runs: dict[str, list[tuple[float, float]]] = {"bare": [], "link": []}
    with tempfile.TemporaryDirectory() as folder, running(nats_server(Path(folder))) as server:
        for _ in range(rounds):
            for kind, rates in runs.items():
                rates.append(await through(server.port, kind, count))
    figures: dict[str, Any] = {"cores": os.cpu_count()}
    for kind, rates in runs.items():
        figures[f"{kind}_per_s"] = round(statistics.median(rate for rate, _ in rates))
        figures[f"{kind}_cpu_us"] = round(statistics.median(cpu for _, cpu in rates), 2)
    ratio = statistics.median(a[0] / b[0] for a, b in zip(runs["link"], runs["bare"], strict=True))
    return {**figures, "link_over_bare": round(ratio, 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--worker", choices=["bare", "link"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        uvloop.run({"bare": bare, "link": link}[options.worker](options.port))
        return
    figures = uvloop.run(measure(options.rounds, options.count))
    print(json.dumps(figures) if options.json else "\n".join(f"{name:16} {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
