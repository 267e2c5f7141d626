"""How much each lane may hold, and how much it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.spool import Kept, Limits, SpoolFull
from gateway.spool.catalogue import Catalogue
from gateway.spool.entry import Thing
from gateway.spool.index import PRECEDENCES, Sum

PRECEDENCE_MAX: Final = 5
_CALM: Final = 0.9  # part of the warning level below which it is over, so that what hovers there is told once
_NOTHING: Final = Sum(0, 0)


class Allowed(NamedTuple):
    """What lanes may hold: those that are named, and all others."""

    lanes: Mapping[str, Limits]
    others: Limits


class Draft(NamedTuple):
    """One put on its way to the log."""

    position: int
    things: Sequence[Kept]
    ids: list[int]
    bodies: list[Thing]
    raws: list[bytes]


class Room:
    """What lanes have left. The warning level is told once on the way up and once on the way down."""

    def __init__(self, catalogue: Catalogue, allowed: Allowed) -> None:
        self._catalogue = catalogue
        self._allowed = allowed
        self._taken: dict[str, Sum] = {}
        self._warned: set[str] = set()
        self._looked = False  # at what was there at the start

    def limits(self, lane: str) -> Limits:
        """What a lane may hold."""
        return self._allowed.lanes.get(lane, self._allowed.others)

    def held(self, lane: str) -> Sum:
        """What waits in a lane."""
        index = self._catalogue.index
        number = index.lanes.get(lane)
        if number is None:
            return _NOTHING
        first = number * PRECEDENCES
        parts = [index.sums.get(queue, _NOTHING) for queue in range(first, first + PRECEDENCE_MAX + 1)]
        return Sum(sum(part.rows for part in parts), sum(part.bytes for part in parts))

    def measure(self) -> None:
        """Begin a group of puts."""
        self._taken = {}

    def take(self, draft: Draft) -> str | None:
        """Take its room from the lanes; or from none, and the name of one that has too little."""
        sizes: dict[str, list[int]] = {}
        for kept, raw in zip(draft.things, draft.raws, strict=True):
            sizes.setdefault(kept.lane, []).append(len(raw))
        wanted: dict[str, Sum] = {}
        for lane, more in sizes.items():
            rows, size = self._taken.get(lane) or self.held(lane)
            wanted[lane] = Sum(rows + len(more), size + sum(more))
            if self._over(lane, wanted[lane]):
                return lane
        self._taken.update(wanted)
        return None

    def check(self, lanes: Iterable[str]) -> None:
        """Raise SpoolFull when a lane would hold too much by what is about to be committed."""
        for lane in lanes:
            held, change = self.held(lane), self._catalogue.index.changed(self._catalogue.index.lanes[lane])
            if self._over(lane, Sum(held.rows + change.rows, held.bytes + change.bytes)):
                raise SpoolFull(lane)

    def levels(self, lanes: Iterable[str]) -> list[tuple[str, bool]]:
        """Which of these, and of those that were over their warning level, have passed it: lane, and whether up.

        The first time it is asked about all that there are, so that a level passed before a restart is told again.
        """
        passed = []
        there, self._looked = () if self._looked else tuple(self._catalogue.index.lanes), True
        for lane in {*lanes, *self._warned, *there}:
            limits, held = self.limits(lane), self.held(lane)
            level = limits.warn_at * (_CALM if lane in self._warned else 1.0)
            over = held.rows >= level * limits.rows_max or held.bytes >= level * limits.bytes_max
            if over != (lane in self._warned):
                self._warned ^= {lane}
                passed.append((lane, over))
        return passed

    def _over(self, lane: str, held: Sum) -> bool:
        limits = self.limits(lane)
        return held.rows > limits.rows_max or held.bytes > limits.bytes_max
