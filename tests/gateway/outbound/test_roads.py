"""Which link is taken, and which when what went by it did not arrive."""

from __future__ import annotations

import pytest

from gateway.outbound.roads import DETOUR_S, Detour, Roads
from gateway.outbound.turns import Turns
from tests.fakes import FakeLink

NAMES = ("fibre", "radio", "satellite", "courier")


def roads(*down: str) -> Roads:
    links = {name: FakeLink() for name in NAMES}
    for name in down:
        links[name].is_up = False
    turns = {name: Turns({}, 300.0 if name == "satellite" else None) for name in NAMES}
    return Roads(links, turns, {"courier"})


def test_the_first_that_is_up_is_taken() -> None:
    assert roads().choose(NAMES) == "fibre"
    assert roads("fibre", "radio").choose(NAMES) == "satellite"
    assert roads(*NAMES).choose(NAMES) == "fibre"


def test_a_courier_has_keys_and_word_when_the_others_are_down_and_envelopes_where_there_is_no_other() -> None:
    down = roads("fibre", "radio", "satellite")
    assert down.for_word(NAMES) == "courier"
    assert down.choose(NAMES) == "fibre"
    assert down.choose(("courier",)) == "courier"


@pytest.mark.parametrize(
    ("last", "silent", "down", "next_one"),
    [
        ("fibre", False, (), "radio"),
        ("radio", False, (), "fibre"),  # a budget is not spent on what another link may bring
        ("radio", True, (), "satellite"),  # nothing is heard: whatever may help
        ("satellite", True, (), "fibre"),  # a courier brings no answer soon
        ("satellite", False, (), "fibre"),
        ("fibre", False, ("radio",), "fibre"),
        ("fibre", False, ("fibre", "radio"), "satellite"),
        (None, False, (), "fibre"),
    ],
)
def test_what_went_in_vain_goes_by_the_next(
    last: str | None, *, silent: bool, down: tuple[str, ...], next_one: str
) -> None:
    assert roads(*down).again(NAMES, last, silent=silent) == next_one


def test_what_does_not_arrive_goes_by_the_link_by_which_the_far_side_speaks() -> None:
    detour = Detour()
    detour.follow(0.0)
    assert detour.order(NAMES, 0.0) == NAMES  # nothing is heard by any
    detour.heard("radio", NAMES)
    assert detour.order(NAMES, 0.0) == NAMES  # all arrives
    assert not detour.leads_nowhere
    detour.follow(1.0)
    assert detour.order(NAMES, 1.0) == ("radio", "fibre", "satellite", "courier")
    assert detour.leads_nowhere


def test_the_first_link_is_taken_again_when_the_far_side_speaks_by_it_and_tried_again_after_a_while() -> None:
    detour = Detour()
    detour.heard("radio", NAMES)
    detour.follow(0.0)
    assert detour.order(NAMES, DETOUR_S - 1)[0] == "radio"
    assert detour.order(NAMES, DETOUR_S) == NAMES
    detour.follow(1.0)
    assert detour.leads_nowhere
    detour.heard("fibre", NAMES)
    assert detour.order(NAMES, 1.0) == NAMES
    assert not detour.leads_nowhere
