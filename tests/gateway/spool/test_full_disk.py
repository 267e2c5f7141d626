"""A disk that is full or read-only is said so; nothing that was kept is lost, and it goes on by itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.spool import Kept, Note, SpoolError, Trouble
from gateway.spool.spool import Spool
from tests.disks import files_at_most
from tests.gateway.spool.clocks import START_S

ALL = (5, 4, 3, 2, 1, 0)
ROOT = Path(__file__).parents[3]


def test_a_small_file_system_that_is_full_and_then_read_only(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], check=False).returncode:
        pytest.skip("needs a mount namespace")
    script = (
        f"mount -t tmpfs -o size=40m none {tmp_path} && {sys.executable} -m tests.gateway.spool.small_disk {tmp_path}"
    )

    done = subprocess.run([unshare, "-rm", "sh", "-c", script], cwd=ROOT, capture_output=True, timeout=100, check=True)
    said = json.loads(done.stdout)

    assert said["kept"] > 3000
    assert {said["full"], said["trouble"], said["still_full"], said["trouble_again"]} == {"disk-full"}
    assert said["nothing_left"]
    assert said["mended"]  # although nothing was put since
    assert (said["lost_while_full"], said["lost"], said["left"]) == (0, 0, 0)
    assert said["kept_again"] > 3000  # the room of what was dead is used again
    assert said["read_only"] == "read-only"
    assert said["left_read_only"] == said["kept_again"]


async def test_what_cannot_be_written_is_not_kept_in_part_and_the_next_is_again(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        await spool.put([Kept("bravo", 2, b"1")])
        with files_at_most(100_000):
            with pytest.raises(SpoolError) as refused:
                await spool.put([Kept("bravo", 2, bytes(60_000), key=b"%d" % n) for n in range(3)])
            during = spool.health().trouble
        await spool.put([Kept("bravo", 2, b"2")])

        assert refused.value.reason is during is Trouble.DISK_FULL
        assert spool.health().trouble is None
        assert [row.data for row in await spool.take("bravo", ALL)] == [b"1", b"2"]
    async with await Spool.open(tmp_path) as spool:
        assert [row.data for row in await spool.take("bravo", ALL)] == [b"1", b"2"]
        assert spool.health().repaired == 0


async def test_what_is_done_while_nothing_can_be_written_is_not_given_out_and_ends_later(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        put = await spool.put([Kept("bravo", 2, b"1"), Kept("bravo", 2, b"2")])
        with files_at_most(10):
            spool.done(put.ids[:1])
            during = await spool.take("bravo", ALL)
            with pytest.raises(SpoolError):
                await spool.expire()
            with pytest.raises(SpoolError):
                await spool.put_note(Note(b"epoch__1", "bravo", bytes(5000), START_S))
        await spool.expire()

        assert [row.data for row in during] == [b"2"]
        assert spool.counts()["bravo"][2].rows == 1


async def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("not a folder")

    with pytest.raises(SpoolError) as refused:
        await Spool.open(tmp_path / "spool")

    assert refused.value.reason is Trouble.IO
