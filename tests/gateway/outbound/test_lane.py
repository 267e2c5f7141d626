"""The order on the way to one destination, whatever is lost: what was sent first goes again first."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.dispatch import CONTROL, Consignment
from gateway.links import Parcel
from gateway.outbound.item import Item, State, Ticket
from gateway.outbound.lane import LOAD, Lane
from gateway.outbound.turns import RANKS
from protocols.custody import Numbered
from protocols.message import Precedence
from protocols.record import Event, Holding

ROUTINE, FLASH = int(Precedence.ROUTINE), int(Precedence.FLASH)
NOW = datetime(2026, 5, 4, tzinfo=UTC)


def item(number: int, precedence: int = ROUTINE) -> Item:
    custody = None if precedence == CONTROL else Numbered(b"epoch-01", number)
    consignment = Consignment("bravo", Parcel("t", b"%d" % number), Event.FORWARDED, precedence=precedence)
    return Item(consignment._replace(custody=custody), NOW, 0.0, Ticket())


def lane(*items: Item) -> Lane:
    made = Lane("bravo")
    for each in items:
        assert made.put(each) is None
    return made


def sent(made: Lane, count: int) -> list[Item]:
    """Take so many, and have the broker take them."""
    items = taken(made)[:count]
    for each in items:
        each.state = State.SENT
    return items


def taken(made: Lane, now: float = 0.0) -> list[Item]:
    """Everything that may go now."""
    found = []
    while (level := made.next_level(now)) is not None:
        found.append(made.take(level))
    return found


def names(items: list[Item]) -> list[bytes]:
    return [each.consignment.parcel.data for each in items]


def test_what_may_be_lost_goes_again_one_alone_and_then_all_in_their_order() -> None:
    made = lane(*(item(number) for number in range(4)))
    first = sent(made, 4)
    assert made.put(item(4)) is None
    made.go_back()
    (alone,) = taken(made)
    assert alone is first[0]
    assert taken(made) == []
    made.forget(alone, delivered=True)
    assert names(taken(made)) == [b"1", b"2", b"3", b"4"]
    assert made.window.parcels == 5


def test_what_a_link_gives_back_joins_what_it_had_sent_in_the_first_order() -> None:
    made = lane(*(item(number) for number in range(4)))
    items = taken(made)
    items[0].state = items[2].state = State.SENT
    made.given_back([items[3], items[1]])
    (alone,) = taken(made)
    made.forget(alone, delivered=True)
    assert names([alone, *taken(made)]) == [b"0", b"1", b"2", b"3"]


def test_one_that_went_alone_and_came_back_goes_alone_again() -> None:
    made = lane(item(0), item(1))
    made.given_back(taken(made))
    (alone,) = taken(made)
    made.given_back([alone])
    assert names(taken(made)) == [b"0"]


def test_each_precedence_has_one_alone_and_control_is_never_held() -> None:
    made = lane(item(0), item(1), item(2, FLASH), item(3, FLASH))
    made.go_back()
    made.put(item(4, CONTROL))
    made.put(item(5, CONTROL))
    assert names(taken(made)) == [b"4", b"5", b"2", b"0"]


def test_where_nobody_is_there_to_receive_it_waits_longer_each_time() -> None:
    made = lane(item(0), item(1))
    made.given_back(taken(made))
    for wait_s in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0):
        made.hold_off(100.0)
        assert made.next_level(100.0 + wait_s - 0.001) is None
        assert made.next_level(100.0 + wait_s) is not None
    (alone,) = taken(made, 200.0)
    made.forget(alone, delivered=True)
    made.given_back(taken(made, 200.0))
    made.hold_off(200.0)
    assert made.next_level(200.05) is not None


def test_overdue_ones_go_again_in_their_order() -> None:
    made = lane(*(item(number) for number in range(3)))
    sent(made, 3)
    overdue = made.overdue(100.0)
    for each in overdue:
        made.window.ended(each.size)
    made.again(overdue)
    assert names(taken(made)) == [b"0", b"1", b"2"]


def test_what_is_being_put_on_disk_is_read_from_there_and_nothing_passes_it() -> None:
    made = lane(item(0), item(1))
    items = taken(made)
    made.spill = [(each, "slow") for each in made.to_disk(0.0)]
    made.spilling, made.storing = True, frozenset({ROUTINE})
    made.given_back(items)
    assert [each.state for each in items] == [State.READY, State.READY]
    made.spill.clear()  # the disk has begun with them
    assert made.put(item(2)) is Holding.BEHIND
    assert taken(made) == []


def waiting_lane(at_hand: int, *, thin: bool = False) -> Lane:
    """So many were read from the disk, and more wait there."""
    made = Lane("bravo")
    made.thin = thin
    made.disk[ROUTINE] = 1000
    if at_hand:
        made.loaded(ROUTINE, [item(number) for number in range(at_hand)])
    return made


def test_what_goes_next_is_read_ahead_of_its_turn_but_not_all_of_it() -> None:
    assert waiting_lane(0).wants_load(0.0)
    assert waiting_lane(10).wants_load(0.0)
    assert not waiting_lane(LOAD).wants_load(0.0)


def test_by_a_link_with_a_budget_nothing_is_read_ahead_since_it_may_be_superseded_on_the_disk() -> None:
    assert waiting_lane(0, thin=True).wants_load(0.0)
    assert not waiting_lane(1, thin=True).wants_load(0.0)
    assert waiting_lane(0, thin=True).load_size < waiting_lane(0).load_size


def test_nothing_is_read_while_nothing_moves() -> None:
    made = waiting_lane(20)
    taken(made)
    assert not made.room
    assert not made.wants_load(0.0)


def test_what_is_most_urgent_is_read_first_unless_enough_of_it_is_at_hand() -> None:
    made = waiting_lane(10)
    made.disk[FLASH] = 500
    assert made.load_level([0.0] * RANKS) == FLASH
    made.loaded(FLASH, [item(number, FLASH) for number in range(LOAD)])
    assert made.load_level([0.0] * RANKS) == ROUTINE
