from __future__ import annotations

import json
import random
from itertools import pairwise, permutations
from pathlib import Path

import pytest

from protocols.envelope import ENVELOPES_MAX
from protocols.replay import Gap, Received

WIREGUARD = Path(__file__).parents[3] / "shared/standards/crypto/replay/wireguard-sequence.json"


@pytest.mark.skipif(not WIREGUARD.is_file(), reason="the WireGuard sequence is not here")
def test_the_34_calls_of_wireguard() -> None:
    """Whatever was seen before is refused; what lies below WireGuard's window but was never seen is accepted."""
    told = json.loads(WIREGUARD.read_bytes())
    received, below_window, calls = Received(), 0, told["sequence"]
    limit = told["rejectAfterMessages"]

    for counter, accepted in calls:
        seq = counter if counter < ENVELOPES_MAX else ENVELOPES_MAX + counter - limit
        new = seq < ENVELOPES_MAX and seq not in received
        if new:
            received.mark(seq)
        assert new or not accepted
        below_window += new and not accepted

    assert len(calls) == 34
    assert below_window == 4


def test_every_order_of_six_is_accepted_once() -> None:
    for order in permutations(range(6)):
        received = Received()
        for seq in order:
            assert seq not in received
            received.mark(seq)
            assert seq in received
        assert received.contiguous == 6
        assert received.count == 6


def test_a_random_order_of_a_hundred_thousand() -> None:
    order = list(range(0, 200_000, 2))
    random.Random(1).shuffle(order)  # noqa: S311 - not a secret
    received = Received()

    for seq in order:
        received.mark(seq)

    assert received.count == 100_000
    assert received.contiguous == 1
    assert received.highest == 199_998
    assert all(seq in received for seq in range(0, 200_000, 2))
    assert not any(seq in received for seq in range(1, 200_000, 2))


def test_marking_twice_changes_nothing() -> None:
    received = Received()
    received.mark(3)
    received.mark(3)

    assert received.count == 1


@pytest.mark.parametrize("seq", [-1, ENVELOPES_MAX])
def test_a_number_outside_an_epoch_is_refused(seq: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        Received().mark(seq)


def test_the_bitmap_never_exceeds_128_kib() -> None:
    received = Received()
    received.mark(ENVELOPES_MAX - 1)

    assert len(received.bits()) == 131_072


def test_a_bitmap_comes_back_as_it_was() -> None:
    received = Received()
    for seq in (0, 1, 2, 9, 700):
        received.mark(seq)

    again = Received(received.bits())

    assert (again.count, again.highest, again.contiguous) == (5, 700, 3)
    assert [seq for seq in range(1000) if seq in again] == [0, 1, 2, 9, 700]
    assert Received(Received().bits()).highest == -1


def test_gaps_are_exact() -> None:
    generator = random.Random(2)  # noqa: S311 - not a secret
    for share in (0.0, 0.05, 0.5, 0.99, 1.0):
        lost = {seq for seq in range(3000) if generator.random() < share}
        received = Received()
        for seq in range(3000):
            if seq not in lost:
                received.mark(seq)

        found = received.gaps(0, 3000, 3000)

        assert {seq for gap in found for seq in range(*gap)} == lost
        assert all(first.stop < second.start for first, second in pairwise(found))


def test_gaps_are_listed_within_their_limit_and_range() -> None:
    received = Received()
    for seq in (0, 2, 4, 6):
        received.mark(seq)

    assert received.gaps(0, 7, 2) == [Gap(1, 2), Gap(3, 4)]
    assert received.gaps(3, 5, 9) == [Gap(3, 4)]
    assert received.gaps(0, 1, 9) == []
    assert received.gaps(6, 2000, 9) == [Gap(7, 2000)]
