"""The log: what is true of the spool. Segments of which every one is two files; entries are only ever appended.

Segments go oldest first, so that an entry that ends another never goes before it. What still waits in the oldest is
appended again when too much of the log is dead.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from gateway.durable import sync_folder
from gateway.spool.entry import Entry, entry, opened
from gateway.spool.twin import SIDES, Twin, path

SEGMENT_BYTES: Final = 1 << 24
_OPEN_MAX: Final = 16  # segments open at a time
_SPAN_BYTES: Final = 1 << 20  # read in one piece at most
_GAP_BYTES: Final = 1 << 14  # between entries that are read in one piece


class Place(NamedTuple):
    """Where an entry stands."""

    segment: int
    offset: int
    length: int


class Placed(Protocol):
    """What stands somewhere in the log."""

    @property
    def segment(self) -> int:
        """The segment's number."""

    @property
    def offset(self) -> int:
        """From its beginning."""

    @property
    def length(self) -> int:
        """Of the whole entry."""


class Log:
    """All segments of one folder."""

    def __init__(self, folder: Path) -> None:
        """Raise OSError."""
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        numbers = sorted({int(file.stem) for side in SIDES for file in folder.glob(f"*.{side}")})
        self._repaired = 0
        self.gaps = 0  # stretches in which neither copy can be read
        self._open: OrderedDict[int, Twin] = OrderedDict()
        self._sizes: dict[int, int] = {}
        for number in numbers:
            self._twin(number).even()
            self._sizes[number] = self._twin(number).size()
        self.head = numbers[-1] if numbers else self._begin(1)

    @property
    def repaired(self) -> int:
        """How many damaged entries were put right from their twin."""
        return self._repaired + sum(twin.repaired for twin in self._open.values())

    @property
    def size_bytes(self) -> int:
        """Of one copy."""
        return sum(self._sizes.values())

    @property
    def end(self) -> tuple[int, int]:
        """Where the next entry goes."""
        return self.head, self._sizes[self.head]

    @property
    def oldest(self) -> int:
        """The segment that goes next."""
        return min(self._sizes)

    def segments(self) -> list[int]:
        """Oldest first."""
        return sorted(self._sizes)

    def size(self, segment: int) -> int:
        """Of one copy; 0 when there is no such segment."""
        return self._sizes.get(segment, 0)

    def append(self, entries: Sequence[bytes], *, sync: bool) -> list[Place]:
        """Write them, and bring them to the disk. Raise OSError, and then none of them is there."""
        if self._sizes[self.head] >= SEGMENT_BYTES:
            self.rotate()
        twin, start = self._twin(self.head), self._sizes[self.head]
        try:
            twin.write(b"".join(entries), start)
            if sync:
                twin.sync()
        except OSError:
            twin.cut(start)
            raise
        places = []
        for raw in entries:
            places.append(Place(self.head, start, len(raw)))
            start += len(raw)
        self._sizes[self.head] = start
        return places

    def undo(self, places: Sequence[Place]) -> None:
        """Take back what was appended last."""
        self._twin(self.head).cut(places[0].offset)
        self._sizes[self.head] = places[0].offset

    def rotate(self) -> None:
        """Begin another segment. Raise OSError."""
        self._twin(self.head).sync()
        self.head = self._begin(self.head + 1)

    def read(self, places: Sequence[Placed]) -> list[Entry | None]:
        """The entries that stand there; None where none is whole in either copy."""
        found: list[Entry | None] = []
        for span in _spans(places):
            first, last = span[0], span[-1]
            if first.segment not in self._sizes:
                found += [None] * len(span)
                continue
            twin = self._twin(first.segment)
            block = twin.read(first.offset, last.offset + last.length - first.offset)
            for place in span:
                start = place.offset - first.offset
                one = opened(block[start : start + place.length], place.segment, place.offset)
                if one is None or one.length != place.length:
                    one = opened(twin.sound(place.offset, place.length), place.segment, place.offset)
                found.append(one)
        return found

    def entries(self, segment: int, offset: int = 0) -> Iterator[Entry]:
        """Every entry from here to the end of the segment."""
        end = offset
        for at, raw in self._twin(segment).entries(offset):
            self.gaps += at > end
            end = at + len(raw)
            yield entry(raw, segment, at)

    def cut_tail(self, offset: int = 0) -> None:
        """Cut off what stands torn at the end of the log: it was never acknowledged."""
        twin = self._twin(self.head)
        end = offset
        for at, raw in twin.entries(offset, both=True):
            end = at + len(raw)
        twin.cut(end)
        self._sizes[self.head] = end

    def broken(self, place: Placed) -> bool:
        """Whether there was something here, and both copies of it are damaged."""
        if place.offset >= self.size(place.segment):
            return False
        found = self._twin(place.segment).entries(0)
        return not any(at <= place.offset < at + len(raw) for at, raw in found)

    def drop(self, segment: int) -> None:
        """Remove a segment in which nothing waits. Raise OSError."""
        for side in SIDES:
            path(self._folder, segment, side).unlink(missing_ok=True)
        del self._sizes[segment]
        if segment in self._open:
            self._close(segment)

    def close(self) -> None:
        """Let go of the files."""
        for number in list(self._open):
            self._close(number)

    def _begin(self, number: int) -> int:
        self._sizes[number] = 0
        try:
            self._remember(Twin(self._folder, number))
            sync_folder(self._folder)
        except OSError:
            del self._sizes[number]
            raise
        return number

    def _twin(self, number: int) -> Twin:
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        return self._remember(Twin(self._folder, number))

    def _remember(self, twin: Twin) -> Twin:
        if len(self._open) >= _OPEN_MAX:
            self._close(next(iter(self._open)))
        if twin.number in self._open:
            self._close(twin.number)
        self._open[twin.number] = twin
        return twin

    def _close(self, number: int) -> None:
        twin = self._open.pop(number)
        self._repaired += twin.repaired
        twin.close()


def _spans(places: Sequence[Placed]) -> Iterator[list[Placed]]:
    """Stretches that are worth reading in one piece."""
    span: list[Placed] = []
    for place in places:
        if span:
            first, last = span[0], span[-1]
            gap = place.offset - last.offset - last.length
            near = place.segment == last.segment and 0 <= gap <= _GAP_BYTES
            if not near or place.offset + place.length - first.offset > _SPAN_BYTES:
                yield span
                span = []
        span.append(place)
    if span:
        yield span
