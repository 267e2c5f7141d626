"""A label in another policy: what the policies say, never more, and never in the place of the originator's."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.equivalence import alternatives, equivalent, label_under
from protocols.label import Category, Label, Policy
from tests.protocols.policies import AWAY, HOME, THIRD, category, home, needs_standards, public

POLICIES = {"HOME": HOME, "AWAY": AWAY, "THIRD": THIRD}


def away(classification: str, *categories: Category) -> Label:
    return Label(policy="AWAY", classification=classification, categories=categories)


def third(classification: str, *categories: Category) -> Label:
    return Label(policy="THIRD", classification=classification, categories=categories)


def care(*values: str) -> Category:
    return category("restrictive", "Care", *values)


def to(*values: str) -> Category:
    return category("permissive", "Release", *values)


def readers(*values: str) -> Category:
    return category("permissive", "Readers", *values)


IMPORTED = category("informative", "Note", "IMPORTED")
ORIGIN = category("restrictive", "Handling", "ORIGIN")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (home("OPEN"), away("LOW")),
        (home("GUARDED"), away("MIDDLE", IMPORTED)),  # comes with what every such label has there
        (home("SECRET", care("SOURCE")), away("HIGH", ORIGIN)),
        (home("GUARDED", to("XAA", "XBB")), away("MIDDLE", readers("ALPHA", "BRAVO"), IMPORTED)),
        (home("OPEN", to("XAA", "XCC")), away("LOW", readers("ALPHA"))),  # who has no name there is left out
        (home("OPEN", to("XCC")), None),  # nobody is left
        (home("OPEN", to("XAA", "MISSION")), None),  # both must admit here; there either would
        (home("OPEN", to("MISSION")), away("LOW", readers("ALL OF US"))),
        (home("OPEN", to("RELIEF")), None),
        (home("OPEN", care("MEDICAL")), None),  # would carry no weight there
        (home("OPEN", care("HOME ONLY")), None),
        (home("OPEN", category("informative", "About", "STAFF")), away("LOW")),
        (home("OPEN", category("informative", "About", "LEGAL")), None),
        (home("OPEN", care("SOURCE")), None),  # is no label of HOME at all
        (home("HIGHEST"), None),
    ],
)  # fmt: skip
def test_the_labels_own_policy_says_what_it_is_elsewhere(label: Label, expected: Label | None) -> None:
    assert equivalent(label, HOME, AWAY) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (away("LOW"), home("OPEN")),
        (away("HIGH", ORIGIN, readers("ALPHA")), home("SECRET", care("SOURCE"), to("XAA"))),
        (away("MIDDLE"), None),  # only the way out is stated
        (away("LOW", readers("ALPHA", "BRAVO")), None),  # BRAVO: only the way out
        (away("LOW", IMPORTED), home("OPEN", care("MEDICAL"))),
        (away("LOW", ORIGIN), None),  # HOME does not allow SOURCE with OPEN
    ],
)
def test_where_a_labels_policy_is_silent_the_other_says_what_it_is(label: Label, expected: Label | None) -> None:
    assert equivalent(label, AWAY, HOME) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (third("CLOSED"), away("HIGH")),
        (third("CLOSED", category("restrictive", "Secrets", "A")), away("HIGH", ORIGIN)),
        (third("CLOSED", category("restrictive", "Secrets", "A", "B")), None),
        (third("PLAIN"), None),
    ],
)
def test_a_policy_takes_in_what_it_says_it_takes_in(label: Label, expected: Label | None) -> None:
    assert equivalent(label, THIRD, AWAY) == expected


def test_a_policy_that_speaks_of_another_is_not_overruled_by_it() -> None:
    assert equivalent(away("HIGH"), AWAY, THIRD) is None  # states only the way in
    assert equivalent(home("OPEN"), HOME, THIRD) is None


def test_policies_without_an_oid_have_no_equivalents() -> None:
    nameless = msgspec.structs.replace(AWAY, id=None)

    assert equivalent(home("OPEN"), HOME, nameless) is None
    assert equivalent(away("LOW"), nameless, HOME) is None
    assert equivalent(home("OPEN"), HOME, HOME) is None


def test_values_of_a_table_have_no_equivalents() -> None:
    wider = msgspec.structs.replace(HOME, restrictive=("Codeword",))
    label = home("OPEN", category("restrictive", "Codeword", "X"))

    assert wider.knows(label)
    assert equivalent(label, wider, AWAY) is None


def test_a_number_that_the_other_policy_does_not_have_is_no_equivalent() -> None:
    shorter = msgspec.structs.replace(AWAY, rules=AWAY.rules[1:], tags=AWAY.tags[1:])

    assert equivalent(home("OPEN"), HOME, shorter) is None
    assert equivalent(home("SECRET", care("SOURCE")), HOME, shorter) is None


def test_alternatives_are_those_of_every_other_policy() -> None:
    assert alternatives(home("OPEN"), POLICIES) == (away("LOW"),)
    assert alternatives(third("CLOSED"), POLICIES) == (away("HIGH"),)
    assert alternatives(third("PLAIN"), POLICIES) == ()
    assert alternatives(Label(policy="NOWHERE", classification="X"), POLICIES) == ()


@pytest.mark.parametrize(
    ("wanted", "label", "beside", "policies", "expected"),
    [
        ("HOME", home("SECRET"), (), POLICIES, home("SECRET")),
        ("HOME", home("SECRET"), (home("OPEN"),), POLICIES, home("SECRET")),  # the originator's own, always
        ("AWAY", home("SECRET"), (), POLICIES, away("HIGH")),
        ("AWAY", home("SECRET"), (away("HIGH"),), POLICIES, away("HIGH")),
        ("AWAY", home("SECRET"), (away("LOW"),), POLICIES, None),  # downgraded on the way
        ("AWAY", home("SECRET"), (away("HIGH"), away("LOW")), POLICIES, None),
        ("AWAY", home("SECRET", care("MEDICAL")), (away("HIGH"),), POLICIES, None),  # has no equivalent
        ("THIRD", home("SECRET"), (third("PLAIN"),), POLICIES, None),
        ("AWAY", home("SECRET"), (), {"AWAY": AWAY}, None),
        ("AWAY", home("SECRET"), (away("HIGH"),), {"AWAY": AWAY}, away("HIGH")),  # all that we can know
        ("AWAY", home("SECRET"), (away("HIGHEST"),), {"AWAY": AWAY}, None),
        ("AWAY", home("SECRET"), (away("HIGH"), away("MIDDLE")), {"AWAY": AWAY}, None),
        ("NOWHERE", home("SECRET"), (Label(policy="NOWHERE", classification="X"),), POLICIES, None),
    ],
)  # fmt: skip
def test_a_message_is_judged_by_the_originators_label_or_by_what_that_is(
    wanted: str, label: Label, beside: tuple[Label, ...], policies: dict[str, Policy], expected: Label | None
) -> None:
    assert label_under(wanted, label, beside, policies) == expected


AWAY_LABELS = st.builds(
    lambda rank, care, who: away(rank, *([ORIGIN] if care else []), *([readers(*who)] if who else [])),
    st.sampled_from(AWAY.classifications),
    st.booleans(),
    st.lists(st.sampled_from(["ALPHA", "BRAVO", "ALL OF US"]), unique=True),
)


@given(AWAY_LABELS)
def test_no_change_to_an_alternative_makes_a_message_wider(changed: Label) -> None:
    label = home("GUARDED", care("SOURCE"), to("XAA", "XBB"))
    true = equivalent(label, HOME, AWAY)

    assert label_under("AWAY", label, (changed,), POLICIES) in {None, true}


@needs_standards
def test_the_tlp_policy_takes_in_classifications_of_the_policy_beyond() -> None:
    tlp = public("tlp.xml")
    beyond = Policy(
        name="TLPX",
        id="1.2.826.0.1.6726289.0.1",
        classifications=("WHITE", "AMBER"),
        rules=tuple(msgspec.structs.replace(THIRD.rules[0], name=n, lacv=x) for n, x in (("WHITE", 10), ("AMBER", 12))),
    )
    amber = Label(policy="TLPX", classification="AMBER")

    assert equivalent(amber, beyond, tlp) == Label(policy="TLP", classification="AMBER")
    assert equivalent(Label(policy="TLP", classification="AMBER"), tlp, beyond) == amber
    assert equivalent(Label(policy="TLP", classification="RED"), tlp, beyond) is None
