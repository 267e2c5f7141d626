"""The tree of RFC 6962 against its definition, written down as it stands there, and against published values."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.transparency import EMPTY, Range, follows, leaf_hash, node_hash, paths, root_of

# The leaves and roots of the tests of Certificate Transparency's own implementation, from one leaf to eight.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def definition(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + definition(leaves[:split]) + definition(leaves[split:])).digest()


def path_by_definition(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*path_by_definition(index, leaves[:split]), definition(leaves[split:])]
    return [*path_by_definition(index - split, leaves[split:]), definition(leaves[:split])]


def texts(count: int) -> list[bytes]:
    return [f"line {number}".encode() for number in range(count)]


def over(begin: int, end: int) -> Range:
    found = Range(begin)
    for text in texts(end)[begin:]:
        found.push(leaf_hash(text))
    return found


def test_roots_are_those_that_others_compute() -> None:
    found = Range()
    roots = []
    for leaf in LEAVES:
        found.push(leaf_hash(leaf))
        roots.append(found.root().hex())

    assert roots == ROOTS
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Range().root() == EMPTY


@pytest.mark.parametrize("count", range(40))
def test_a_root_is_that_of_the_definition(count: int) -> None:
    assert over(0, count).root() == definition(texts(count))


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_ranges_that_adjoin_make_the_whole(one: int, two: int, three: int) -> None:
    first, second, third = sorted((one, two, three))
    early, middle, late = over(0, first), over(first, second), over(second, third)

    assert early.joined(middle).joined(late).root() == early.joined(middle.joined(late)).root() == over(0, third).root()
    assert (early.end, len(early.hashes)) == (first, first.bit_count())


@given(st.integers(0, 40), st.lists(st.integers(0, 70), max_size=6))
def test_many_leaves_at_once_are_the_same_as_one_by_one(begin: int, counts: list[int]) -> None:
    found, end = Range(begin), begin
    for count in counts:
        found.extend([leaf_hash(text) for text in texts(end + count)[end:]])
        end += count

    assert (found.begin, found.end, found.hashes) == (begin, end, over(begin, end).hashes)


@pytest.mark.parametrize("count", range(1, 40))
def test_every_path_is_that_of_the_definition_and_leads_to_the_root(count: int) -> None:
    lines = texts(count)
    found = paths([leaf_hash(line) for line in lines], range(count))

    for index, line in enumerate(lines):
        assert list(found[index]) == path_by_definition(index, lines)
        assert root_of(leaf_hash(line), index, count, found[index]) == definition(lines)


@given(st.integers(2, 200), st.data())
def test_a_path_leads_nowhere_else(count: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, count - 1))
    leaves = [leaf_hash(text) for text in texts(count)]
    path = list(paths(leaves, [index])[index])
    root = over(0, count).root()
    place = data.draw(st.integers(0, len(path) - 1))

    wrong = [*path[:place], bytes(32), *path[place + 1 :]]
    assert root_of(leaves[index], index, count, wrong) != root
    assert root_of(leaf_hash(b"another"), index, count, path) != root
    other = data.draw(st.integers(0, count - 1).filter(lambda each: each != index))
    with suppress(ValueError):  # a path of another length
        assert root_of(leaves[index], other, count, path) != root
    for spoiled in (path[1:], [*path, bytes(32)], [*path[:-1], b"short"]):
        with pytest.raises(ValueError, match="the path is too"):
            root_of(leaves[index], index, count, spoiled)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (0, 1 << 49)])
def test_a_leaf_that_cannot_be_has_no_root(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no such leaf"):
        root_of(bytes(32), index, size, [])
    with pytest.raises(IndexError):
        paths([bytes(32)], [1])


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_log_that_only_grew_follows(one: int, two: int) -> None:
    before, after = sorted((one, two))

    assert follows(over(0, before).root(), over(0, before), over(before, after), over(0, after).root())


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_a_log_that_was_rewritten_does_not_follow(before: int, more: int, data: st.DataObject) -> None:
    changed = data.draw(st.integers(0, before - 1))
    rewritten = Range()
    for number, text in enumerate(texts(before)):
        rewritten.push(leaf_hash(b"other" if number == changed else text))
    growth = over(before, before + more)
    after = rewritten.joined(growth).root()

    assert not follows(over(0, before).root(), rewritten, growth, after)
    assert not follows(over(0, before).root(), over(0, before), growth, after)
    assert not follows(over(0, before).root(), over(0, before), over(before + 1, before + more + 1), after)
    assert not follows(over(0, before).root(), growth, over(0, before), after)


@pytest.mark.parametrize(
    ("begin", "end", "count", "size"),
    [(0, 3, 1, 32), (0, 3, 3, 32), (0, 4, 1, 31), (3, 2, 0, 32), (-1, 0, 0, 32), (0, (1 << 48) + 1, 2, 32)],
)
def test_hashes_that_cannot_be_of_a_range_are_refused(begin: int, end: int, count: int, size: int) -> None:
    with pytest.raises(ValueError, match=r"not the hashes|32 bytes"):
        Range(begin, end, [bytes(size)] * count)


def test_leaves_and_nodes_are_told_apart() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")

    assert node_hash(left, right) != leaf_hash(left + right)
    with pytest.raises(ValueError, match="first leaves"):
        over(1, 2).root()
    with pytest.raises(ValueError, match="adjoin"):
        over(0, 2).joined(over(3, 4))
