"""What an error of the disk or of the index means, in bounded words."""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

from gateway.spool import Trouble

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_SQLITE: Final = {
    sqlite3.SQLITE_FULL: Trouble.DISK_FULL,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: Trouble.READ_ONLY,
    sqlite3.SQLITE_IOERR: Trouble.IO,
}


class IndexDamagedError(Exception):
    """The index does not say what the log says: it is to be made again."""


def of_system(error: OSError) -> Trouble:
    """Of reading and writing files."""
    if error.errno in _FULL:
        return Trouble.DISK_FULL
    return Trouble.READ_ONLY if error.errno in _READ_ONLY else Trouble.IO


def of_index(error: sqlite3.Error) -> Trouble:
    """Of SQLite. What is none of the disk's faults is damage, unless the fault is ours: that is raised again."""
    if isinstance(error, sqlite3.ProgrammingError):
        raise error
    return _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, Trouble.DAMAGED)
