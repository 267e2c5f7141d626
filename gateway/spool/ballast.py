"""Room that is kept free: so that a full disk does not keep the spool from forgetting what is done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

BALLAST_BYTES: Final = 4 << 20


class Ballast:
    """A file that is given up when the disk is full. Nothing is taken in before there is room for it again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._held = False

    def hold(self) -> None:
        """Have the room. Raise OSError when there is none."""
        if self._held:
            return
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, BALLAST_BYTES)
        finally:
            os.close(descriptor)
        self._held = True

    def release(self) -> bool:
        """Give it up; whether that made room."""
        if not self._file.exists():
            return False
        self._file.unlink()
        self._held = False
        return True

    def room(self) -> int:
        """Bytes that are free beside it. Raise OSError."""
        found = os.statvfs(self._file.parent)
        return found.f_bavail * found.f_frsize
