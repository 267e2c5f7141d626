"""Files that are on the disk, whole, when a function returns: what must outlive a power cut is written through here."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600


def write_whole(file: Path, pieces: Iterable[bytes], mode: int = 0o666) -> int:
    """Write a file so that after a crash either the old or the new one is there, whole. Raise OSError. Gives its bytes.

    ``mode`` less what the process's umask takes away.
    """
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(4)}.part")
    written = 0
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
            for piece in pieces:
                written += out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(file)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise
    sync_folder(file.parent)
    return written


def write_private(file: Path, data: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all. Raise OSError."""
    write_whole(file, (data,), PRIVATE)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk. Raise OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
