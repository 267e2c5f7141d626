"""Where a log stood and its tree, in a file beside it, so that a start reads the newest lines and not a million.

It is only a shortcut: it has to agree with the line that it names, and whatever it says is checked by everybody who
verifies a checkpoint. In doubt there is none, and the log is read from its beginning.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway.audit.lines import CHAIN
from gateway.audit.segments import Spot, aside
from gateway.audit.tree import Tree
from gateway.durable import write_private
from protocols.log_checkpoint import LOG_ID, Growth
from protocols.transparency import DIGEST, Range

LINE_MAX: Final = 1 << 20  # bytes looked through for the beginning of the last line


class Place(NamedTuple):
    """A spot in the log, the log's id and its tree up to there."""

    log: bytes
    spot: Spot
    growth: Growth

    def tree(self) -> Tree:
        """The tree, ready to go on."""
        return Tree(*self.growth)


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """How it stands in the file."""

    log: bytes
    size: int
    chain: bytes
    first: int
    offset: int
    settled: int
    past: list[bytes]
    recent: list[bytes]


def place_file(file: Path) -> Path:
    """Where the place of a log is kept."""
    return file.with_suffix(".place")


def keep_place(file: Path, place: Place) -> None:
    """Write it, whole or not at all. Raise OSError."""
    past, recent = place.growth
    content = msgspec.msgpack.encode(_Kept(place.log, *place.spot, past.end, past.hashes, recent.hashes))
    write_private(place_file(file), hashlib.sha256(content).digest() + content)


def find_place(file: Path) -> Place | None:
    """The place that was kept, when it agrees with the log; else None."""
    try:
        data = place_file(file).read_bytes()
        if hashlib.sha256(data[DIGEST:]).digest() != data[:DIGEST]:
            return None
        kept = msgspec.msgpack.decode(data[DIGEST:], type=_Kept)
        past = Range(0, kept.settled, kept.past)
        place = Place(
            kept.log,
            Spot(kept.size, kept.chain, kept.first, kept.offset),
            Growth(past, Range(kept.settled, kept.size, kept.recent)),
        )
        return place if len(kept.log) == LOG_ID and _agrees(file, place.spot) else None
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def _agrees(file: Path, spot: Spot) -> bool:
    """Whether the line that ends there is the one that the place was kept after. Raise OSError."""
    path = aside(file, spot.first)
    with (path if path.exists() else file).open("rb") as log:
        start = max(0, spot.offset - LINE_MAX)
        if log.seek(0, os.SEEK_END) < spot.offset or spot.offset == 0:
            return False
        log.seek(start)
        lines = log.read(spot.offset - start)
    line = lines[lines.rfind(b"\n", 0, -1) + 1 :]
    return line.endswith(b"\n") and line[:CHAIN] == spot.chain.hex().encode()
