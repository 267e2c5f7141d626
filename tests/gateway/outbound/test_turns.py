"""Who is next on a link with a budget: what is urgent strictly first, everything else by shares of bytes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dispatch import CONTROL
from gateway.outbound.turns import URGENT, Offer, Turns, rank
from protocols.message import Precedence


def routine(lane: str, size: int) -> Offer:
    return Offer(lane, Precedence.ROUTINE, size, Precedence.ROUTINE)


def served(turns: Turns, sizes: dict[str, int], count: int) -> Counter[str]:
    """Bytes that each had when all of them always have something to send."""
    had: Counter[str] = Counter()
    for _ in range(count):
        chosen = turns.choose([routine(lane, size) for lane, size in sizes.items()])
        assert chosen is not None
        turns.sent(chosen, 0.0)
        had[chosen.lane] += chosen.size
    return had


def test_shares_are_shares_of_bytes_whatever_the_parcels_weigh() -> None:
    had = served(Turns({"bravo": 2.0, "charlie": 1.0}), {"bravo": 700, "charlie": 1300}, 3_000)
    assert had["bravo"] / had["charlie"] == pytest.approx(2.0, rel=0.01)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(0.5, 5), st.integers(200, 3_000)), min_size=2, max_size=4))
def test_every_share_is_kept_within_a_tenth(wanted: list[tuple[float, int]]) -> None:
    shares = {str(number): share for number, (share, _) in enumerate(wanted)}
    had = served(Turns(shares), {str(number): size for number, (_, size) in enumerate(wanted)}, 5_000)
    for name, share in shares.items():
        assert had[name] / had.total() == pytest.approx(share / sum(shares.values()), rel=0.1)


def test_one_that_was_idle_has_no_claim_on_the_past() -> None:
    turns = Turns({})
    served(turns, {"bravo": 100}, 1_000)
    had = served(turns, {"bravo": 100, "charlie": 100}, 100)
    assert abs(had["bravo"] - had["charlie"]) <= 200


@pytest.mark.parametrize("precedence", [*(each for each in Precedence if each >= URGENT), CONTROL])
def test_what_is_urgent_goes_before_every_share(precedence: int) -> None:
    turns = Turns({"bravo": 0.001})
    served(turns, {"bravo": 10_000}, 3)
    urgent = Offer("bravo", precedence, 10_000, precedence)
    assert turns.choose([Offer("charlie", Precedence.PRIORITY, 1, Precedence.PRIORITY), urgent]) == urgent


def test_keys_and_word_that_nothing_urgent_needs_have_their_share_and_no_more() -> None:
    turns = Turns({})
    word = Offer("bravo", CONTROL, 100, URGENT - 0.005)
    turns.sent(word, 0.0)
    assert turns.choose([word, routine("charlie", 100)]) == routine("charlie", 100)


def test_of_two_urgent_ones_the_more_urgent_goes_first() -> None:
    flash = Offer("bravo", Precedence.FLASH, 9_000, Precedence.FLASH)
    immediate = Offer("charlie", Precedence.IMMEDIATE, 10, Precedence.IMMEDIATE)
    assert Turns({"charlie": 100.0}).choose([immediate, flash]) == flash


def test_a_link_is_free_again_when_its_budget_allows_it() -> None:
    turns = Turns({}, 300.0)
    turns.sent(routine("bravo", 600), 10.0)
    assert turns.wait_s(10.0) == pytest.approx(2.0)
    assert turns.wait_s(11.5) == pytest.approx(0.5)
    assert turns.wait_s(12.0) == 0.0
    turns.sent(routine("bravo", 300), 20.0)
    assert turns.wait_s(20.0) == pytest.approx(1.0), "what was not used is not saved up"
    assert Turns({}).wait_s(0.0) == 0.0


def test_a_frame_takes_two_seconds_of_the_budget_and_is_no_shorter_than_makes_sense() -> None:
    assert [Turns({}, rate).frame for rate in (None, 300.0, 20.0)] == [None, 600, 256]


def test_waiting_lifts_what_is_not_urgent_and_never_makes_it_urgent() -> None:
    assert rank(Precedence.ROUTINE, 61.0) > rank(Precedence.PRIORITY, 0.0)
    assert rank(Precedence.DEFERRED, 1e9) < URGENT == rank(URGENT, 0.0)


def test_nobody_is_next_where_nobody_has_anything() -> None:
    assert Turns({}).choose([]) is None


def test_what_each_was_sent_is_counted() -> None:
    turns = Turns({})
    served(turns, {"bravo": 100}, 3)
    assert turns.bytes == {"bravo": 300}
