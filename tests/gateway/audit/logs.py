"""Logs for the tests of the audit: written by the writer, taken apart by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from gateway.audit import Audit, read
from gateway.stream import Outcome
from protocols.record import Event, Record
from tests.fakes import NOW


def outcome(number: int, **more: object) -> Outcome:
    """One Record about the message of this number."""
    return Outcome(Record(at=NOW, gateway="alpha", event=Event.DELIVERED, message=f"{number:032x}", **more))  # type: ignore[arg-type]


def written(file: Path, *numbers: int, segment_bytes: int = 1 << 27) -> None:
    """A Record each, every one committed by itself, in one run of a gateway."""
    with Audit(file, segment_bytes) as audit:
        for number in numbers:
            audit(outcome(number))
            audit.commit()


def numbers(file: Path) -> list[int]:
    """Which messages the log says something of."""
    return [int(entry.record.message or "", 16) for entry in read(file)]


def rechained(lines: Iterable[bytes], chain: bytes = bytes(32)) -> list[bytes]:
    """Lines whose chain somebody computed anew, as whoever rewrites a log would."""
    out = []
    for line in lines:
        text = line.rstrip(b"\n").partition(b" ")[2]
        chain = hashlib.sha256(b"\2" + chain + hashlib.sha256(b"\0" + text).digest()).digest()
        out.append(chain.hex().encode() + b" " + text + b"\n")
    return out
