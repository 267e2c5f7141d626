"""Logs for the tests of the audit: written by the writer, taken apart by hand."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from gateway.audit import Audit, read
from gateway.audit.checkpoints import Checkpoints, Rhythm
from gateway.audit.statements import append
from gateway.keyring.ring import Keyring
from gateway.stream import Outcome
from protocols.log_checkpoint import unpack_checkpoint
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


def signed(file: Path, keyring: Keyring, count: int, *sizes: int) -> list[bytes]:
    """So many Records more, with a checkpoint after each of these numbers; what went to the witnesses."""
    return asyncio.run(_signed(file, keyring, count, sizes))


async def _signed(file: Path, keyring: Keyring, count: int, sizes: Sequence[int]) -> list[bytes]:
    sent = []
    with Audit(file) as audit:
        checkpoints = Checkpoints(audit, keyring, Rhythm(lines=1))
        for number in range(1, count + 1):
            audit(outcome(number))
            audit.commit()
            if number in sizes:
                data = await checkpoints.due(NOW + timedelta(seconds=number))
                assert data is not None
                sent.append(data)
    return sent


def witnessed(path: Path, sent: Iterable[bytes]) -> None:
    """The file that a partner keeps of them."""
    for data in sent:
        append(path, unpack_checkpoint(data)[0], int(NOW.timestamp()))
