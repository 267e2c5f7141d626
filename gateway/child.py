"""Child processes that end when the gateway ends, however it ends; and stopping one in order."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def dying_with_us() -> Callable[[], None]:
    """What a child does before it becomes its program (``preexec_fn``): ask to be ended when its parent is gone.

    Only Linux has this; elsewhere a gateway that is killed outright leaves its children behind.
    """
    parent = os.getpid()

    def ask() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended between fork and prctl
            os._exit(1)

    return ask


async def stop(process: asyncio.subprocess.Process, patience_s: float) -> None:
    """Ask a child to end, and end it when it does not."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(patience_s):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
