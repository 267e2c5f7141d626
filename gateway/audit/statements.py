"""Signed checkpoints on disk, ours and those of partners: one a line, ``<when, Unix seconds> <statement in base64>``.

Only ever appended to, each line brought to the disk before anything is made of it.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.audit.lines import AuditError

_TAIL: Final = 1 << 22  # bytes; about 800 statements


def append(path: Path, statement: bytes, at_s: int) -> None:
    """Add one, on disk when this returns; a line that a crash left unfinished is cut off. Raise OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        start = max(0, size - _TAIL)
        end = start + os.pread(descriptor, size - start, start).rfind(b"\n") + 1
        line = b"%d %b\n" % (at_s, b64encode(statement))
        os.ftruncate(descriptor, end)
        if os.pwrite(descriptor, line, end) != len(line):
            os.ftruncate(descriptor, end)
            raise OSError(0, "disk full")
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def statements(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every one with the number of its line. Raise AuditError."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return  # a crash left it unfinished, so that it was given to nobody
                yield number, _statement(line, f"{path}:{number}")
    except OSError as error:
        raise AuditError(f"{path}: {error.strerror}") from None


def latest(path: Path) -> list[bytes]:
    """The newest ones, some hundreds at most, oldest first; none when there is no file. Raise AuditError."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _TAIL)
            file.seek(start)
            lines = file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AuditError(f"{path}: {error.strerror}") from None
    return [_statement(line, str(path)) for line in (lines[1:] if start else lines)]


def _statement(line: bytes, where: str) -> bytes:
    try:
        return b64decode(line.partition(b" ")[2].strip(), validate=True)
    except Error:
        raise AuditError(f"{where}: not a checkpoint") from None
