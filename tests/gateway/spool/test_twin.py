"""Both files of a segment, read on in blocks: entries of any size are found, and what is damaged costs no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.spool.entry import Kind, write
from gateway.spool.twin import SIDES, Twin, path

BLOCK = 1 << 20
SIZES = (10, 700_000, 700_000, 3 * BLOCK, 10, BLOCK, 40)


def entries() -> list[bytes]:
    return [write(Kind.DONE, [number] * size, number) for number, size in enumerate(SIZES)]


@pytest.fixture
def twin(tmp_path: Path) -> Twin:
    twin = Twin(tmp_path, 1)
    twin.write(b"".join(entries()), 0)
    return twin


def starts() -> list[int]:
    raws = entries()
    return [sum(map(len, raws[:number])) for number in range(len(raws))]


def damage(folder: Path, side: str, at: int, data: bytes = b"\xa5" * 8) -> None:
    with path(folder, 1, side).open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_entries_larger_than_a_block_are_found(twin: Twin) -> None:
    assert list(twin.entries(0)) == list(zip(starts(), entries(), strict=True))


def test_reading_begins_where_it_is_told_to(twin: Twin) -> None:
    assert [at for at, _ in twin.entries(starts()[4])] == starts()[4:]


@pytest.mark.parametrize("number", range(len(SIZES)))
@pytest.mark.parametrize("side", SIDES)
def test_what_is_damaged_in_one_is_put_right_from_the_other(twin: Twin, tmp_path: Path, side: str, number: int) -> None:
    damage(tmp_path, side, starts()[number] + 5)
    assert [raw for _, raw in twin.entries(0, both=True)] == entries()
    assert twin.repaired == 1
    assert path(tmp_path, 1, "a").read_bytes() == path(tmp_path, 1, "b").read_bytes()


@pytest.mark.parametrize("number", range(len(SIZES)))
def test_what_is_damaged_in_both_costs_no_other(twin: Twin, tmp_path: Path, number: int) -> None:
    for side in SIDES:
        damage(tmp_path, side, starts()[number] + 5)
    assert [raw for _, raw in twin.entries(0)] == [raw for at, raw in enumerate(entries()) if at != number]


def test_a_head_that_claims_more_than_there_is_costs_no_other(twin: Twin, tmp_path: Path) -> None:
    for side in SIDES:
        damage(tmp_path, side, starts()[1] + 8, (1 << 26).to_bytes(4, "big"))
    assert [at for at, _ in twin.entries(0)] == [starts()[0], *starts()[2:]]


def test_a_begin_that_lies_across_two_blocks_is_found(tmp_path: Path) -> None:
    twin, one = Twin(tmp_path, 1), write(Kind.DONE, [7], 7)
    for before in range(BLOCK - 6, BLOCK + 3):
        twin.cut(0)
        twin.write(b"\0" * before + one, 0)
        assert list(twin.entries(0)) == [(before, one)]
