"""What was seen is kept in flat tables: they answer as a set and a dict would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.generation import Generation, Table, key_of

SLOTS = 16  # of a table with room for eight
KEYS = st.integers(1, 2**64 - 1) | st.integers(1, 4).map(lambda number: number * SLOTS)  # some want the same slot


@given(st.lists(st.tuples(st.sampled_from(["put", "discard"]), KEYS, st.binary(min_size=3, max_size=3)), max_size=60))
def test_a_table_knows_what_a_dict_would_know(steps: list[tuple[str, int, bytes]]) -> None:
    table, known = Table(8, 3), dict[int, bytes]()
    for what, key, value in steps:
        if what == "put":
            table.put(key, value)
            known[key] = value
        else:
            table.discard(key)
            known.pop(key, None)
    for key in {key for _, key, _ in steps} | {5, 21}:
        assert (key in table) == (key in known)
        assert table.get(key) == known.get(key)


def test_what_was_taken_out_hides_nothing_behind_it_and_may_come_again() -> None:
    table = Table(8)
    first, second = SLOTS, 2 * SLOTS  # both want slot 0
    table.put(first)
    table.put(second)
    table.discard(first)
    assert first not in table
    assert second in table
    table.put(first)
    assert first in table


def test_a_table_that_becomes_too_small_is_made_larger_with_all_that_it_knows() -> None:
    table = Table(8, 2)
    for number in range(1, 1001):
        table.put(number, number.to_bytes(2, "big"))
    assert len(table) == 1000
    assert [table.get(number) for number in range(1, 1001)] == [number.to_bytes(2, "big") for number in range(1, 1001)]


def test_a_key_is_put_in_once() -> None:
    table = Table(8, 1)
    table.put(7, b"a")
    table.put(7, b"b")
    assert len(table) == 1
    assert table.get(7) == b"b"


def test_eight_bytes_of_a_digest_are_its_key_and_none_is_nothing() -> None:
    assert key_of(bytes.fromhex("0102030405060708") + b"whatever") == 0x0102030405060708
    assert key_of(bytes(16)) == 1


def test_ids_and_subjects_are_apart() -> None:
    generation = Generation(8, 2)
    generation.ids.put(3)
    generation.subjects.put(4, b"us")
    assert 4 not in generation.ids
    assert 3 not in generation.subjects
    assert generation.subjects.get(4) == b"us"
