"""``python -m tests.gateway.spool.small_disk FOLDER``: fill a small file system, go on from there. One line of JSON.

Run in a mount namespace of its own with a file system of some 40 MB on FOLDER, which it also turns read-only.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.spool import Kept, SpoolError
from gateway.spool.spool import Spool

ALL = (5, 4, 3, 2, 1, 0)


async def fill(spool: Spool, start: int) -> tuple[set[int], SpoolError]:
    """Put until it is refused; what was kept."""
    kept: set[int] = set()
    while True:
        numbers = range(start + len(kept), start + len(kept) + 16)
        try:
            await spool.put([Kept("bravo", 2, n.to_bytes(4) + os.urandom(4000)) for n in numbers])
        except SpoolError as error:
            return kept, error
        kept |= set(numbers)


async def waiting(spool: Spool, *, end: bool) -> set[int]:
    """Everything that can be taken."""
    found: set[int] = set()
    while rows := await spool.take("bravo", ALL):
        found |= {int.from_bytes(row.data[:4]) for row in rows}
        if end:
            spool.done([row.id for row in rows])
    return found


async def refused(folder: Path) -> str:
    """Why it cannot be opened."""
    try:
        await (await Spool.open(folder)).close()
    except SpoolError as error:
        return str(error.reason)
    return ""


async def main(folder: Path) -> dict[str, object]:
    """Full, opened again while full, drained, in use again."""
    said: dict[str, object] = {}
    spool = await Spool.open(folder / "spool")
    kept, error = await fill(spool, 0)
    said["kept"], said["full"], said["trouble"] = len(kept), error.reason, spool.health().trouble
    again, error = await fill(spool, len(kept))
    said["still_full"] = error.reason
    kept |= again
    with (folder / "others").open("wb", buffering=0) as file:  # the last blocks go to somebody else
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            said["nothing_left"] = True
    await spool.close()
    spool = await Spool.open(folder / "spool")
    said["lost_while_full"] = len(kept - await waiting(spool, end=False))
    await spool.close()
    spool = await Spool.open(folder / "spool")
    refused, _ = await fill(spool, len(kept))
    kept |= refused
    said["lost"] = len(kept - await waiting(spool, end=True))
    for _ in range(100):
        await spool.expire()
        if not spool.counts() and spool.health().trouble is None:
            break
        await asyncio.sleep(0.05)
    said["mended"] = spool.health().trouble is None
    said["left"] = sum(count.rows for lane in spool.counts().values() for count in lane.values())
    await asyncio.sleep(0.3)  # what is dead is removed meanwhile
    kept, error = await fill(spool, 0)
    said["kept_again"], said["trouble_again"] = len(kept), spool.health().trouble
    await spool.close()

    return said


async def read_only(folder: Path, said: dict[str, object]) -> None:
    """What was left is there again when it can be written again."""
    with remounted(folder, "ro"):
        said["read_only"] = await refused(folder / "spool")
    spool = await Spool.open(folder / "spool")
    said["left_read_only"] = len(await waiting(spool, end=True))
    await spool.close()


@contextmanager
def remounted(folder: Path, option: str) -> Iterator[None]:
    """Mounted otherwise for a while."""
    subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,rw", folder], check=True)


async def everything(folder: Path) -> dict[str, object]:
    """One after the other."""
    said = await main(folder)
    await read_only(folder, said)
    return said


if __name__ == "__main__":
    print(json.dumps(asyncio.run(everything(Path(sys.argv[1])))))
