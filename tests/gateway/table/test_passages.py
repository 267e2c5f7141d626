"""Routes by which somebody passes on what another said: every fault has its path, and what is right is accepted."""

from __future__ import annotations

import pytest

from gateway.config import ConfigError, faults, parse
from tests.gateway.passages import CHANGES, PLAIN, THIRD, passer, third
from tests.gateway.tables import changed

ROUTE = 'to = ["charlie/map"]\nagreement = "alpha-tells-charlie"\nthrough = "alpha"'
PASSERS = {
    "through a stranger": ('through = "alpha"', 'through = "delta"', "$.routes[0].through", "not one of $.partners"),
    "through a third": ('through = "alpha"', 'through = "charlie"', "$.routes[0].through", "does not pass on"),
    "through its originator": ('through = "alpha"', 'through = "bravo"', "$.routes[0].through", "does not pass on"),
    "to ourselves": (ROUTE, ROUTE.replace("charlie/map", "alpha/cell"), "$.routes[0].through", "does not pass on"),
    "what we say": ('from = ["bravo/ops"]\nto = ["charlie/map"]', 'from = ["alpha/patrols"]\nto = ["charlie/map"]',
                    "$.routes[0].through", "does not pass on"),
    "without its originator's leave": ('onward = ["charlie"]\n', "", "$.routes[0]", "onward in no agreement"),
    "onward to nobody": ('onward = ["charlie"]', 'onward = ["charlie", "delta"]', "$.agreements[0].onward", "delta"),
    "against its agreement": ('kinds = ["track", "chat"]\ndirections = [{ from = "alpha", to = "charlie" }]',
                              'kinds = ["track", "chat"]\ndirections = []', "$.routes[0]", "no direction"),
    "more kinds than agreed": ('through = "alpha"', 'through = "alpha"\nkinds = ["alert"]', "$.routes[0].kinds",
                               "not agreed"),
    "changed on its way": (ROUTE, ROUTE.replace("alpha-tells-charlie", "alpha-charlie"), "$.routes[0].agreement",
                           "no proof holds"),
    "to be acknowledged": ('through = "alpha"', 'through = "alpha"\nacknowledge = { routine = 60 }',
                           "$.routes[0].acknowledge", "leave it out"),
}  # fmt: skip


@pytest.mark.parametrize("fault", PASSERS)
def test_a_fault_of_a_passage_is_told_with_its_path(fault: str) -> None:
    old, new, path, advice = PASSERS[fault]
    lines = list(faults(parse(changed(*CHANGES, (old, new)).encode())))

    assert any(line.startswith(path) and advice in line for line in lines), lines


@pytest.mark.parametrize(
    ("old", "new", "advice"),
    [
        ('onward = ["charlie"]', 'onward = ["bravo"]', "these have directions"),
        ('onward = ["charlie"]', 'onward = ["Charlie!"]', "names partners"),
        ('onward = ["charlie"]', "oldest_s = 0.5", "oldest_s"),
        ('onward = ["charlie"]', "oldest_s = 40000000.0", "oldest_s"),
    ],
)
def test_a_value_that_cannot_be_is_refused(old: str, new: str, advice: str) -> None:
    with pytest.raises(ConfigError, match=advice):
        parse(changed(*CHANGES, (old, new)).encode())


def test_both_ends_of_a_passage_are_accepted() -> None:
    assert passer().routes[0].through == "alpha"
    assert third().routes[0].through == "alpha"


def test_what_is_passed_on_to_us_is_for_us() -> None:
    text = (THIRD + PLAIN).replace('to = ["charlie/map"]', 'to = ["bravo/ops"]')

    assert any(line.startswith("$.routes[0].through") for line in faults(parse(text.encode())))
