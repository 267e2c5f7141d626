"""``unshare -m python -m tests.gateway.audit.full_disk FOLDER``: a log on a file system of 256 KiB that fills up.

It runs in a mount name space of its own, so that what it mounts ends with it. ``whole`` is the last word when nothing
that was told is missing.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from gateway.audit import Audit, AuditError
from tests.gateway.audit.logs import numbers, outcome

MOUNT = ("mount", "-t", "tmpfs", "-o", "size=256k", "none")


def can_mount(folder: Path) -> bool:
    """Whether this user may do that."""
    command = ["unshare", "-m", *MOUNT, str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


async def fill(file: Path, filler: Path) -> int:
    """Write until nothing fits any more, make room, go on; how many Records were told."""
    number, refused = 0, 0
    with Audit(file) as audit:
        keeping = asyncio.create_task(audit.keep())
        while refused < 3:
            number += 1
            audit(outcome(number))
            try:
                audit.write()
            except AuditError as error:
                refused += 1
                print(error, audit.pending)
        waiting = asyncio.create_task(audit.committed())
        await asyncio.sleep(0.3)
        print("waits" if not waiting.done() else "does not wait", audit.fault)
        await asyncio.to_thread(filler.unlink)
        async with asyncio.timeout(60):
            await waiting
        print("goes on", audit.fault, audit.pending)
        keeping.cancel()
    return number


def main() -> int:
    """Mount, fill, and compare."""
    folder = Path(sys.argv[1])
    subprocess.run([*MOUNT, str(folder)], check=True)
    filler = folder / "filler"
    filler.write_bytes(bytes(128 * 1024))
    file = folder / "state" / "audit.log"
    told = asyncio.run(fill(file, filler))
    print("whole" if numbers(file) == list(range(1, told + 1)) and told > 100 else "not whole")
    return 0


if __name__ == "__main__":
    sys.exit(main())
