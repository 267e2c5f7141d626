"""What waits for one destination, read by another process while the spool is in use, or not. Changes nothing.

Only the log is read, since the index belongs to whoever has the folder. What ends meanwhile may still be
given: whoever it is delivered to knows a repeat.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from gateway.spool import Note, Row, SpoolError, Trouble
from gateway.spool.entry import MAGIC, Entry, Kind, entry, opened, whole
from gateway.spool.log import Place
from gateway.spool.subjects import sequence_of
from gateway.spool.twin import SIDES, path

LOG: Final = "log"
_TRIES: Final = 3  # while segments are moved under our eyes


class _Waiting(NamedTuple):
    """Where a row stands, and what is newer than it."""

    place: Place
    precedence: int
    subjects: tuple[bytes, ...]


def read_lane(folder: Path, lane: str, now_s: float) -> Iterator[Row]:
    """Everything that waits there, in hand or not: by precedence, oldest first. Raise SpoolError.

    Left out is what is expired, superseded, or damaged in both copies.
    """
    log, given = folder / LOG, set[int]()
    for _ in range(_TRIES):
        vanished = False
        waiting = _survey(log, lane, now_s)
        for number in sorted(waiting.keys() - given, key=lambda each: (-waiting[each].precedence, each)):
            one = _read(log, waiting[number].place)
            if one is None:
                vanished = True
                continue
            given.add(number)
            thing = one.thing()
            waited_s = max(0.0, now_s - thing.wall)
            facts = (thing.facts, thing.key, thing.note)
            yield Row(number, lane, one.precedence, thing.data, *facts, thing.expires_s, waited_s)
        if not vanished:
            return


def read_notes(folder: Path, now_s: float) -> list[Note]:
    """The notes that are not over. Raise SpoolError."""
    found = {}
    for one in _entries(folder / LOG):
        if one.kind is Kind.NOTE:
            noted = one.noted()
            found[noted.eid] = Note(noted.eid, noted.partner, noted.data, noted.expires_s)
    return [note for note in found.values() if note.expires_s > now_s]


def _survey(folder: Path, lane: str, now_s: float) -> dict[int, _Waiting]:
    """Where everything stands that waits in a lane."""
    found: dict[int, _Waiting] = {}
    newest: dict[bytes, int] = {}
    for one in _entries(folder):
        if one.kind is Kind.DONE:
            for number in one.ids():
                found.pop(number, None)
        elif one.kind is Kind.THING:
            thing = one.thing()
            if thing.lane != lane or (thing.expires_s is not None and thing.expires_s <= now_s):
                continue
            found[one.id] = _Waiting(Place(one.segment, one.offset, one.length), one.precedence, thing.subjects)
            for subject in thing.subjects:
                newest[subject] = max(sequence_of(one.id), newest.get(subject, 0))
    return {number: each for number, each in found.items() if not _superseded(number, each, newest)}


def _superseded(number: int, waiting: _Waiting, newest: dict[bytes, int]) -> bool:
    return bool(waiting.subjects) and all(newest[subject] > sequence_of(number) for subject in waiting.subjects)


def _entries(folder: Path) -> Iterator[Entry]:
    """Every entry of the log, oldest first."""
    try:
        numbers = {int(file.stem) for side in SIDES for file in folder.glob(f"*.{side}")}
    except ValueError:
        raise SpoolError(Trouble.DAMAGED, str(folder)) from None
    for number in sorted(numbers):
        yield from _segment(folder, number)


def _segment(folder: Path, number: int) -> Iterator[Entry]:
    """The entries of one segment: of one copy, and of the other what the first lacks."""
    first = _found(_bytes(folder, number, SIDES[0]))
    other = _bytes(folder, number, SIDES[1]) if first.lacks else b""
    entries = _found(other).entries | first.entries if other else first.entries
    for at in sorted(entries):
        yield entry(entries[at], number, at)


class _Found(NamedTuple):
    """The entries of one copy by their place, and whether something else stands between them."""

    entries: dict[int, bytes]
    lacks: bool


def _found(data: bytes) -> _Found:
    entries, at, lacks = {}, 0, not data
    while at < len(data):
        length = whole(data, at)
        if length:
            entries[at] = data[at : at + length]
            at += length
            continue
        lacks = True
        after = data.find(MAGIC, at + 1)
        at = after if after >= 0 else len(data)
    return _Found(entries, lacks)


def _bytes(folder: Path, number: int, side: str) -> bytes:
    try:
        return path(folder, number, side).read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise SpoolError(Trouble.IO, f"{folder}: {error.strerror}") from None


def _read(folder: Path, place: Place) -> Entry | None:
    """The entry that stands there, in either copy."""
    for side in SIDES:
        try:
            with path(folder, place.segment, side).open("rb") as file:
                file.seek(place.offset)
                found = opened(file.read(place.length), place.segment, place.offset)
        except OSError:
            continue
        if found is not None:
            return found
    return None
