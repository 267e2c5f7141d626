"""SIGKILL at any moment: what was committed is there once, in order, and every checkpoint agrees.

The long form: ``COMITY_KILLS=100 python -m pytest tests/gateway/audit/test_kills.py``.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from gateway.audit import Audit, writer
from gateway.audit.checkpoints import Checkpoints, Rhythm
from gateway.audit.place import place_file
from gateway.audit.resume import checkpoint_file
from gateway.audit.segments import segments
from gateway.audit.verification import claims, verify
from gateway.audit.vouchers import Vouchers
from gateway.audit.witnesses import Standing, Witnesses
from gateway.keyring.ring import Keyring
from tests.fakes import NOW
from tests.gateway.audit.logs import numbers, outcome

KILLS = int(os.environ.get("COMITY_KILLS", "40"))


async def write(file: Path, keyring: Keyring, told: int, posted: Path) -> None:
    """Go on where the log ends, tell each number after it was committed, and post every checkpoint."""
    with Audit(file, segment_bytes=10_000) as audit:
        keeping = asyncio.create_task(audit.keep())
        checkpoints = Checkpoints(audit, keyring, Rhythm(lines=20))
        number = audit.size
        while True:
            for _ in range(random.randrange(1, 9)):  # noqa: S311 - not a secret
                number += 1
                audit(outcome(number))
            await audit.committed()
            os.write(told, b"%d\n" % number)
            data = await checkpoints.due(NOW)
            if data is not None:
                part = posted.with_name("part")
                part.write_bytes(data)
                part.rename(posted / f"{time.monotonic_ns()}")
            await asyncio.sleep(0)
            if keeping.done():
                keeping.result()


def killed(file: Path, keyring: Keyring, posted: Path, after_s: float, *, started: bool) -> int:
    """The last number that a writer told; 0 for none. It is killed a moment after it began, or told the first."""
    reading, telling = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            writer.SYNC_S = writer.PLACE_LINES = 0.002  # type: ignore[misc,assignment]
            asyncio.run(write(file, keyring, telling, posted))
        finally:
            os._exit(1)
    os.close(telling)
    first = os.read(reading, 1) if started else b""
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    with os.fdopen(reading, "rb") as told:
        lines = (first + told.read()).split(b"\n")[:-1]
    assert os.WTERMSIG(status) == signal.SIGKILL
    return int(lines[-1]) if lines else 0


def test_what_was_committed_outlives_every_kill(states: Mapping[str, Path], tmp_path: Path) -> None:
    file, posted = tmp_path / "state" / "audit.log", tmp_path / "posted"
    posted.mkdir()
    keyring = Keyring.open(states["alpha"], NOW)
    chance = random.Random(7)  # noqa: S311 - not a secret
    acknowledged = 0
    for number in range(KILLS):
        told = killed(file, keyring, posted, chance.uniform(0.004, 0.1), started=number % 4 > 0)
        acknowledged = max(acknowledged, told)
        assert len(numbers(file)) >= acknowledged

    with Audit(file):
        assert numbers(file) == list(range(1, len(numbers(file)) + 1))
    vouchers = Vouchers.read((states["alpha"] / "bundles").glob("*.bundle"))
    held = verify(file, claims(checkpoint_file(file), vouchers, own=True))
    assert held.lines >= acknowledged > KILLS
    assert held.own > 3
    assert len(segments(file)) > 3
    assert place_file(file).exists()
    keyring.close()
    witness(states["bravo"], tmp_path / "bravo", sorted(posted.iterdir()))


def witness(state: Path, folder: Path, posted: list[Path]) -> None:
    """A partner to whom all of it was sent sees one log that only grew."""
    bravo, witnesses = Keyring.open(state, NOW), Witnesses(folder)
    standings = [witnesses.take("alpha", each.read_bytes(), bravo, NOW).standing for each in posted]
    bravo.close()
    assert standings[0] is Standing.FIRST
    assert set(standings[1:]) <= {Standing.FOLLOWS, Standing.UNLINKED}  # after one that was killed before it was posted
