"""Who may see what, what dominates what, what becomes of several labels: by hand, by public cases, by properties."""

from __future__ import annotations

import msgspec
import pytest

from protocols.label import (
    Category,
    CategoryType,
    Clearance,
    Label,
    LabelRefusal,
    combine,
    dominates,
    permits,
)
from protocols.lattice import MEMO_MAX
from protocols.tag import Group, Operation, Requirement
from tests.protocols.policies import HOME, by_number, category, food, home, needs_standards, public


def care(*values: str) -> Category:
    return category("restrictive", "Care", *values)


def to(*values: str) -> Category:
    return category("permissive", "Release", *values)


def about(*values: str) -> Category:
    return category("informative", "About", *values)


def cleared(classification: str = "SECRET", *held: str, readers: tuple[str, ...] = ()) -> Clearance:
    categories = (to(*readers),) if readers else ()
    return Clearance(policy="HOME", classification=classification, restrictive=held, categories=categories)


def sees(label: Label, clearance: Clearance) -> LabelRefusal | None:
    return permits(HOME, label, clearance, "xaa")


RELEASED = to("XAA", "XBB")


@pytest.mark.parametrize(
    ("label", "clearance", "expected"),
    [
        (home("GUARDED", RELEASED), cleared(readers=("XAA",)), None),
        (home("GUARDED", RELEASED), cleared(readers=("XBB", "XCC")), None),
        (home("GUARDED", RELEASED), cleared(readers=("XCC",)), LabelRefusal.NOT_RELEASABLE_TO),
        (home("GUARDED", RELEASED), cleared(), LabelRefusal.NOT_RELEASABLE_TO),  # a partner's id is no nation of HOME
        (home("GUARDED", to("XAA", "MISSION")), cleared(readers=("XAA",)),
         LabelRefusal.NOT_RELEASABLE_TO),  # two tags of one tag set: one value of each
        (home("GUARDED", to("XAA", "MISSION")), cleared(readers=("XAA", "MISSION")), None),
        (home("GUARDED", care("SOURCE")), cleared("SECRET", "SOURCE"), None),
        (home("GUARDED", care("SOURCE")), cleared("SECRET", "MEDICAL"),
         LabelRefusal.CATEGORY_NOT_HELD),
        (home("SECRET"), cleared("GUARDED"), LabelRefusal.ABOVE_CEILING),
        (home("OPEN"), cleared("GUARDED"), None),
        (home("OPEN", care("SOURCE")), cleared("SECRET", "SOURCE"),
         LabelRefusal.UNKNOWN_LABEL),  # may not stand with OPEN
        (home("GUARDED", care("CODEWORD")), cleared("SECRET", "SOURCE"),
         LabelRefusal.UNKNOWN_LABEL),
        (home("GUARDED", category("permissive", "Care", "SOURCE")), cleared("SECRET", "SOURCE"),
         LabelRefusal.UNKNOWN_LABEL),
        (home("OPEN"), cleared("SECRET", "CODEWORD"), LabelRefusal.UNKNOWN_LABEL),
        (home("OPEN"), cleared(readers=("XZZ",)), LabelRefusal.UNKNOWN_LABEL),
        (home("OPEN", about("LEGAL")), cleared("OPEN"), None),
    ],
)  # fmt: skip
def test_a_clearance_is_judged_by_every_part(label: Label, clearance: Clearance, expected: LabelRefusal | None) -> None:
    assert sees(label, clearance) is expected


def test_a_clearance_of_listed_classifications_reaches_no_other() -> None:
    sparse = Clearance(policy="HOME", classification="SECRET", classifications=("SECRET", "OPEN"))

    assert sees(home("SECRET"), sparse) is None
    assert sees(home("OPEN"), sparse) is None
    assert sees(home("GUARDED"), sparse) is LabelRefusal.ABOVE_CEILING


def test_no_clearance_holds_what_only_informs() -> None:
    holder = Clearance(policy="HOME", classification="SECRET", categories=(about("LEGAL"),))

    assert sees(home("OPEN"), holder) is LabelRefusal.UNKNOWN_LABEL


def test_a_value_of_two_restrictive_tags_is_held_only_where_it_says_of_which() -> None:
    twice = msgspec.structs.replace(
        HOME, tags=(*HOME.tags, msgspec.structs.replace(HOME.tags[0], set="More Care", name="More Care", id="2.25.1.9"))
    )
    label = home("SECRET", category("restrictive", "More Care", "MEDICAL"))
    precise = Clearance(
        policy="HOME", classification="SECRET", categories=(category("restrictive", "More Care", "MEDICAL"),)
    )
    other = Clearance(policy="HOME", classification="SECRET", categories=(care("MEDICAL"),))

    assert permits(twice, label, cleared("SECRET", "MEDICAL"), "x") is LabelRefusal.UNKNOWN_LABEL
    assert permits(twice, label, precise, "x") is None
    assert permits(twice, label, other, "x") is LabelRefusal.CATEGORY_NOT_HELD


@needs_standards
def test_the_public_food_clearances_decide_as_expected() -> None:
    policy = food()
    chocolate = by_number("food-label-milk-chocolate.xml", policy)
    held = by_number("food-clearance-all-okay.xml", policy)
    all_okay = Clearance(
        policy="Food", classification="Luxury", classifications=("Commodity", "Luxury"), categories=held.categories
    )
    intolerant = Clearance(  # as its expected marking says: Sweet Contains Peanut+Nut+Gluten Not Vegan
        policy="Food",
        classification="Luxury",
        classifications=("Commodity", "Luxury"),
        restrictive=("Peanut", "Nut", "Gluten", "Not Vegan"),
        categories=(category("permissive", "Taste Sensations", "Sweet"),),
    )

    assert permits(policy, chocolate, all_okay, "x") is None
    assert permits(policy, chocolate, intolerant, "x") is LabelRefusal.CATEGORY_NOT_HELD
    assert permits(policy, by_number("food-label-bacon.xml", policy), all_okay, "x") is LabelRefusal.NOT_RELEASABLE_TO
    assert permits(policy, by_number("food-label-water.xml", policy), all_okay, "x") is LabelRefusal.ABOVE_CEILING


@needs_standards
@pytest.mark.parametrize(
    ("classification", "categories"),
    [
        ("Commodity", [("permissive", "Taste Sensations", "Chocolate")]),  # excludedClass
        ("Luxury", []),  # requiredCategory of the classification
        ("Luxury", [("permissive", "Taste Sensations", "Crunchy")]),
        ("Luxury", [("permissive", "Taste Sensations", "Meaty", "Chocolate"), ("restrictive", "Ethics", "Not Vegan")]),
        ("Luxury", [("permissive", "Taste Sensations", "Meaty")]),  # requiredCategory of the value
        ("Luxury", [("permissive", "Taste Sensations", "Meaty"), ("restrictive", "Ethics", "Not Vegan"),
                    ("permissive", "Ethics", "British Flag")]),  # excludedCategory, the whole tag set
        ("Luxury", [("permissive", "Taste Sensations", "sweet")]),
    ],
)  # fmt: skip
def test_food_that_may_not_stand_together_is_not_understood(
    classification: str, categories: list[tuple[str, ...]]
) -> None:
    label = Label(
        policy="Food", classification=classification, categories=tuple(category(*each) for each in categories)
    )

    assert not food().knows(label)


@needs_standards
@pytest.mark.parametrize(
    ("classification", "categories", "valid"),
    [
        ("RESTRICTED", [("permissive", "Releasable To", "XAA", "XBB")], True),
        ("RESTRICTED", [("permissive", "Releasable To", "XBB")], False),
        ("RESTRICTED", [("restrictive", "Special Handling", "BRAVO")], True),
        ("RESTRICTED", [("restrictive", "Special Handling", "BRAVO"), ("permissive", "Releasable To", "XAA")], False),
        ("RESTRICTED", [("restrictive", "Special Handling", "ALPHA")], True),
        ("UNCLASSIFIED", [("restrictive", "Special Handling", "ALPHA")], False),
        ("restricted", [], False),
        ("RESTRICTED", [("informative", "Administrative", "STAFF")], True),
        ("RESTRICTED", [("restrictive", "Administrative", "STAFF")], False),
    ],
)
def test_the_example_policy_is_kept_as_expected(
    classification: str, categories: list[tuple[str, ...]], *, valid: bool
) -> None:
    label = Label(
        policy="EXAMPLE", classification=classification, categories=tuple(category(*each) for each in categories)
    )

    assert public("EXAMPLE.xml").knows(label) is valid


@needs_standards
def test_nato_compares_without_regard_to_case_and_wants_its_context() -> None:
    nato = public("nato-4774-policy.xml")
    loud = Label(policy="nato", classification="Restricted", categories=(category("permissive", "Context", "nato"),))

    assert nato.canonical(loud) == Label(
        policy="NATO", classification="RESTRICTED", categories=(category("permissive", "Context", "NATO"),)
    )
    assert not nato.knows(Label(policy="NATO", classification="RESTRICTED"))


def _nato(classification: str, *released: str) -> Label:
    context = category("permissive", "Context", "NATO", *(["Releasable"] if released else []))
    to = (category("permissive", "Releasable To", *released),) if released else ()
    return Label(policy="NATO", classification=classification, categories=(context, *to))


@needs_standards
@pytest.mark.parametrize(
    ("higher", "lower", "expected"),
    [  # the labels of table 17, and steps up and down from them
        (_nato("UNCLASSIFIED", "NATO", "ISAF", "KFOR", "RESOLUTE SUPPORT"), _nato("UNCLASSIFIED"), False),
        (_nato("UNCLASSIFIED"), _nato("UNCLASSIFIED", "NATO", "ISAF"), False),
        (_nato("RESTRICTED", "NATO", "JPN"), _nato("UNCLASSIFIED", "NATO", "JPN", "CHE"), True),
        (_nato("RESTRICTED", "NATO", "JPN", "CHE"), _nato("RESTRICTED", "NATO", "JPN"), False),
        (_nato("UNCLASSIFIED", "NATO", "JPN"), _nato("RESTRICTED", "NATO", "JPN"), False),
        (_nato("SECRET"), _nato("RESTRICTED"), True),
    ],
)
def test_labels_of_nato_dominate_by_rank_and_by_readers(higher: Label, lower: Label, *, expected: bool) -> None:
    assert dominates(public("nato-4774-policy.xml"), higher, lower) is expected


@needs_standards
def test_what_is_built_of_two_labels_of_nato_is_for_whom_both_admit() -> None:
    nato = public("nato-4774-policy.xml")
    first, second = _nato("UNCLASSIFIED", "NATO", "ISAF", "KFOR"), _nato("RESTRICTED", "NATO", "KFOR", "UKR")

    assert combine(nato, [first, second]) == nato.canonical(_nato("RESTRICTED", "NATO", "KFOR"))
    assert combine(nato, [_nato("RESTRICTED", "JPN"), _nato("RESTRICTED", "UKR")]) is None


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([], None),
        ([home("OPEN")], home("OPEN")),
        ([home("OPEN"), home("SECRET")], home("SECRET")),
        ([home("OPEN"), home("HIGHEST")], None),
        ([home("OPEN", care("MEDICAL")), home("GUARDED", care("SOURCE"))],
         home("GUARDED", care("SOURCE", "MEDICAL"))),
        ([home("OPEN", RELEASED), home("OPEN")], home("OPEN", RELEASED)),
        ([home("OPEN", RELEASED), home("OPEN", to("XBB", "XCC"))],
         home("OPEN", to("XBB"))),
        ([home("OPEN", to("XAA")), home("OPEN", to("XBB"))],
         None),
        ([home("OPEN", about("STAFF")), home("OPEN", about("LEGAL"))],
         home("OPEN", about("STAFF", "LEGAL"))),
        ([home("OPEN", care("SOURCE")), home("SECRET")], None),  # the first is not valid
    ],
)  # fmt: skip
def test_labels_combine_by_hand(labels: list[Label], expected: Label | None) -> None:
    assert combine(HOME, labels) == expected


@pytest.mark.parametrize("operation", Operation)
def test_a_requirement_that_names_nothing_is_met_by_nothing(operation: Operation) -> None:
    rules = tuple(
        msgspec.structs.replace(rule, required=(Requirement(operation=operation, groups=()),)) for rule in HOME.rules
    )

    assert not msgspec.structs.replace(HOME, rules=rules).knows(home("OPEN"))


def test_only_one_group_may_be_met_where_only_one_is_asked_for() -> None:
    groups = tuple(Group(set="Care", type=CategoryType.RESTRICTIVE, values=(value,)) for value in ("SOURCE", "MEDICAL"))
    rule = msgspec.structs.replace(HOME.rules[2], required=(Requirement(operation=Operation.ONLY_ONE, groups=groups),))
    choosy = msgspec.structs.replace(HOME, rules=(*HOME.rules[:2], rule))

    assert choosy.knows(home("SECRET", care("SOURCE")))
    assert not choosy.knows(home("SECRET"))
    assert not choosy.knows(home("SECRET", care("SOURCE", "MEDICAL")))


def test_what_may_not_stand_together_has_no_label() -> None:
    lone = msgspec.structs.replace(HOME, tags=(msgspec.structs.replace(HOME.tags[0], most=1), *HOME.tags[1:]))
    labels = [home("SECRET", care(value)) for value in ("SOURCE", "MEDICAL")]

    assert all(lone.knows(label) for label in labels)
    assert combine(lone, labels) is None


def test_a_label_that_is_not_understood_has_no_canonical_form() -> None:
    assert HOME.canonical(home("OPEN", care("SOURCE"))) is None
    assert HOME.canonical(home("OPEN", to("XBB", "XAA", "XBB"))) == home("OPEN", to("XAA", "XBB"))


def test_memories_are_bounded() -> None:
    lattice = HOME.lattice
    for number in range(MEMO_MAX + 10):
        lattice.understand(home(f"CLASS {number}"))

    assert len(lattice._labels) <= MEMO_MAX
    assert HOME.knows(home("OPEN"))
