"""One frame by a link with a budget: of whose turn it is, charged with what it weighs; and what a stop may cost."""

from __future__ import annotations

import pytest

from gateway.dispatch import Consignment
from gateway.links import Parcel
from gateway.outbound.lane import Lane
from gateway.outbound.sharing import affordable, share
from gateway.outbound.turns import Turns
from protocols.message import Precedence
from protocols.record import Event
from tests.gateway.outbound.test_lane import FLASH, ROUTINE, item

BUDGET = 300.0  # a frame has 600 bytes


def lane(name: str, size: int, count: int, precedence: int = ROUTINE) -> Lane:
    made = Lane(name)
    made.thin = True
    for number in range(count):
        each = item(number, precedence)
        each.replace(each.consignment._replace(parcel=Parcel(name, b"x" * size)))
        made.put(each)
    return made


def frames(turns: Turns, lanes: list[Lane], count: int) -> list[tuple[str, int]]:
    """Whose turn it was, and of which precedence."""
    found = []
    for _ in range(count):
        levels = {each: level for each in lanes if (level := each.next_level(0.0)) is not None}
        (given,) = share(turns, levels, 0.0)
        found.append((given.lane.name, given.item.precedence))
    return found


def test_shares_are_kept_frame_by_frame_where_one_has_long_parcels_and_the_other_short_ones() -> None:
    turns = Turns({"bravo": 2.0}, BUDGET)
    frames(turns, [lane("bravo", 5_000, 40), lane("charlie", 100, 400)], 300)
    assert turns.bytes["bravo"] / turns.bytes["charlie"] == pytest.approx(2.0, rel=0.05)


def test_what_is_urgent_waits_for_one_frame_of_another_partners_long_parcel() -> None:
    turns, long = Turns({}, BUDGET), lane("charlie", 5_000, 1)
    assert frames(turns, [long], 1) == [("charlie", ROUTINE)]
    assert turns.wait_s(0.0) <= 2.0
    assert frames(turns, [long, lane("bravo", 200, 1, FLASH)], 2) == [("bravo", FLASH), ("charlie", ROUTINE)]


def test_what_is_charged_is_what_goes() -> None:
    turns = Turns({}, BUDGET)
    (given,) = share(turns, {lane("bravo", 5_000, 1): ROUTINE}, 0.0)
    sent = len(given.parcel.topic) + len(given.parcel.data) + 16
    assert turns.bytes == {"bravo": sent}
    assert turns.wait_s(0.0) == pytest.approx(sent / BUDGET)


def test_without_anybody_nothing_goes() -> None:
    assert share(Turns({}, BUDGET), {}, 0.0) == []


def test_a_stop_costs_no_more_than_one_frame_of_a_budget() -> None:
    ready = [
        Consignment("bravo", Parcel("t", bytes(size)), Event.FORWARDED, precedence=int(Precedence.ROUTINE))
        for size in (200, 300, 100, 10)
    ]
    assert [len(each.data) for each in affordable(Turns({}, BUDGET), ready)] == [200, 300]
    assert len(list(affordable(Turns({}), ready))) == 4
