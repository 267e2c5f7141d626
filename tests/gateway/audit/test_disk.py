"""A disk that refuses: nothing that was told is lost, nothing is called written that is not, it goes on by itself."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from gateway.audit import Audit, AuditError, writer
from gateway.audit.place import place_file
from gateway.audit.segments import segments
from gateway.audit.verification import verify
from tests.gateway.audit import full_disk
from tests.gateway.audit.logs import numbers, outcome, written

ROOT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "audit.log"


def refusing(code: int) -> Callable[..., NoReturn]:
    def call(*_: object) -> NoReturn:
        raise OSError(code, os.strerror(code))

    return call


def size(file: Path) -> int:
    return file.stat().st_size


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def told(audit: Audit, *wanted: int) -> None:
    for number in wanted:
        audit(outcome(number))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
def test_what_cannot_be_written_stays_pending_and_is_written_later(
    file: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with Audit(file) as audit:
        told(audit, 1)
        audit.commit()
        assert audit.fault is None
        with monkeypatch.context() as full:
            full.setattr(os, "pwrite", refusing(code))
            for number in (2, 3):
                told(audit, number)
                audit.commit()  # whoever acknowledges nothing need not wait
                with pytest.raises(AuditError, match=os.strerror(code)):
                    audit.write()
            assert audit.fault == f"audit {file}: {os.strerror(code)}"
            assert (audit.pending, audit.size) == (2, 1)
        audit.commit()
        assert (audit.fault, audit.pending, audit.size) == (None, 0, 3)

    assert numbers(file) == [1, 2, 3]


def test_half_a_write_is_taken_back_or_overwritten(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    with Audit(file) as audit:
        told(audit, 1)
        audit.commit()
        whole = file.stat().st_size
        with monkeypatch.context() as full:
            full.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:50], at))
            told(audit, 2)
            with pytest.raises(AuditError, match="No space left on device"):
                audit.write()
            assert file.stat().st_size == whole
            full.setattr(os, "ftruncate", refusing(errno.EIO))
            with pytest.raises(AuditError, match="No space left on device"):
                audit.write()
            assert file.stat().st_size == whole + 50
        assert numbers(file) == [1]  # half a line is not read
        audit.commit()

    assert numbers(file) == [1, 2]


async def test_what_is_synced_does_not_hide_that_nothing_can_be_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Audit(file) as audit:
        told(audit, 1)
        audit.commit()
        with monkeypatch.context() as full:
            full.setattr(os, "pwrite", refusing(errno.ENOSPC))
            told(audit, 2)
            audit.commit()
            await audit.sync()
            assert audit.fault == f"audit {file}: {os.strerror(errno.ENOSPC)}"
        audit.commit()
        assert audit.fault is None


async def test_a_line_waits_until_the_disk_is_back(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RETRY_S", 0.001)
    with Audit(file) as audit:
        with monkeypatch.context() as full:
            full.setattr(os, "pwrite", refusing(errno.ENOSPC))
            told(audit, 1)
            waiting = [asyncio.create_task(audit.committed()) for _ in range(3)]
            await asyncio.sleep(0.05)
            assert not any(each.done() for each in waiting)
            told(audit, 2)
        async with asyncio.timeout(60):
            await asyncio.gather(*waiting)
        assert numbers(file) == [1, 2]
        await audit.committed()  # nothing to write: returns at once


async def test_the_disk_follows_beside_the_traffic(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SYNC_S", 0.01)
    synced: list[int] = []
    fdatasync = os.fdatasync

    def watched(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        fdatasync(descriptor)

    monkeypatch.setattr(os, "fdatasync", watched)
    with Audit(file) as audit:
        keeping = asyncio.create_task(audit.keep())
        told(audit, 1)
        audit.commit()
        async with asyncio.timeout(60):
            while not synced or synced[-1] == 0:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert synced.count(size(file)) == 1  # once, and not again while nothing was written
        keeping.cancel()


async def test_after_the_disk_refused_to_sync_it_is_given_everything_again(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel says that all is well the next time (it has forgotten what it could not write); we do not."""
    with Audit(file) as audit:
        told(audit, 1)
        audit.commit()
        await audit.sync()
        known = size(file)
        told(audit, 2, 3)
        audit.commit()
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", refusing(errno.EIO))
            with pytest.raises(AuditError, match="Input/output error"):
                await audit.sync()
        told(audit, 4)
        with pytest.raises(AuditError, match="Input/output error"):
            audit.write()  # nothing is acknowledged until it is known that what came before is there
        assert audit.fault is not None
        rewritten = count_writes(monkeypatch)
        await audit.sync()
        assert rewritten == [(known, size(file) - known)]
        audit.commit()
        assert audit.fault is None

    assert numbers(file) == [1, 2, 3, 4]


def count_writes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Where is written, and how much."""
    seen: list[tuple[int, int]] = []
    pwrite = os.pwrite

    def watched(descriptor: int, data: bytes, at: int) -> int:
        seen.append((at, len(data)))
        return pwrite(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", watched)
    return seen


async def test_lines_that_the_disk_lost_are_never_called_written(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = Audit(file)
    audit.__enter__()
    told(audit, 1)
    audit.commit()
    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", refusing(errno.EIO))
        with pytest.raises(AuditError, match="Input/output error"):
            await audit.sync()
    spoil(file)
    for _ in range(2):
        with pytest.raises(AuditError, match="the disk lost lines that were written; restart the gateway"):
            await audit.sync()

    with pytest.raises(AuditError, match="lost lines that were written"):
        audit.__exit__(None, None, None)


def spoil(file: Path) -> None:
    """What a failing disk reads back."""
    file.write_bytes(bytes(size(file)))


def test_a_full_file_is_followed_by_another_and_the_chain_goes_on(file: Path) -> None:
    written(file, *range(1, 11), segment_bytes=500)

    files = segments(file)
    assert [each.first for each in files] == [1, 4, 7, None]
    assert numbers(file) == list(range(1, 11))
    assert all(each.path.stat().st_mode & 0o777 == 0o600 for each in files)


def test_where_no_other_file_can_be_begun_the_full_one_grows(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Audit(file, segment_bytes=100) as audit:
        told(audit, 1)
        audit.commit()
        with monkeypatch.context() as crowded:
            crowded.setattr(os, "open", refusing(errno.EMFILE))
            for number in (2, 3):
                told(audit, number)
                audit.commit()
        told(audit, 4)
        audit.commit()
        assert [each.first for each in segments(file)] == [1, None]
        with file.open("rb") as last:
            assert len(last.readlines()) == 1

    assert numbers(file) == [1, 2, 3, 4]


async def test_full_files_are_let_go_once_they_are_on_the_disk(file: Path) -> None:
    with Audit(file, segment_bytes=1) as audit:
        before = descriptors()
        for number in range(1, 21):
            told(audit, number)
            audit.commit()
        assert descriptors() == before + 19
        await audit.sync()
        assert descriptors() <= before + 1
        told(audit, 21)
        audit.commit()

    assert verify(file, []).files == 21


async def test_the_place_is_kept_now_and_then(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PLACE_LINES", 10)
    with Audit(file) as audit:
        told(audit, *range(1, 10))
        audit.commit()
        await audit.sync()
        assert not place_file(file).exists()
        told(audit, 10)
        audit.commit()
        await audit.sync()
        assert place_file(file).exists()


def test_a_real_disk_that_is_full_and_has_room_again(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or not full_disk.can_mount(tmp_path):
        pytest.skip("no file system of our own can be mounted here")

    command = ["unshare", "-m", sys.executable, "-m", "tests.gateway.audit.full_disk", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert done.stdout.splitlines()[-1:] == ["whole"], done.stdout + done.stderr
