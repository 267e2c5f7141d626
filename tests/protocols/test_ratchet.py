from __future__ import annotations

import pytest

from protocols.envelope import Refusal
from protocols.ratchet import AHEAD_MAX, KEPT_MAX, Chain
from protocols.schedule import Generation, generation_keys, load_generation, next_chain
from tests.protocols.cast import refuses

EID, KEY = bytes(8), b"k" * 32


def chain(base: int = 0, horizon_s: float = 100) -> Chain:
    return Chain(EID, base, KEY, horizon_s)


def expected(number: int, base: int = 0) -> Generation:
    key = KEY
    for passed in range(base, number):
        key = next_chain(key, EID, passed)
    return load_generation(generation_keys(key, EID, number))


def same(one: Generation, other: Generation) -> bool:
    return (one.iv, one.salt) == (other.iv, other.salt)


def test_every_generation_follows_from_the_one_before() -> None:
    held = chain()

    for number in (0, 1, 7, 2):
        assert same(held.generation(number), expected(number))


def test_generations_before_the_base_are_closed() -> None:
    held = chain(base=5)

    assert same(held.generation(5), expected(5, 5))
    with refuses(Refusal.GENERATION_TOO_OLD):
        held.generation(4)


def test_only_so_far_ahead_is_derived() -> None:
    held = chain()

    held.generation(AHEAD_MAX)
    with refuses(Refusal.GENERATION_TOO_FAR):
        held.generation(AHEAD_MAX + 1)
    held.commit(1, 0)
    held.generation(AHEAD_MAX + 2)


def test_looking_ahead_moves_nothing() -> None:
    held = chain()
    held.generation(500)

    assert same(held.generation(0), expected(0))
    with refuses(Refusal.GENERATION_TOO_FAR):
        held.generation(AHEAD_MAX + 1)


@pytest.mark.parametrize("step", [1, 3, 700])
def test_generations_passed_over_stay_until_the_horizon(step: int) -> None:
    held = chain()
    held.commit(0, 0)
    held.commit(step, 10)

    for number in {0, 1, step - 1, step}:
        assert same(held.generation(number), expected(number))
    held.sweep(109.9)
    assert same(held.generation(0), expected(0))
    held.sweep(110)
    for number in set(range(min(step, 5))):
        with refuses(Refusal.GENERATION_TOO_OLD):
            held.generation(number)
    assert same(held.generation(step), expected(step))


def test_the_newest_generation_stays_however_old() -> None:
    held = chain()
    held.commit(0, 0)
    held.sweep(10_000)

    assert same(held.generation(0), expected(0))
    assert same(held.generation(1), expected(1))


def test_an_older_envelope_commits_nothing() -> None:
    held = chain()
    held.commit(3, 0)
    held.commit(1, 50)

    held.sweep(100)
    assert same(held.generation(3), expected(3))
    with refuses(Refusal.GENERATION_TOO_OLD):
        held.generation(1)


def test_a_sender_that_skips_generations_fills_no_memory() -> None:
    held = chain()
    farthest = 4 * AHEAD_MAX

    for number in range(AHEAD_MAX, farthest + 1, AHEAD_MAX):
        held.commit(number, 0)

    with refuses(Refusal.GENERATION_TOO_OLD):
        held.generation(farthest - KEPT_MAX - 1)
    oldest = held.generation(farthest - KEPT_MAX)
    assert same(oldest, expected(farthest - KEPT_MAX))
    assert same(held.generation(farthest), expected(farthest))


def test_keys_that_were_put_to_use_go_at_the_horizon_too() -> None:
    held = chain()
    held.commit(5, 0)
    for number in range(6):
        held.generation(number)

    held.sweep(100)

    for number in range(5):
        with refuses(Refusal.GENERATION_TOO_OLD):
            held.generation(number)
    assert same(held.generation(5), expected(5))


def test_no_chain_key_of_a_committed_generation_is_kept() -> None:
    held = chain()
    held.generation(10)
    held.commit(4, 0)

    keys = [KEY]
    for number in range(11):
        keys.append(next_chain(keys[-1], EID, number))

    assert not set(held._ahead) & set(keys[:5])
    assert held._ahead == keys[5:11]


def test_a_chain_key_told_later_has_to_agree() -> None:
    held = chain()
    third = next_chain(next_chain(next_chain(KEY, EID, 0), EID, 1), EID, 2)

    assert held.agrees(3, third)
    assert not held.agrees(3, bytes(32))
    farthest = KEY
    for number in range(AHEAD_MAX):
        farthest = next_chain(farthest, EID, number)
    assert held.agrees(AHEAD_MAX, farthest)
    assert not held.agrees(AHEAD_MAX + 1, next_chain(farthest, EID, AHEAD_MAX))
    held.commit(5, 0)
    assert held.agrees(3, bytes(32))  # passed: nothing is taken from it
