"""Control records: what they say of envelopes and messages, their bounds, and that hostile ones are refused."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.custody import (
    GAPS_MAX,
    SCANNED_MAX,
    TOLD_MAX,
    Control,
    Fate,
    Taken,
    Told,
    is_control,
    pack_control,
    portions,
    taken,
    unpack_control,
)
from protocols.replay import Received

EID = b"12345678"


def test_a_record_is_the_array_that_the_specification_shows() -> None:
    told = Told("0" * 32, "alpha/cell", "bravo/ops", Fate.REFUSED, "above-ceiling")
    record = pack_control(Control(taken=(Taken(EID, 6, ((3, 5),)),), told=(told,)))
    assert msgpack.unpackb(record) == [
        1,
        [[EID, 6, [[3, 5]]]],
        [["0" * 32, "alpha/cell", "bravo/ops", "refused", "above-ceiling"]],
        None,
    ]
    assert is_control(record)
    assert unpack_control(record) == Control(taken=(Taken(EID, 6, ((3, 5),)),), told=(told,))


def test_a_message_is_no_control_record() -> None:
    assert not is_control(msgpack.packb({"id": "x"}))
    assert not is_control(b"")


def test_custody_of_three_and_of_the_fifth_and_the_ninth() -> None:
    received = Received()
    for seq in (0, 1, 2, 4, 8):
        received.mark(seq)
    said = taken(EID, received)
    assert (said.below, said.gaps) == (9, ((3, 4), (5, 8)))
    assert list(said.ranges()) == [(0, 2), (4, 4), (8, 8)]
    assert [seq for seq in range(12) if seq in said] == [0, 1, 2, 4, 8]


@settings(deadline=None)
@given(st.sets(st.integers(0, 600), max_size=90))
def test_custody_says_exactly_what_was_received(seqs: set[int]) -> None:
    received = Received()
    for seq in seqs:
        received.mark(seq)
    said = taken(EID, received)
    assert {seq for seq in range(700) if seq in said} == seqs
    assert {seq for first, last in said.ranges() for seq in range(first, last + 1)} == seqs
    assert unpack_control(pack_control(Control(taken=(said,)))).taken == (said,)


def test_a_number_that_is_lost_for_ever_keeps_nothing_after_it_from_being_confirmed() -> None:
    received = Received()
    for seq in (*range(5), *range(6, 9000)):
        received.mark(seq)

    assert 8999 in taken(EID, received)
    assert len(pack_control(Control(taken=(taken(EID, received),)))) < 40


def test_of_an_epoch_with_too_many_gaps_the_newest_are_told_apart() -> None:
    received = Received()
    for seq in range(0, 1000, 2):
        received.mark(seq)
    said = taken(EID, received)

    assert (len(said.gaps), said.below) == (GAPS_MAX, 999)
    assert [seq for seq in range(1000) if seq in said] == [0, *range(1000 - 2 * GAPS_MAX, 1000, 2)]


def test_of_an_epoch_that_is_all_gaps_the_beginning_is_told() -> None:
    received = Received()
    for seq in range(0, 4 * SCANNED_MAX, 2):
        received.mark(seq)
    said = taken(EID, received)

    assert said.below == 2 * SCANNED_MAX + 1
    assert 2 * SCANNED_MAX in said
    assert len(said.gaps) == GAPS_MAX


def test_more_than_one_record_holds_is_said_in_several() -> None:
    told = [Told(str(number), "alpha/cell", "bravo/ops", Fate.DELIVERED) for number in range(TOLD_MAX + 1)]
    first, second = portions([Taken(EID, 1)], told, b"checkpoint")
    assert (len(first.told), len(first.taken), first.checkpoint) == (TOLD_MAX, 1, b"checkpoint")
    assert (len(second.told), len(second.taken), second.checkpoint) == (1, 0, None)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        msgpack.packb([2, [], [], None]),
        msgpack.packb([1, [[b"short", 0, []]], [], None]),
        msgpack.packb([1, [[EID, -1, []]], [], None]),
        msgpack.packb([1, [[EID, 0, [[0, 0]] * (GAPS_MAX + 1)]], [], None]),
        msgpack.packb([1, [], [["m", "a/b", "c/d", "eaten", None]], None]),
        msgpack.packb([1, [], [["m", "a/b", "c/d", "refused", "Free text."]], None]),
        msgpack.packb([1, [], [], None, "more"]),
        msgpack.packb([1, [], [], bytes(70_000)]),
    ],
    ids=["empty", "version", "eid", "negative", "gaps", "fate", "reason", "more", "large"],
)
def test_what_is_not_a_control_record_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError, match=r"^[A-Zc]"):
        unpack_control(record)


def test_a_record_that_says_nothing_is_a_heartbeat() -> None:
    assert unpack_control(pack_control(Control())) == Control()
