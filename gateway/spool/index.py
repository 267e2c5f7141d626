"""The index: where in the log everything stands that waits. SQLite, without a payload; it can always be made again.

Not synced: it says how much of the log it has applied, and the rest is applied again at the next start. Statements
take and give whole batches, because Python lets go of its lock at every step of a statement.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway.spool.entry import Noted, Thing
from gateway.spool.fault import IndexDamagedError
from gateway.spool.log import Place
from gateway.spool.schema import COLUMNS, PRAGMAS, SCHEMA, SEQUENCE_BITS, VERSION
from gateway.spool.subjects import freshen

PRECEDENCES: Final = 8  # queue = lane * PRECEDENCES + precedence
NOTES: Final = -1  # the queue under which notes count towards their segment
_CHUNKS: Final = (256, 16, 1)  # rows that one statement inserts
_JSON: Final = msgspec.json.Encoder()


class Arrival(NamedTuple):
    """A thing that is in the log."""

    id: int
    place: Place
    thing: Thing


class Found(NamedTuple):
    """Where a waiting row stands in the log."""

    segment: int
    offset: int
    length: int
    id: int


class FoundNote(NamedTuple):
    """Where a note stands in the log."""

    segment: int
    offset: int
    length: int
    eid: str


class Mark(NamedTuple):
    """How far the log is applied, which id is next, and the clocks at that time."""

    segment: int
    offset: int
    next_id: int
    lived_s: float
    wall_s: float


class Sum(NamedTuple):
    """Rows, and their bytes in the log."""

    rows: int
    bytes: int


_found = msgspec.json.Decoder(list[Found]).decode
_found_notes = msgspec.json.Decoder(list[FoundNote]).decode
_parted = msgspec.json.Decoder(list[tuple[int, int, int, int, int, int]]).decode
_oldest = msgspec.json.Decoder(list[tuple[int, float | None]]).decode
_numbers = msgspec.json.Decoder(list[int]).decode
_AS_FOUND: Final = "json_group_array(json_array(segment, offset, length, id))"
_AMONG: Final = "id IN (SELECT value FROM json_each(?1))"


class Index:
    """One database. Every method raises sqlite3.Error, and IndexDamagedError for what cannot be."""

    def __init__(self, file: Path) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)  # one opens it, another works
        try:
            self._open()
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        for pragma in PRAGMAS:
            self._db.execute(pragma)
        if self._one("PRAGMA user_version") == "0":
            self._db.executescript(SCHEMA)
        if self._one("PRAGMA user_version") != str(VERSION) or self._one("PRAGMA quick_check(1)") != "ok":
            raise IndexDamagedError
        self.lanes: dict[str, int] = {}
        self.names: dict[int, str] = {}
        for lane, name in self._db.execute("SELECT lane, name FROM lanes"):
            self.lanes[name], self.names[lane] = lane, name
        self.mark = Mark(*self._db.execute("SELECT segment, offset, next_id, lived, wall FROM state").fetchone())
        self.sums = self._summed("queue")
        self.live = self._summed("segment")
        self.oldest = self._oldest_of(self.sums)
        self.next_due = self._earliest_due()
        self._changed: dict[tuple[int, int], Sum] = {}
        self._touched: set[int] = set()

    def close(self) -> None:
        """Write everything back into the one file."""
        self._db.close()

    def checkpoint(self, *, shrink: bool = False) -> None:
        """Bring what is applied to the disk, before something of the log is removed; ``shrink``: leave no journal."""
        self._db.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if shrink else 'PASSIVE'})").fetchall()

    def lane(self, name: str) -> int:
        """The number of a lane, which it keeps."""
        if name not in self.lanes:
            self._db.execute("INSERT INTO lanes (name) VALUES (?)", (name,))
            number = int(self._one("SELECT lane FROM lanes WHERE name = ?", (name,)))
            self.lanes[name], self.names[number] = number, name
        return self.lanes[name]

    def keep_lanes(self, lanes: Mapping[str, int]) -> None:
        """Give lanes the numbers that they have in the log."""
        new = {name: lane for name, lane in lanes.items() if name not in self.lanes}
        self._db.executemany("INSERT INTO lanes (name, lane) VALUES (?, ?)", new.items())
        self.lanes |= new
        self.names |= {lane: name for name, lane in new.items()}

    @contextmanager
    def change(self, mark: Mark) -> Iterator[None]:
        """One transaction, after which the log is applied up to ``mark``."""
        self._changed, self._touched = {}, set()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            changed = [(*at, *total) for at, total in self._changed.items()]
            for start in range(0, len(changed), 500):
                part = changed[start : start + 500]
                self._db.execute(
                    f"INSERT INTO totals VALUES {_values(len(part), 4)} ON CONFLICT DO UPDATE SET "  # noqa: S608
                    "rows = rows + excluded.rows, bytes = bytes + excluded.bytes",
                    [value for row in part for value in row],
                )
            self._db.execute("UPDATE state SET segment = ?, offset = ?, next_id = ?, lived = ?, wall = ?", mark)
            oldest = self._oldest_of(self._touched)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self.mark = mark
        self._settle(oldest)

    def changed(self, lane: int) -> Sum:
        """By how much the transaction that is open has changed a lane."""
        parts = [total for (queue, _), total in self._changed.items() if queue // PRECEDENCES == lane]
        return Sum(sum(part.rows for part in parts), sum(part.bytes for part in parts))

    def add(self, arrivals: Sequence[Arrival]) -> list[int]:
        """Take in what is in the log; give the rows that have something newer now about all their subjects."""
        subjects = [(a.id, lane_of(a.id), about.hex()) for a in arrivals for about in dict.fromkeys(a.thing.subjects)]
        fresh, stale = freshen(self._db, subjects) if subjects else ({}, [])
        start = 0
        for chunk in _CHUNKS:
            while len(arrivals) - start >= chunk:
                part = arrivals[start : start + chunk]
                self._db.execute(
                    f"INSERT INTO waiting VALUES {_values(chunk, COLUMNS)}",  # noqa: S608
                    [value for arrival in part for value in _columns(arrival, fresh)],
                )
                start += chunk
        came: Counter[tuple[int, int]] = Counter()
        sizes: Counter[tuple[int, int]] = Counter()
        for row, place, _ in arrivals:
            at = row >> SEQUENCE_BITS, place.segment
            came[at] += 1
            sizes[at] += place.length
        for (queue, segment), rows in came.items():
            self._count(queue, segment, rows, sizes[queue, segment])
        named = Counter(arrival.thing.note for arrival in arrivals if arrival.thing.note)
        self._db.executemany("UPDATE notes SET named = named + ? WHERE eid = ?", [(n, eid) for eid, n in named.items()])
        dues = [arrival.thing.due for arrival in arrivals if arrival.thing.due is not None]
        self.next_due = min([self.next_due, *dues])
        return stale

    def remove(self, ids: Iterable[int]) -> None:
        """They wait no longer. Those that did not wait change nothing."""
        among = _list(ids)
        parts = _parted(
            self._one(
                "SELECT json_group_array(json_array(queue, segment, n, size, subjects, notes)) FROM (SELECT "  # noqa: S608
                f"id >> {SEQUENCE_BITS} queue, segment, count(*) n, sum(length) size, count(fresh) subjects, "
                "count(note) notes FROM waiting "
                f"WHERE {_AMONG} GROUP BY queue, segment)",
                (among,),
            )
        )
        if not parts:
            return
        if any(part[5] for part in parts):
            self._db.execute(
                "UPDATE notes SET named = named - gone.n FROM (SELECT note, count(*) n FROM waiting "  # noqa: S608
                f"WHERE {_AMONG} AND note IS NOT NULL GROUP BY note) AS gone WHERE eid = gone.note",
                (among,),
            )
        if any(part[4] for part in parts):
            self._db.execute(f"DELETE FROM newest WHERE {_AMONG}", (among,))  # noqa: S608
        self._db.execute(f"DELETE FROM waiting WHERE {_AMONG}", (among,))  # noqa: S608
        for queue, segment, rows, size, _, _ in parts:
            self._count(queue, segment, -rows, -size)
            self._touched.add(queue)

    def move(self, rows: Sequence[tuple[Found, Place]]) -> None:
        """They stand elsewhere in the log now."""
        self._db.executemany(
            "UPDATE waiting SET segment = ?, offset = ? WHERE id = ?",
            [(place.segment, place.offset, found.id) for found, place in rows],
        )
        for found, place in rows:
            self._count(queue_of(found.id), found.segment, -1, -found.length)
            self._count(queue_of(found.id), place.segment, 1, place.length)

    def note(self, noted: Noted, place: Place) -> None:
        """Take in a note, or where it stands now."""
        for old in self.notes([noted.eid]):
            self._count(NOTES, old.segment, -1, -old.length)
        self._db.execute(
            "INSERT INTO notes VALUES (?, ?, 0, ?, ?, ?) ON CONFLICT DO UPDATE SET expires = excluded.expires, "
            "segment = excluded.segment, offset = excluded.offset, length = excluded.length",
            (noted.eid, noted.expires, *place),
        )
        self._count(NOTES, place.segment, 1, place.length)

    def notes(self, eids: Sequence[bytes] | None = None) -> list[FoundNote]:
        """Those, or all."""
        where = "" if eids is None else "WHERE hex(eid) IN (SELECT upper(value) FROM json_each(?1))"
        sql = f"SELECT json_group_array(json_array(segment, offset, length, hex(eid))) FROM notes {where}"  # noqa: S608
        return _found_notes(self._one(sql, () if eids is None else (_JSON.encode([e.hex() for e in eids]).decode(),)))

    def drop_notes(self, now_s: float) -> set[bytes]:
        """Forget notes that have expired and that no row names; give them."""
        dropped = self._db.execute(
            "DELETE FROM notes WHERE named <= 0 AND expires <= ? RETURNING eid, segment, length", (now_s,)
        ).fetchall()
        for _, segment, size in dropped:
            self._count(NOTES, segment, -1, -size)
        return {eid for eid, _, _ in dropped}

    def forget_segment(self, segment: int) -> None:
        """It was removed from the log."""
        self._db.execute("DELETE FROM totals WHERE segment = ?", (segment,))
        self.live.pop(segment, None)

    def ready(self, queue: int, after: int, limit: int) -> list[Found]:
        """Rows that may go, oldest first."""
        first, last = _span(queue, queue)
        where = "id > ? AND id < ? AND due IS NULL AND fresh IS NOT 0 ORDER BY id"
        return self._rows(where, limit, max(first, after), last)

    def mature(self, now_s: float) -> set[int]:
        """Make ready what is due; give the queues in which something became so."""
        if now_s < self.next_due:
            return set()
        due = self._rows("due <= ?", -1, now_s)
        self._db.execute("UPDATE waiting SET due = NULL WHERE due <= ?", (now_s,))
        self.next_due = self._earliest_due()
        return {queue_of(found.id) for found in due}

    def keyed(self, lane: int, first: bytes, last: bytes, limit: int) -> list[Found]:
        """Rows of a lane by their keys, both included."""
        span = _span(lane * PRECEDENCES, (lane + 1) * PRECEDENCES - 1)
        return self._rows("key BETWEEN ? AND ? AND id > ? AND id < ? ORDER BY key", limit, first, last, *span)

    def holds(self, first: bytes, last: bytes) -> bool:
        """Whether some row has a key from here to there."""
        return self._one("SELECT EXISTS (SELECT 1 FROM waiting WHERE key BETWEEN ? AND ?)", (first, last)) == "1"

    def expired(self, now_s: float, limit: int, offset: int) -> list[Found]:
        """Rows whose own time is over."""
        return self._rows("expires <= ? ORDER BY expires", limit, now_s, offset=offset)

    def aged(self, queue: int, before_s: float, limit: int, offset: int) -> list[Found]:
        """Rows of a queue that have waited for too long."""
        sql = (
            f"SELECT {_AS_FOUND} FROM (SELECT * FROM waiting WHERE id > ? AND id < ? ORDER BY id "  # noqa: S608
            "LIMIT ? OFFSET ?) WHERE at <= ?"  # they came in this order, so that nothing beyond is looked at
        )
        return _found(self._one(sql, (*_span(queue, queue), limit, offset, before_s)))

    def stale(self, limit: int, offset: int) -> list[Found]:
        """Rows that have something newer about all their subjects."""
        return self._rows("fresh = 0 ORDER BY id", limit, offset=offset)

    def among(self, ids: Iterable[int]) -> list[Found]:
        """Those of them that wait."""
        return self._rows(_AMONG, -1, _list(ids))

    def _rows(self, where: str, limit: int, *values: float | bytes | str, offset: int = 0) -> list[Found]:
        sql = (
            f"SELECT {_AS_FOUND} FROM (SELECT segment, offset, length, id FROM waiting WHERE {where} "  # noqa: S608
            f"LIMIT {limit} OFFSET {offset})"
        )
        return _found(self._one(sql, values))

    def _one(self, sql: str, values: Sequence[float | bytes | str] = ()) -> str:
        """The first value of the first row, as text."""
        row = self._db.execute(sql, values).fetchone()
        if row is None:
            raise IndexDamagedError
        return str(row[0])

    def _summed(self, by: str) -> dict[int, Sum]:
        rows = self._db.execute(f"SELECT {by}, sum(rows), sum(bytes) FROM totals GROUP BY {by}")  # noqa: S608
        return {at: Sum(n, size) for at, n, size in rows}

    def _earliest_due(self) -> float:
        due = self._db.execute("SELECT min(due) FROM waiting WHERE due IS NOT NULL").fetchone()[0]
        return float("inf") if due is None else float(due)

    def _oldest_of(self, queues: Iterable[int]) -> dict[int, float]:
        rows = self._one(
            "SELECT json_group_array(json_array(q.value, (SELECT at FROM waiting WHERE id > q.value << "  # noqa: S608
            f"{SEQUENCE_BITS} AND id < (q.value + 1) << {SEQUENCE_BITS} ORDER BY id LIMIT 1))) FROM json_each(?) AS q",
            (_list(queues),),
        )
        return {queue: at for queue, at in _oldest(rows) if at is not None}

    def _count(self, queue: int, segment: int, rows: int, size: int) -> None:
        before = self._changed.get((queue, segment), Sum(0, 0))
        self._changed[queue, segment] = Sum(before.rows + rows, before.bytes + size)
        if queue not in self.oldest:
            self._touched.add(queue)

    def _settle(self, oldest: Mapping[int, float]) -> None:
        """What is committed counts."""
        for (queue, segment), change in self._changed.items():
            for sums, at in ((self.sums, queue), (self.live, segment)):
                rows, size = sums.get(at, (0, 0))
                sums[at] = Sum(rows + change.rows, size + change.bytes)
        for queue in self._touched:
            self.oldest.pop(queue, None)
        self.oldest.update(oldest)


def queue_of(row: int) -> int:
    """Lane and precedence."""
    return row >> SEQUENCE_BITS


def lane_of(row: int) -> int:
    """The number of its lane."""
    return queue_of(row) // PRECEDENCES


def _span(first: int, last: int) -> tuple[int, int]:
    """Ids between these two are in these queues."""
    return first << SEQUENCE_BITS, last + 1 << SEQUENCE_BITS


def _columns(arrival: Arrival, fresh: Mapping[int, int]) -> tuple[int | float | bytes | None, ...]:
    thing = arrival.thing
    return (
        arrival.id,
        *arrival.place,
        thing.at,
        thing.due,
        thing.expires,
        fresh.get(arrival.id),
        thing.note or None,
        thing.key or None,
    )


def _values(rows: int, columns: int) -> str:
    row = f"({','.join('?' * columns)})"
    return ",".join([row] * rows)


def _list(numbers: Iterable[int]) -> str:
    return _JSON.encode(list(numbers)).decode()
