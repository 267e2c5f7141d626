"""The log and its index, kept in agreement: what is appended is indexed, and a damaged index is made again."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from gateway.spool import SpoolError, Trouble
from gateway.spool.entry import Entry, Kind
from gateway.spool.fault import IndexDamagedError, of_index, of_system
from gateway.spool.index import Arrival, Index, Mark, lane_of
from gateway.spool.log import Log, Place
from gateway.spool.subjects import sequence_of

_CHUNK: Final = 2048  # entries of the log that are applied in one transaction
_ASIDE_MAX: Final = 3  # damaged indexes that are kept to be looked at
_DAMAGE: Final = (IndexDamagedError, msgspec.MsgspecError)
T = TypeVar("T")


class Catalogue:
    """Everything that is on disk. ``stamp`` is written with every change: spool time and wall clock."""

    def __init__(self, folder: Path, on_remade: Callable[[], None]) -> None:
        """Open both, and apply what the index has not seen. Raise SpoolError."""
        self._file = folder / "index.db"
        self._aside = folder / "damaged"
        self._on_remade = on_remade
        self.remade = 0
        self.stamp: tuple[float, float] = (0.0, -1.0)
        self.next_id = 1
        try:
            self.log = Log(folder / "log")
        except OSError as error:
            raise SpoolError(of_system(error), str(folder)) from None
        try:
            self._open()
        except BaseException:
            self.log.close()
            raise

    def _open(self) -> None:
        self.log.cut_tail()
        fresh = not self._file.exists() and self.log.size_bytes > 0
        try:
            self.index = Index(self._file)
            self.stamp, self.next_id = self.index.mark[3:], self.index.mark.next_id
            if not fresh and self._caught_up():
                return
        except sqlite3.Error as error:
            if of_index(error) is not Trouble.DAMAGED:
                raise SpoolError(of_index(error), str(self._file)) from None
        except OSError as error:
            raise SpoolError(of_system(error), str(self._file)) from None
        except _DAMAGE:
            pass
        self.remake()

    def close(self) -> None:
        """Let go of the files."""
        with contextlib.suppress(sqlite3.Error):
            self.index.close()
        self.log.close()

    def write(self, raws: Sequence[bytes], apply: Callable[[list[Place]], T], *, sync: bool) -> T | None:
        """Append to the log, then apply. None: the index was damaged and is made again, what was appended with it.

        Raise SpoolError, and then neither has happened.
        """
        try:
            places = self.log.append(raws, sync=sync) if raws else []
        except OSError as error:
            raise SpoolError(of_system(error)) from None
        try:
            with self.index.change(self._mark()):
                return apply(places)
        except sqlite3.Error as error:
            if of_index(error) is not Trouble.DAMAGED:
                self._undo(places)
                raise SpoolError(of_index(error)) from None
        except _DAMAGE:
            pass
        except BaseException:
            self._undo(places)
            raise
        self.remake()
        return None

    def read(self, step: Callable[[], T]) -> T:
        """Do what only reads; once more when the index turns out to be damaged. Raise SpoolError."""
        with contextlib.suppress(*_DAMAGE):
            try:
                return step()
            except sqlite3.Error as error:
                if of_index(error) is not Trouble.DAMAGED:
                    raise SpoolError(of_index(error)) from None
        self.remake()
        try:
            return step()
        except sqlite3.Error as error:
            raise SpoolError(of_index(error)) from None
        except _DAMAGE:
            raise SpoolError(Trouble.DAMAGED) from None

    def remake(self) -> None:
        """Put the index aside and make another from the log. Raise SpoolError."""
        lanes = {}
        if hasattr(self, "index"):
            lanes = self.index.lanes
            with contextlib.suppress(sqlite3.Error):
                self.index.close()
        try:
            self._put_aside()
            self.index = Index(self._file)
            self.index.keep_lanes(lanes)
            for segment in self.log.segments():
                self._apply_all(segment, 0)
        except sqlite3.Error as error:
            raise SpoolError(of_index(error), str(self._file)) from None
        except OSError as error:
            raise SpoolError(of_system(error), str(self._file)) from None
        except _DAMAGE:
            raise SpoolError(Trouble.DAMAGED, str(self._file)) from None
        self.remade += 1
        self._on_remade()

    def _put_aside(self) -> None:
        """Keep the damaged one to be looked at, unless there is no room for it."""
        with contextlib.suppress(OSError):
            self._aside.mkdir(mode=0o700, exist_ok=True)
            for old in sorted(self._aside.iterdir())[: 1 - _ASIDE_MAX]:
                shutil.rmtree(old)
            number = max((int(old.name) for old in self._aside.iterdir()), default=0) + 1
            (self._aside / f"{number:06d}").mkdir(mode=0o700)
            self._file.rename(self._aside / f"{number:06d}" / self._file.name)
        for file in (self._file, *self._file.parent.glob(f"{self._file.name}-*")):
            file.unlink(missing_ok=True)

    def _caught_up(self) -> bool:
        """Apply what the log has beyond the index; False when they do not fit together."""
        segments, mark = self.log.segments(), self.index.mark
        first = mark.segment or segments[0]
        if first not in segments:
            return False
        gaps = self.log.gaps
        for segment in segments:
            if segment >= first:
                self._apply_all(segment, min(mark.offset, self.log.size(segment)) if segment == mark.segment else 0)
        return self.log.gaps == gaps

    def _apply_all(self, segment: int, offset: int) -> None:
        entries = self.log.entries(segment, offset)
        while chunk := list(islice(entries, _CHUNK)):
            self._apply(chunk)
        with self.index.change(self._mark()):
            pass

    def _apply(self, entries: Sequence[Entry]) -> None:
        """Entries as they stand in the log; to see one again changes nothing."""
        for one in entries:
            if one.kind is Kind.THING:
                self.next_id = max(self.next_id, sequence_of(one.id) + 1)
        last = entries[-1]
        with self.index.change(self._mark()._replace(segment=last.segment, offset=last.offset + last.length)):
            for kind, run in groupby(entries, key=lambda one: one.kind):
                if kind is Kind.THING:
                    self._apply_things(list(run))
                elif kind is Kind.DONE:
                    self.index.remove(number for one in run for number in one.ids())
                else:
                    for one in run:
                        self.index.note(one.noted(), place(one))

    def _apply_things(self, run: Iterable[Entry]) -> None:
        arrivals = {one.id: Arrival(one.id, place(one), one.thing()) for one in run}
        self.stamp = max(self.stamp, *((one.thing.at, one.thing.wall) for one in arrivals.values()))
        self.index.keep_lanes({one.thing.lane: lane_of(one.id) for one in arrivals.values()})
        self.index.remove(arrivals)  # one that was moved in the log is there twice
        self.index.add(list(arrivals.values()))

    def _mark(self) -> Mark:
        return Mark(*self.log.end, self.next_id, *self.stamp)

    def _undo(self, places: Sequence[Place]) -> None:
        if places:
            self.log.undo(places)


def place(one: Entry) -> Place:
    """Where it stands."""
    return Place(one.segment, one.offset, one.length)
