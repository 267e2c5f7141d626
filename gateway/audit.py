"""The audit: an append-only file of Records, each line chained to the one before by SHA-256.

Written before anything is acknowledged. When it cannot be written the line stops: what cannot be accounted for is not
passed on. One line is ``<chain> <record as JSON>``, chain = SHA-256(previous chain || record) in hexadecimal.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import msgspec

from gateway.stream import Outcome
from protocols.record import Record

GENESIS = "0" * 64
_TAIL = 65_536  # bytes read from the end to find the last line; more when it is longer

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class AuditError(Exception):
    """The audit cannot be written or does not hold; one line."""


class Audit:
    """The writer. A reader of the Record stream, and the first."""

    def __init__(self, file: Path) -> None:
        self._path = file
        self._pending: list[bytes] = []
        self._descriptor = -1
        self._size = 0
        self._chain = GENESIS

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise AuditError(f"audit {self._path}: {error.strerror}") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # two writers would fork the chain
            self._chain = self._resume()
        except OSError as error:
            os.close(self._descriptor)
            busy = isinstance(error, BlockingIOError)
            reason = "another gateway is writing it" if busy else error.strerror
            raise AuditError(f"audit {self._path}: {reason}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.commit()
        finally:
            os.close(self._descriptor)

    def __call__(self, outcome: Outcome) -> None:
        """Chain one Record; it reaches the file with the next ``commit``."""
        record = _encode(outcome.record)
        self._chain = link(self._chain, record)
        self._pending.append(self._chain.encode() + b" " + record + b"\n")

    def commit(self) -> None:
        """Write what is pending in one append, whole or not at all. Raise AuditError when it cannot be written."""
        if not self._pending:
            return
        block = b"".join(self._pending)
        try:
            written = os.write(self._descriptor, block)
            if written != len(block):
                os.ftruncate(self._descriptor, self._size)  # so that a later try does not follow half a line
        except OSError as error:
            raise AuditError(f"audit {self._path}: {error.strerror}") from None
        if written != len(block):
            raise AuditError(f"audit {self._path}: disk full")
        self._size += written
        self._pending.clear()

    def _resume(self) -> str:
        """The chain's last value. A torn last line (we died while writing, so nothing was acknowledged) is cut off."""
        size = os.fstat(self._descriptor).st_size
        start, tail = size, b""
        while start and tail.count(b"\n") < 2:
            reach = max(_TAIL, len(tail))
            start = max(0, start - reach)
            tail = os.pread(self._descriptor, size - start, start)
        whole = tail.rfind(b"\n") + 1
        self._size = start + whole
        if whole != len(tail):
            os.ftruncate(self._descriptor, self._size)
        last = tail[:whole].rstrip(b"\n").rpartition(b"\n")[2]
        return last.partition(b" ")[0].decode(errors="replace") if last else GENESIS


class Entry(NamedTuple):
    """One line of an audit file."""

    number: int
    chain: str
    record: Record


def link(chain: str, record: bytes) -> str:
    """The next value of the chain."""
    return hashlib.sha256(chain.encode() + record).hexdigest()


def read(file: Path) -> Iterator[Entry]:
    """The entries of an audit file, verified one after another. Raise AuditError with the number of the first bad."""
    chain = GENESIS
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                found, _, record = line.rstrip(b"\n").partition(b" ")
                chain = link(chain, record)
                if found.decode(errors="replace") != chain:
                    raise AuditError(f"{file}:{number}: does not follow from the line before")
                try:
                    yield Entry(number, chain, _decode(record))
                except msgspec.MsgspecError:
                    raise AuditError(f"{file}:{number}: not a record") from None
    except OSError as error:
        raise AuditError(f"{file}: {error.strerror}") from None
