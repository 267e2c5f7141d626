"""The tables of the index."""

from __future__ import annotations

from typing import Final

VERSION: Final = 1  # stands in the schema too
COLUMNS: Final = 10  # of ``waiting``
SEQUENCE_BITS: Final = 40  # of an id; above them stands the queue, so that a queue's rows lie side by side

# The folder's lock keeps other processes out, so that the index needs no shared memory file. Commits are not synced:
# the log is.
PRAGMAS: Final = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA cache_size = -16384",
    "PRAGMA mmap_size = 0",
)

SCHEMA: Final = """
BEGIN;
CREATE TABLE state (one INTEGER PRIMARY KEY, segment INTEGER NOT NULL, offset INTEGER NOT NULL,
    next_id INTEGER NOT NULL, lived REAL NOT NULL, wall REAL NOT NULL);
INSERT INTO state VALUES (1, 0, 0, 1, 0.0, -1.0);
CREATE TABLE lanes (lane INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE waiting (id INTEGER PRIMARY KEY, segment INTEGER NOT NULL,
    offset INTEGER NOT NULL, length INTEGER NOT NULL, at REAL NOT NULL, due REAL, expires REAL, fresh INTEGER,
    note BLOB, key BLOB);
CREATE INDEX keyed ON waiting (key) WHERE key IS NOT NULL;
CREATE INDEX expiring ON waiting (expires) WHERE expires IS NOT NULL;
CREATE INDEX stale ON waiting (id) WHERE fresh = 0;
CREATE INDEX due ON waiting (due) WHERE due IS NOT NULL;
CREATE TABLE newest (lane INTEGER NOT NULL, subject TEXT NOT NULL, id INTEGER NOT NULL,
    PRIMARY KEY (lane, subject)) WITHOUT ROWID;
CREATE INDEX newest_of ON newest (id);
CREATE TABLE notes (eid BLOB PRIMARY KEY, expires REAL NOT NULL, named INTEGER NOT NULL, segment INTEGER NOT NULL,
    offset INTEGER NOT NULL, length INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE totals (queue INTEGER NOT NULL, segment INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY (queue, segment)) WITHOUT ROWID;
PRAGMA user_version = 1;
COMMIT;
"""
