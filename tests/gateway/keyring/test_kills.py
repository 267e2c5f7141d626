"""SIGKILL at any moment: no number is used twice, nothing is lost, nothing is delivered twice.

The long form: ``COMITY_KILLS=200 python -m pytest tests/gateway/keyring/test_kills.py``.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import NamedTuple

import msgpack

from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import key_file
from gateway.keyring.ring import Keyring
from protocols.envelope import Reject, unpack_envelope

KILLS = int(os.environ.get("COMITY_KILLS", "60"))
NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


class World(NamedTuple):
    """Two state directories, and what outlives every process: the broker's log and what was delivered."""

    alpha: Path
    bravo: Path
    broker: Path
    delivered: Path

    @classmethod
    def new(cls, folder: Path) -> World:
        world = cls(folder / "alpha", folder / "bravo", folder / "broker", folder / "delivered")
        now_s = int(NOW.timestamp())
        alpha = Holdings.create(world.alpha, ["alpha/hq"], key_file(world.alpha / "secret.key"), now_s)
        bravo = Holdings.create(world.bravo, ["bravo/hq"], key_file(world.bravo / "secret.key"), now_s)
        alpha.pin(bravo.bundle_file("bravo"), bravo.fingerprint("bravo"), now_s)
        bravo.pin(alpha.bundle_file("alpha"), alpha.fingerprint("alpha"), now_s)
        world.broker.touch()
        world.delivered.touch()
        return world

    def published(self) -> list[tuple[bytes, bytes]]:
        """Everything at the broker, in order. A frame that a kill cut off never reached it, and is taken away."""
        frames: list[tuple[bytes, bytes]] = []
        unpacker = msgpack.Unpacker(max_bin_len=1 << 20, max_array_len=2)
        unpacker.feed(self.broker.read_bytes())
        whole = 0
        for kind, data in unpacker:
            frames.append((kind, data))
            whole = unpacker.tell()
        os.truncate(self.broker, whole)
        return frames

    def ids(self) -> list[bytes]:
        told = self.delivered.read_bytes()
        return [told[at : at + 8] for at in range(0, len(told) - len(told) % 8, 8)]


def append(path: Path, data: bytes) -> None:
    """One write; eight bytes are there whole or not at all however the process ends."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, data)
    os.close(descriptor)


def send(world: World, ready: Callable[[], object] = lambda: None) -> None:
    keyring = Keyring.open(world.alpha, NOW)
    for number in count():
        sealed = keyring.seal("alpha/hq", ["bravo/hq"], [os.urandom(8)], NOW)
        for announcement in sealed.announcements:
            append(world.broker, msgpack.packb((b"k", announcement.data)))
        append(world.broker, msgpack.packb((b"d", sealed.envelope)))
        if not number:
            ready()


def receive(world: World, ready: Callable[[], object] = lambda: None) -> None:
    """What an honest gateway does: open, hand over (unless its id was seen), settle."""
    keyring = Keyring.open(world.bravo, NOW)
    ready()
    seen = set(world.ids())
    for kind, data in world.published():
        opened = []
        with suppress(Reject):
            if kind == b"k":
                opened = list(keyring.accept(data, NOW))
            elif (envelope := keyring.unseal(data, NOW)) is not None:
                opened = [envelope]
        for each in opened:
            message = bytes(each.messages[0])
            if each.repeat and message in seen:
                keyring.settle(each.eid, each.seq)
                continue
            append(world.delivered, message)
            keyring.settle(each.eid, each.seq)
    keyring.close()


def killed(run: Callable[..., None], world: World, after_s: float, *, started: bool) -> None:
    """Run in a process of its own, killed a moment after it was started, or after its first step."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        try:
            run(world, lambda: os.write(writing, b"."))
        finally:
            os._exit(0)
    os.close(writing)
    if started:
        os.read(reading, 1)
    os.close(reading)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def moments() -> Iterator[float]:
    generator = random.Random(11)  # noqa: S311 - not a secret
    while True:
        yield generator.uniform(0.0, 0.04)


def test_kills_repeat_no_nonce_lose_nothing_and_deliver_nothing_twice(tmp_path: Path) -> None:
    world, after = World.new(tmp_path), moments()
    for number in range(KILLS):
        killed(send if number % 2 else receive, world, next(after), started=number % 8 > 1)
        world.published()

    receive(world)

    envelopes = [unpack_envelope(data)[0] for kind, data in world.published() if kind == b"d"]
    used = [(header.eid, header.seq) for header in envelopes]
    delivered = world.ids()
    assert len({eid for eid, _ in used}) > KILLS // 4
    assert len(set(used)) == len(used)
    assert len(set(delivered)) == len(delivered) == len(envelopes)
