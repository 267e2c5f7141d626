"""``python -m tests.gateway.spool.lives FOLDER LIVES SEED [damage]``: a spool that is killed again and again.

Each life is a process that checks what it finds, puts and ends rows as fast as it can and says what was acknowledged;
it is killed at a random moment, every fifth also while it opens. With ``damage`` 4 KiB of one of the files are
overwritten between two lives. One line of JSON at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from gateway.spool import Kept
from gateway.spool.spool import Spool

ALL = (5, 4, 3, 2, 1, 0)
PAGE = 4096


def data(number: int) -> bytes:
    """What stands under a number; of different lengths."""
    return (b"%d." % number * 200)[: number % 1500]


async def live(folder: Path, life: int, out: int) -> None:
    """Say what is there; then put and end, until somebody kills us."""

    def say(*words: int | str) -> None:
        os.write(out, (" ".join(map(str, words)) + "\n").encode())

    spool = await Spool.open(folder)
    for lane in ("bravo", "charlie"):
        while rows := await spool.take(lane, ALL):
            for row in rows:
                number = int(row.key)
                say("have" if row.data == data(number) else "torn", number)
            ended = [row for row in rows if int(row.key) % 3]
            for row in ended:
                say("done", int(row.key))
            spool.done([row.id for row in ended])
    health = spool.health()
    say("health", health.repaired, health.lost)
    say("ready")

    async def put(start: int) -> None:
        number = start
        while True:
            numbers = range(number, number + 1 + number % 40)
            for one in numbers:
                say("tried", one)
            await spool.put([Kept("bravo" if n % 2 else "charlie", n % 6, data(n), key=b"%d" % n) for n in numbers])
            for one in numbers:
                say("kept", one)
            number += len(numbers)

    await asyncio.gather(*(put(life * 10_000_000 + way * 1_000_000) for way in range(4)))


def one_life(folder: Path, life: int, after_s: float) -> list[str]:
    """What a process said before it was killed: so long after it was ready, or every fifth after it began."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        os.close(reading)
        try:
            asyncio.run(live(folder, life, writing))
        finally:
            os._exit(1)
    os.close(writing)
    said = bytearray()
    while life % 5 and b"ready\n" not in said and (part := os.read(reading, 1 << 16)):
        said += part
    kill_at = time.monotonic() + after_s
    os.set_blocking(reading, False)
    while time.monotonic() < kill_at:
        time.sleep(0.0005)
        try:
            said += os.read(reading, 1 << 20)
        except BlockingIOError:
            continue
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    os.set_blocking(reading, True)
    while part := os.read(reading, 1 << 20):
        said += part
    os.close(reading)
    return said.decode().splitlines()[: -1 if not said.endswith(b"\n") else None]


def damage(folder: Path, chance: random.Random) -> None:
    """Overwrite a page of one file."""
    files = [file for file in (*(folder / "log").iterdir(), folder / "index.db") if file.stat().st_size >= PAGE]
    file = chance.choice(files)
    pages = file.stat().st_size // PAGE
    with file.open("r+b") as open_file:
        open_file.seek(chance.randrange(pages) * PAGE)
        open_file.write(chance.randbytes(PAGE))


def main(folder: Path, lives: int, seed: int, *, damaging: bool) -> dict[str, int]:
    """Count what was lost, torn, or came from nowhere."""
    chance = random.Random(seed)  # noqa: S311 - the same moments for the same seed
    kept: set[int] = set()
    tried: set[int] = set()
    done: set[int] = set()
    totals = dict.fromkeys(("kept", "lost", "torn", "unknown", "deaf", "repaired", "beyond_repair"), 0)
    for life in range(1, lives + 1):
        said = one_life(folder, life, chance.uniform(0.0, 0.1))
        words = [line.split() for line in said]
        have = {int(word[1]) for word in words if word[0] == "have"}
        totals["torn"] += sum(word[0] == "torn" for word in words)
        if ["ready"] in words:
            totals["lost"] += len(kept - done - have)
        else:
            totals["deaf"] += bool(life % 5)
        totals["unknown"] += len(have - tried)
        for word in words:
            if word[0] == "health":
                totals["repaired"] += int(word[1])
                totals["beyond_repair"] += int(word[2])
        done |= {int(word[1]) for word in words if word[0] == "done"}
        kept |= {int(word[1]) for word in words if word[0] == "kept"}
        tried |= {int(word[1]) for word in words if word[0] == "tried"}
        if damaging:
            damage(folder, chance)
    totals["kept"] = len(kept)
    return totals


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), damaging="damage" in sys.argv[4:])))
