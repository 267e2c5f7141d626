"""Checkpoints are made when they are due, over lines that are on the disk, and they are what a partner can verify."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from gateway.audit import Audit
from gateway.audit.checkpoints import Checkpoints, Rhythm, vouchers
from gateway.audit.resume import checkpoint_file, last_signed
from gateway.audit.statements import statements
from gateway.audit.verification import claims, verify
from gateway.audit.vouchers import Vouchers
from gateway.keyring.keystore import KeyringError
from gateway.keyring.ring import Keyring
from protocols.log_checkpoint import unpack_verify
from protocols.transparency import follows
from tests.fakes import NOW
from tests.gateway.audit.logs import outcome

RHYTHM = Rhythm(lines=100, seconds=900.0, again_s=60.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "audit.log"


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def told(audit: Audit, count: int) -> None:
    for _ in range(count):
        audit(outcome(audit.size + audit.pending + 1))
    audit.commit()


async def test_a_checkpoint_is_due_after_so_many_lines_or_so_long(file: Path, coalition: dict[str, Keyring]) -> None:
    with Audit(file) as audit:
        checkpoints = Checkpoints(audit, coalition["alpha"], RHYTHM)
        assert await checkpoints.due(NOW) is None  # nothing was written yet
        told(audit, 1)
        sizes = []
        for lines, seconds in ((0, 0), (0, 10), (99, 20), (1, 21), (0, 5000), (1, 5001), (1, 5800), (0, 5901)):
            if lines:
                told(audit, lines)
            made = await checkpoints.due(after(seconds))
            sizes.append(checkpoints.latest.size if made and checkpoints.latest else None)

        # the first at once; the 100 lines more; then 900 s after that, when anything was written; and so on
        assert sizes == [1, None, None, 101, None, 102, None, 103]


async def test_what_partners_get_verifies_and_tells_how_the_log_grew(file: Path, coalition: dict[str, Keyring]) -> None:
    with Audit(file) as audit:
        checkpoints = Checkpoints(audit, coalition["alpha"], Rhythm(lines=1))
        told(audit, 5)
        first = await checkpoints.due(NOW)
        told(audit, 6)
        second = await checkpoints.due(after(1))

    assert first is not None
    assert second is not None
    roster = coalition["bravo"].roster
    (one, _), (two, growth) = (unpack_verify(each, roster, NOW.timestamp()) for each in (first, second))
    assert (one.checkpoint.size, two.checkpoint.size, two.checkpoint.partner) == (5, 11, "alpha")
    assert two.signer.startswith("alpha/")
    assert two.checkpoint.at == int(NOW.timestamp()) + 1
    assert follows(one.checkpoint.root, *growth, two.checkpoint.root)
    assert len(second) < 6000


async def test_what_is_written_while_one_is_made_belongs_to_the_next(
    file: Path, coalition: dict[str, Keyring], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Audit(file) as audit:
        checkpoints = Checkpoints(audit, coalition["alpha"], Rhythm(lines=1))
        told(audit, 5)
        sync = audit.sync

        async def busy() -> None:
            told(audit, 3)
            await sync()

        monkeypatch.setattr(audit, "sync", busy)
        made = [await checkpoints.due(after(number)) for number in range(4)]

        roster = coalition["bravo"].roster
        seen = [unpack_verify(each, roster, after(9).timestamp()) for each in made if each is not None]
        assert [attested.checkpoint.size for attested, _ in seen] == [5, 8, 11, 14]
        assert [growth.past.end for _, growth in seen] == [0, 5, 8, 11]
        assert verify(file, claims(checkpoint_file(file), None, own=True)).lines == 17


async def test_the_last_one_covers_everything(file: Path, coalition: dict[str, Keyring]) -> None:
    with Audit(file) as audit:
        checkpoints = Checkpoints(audit, coalition["alpha"], RHYTHM)
        assert await checkpoints.last(NOW) is None
        told(audit, 5)
        audit(outcome(6))  # told, and not committed yet
        assert await checkpoints.last(NOW) is not None
        assert await checkpoints.last(NOW) is None
    latest = last_signed(file)
    assert latest is not None
    assert (latest, latest.size) == (checkpoints.latest, 6)


async def test_a_restart_goes_on_with_the_last_one(file: Path, coalition: dict[str, Keyring]) -> None:
    with Audit(file) as audit:
        told(audit, 5)
        await Checkpoints(audit, coalition["alpha"], RHYTHM).due(NOW)
    with Audit(file) as audit:
        checkpoints = Checkpoints(audit, coalition["alpha"], RHYTHM)
        told(audit, 1)
        assert await checkpoints.due(after(899)) is None
        data = await checkpoints.due(after(900))

    assert data is not None
    attested, growth = unpack_verify(data, coalition["bravo"].roster, after(900).timestamp())
    assert (attested.checkpoint.size, growth.past.end) == (6, 5)


def refusing(error: Exception) -> Callable[..., NoReturn]:
    def call(*_: object) -> NoReturn:
        raise error

    return call


@pytest.mark.parametrize("what", ["disk", "key"])
async def test_one_that_cannot_be_made_is_tried_again_and_nothing_is_lost(
    file: Path, coalition: dict[str, Keyring], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    with Audit(file) as audit:
        checkpoints = Checkpoints(audit, coalition["alpha"], RHYTHM)
        told(audit, 5)
        with monkeypatch.context() as broken:
            if what == "disk":
                broken.setattr(os, "fdatasync", refusing(OSError(errno.EIO, "Input/output error")))
            else:
                broken.setattr(coalition["alpha"], "attest", refusing(KeyringError("no key")))
            assert await checkpoints.due(NOW) is None
        assert await checkpoints.due(after(59)) is None
        data = await checkpoints.due(after(60))

    assert data is not None
    assert checkpoints.latest is not None
    assert checkpoints.latest.size == 5


async def test_the_bundle_that_vouches_for_it_is_kept(file: Path, coalition: dict[str, Keyring]) -> None:
    with Audit(file) as audit:
        checkpoints = Checkpoints(audit, coalition["alpha"], Rhythm(lines=1))
        for seconds in (0, 1):
            told(audit, 1)
            await checkpoints.due(after(seconds))

    kept = list(vouchers(file.parent).iterdir())
    assert [path.read_bytes() for path in kept] == [coalition["alpha"].bundle_file("alpha")]
    assert len(list(claims(checkpoint_file(file), Vouchers.read(kept), own=True))) == 2
    assert [number for number, _ in statements(checkpoint_file(file))] == [1, 2]


async def test_a_clock_that_was_put_back_does_not_stop_them(file: Path, coalition: dict[str, Keyring]) -> None:
    with Audit(file) as audit:
        checkpoints = Checkpoints(audit, coalition["alpha"], RHYTHM)
        told(audit, 1)
        await checkpoints.due(NOW)
        told(audit, 1)
        assert await checkpoints.due(after(-86_400)) is not None
