"""Files on removable media, read as far as they can be read."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

BLOCK: Final = 65_536  # bytes read at once
SECTOR: Final = 4_096  # bytes given up where a block cannot be read


def read_medium(file: Path, most: int) -> bytearray:
    """At most so many bytes of a file; what the medium does not give stands as zeros. Raise OSError, ValueError."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        if size > most:
            raise ValueError(f"larger than {most >> 20} MiB")
        found = bytearray()
        while len(found) < size:
            found += _block(descriptor, len(found), min(BLOCK, size - len(found)))
        return found
    finally:
        os.close(descriptor)


def _block(descriptor: int, at: int, length: int) -> bytes:
    """A block, sector by sector where it cannot be read in one piece."""
    with suppress(OSError):
        data = os.pread(descriptor, length, at)
        if data:
            return data
    found = bytearray()
    for start in range(at, at + length, SECTOR):
        size = min(SECTOR, at + length - start)
        sector = b""
        with suppress(OSError):
            sector = os.pread(descriptor, size, start)
        found += sector.ljust(size, b"\0")
    return bytes(found)
