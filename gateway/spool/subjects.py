"""What is newest about each subject in each lane, so that an older thing about nothing else need not be sent."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.spool.schema import SEQUENCE_BITS

_JSON: Final = msgspec.json.Encoder()
_newest = msgspec.json.Decoder(list[tuple[int, str, int]]).decode
_numbers = msgspec.json.Decoder(list[int]).decode


def freshen(db: sqlite3.Connection, subjects: Sequence[tuple[int, int, str]]) -> tuple[dict[int, int], list[int]]:
    """Take in what new rows are about: row, lane, subject.

    Gives of each new row about how many subjects it is the newest, and the rows, new or old, that are so about none.
    """
    newest = _look_up(db, subjects)
    fresh = {row: 0 for row, _, _ in subjects}
    less: Counter[int] = Counter()
    for row, lane, subject in subjects:
        before = newest.get((lane, subject), 0)
        if sequence_of(row) <= sequence_of(before):
            continue
        newest[lane, subject] = row
        fresh[row] += 1
        if before in fresh:
            fresh[before] -= 1
        elif before:
            less[before] += 1
    rows = _JSON.encode([(lane, subject, row) for (lane, subject), row in newest.items()]).decode()
    db.execute(
        "INSERT OR REPLACE INTO newest SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), "
        "json_extract(value, '$[2]') FROM json_each(?)",
        (rows,),
    )
    return fresh, [row for row, left in fresh.items() if not left] + _less_fresh(db, less)


def _look_up(db: sqlite3.Connection, subjects: Sequence[tuple[int, int, str]]) -> dict[tuple[int, str], int]:
    found = db.execute(
        "SELECT json_group_array(json_array(lane, subject, id)) FROM newest WHERE (lane, subject) IN "
        "(SELECT json_extract(value, '$[1]'), json_extract(value, '$[2]') FROM json_each(?))",
        (_JSON.encode(subjects).decode(),),
    ).fetchone()
    return {(lane, subject): row for lane, subject, row in _newest(found[0])}


def _less_fresh(db: sqlite3.Connection, less: Counter[int]) -> list[int]:
    """Take from rows what others are newer about; give those that are left with nothing."""
    if not less:
        return []
    db.execute(
        "UPDATE waiting SET fresh = fresh - json_extract(j.value, '$[1]') FROM json_each(?) AS j "
        "WHERE waiting.id = json_extract(j.value, '$[0]')",
        (_JSON.encode(list(less.items())).decode(),),
    )
    found = db.execute(
        "SELECT json_group_array(id) FROM waiting WHERE id IN (SELECT value FROM json_each(?)) AND fresh = 0",
        (_JSON.encode(list(less)).decode(),),
    ).fetchone()
    return _numbers(found[0])


def sequence_of(row: int) -> int:
    """The order in which rows came, of whatever precedence."""
    return row & ((1 << SEQUENCE_BITS) - 1)
