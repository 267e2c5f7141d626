"""A damaged page costs nothing that was kept, at the start and while it runs, and nobody has to help."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest

from gateway.spool import Kept, Note, Row, SpoolError, Trouble, Why
from gateway.spool.log import SEGMENT_BYTES
from gateway.spool.schema import PRAGMAS
from gateway.spool.spool import Spool
from tests.gateway.spool.clocks import START_S

ALL = (5, 4, 3, 2, 1, 0)
PAGE = 4096
ROWS = 3000


def body(number: int) -> bytes:
    return (b"%d." % number * 100)[: 100 + number % 300]


async def filled(folder: Path, rows: int = ROWS) -> Spool:
    spool = await Spool.open(folder)
    await spool.put_note(Note(b"epoch__1", "bravo", b"announcement", START_S * 2))
    for start in range(0, rows, 500):
        await spool.put(
            [
                Kept("bravo", n % 3, body(n), b"f%d" % n, b"%012d" % n, b"epoch__1", subjects=(b"%016d" % n,))
                for n in range(start, start + 500)
            ]
        )
    return spool


async def everything(spool: Spool) -> list[Row]:
    found: list[Row] = []
    while rows := await spool.take("bravo", ALL):
        found += rows
    return found


async def all_taken(spool: Spool) -> dict[int, bytes]:
    return {int(row.key): row.data for row in await everything(spool)}


def overwrite(file: Path, share: float, data: bytes) -> None:
    """Put these bytes at a page that far into the file."""
    page = int(file.stat().st_size / PAGE * share)
    with file.open("r+b") as opened:
        opened.seek(page * PAGE)
        opened.write(data)


NOISE = hashlib.shake_128(b"noise").digest(PAGE)
EXPECTED = {n: body(n) for n in range(ROWS)}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("data", [NOISE, bytes(PAGE)], ids=["noise", "zeros"])
async def test_a_page_of_the_index_is_damaged_while_it_is_closed(tmp_path: Path, share: float, data: bytes) -> None:
    await (await filled(tmp_path)).close()
    overwrite(tmp_path / "index.db", share, data)

    async with await Spool.open(tmp_path) as spool:
        assert await all_taken(spool) == EXPECTED
        assert (spool.health().repaired, spool.health().lost) == (1, 0)
        assert [note.data for note in await spool.notes()] == [b"announcement"]
    assert (tmp_path / "damaged" / "000001" / "index.db").exists()


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.95])
async def test_a_page_of_the_index_is_damaged_while_it_is_open(
    tmp_path: Path, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await filled(tmp_path)).close()
    small = tuple(pragma.replace("-16384", "4") for pragma in PRAGMAS)
    monkeypatch.setattr("gateway.spool.index.PRAGMAS", small)  # so that the disk is read again

    async with await Spool.open(tmp_path) as spool:
        first = await spool.take("bravo", ALL, limit=10)
        overwrite(tmp_path / "index.db", share, NOISE)
        rows = [*first, *await everything(spool)]
        found = {int(row.key): row.data for row in rows}
        spool.done([row.id for row in rows])
        await spool.put([Kept("bravo", 2, b"more", subjects=(b"%016d" % 7,))])
        await spool.expire()

        assert found == EXPECTED
        assert (spool.health().repaired, spool.health().lost, spool.health().trouble) == (1, 0, None)
        assert spool.counts()["bravo"][2].rows == 1


async def test_an_index_that_is_gone_is_made_again(tmp_path: Path) -> None:
    spool = await filled(tmp_path)
    await spool.settle("bravo", [(b"%012d" % 0, b"%012d" % 999)])
    await spool.close()
    (tmp_path / "index.db").unlink()

    async with await Spool.open(tmp_path) as spool:
        rows = await spool.take("bravo", (0,), limit=ROWS)
        spool.release([row.id for row in rows])
        assert await all_taken(spool) == {n: body(n) for n in range(1000, ROWS)}
        assert spool.health().repaired == 1
        put = await spool.put([Kept("bravo", 0, b"more")])
        assert put.ids[0] > max(row.id for row in rows)


async def test_an_index_that_points_elsewhere_is_made_again(tmp_path: Path) -> None:
    await (await filled(tmp_path)).close()
    with sqlite3.connect(tmp_path / "index.db") as database:
        database.execute("UPDATE waiting SET offset = offset + 7 WHERE key = CAST('000000000300' AS BLOB)")
        database.execute(
            "UPDATE waiting SET offset = (SELECT max(offset) FROM waiting) WHERE key = CAST('000000000600' AS BLOB)"
        )
    database.close()

    async with await Spool.open(tmp_path) as spool:
        assert await all_taken(spool) == EXPECTED
        assert spool.health().repaired == 1


async def test_few_damaged_indexes_are_kept(tmp_path: Path) -> None:
    for _ in range(6):
        await (await filled(tmp_path, 500)).close()
        overwrite(tmp_path / "index.db", 0.5, NOISE)
    await (await Spool.open(tmp_path)).close()

    assert sorted(folder.name for folder in (tmp_path / "damaged").iterdir()) == ["000004", "000005", "000006"]


@pytest.mark.parametrize("side", ["a", "b"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
async def test_a_page_of_the_log_is_damaged_while_it_is_closed(tmp_path: Path, share: float, side: str) -> None:
    await (await filled(tmp_path)).close()
    overwrite(tmp_path / "log" / f"0000000001.{side}", share, NOISE)

    async with await Spool.open(tmp_path) as spool:
        assert await all_taken(spool) == EXPECTED
        assert spool.health().lost == 0
        assert spool.health().repaired > 0
    first, second = ((tmp_path / "log" / f"0000000001.{each}").read_bytes() for each in "ab")
    assert first == second


async def test_a_page_of_the_log_is_damaged_while_it_is_open(tmp_path: Path) -> None:
    async with await filled(tmp_path) as spool:
        overwrite(tmp_path / "log" / "0000000001.a", 0.5, NOISE)

        assert await all_taken(spool) == EXPECTED
        assert spool.health().lost == 0
        assert spool.health().repaired > 0


@pytest.mark.parametrize("side", ["a", "b"])
async def test_half_of_the_log_is_gone(tmp_path: Path, side: str) -> None:
    await (await filled(tmp_path)).close()
    (tmp_path / "log" / f"0000000001.{side}").unlink()

    async with await Spool.open(tmp_path) as spool:
        assert await all_taken(spool) == EXPECTED
        assert spool.health().repaired > 0


async def test_index_and_one_side_of_the_log_are_damaged_together(tmp_path: Path) -> None:
    await (await filled(tmp_path)).close()
    overwrite(tmp_path / "index.db", 0.5, NOISE)
    overwrite(tmp_path / "log" / "0000000001.a", 0.2, NOISE)
    overwrite(tmp_path / "log" / "0000000001.b", 0.8, NOISE)

    async with await Spool.open(tmp_path) as spool:
        assert await all_taken(spool) == EXPECTED
        assert spool.health().lost == 0


async def test_what_is_damaged_in_both_copies_is_said_and_nothing_else_is_lost(tmp_path: Path) -> None:
    await (await filled(tmp_path)).close()
    for side in "ab":
        overwrite(tmp_path / "log" / f"0000000001.{side}", 0.5, NOISE)

    async with await Spool.open(tmp_path) as spool:
        found = await all_taken(spool)
        ended = await spool.expire()
        lost = set(EXPECTED) - set(found)

        assert 5 <= len(lost) <= 40
        assert {one.why for one in ended} == {Why.DAMAGED}
        assert len(ended) == len(lost)
        assert spool.health().lost >= len(lost)
        assert await all_taken(spool) == {}
        assert spool.counts()["bravo"][0].rows == spool.counts()["bravo"][0].in_hand


async def test_a_page_damaged_in_both_copies_costs_only_itself_when_the_index_is_made_again(tmp_path: Path) -> None:
    await (await filled(tmp_path)).close()
    for side in "ab":
        overwrite(tmp_path / "log" / f"0000000001.{side}", 0.5, NOISE)
    (tmp_path / "index.db").unlink()

    async with await Spool.open(tmp_path) as spool:
        assert len(await all_taken(spool)) >= ROWS - 40
        assert spool.health().lost > 0


async def test_superseded_rows_stay_so_when_the_index_is_made_again(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        both = await spool.put([Kept("bravo", 2, b"both", subjects=(b"t" * 16, b"u" * 16))])
        await spool.put([Kept("bravo", 2, b"t1", subjects=(b"t" * 16,))])
        await spool.put([Kept("bravo", 2, b"t2", subjects=(b"t" * 16,))])
    (tmp_path / "index.db").unlink()

    async with await Spool.open(tmp_path) as spool:
        put = await spool.put([Kept("bravo", 2, b"u1", subjects=(b"u" * 16,))])
        rows = await spool.take("bravo", ALL)

    assert tuple(ended.id for ended in put.superseded) == both.ids
    assert [row.data for row in rows] == [b"t2", b"u1"]


async def test_the_log_gets_shorter_as_rows_go_and_old_rows_move_along(tmp_path: Path) -> None:
    async with await Spool.open(tmp_path) as spool:
        await spool.put_note(Note(b"epoch__1", "bravo", b"announcement", START_S * 2))
        old = await spool.put([Kept("away", 2, b"old", note=b"epoch__1")])
        for _ in range(12 * SEGMENT_BYTES // 4_000_000):
            put = await spool.put([Kept("bravo", 2, bytes(1_000_000)) for _ in range(4)])
            spool.done(put.ids)
        for _ in range(50):
            await spool.expire()

        assert spool.health().disk_bytes < 2 * 8 * SEGMENT_BYTES
        assert [(row.id, row.data) for row in await spool.take("away", ALL)] == [(old.ids[0], b"old")]
        assert not (tmp_path / "log" / "0000000001.a").exists()
    (tmp_path / "index.db").unlink()
    async with await Spool.open(tmp_path) as spool:
        assert [row.data for row in await spool.take("away", ALL)] == [b"old"]
        assert [note.data for note in await spool.notes()] == [b"announcement"]
        assert "bravo" not in spool.counts()


async def test_a_folder_of_another_version_is_made_again(tmp_path: Path) -> None:
    await (await filled(tmp_path, 500)).close()
    with sqlite3.connect(tmp_path / "index.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()

    async with await Spool.open(tmp_path) as spool:
        assert len(await all_taken(spool)) == 500


async def test_a_put_that_finds_the_index_damaged_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await (await filled(tmp_path)).close()
    small = tuple(pragma.replace("-16384", "4") for pragma in PRAGMAS)
    monkeypatch.setattr("gateway.spool.index.PRAGMAS", small)

    async with await Spool.open(tmp_path) as spool:
        pages = (tmp_path / "index.db").stat().st_size // PAGE
        with (tmp_path / "index.db").open("r+b") as file:
            file.seek(2 * PAGE)
            file.write(NOISE * (pages - 2))
        put = await spool.put([Kept("bravo", 5, b"flash", key=b"%012d" % ROWS, subjects=(b"%016d" % 5,))])
        rows = await spool.take("bravo", (5,))
        await spool.expire()

        assert [(row.id, row.data) for row in rows] == [(put.ids[0], b"flash")]
        assert set(await all_taken(spool)) >= set(EXPECTED) - {5}
        assert spool.health().trouble is None


async def test_what_cannot_be_read_at_all_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file in its place")

    with pytest.raises(SpoolError):
        await Spool.open(tmp_path)


async def test_what_cannot_be_read_now_is_trouble_until_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with await Spool.open(tmp_path) as spool:
        await spool.put([Kept("bravo", 2, b"x")])
        with monkeypatch.context() as broken:

            def refused(_: object) -> None:
                raise SpoolError(Trouble.IO)

            broken.setattr(spool._store.catalogue, "read", refused)
            with pytest.raises(SpoolError):
                await spool.take("bravo", (2,))
            assert spool.health().trouble is Trouble.IO
            with pytest.raises(SpoolError):
                await spool.expire()
        await spool.expire()

        assert spool.health().trouble is None
        assert [row.data for row in await spool.take("bravo", (2,))] == [b"x"]
