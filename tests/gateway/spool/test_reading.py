"""What another process reads of a spool that is in use, or was stopped, or is damaged."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.spool import Kept, Note
from gateway.spool.reading import read_lane, read_notes
from gateway.spool.spool import Spool
from gateway.spool.twin import path

NOW = time.time()
EID = bytes(range(8))


def shown(folder: Path, lane: str = "bravo", now_s: float = NOW) -> list[bytes]:
    return [row.data for row in read_lane(folder, lane, now_s)]


def things(*names: str, lane: str = "bravo", precedence: int = 1) -> Sequence[Kept]:
    return [Kept(lane, precedence, name.encode(), key=name.encode()) for name in names]


async def test_reads_what_waits_by_precedence_while_the_spool_is_open(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        await spool.put([*things("a", "b"), *things("flash", precedence=4), *things("other", lane="charlie")])
        await spool.put(things("c"))
        assert shown(tmp_path) == [b"flash", b"a", b"b", b"c"]
        assert shown(tmp_path, "charlie") == [b"other"]
        assert shown(tmp_path, "delta") == []


async def test_what_the_running_gateway_has_in_hand_is_read_too(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        await spool.put([*things("a"), Kept("bravo", 1, b"b", key=b"b", in_hand=True)])
        assert len(await spool.take("bravo", [1])) == 1
        assert shown(tmp_path) == [b"a", b"b"]


async def test_what_ended_is_left_out(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path)
    put = await spool.put(things("a", "b", "c"))
    spool.done([put.ids[0]])
    await spool.settle("bravo", [(b"c", b"c")])
    await spool.close()
    assert shown(tmp_path) == [b"b"]


async def test_what_is_superseded_or_expired_is_left_out(tmp_path: Path) -> None:
    one, two = b"1" * 16, b"2" * 16
    async with await Spool.open(tmp_path) as spool:
        await spool.put(
            [
                Kept("bravo", 1, b"old", subjects=(one,)),
                Kept("bravo", 1, b"both", subjects=(one, two)),
                Kept("bravo", 1, b"new", subjects=(one,)),
                Kept("bravo", 1, b"soon over", expires_s=NOW + 60),
                Kept("charlie", 1, b"elsewhere", subjects=(two,)),
            ]
        )
        assert shown(tmp_path) == [b"both", b"new", b"soon over"]
        assert shown(tmp_path, now_s=NOW + 61) == [b"both", b"new"]


async def test_reads_notes_until_they_are_over(tmp_path: Path) -> None:
    note = Note(EID, "bravo", b"announcement", NOW + 60)
    async with await Spool.open(tmp_path) as spool:
        await spool.put_note(note)
        await spool.put([Kept("bravo", 1, b"a", note=EID)])
        assert read_notes(tmp_path, NOW) == [note]
        assert read_notes(tmp_path, NOW + 61) == []
        assert [row.note for row in read_lane(tmp_path, "bravo", NOW)] == [EID]


@pytest.mark.parametrize("side", ["a", "b"])
async def test_what_is_damaged_in_one_copy_is_read_from_the_other(tmp_path: Path, side: str) -> None:
    spool = await Spool.open(tmp_path)
    await spool.put(things(*(f"thing {number:03}" for number in range(60))))
    await spool.close()
    file = path(tmp_path / "log", 1, side)
    data = bytearray(file.read_bytes())
    data[500:900] = bytes(400)
    file.write_bytes(data)
    before = {each.name: each.read_bytes() for each in (tmp_path / "log").iterdir()}
    assert shown(tmp_path) == [f"thing {number:03}".encode() for number in range(60)]
    assert {each.name: each.read_bytes() for each in (tmp_path / "log").iterdir()} == before, "reading changes nothing"


async def test_without_one_copy_the_other_is_enough(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path)
    await spool.put(things("a", "b"))
    await spool.close()
    path(tmp_path / "log", 1, "a").unlink()
    assert shown(tmp_path) == [b"a", b"b"]


async def test_what_is_damaged_in_both_copies_is_left_out(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path)
    await spool.put(things("first", "second", "third"))
    await spool.close()
    for side in "ab":
        file = path(tmp_path / "log", 1, side)
        file.write_bytes(file.read_bytes().replace(b"second", b"SECOND"))
    assert shown(tmp_path) == [b"first", b"third"]


def test_where_there_is_no_spool_nothing_waits(tmp_path: Path) -> None:
    assert shown(tmp_path / "none") == []
    assert read_notes(tmp_path / "none", NOW) == []
