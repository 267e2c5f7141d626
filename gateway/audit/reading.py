"""The Records of a log, verified one after another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateway.audit.lines import AuditError, Line
from gateway.audit.segments import Walk
from protocols.record import Record

_decode = msgspec.json.Decoder(Record).decode


class Entry(NamedTuple):
    """One line of an audit."""

    number: int
    chain: str
    record: Record


def read(file: Path, containing: bytes = b"") -> Iterator[Entry]:
    """The entries of an audit, all its files. Raise AuditError with the file and number of the first bad line.

    ``containing``: only those in whose JSON these bytes stand; the others are verified, not read.
    """
    for line in Walk(file):
        if containing in line.text:
            yield Entry(line.number, line.chain.hex(), record_of(line, file))


def record_of(line: Line, file: Path) -> Record:
    """The Record of a line. Raise AuditError."""
    try:
        return _decode(line.record)
    except msgspec.MsgspecError:
        raise AuditError(f"{file}:{line.number}: not a record") from None
