"""What became of one message at one or several gateways of a partner, in order of time, from their audits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateway.audit.reading import read
from protocols.record import Record


class Step(NamedTuple):
    """One Record about the message: in which audit, at which line."""

    file: Path
    line: int
    record: Record


def trace(message: str, files: Iterable[Path]) -> list[Step]:
    """Every step, oldest first, those of one moment as their gateway wrote them. Raise AuditError."""
    return sorted((step for file in files for step in _steps(message, file)), key=lambda step: step.record.at)


def _steps(message: str, file: Path) -> Iterator[Step]:
    for entry in read(file, msgspec.json.encode(message)):
        if entry.record.message == message:
            yield Step(file, entry.number, entry.record)
