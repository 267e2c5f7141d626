"""Keeping the log short: what is dead at its beginning is removed; what waits there is appended again when it must."""

from __future__ import annotations

from itertools import islice
from typing import Final

from gateway.spool.catalogue import Catalogue, place
from gateway.spool.entry import Entry, Kind
from gateway.spool.index import Sum
from gateway.spool.log import SEGMENT_BYTES, Place

_DEAD_MAX: Final = 4 * SEGMENT_BYTES  # of one copy, beyond as much as waits
_LEFT_MAX: Final = SEGMENT_BYTES // 4  # dead, in a log in which nothing waits
_STEP: Final = 256  # entries moved in one step
_NOTHING: Final = Sum(0, 0)


class Tidying:
    """One step at a time, between groups, so that nobody waits for long."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._moved: tuple[int, int] | None = None  # the segment that is being emptied, and how far

    def step(self, *, urgent: bool = False) -> bool:
        """Do a little; whether there is more. ``urgent``: every bit of room counts. Raise SpoolError, OSError."""
        if self._moved is not None:
            self._moved = self._move_on(*self._moved)
            return True
        log, live = self._catalogue.log, self._catalogue.index.live
        oldest = log.oldest
        if oldest == log.head:
            waiting = live.get(oldest, _NOTHING)
            dead = log.size(oldest) - waiting.bytes
            if dead <= waiting.bytes if urgent else waiting.rows or dead < _LEFT_MAX:
                return False
            log.rotate()
            return True
        if not live.get(oldest, _NOTHING).rows:
            self._drop(oldest)
            return True
        if log.size_bytes > 2 * sum(part.bytes for part in live.values()) + (0 if urgent else _DEAD_MAX):
            self._moved = oldest, 0
            return True
        return False

    def _drop(self, segment: int) -> None:
        """The index forgets it first, on the disk too: a place in it must never be looked up again."""
        self._catalogue.write([], lambda _: self._catalogue.index.forget_segment(segment), sync=False)
        self._catalogue.index.checkpoint()
        self._catalogue.log.drop(segment)

    def _move_on(self, segment: int, offset: int) -> tuple[int, int] | None:
        """Move some; where to go on, None at the end."""
        some = list(islice(self._catalogue.log.entries(segment, offset), _STEP))
        if not some:
            return None
        if lasting := [one for one in some if one.kind is not Kind.DONE]:
            self._move(lasting)
        return segment, some[-1].offset + some[-1].length

    def _move(self, entries: list[Entry]) -> None:
        index = self._catalogue.index
        rows = {Place(*found[:3]): found for found in index.among(one.id for one in entries if one.kind is Kind.THING)}
        notes = {
            Place(*found[:3]) for found in index.notes([one.noted().eid for one in entries if one.kind is Kind.NOTE])
        }
        live = [one for one in entries if place(one) in rows or place(one) in notes]
        if not live:
            return

        def apply(places: list[Place]) -> None:
            moved = [(rows[place(one)], to) for one, to in zip(live, places, strict=True) if one.kind is Kind.THING]
            index.move(moved)
            for one, to in zip(live, places, strict=True):
                if one.kind is Kind.NOTE:
                    index.note(one.noted(), to)

        self._catalogue.write([one.raw for one in live], apply, sync=True)
