"""What was cut is put together again, in any order and from any source, within bounds; what is spoilt is not."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.envelope import ENVELOPE_MAX
from protocols.fragment import COST_MAX, HEAD, OPEN_MAX, SOURCES_MAX, Fragments, cut, is_fragment


def test_a_fragment_is_these_bytes() -> None:
    first, second = cut(b"abcde", HEAD + 3)
    name = b"\xc1" + hashlib.sha256(b"abcde").digest()[:8]
    assert first == name + b"\x00\x00\x00\x02abc"
    assert second == name + b"\x00\x01\x00\x02de"
    assert is_fragment(first)
    assert not is_fragment(b"\x92\xc4")


@given(st.binary(min_size=1, max_size=3_000), st.integers(HEAD + 1, 700), st.randoms(use_true_random=False))
def test_what_was_cut_is_put_together_whatever_comes_first_or_twice(
    whole: bytes, size: int, chance: random.Random
) -> None:
    parts = list(cut(whole, size))
    assert max(map(len, parts)) <= size
    chance.shuffle(parts)
    fragments = Fragments()
    *early, last = parts
    assert [fragments.put("bravo", each) for each in (*early, *early)] == [None] * (2 * len(early))
    assert fragments.put("bravo", last) == whole


def test_what_two_sources_send_is_kept_apart() -> None:
    first, second = cut(b"x" * 20, HEAD + 10)
    fragments = Fragments()
    assert fragments.put("bravo", first) is None
    assert fragments.put("charlie", second) is None
    assert fragments.put("bravo", second) == b"x" * 20


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\xc1" + b"d" * 8 + b"\x00\x00\x00\x01",
        b"\xc1" + b"d" * 8 + b"\x00\x01\x00\x01x",
        b"\xc1" + b"d" * 8 + b"\x00\x00\x00\x00x",
        b"\xc1" + b"d" * 8 + b"\x00\x00\x00\x01x",
        b"\x92" + b"d" * 12 + b"x",
    ],
    ids=["empty", "short", "no bytes", "number too high", "no count", "another digest", "something else"],
)
def test_what_is_no_fragment_or_is_spoilt_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not"):
        Fragments().put("bravo", data)


def test_of_too_many_incomplete_ones_the_oldest_is_forgotten() -> None:
    fragments = Fragments()
    begun = [cut(b"%04d" % number, HEAD + 2) for number in range(OPEN_MAX + 1)]
    for first, _ in begun:
        fragments.put("bravo", first)
    assert fragments.put("bravo", begun[1][1]) == b"0001"
    assert fragments.put("bravo", begun[0][1]) is None


@pytest.mark.parametrize("size", [1, 200, ENVELOPE_MAX])
def test_incomplete_ones_are_bounded_in_memory_however_small_their_fragments(size: int) -> None:
    fragments = Fragments()
    for number in range(min(40_000, 6 * ENVELOPE_MAX // size)):
        name = b"\xc1" + (number // 10_000).to_bytes(8, "big") + (number % 10_000).to_bytes(2, "big") + b"\xff\xff"
        assert fragments.put("bravo", name + b"x" * size) is None
    assert sum(each.cost for each in fragments._open["bravo"].values()) <= COST_MAX


def test_of_too_many_sources_the_oldest_is_forgotten() -> None:
    fragments = Fragments()
    first, second = cut(b"x" * 20, HEAD + 10)
    for number in range(SOURCES_MAX + 1):
        fragments.put(f"partner-{number}", first)
    assert fragments.put("partner-0", second) is None
    assert fragments.put("partner-5", second) == b"x" * 20


def test_a_parcel_is_not_cut_into_more_than_can_be_counted() -> None:
    for size in (HEAD, 0):
        with pytest.raises(ValueError, match="not so many"):
            cut(b"x", size)
    with pytest.raises(ValueError, match="not so many"):
        cut(b"x" * 70_000, HEAD + 1)
