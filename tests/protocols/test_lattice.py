"""Who may see what, what dominates what, what becomes of several labels: by hand, by public cases, by properties."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocols.label import (
    Category,
    CategoryType,
    Clearance,
    Label,
    LabelRefusal,
    Policy,
    combine,
    dominates,
    permits,
)
from protocols.lattice import MEMO_MAX, join
from tests.protocols.policies import HOME, by_number, category, food, home, needs_standards, public

PLAIN = Policy(
    name="PLAIN",
    classifications=("LOW", "MIDDLE", "HIGH"),
    restrictive=("Care", "Trade"),
    permissive=("Readers", "Also"),
    informative=("About",),
)


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


def test_what_may_not_stand_together_has_no_label() -> None:
    lone = msgspec.structs.replace(HOME, tags=(msgspec.structs.replace(HOME.tags[0], most=1), *HOME.tags[1:]))
    labels = [home("SECRET", care(value)) for value in ("SOURCE", "MEDICAL")]

    assert all(lone.knows(label) for label in labels)
    assert combine(lone, labels) is None


def test_memories_are_bounded() -> None:
    lattice = HOME.lattice
    for number in range(MEMO_MAX + 10):
        lattice.understand(home(f"CLASS {number}"))

    assert len(lattice._labels) <= MEMO_MAX
    assert HOME.knows(home("OPEN"))


def values_of(policy: Policy) -> dict[tuple[CategoryType, str], list[str]]:
    found: dict[tuple[CategoryType, str], list[str]] = {}
    for tag in policy.lattice.tags:
        names = [value.name for value in tag.values] or ["alpha", "bravo", "charlie"]
        found.setdefault((tag.type, tag.set), []).extend(names)
    return found


def labels_of(policy: Policy) -> st.SearchStrategy[Label]:
    def build(classification: str, chosen: dict[tuple[CategoryType, str], list[str]]) -> Label:
        categories = [Category(type=kind, tag=tag, values=tuple(v)) for (kind, tag), v in chosen.items() if v]
        return Label(policy=policy.name, classification=classification, categories=tuple(categories))

    chosen = st.fixed_dictionaries(
        {key: st.lists(st.sampled_from(names), unique=True, max_size=3) for key, names in values_of(policy).items()}
    )
    return st.builds(build, st.sampled_from(policy.classifications), chosen).filter(policy.knows)


def clearances_of(policy: Policy) -> st.SearchStrategy[Clearance]:
    def build(classification: str, label: Label) -> Clearance:
        held = tuple(each for each in label.categories if each.type is not CategoryType.INFORMATIVE)
        return Clearance(policy=policy.name, classification=classification, categories=held)

    return st.builds(build, st.sampled_from(policy.classifications), labels_of(policy))


HOME_LABELS, PLAIN_LABELS = labels_of(HOME), labels_of(PLAIN)
BOTH = st.one_of(
    st.tuples(st.just(HOME), st.lists(HOME_LABELS, min_size=1, max_size=4), clearances_of(HOME)),
    st.tuples(st.just(PLAIN), st.lists(PLAIN_LABELS, min_size=1, max_size=4), clearances_of(PLAIN)),
)


@given(BOTH)
def test_the_label_out_dominates_every_label_in(case: tuple[Policy, list[Label], Clearance]) -> None:
    policy, labels, clearance = case
    out = combine(policy, labels)
    assume(out is not None)

    assert out is not None
    for label in labels:
        assert dominates(policy, out, label)
        assert (
            permits(policy, out, clearance, "bravo") is not None or permits(policy, label, clearance, "bravo") is None
        )


@given(BOTH)
def test_what_dominates_is_seen_by_no_more_people(case: tuple[Policy, list[Label], Clearance]) -> None:
    policy, labels, clearance = case
    for higher in labels:
        assert dominates(policy, higher, higher)
        for lower in labels:
            if dominates(policy, higher, lower) and permits(policy, higher, clearance, "bravo") is None:
                assert permits(policy, lower, clearance, "bravo") is None


@given(BOTH, st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_matters(case: tuple[Policy, list[Label], Clearance], random: object) -> None:
    policy, labels, _ = case
    out = combine(policy, labels)
    shuffled = [*labels, *labels]
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert combine(policy, shuffled) == out
    assert combine(policy, [labels[0], labels[0]]) == policy.canonical(labels[0])
    if out is not None:
        assert combine(policy, [out, *labels]) == out


@given(st.tuples(PLAIN_LABELS, PLAIN_LABELS, PLAIN_LABELS))
def test_combining_is_associative(labels: tuple[Label, Label, Label]) -> None:
    first, second, third = labels
    left, right = combine(PLAIN, [first, second]), combine(PLAIN, [second, third])
    by_left = None if left is None else combine(PLAIN, [left, third])
    by_right = None if right is None else combine(PLAIN, [first, right])

    assert by_left == by_right == combine(PLAIN, labels)


@given(st.tuples(HOME_LABELS, HOME_LABELS, HOME_LABELS))
def test_where_parts_may_not_stand_together_grouping_may_refuse_but_never_changes_the_label(
    labels: tuple[Label, Label, Label],
) -> None:
    first, second, third = labels
    whole = combine(HOME, labels)
    for pair, rest in ((combine(HOME, [first, second]), third), (combine(HOME, [second, third]), first)):
        assert pair is None or combine(HOME, [pair, rest]) in {None, whole}


@given(st.tuples(HOME_LABELS, HOME_LABELS, HOME_LABELS))
def test_joining_marks_is_associative_and_commutative_always(labels: tuple[Label, Label, Label]) -> None:
    one, two, three = (HOME.lattice.understand(label) for label in labels)
    assert one is not None
    assert two is not None
    assert three is not None
    left, right = join(one, two), join(two, three)

    assert join(one, two) == join(two, one)
    assert join(one, one) == one
    assert (None if left is None else join(left, three)) == (None if right is None else join(one, right))


@given(BOTH)
def test_a_canonical_label_is_the_same_to_everybody(case: tuple[Policy, list[Label], Clearance]) -> None:
    policy, labels, clearance = case
    for label in labels:
        canonical = policy.canonical(label)
        assert canonical is not None
        assert policy.canonical(canonical) == canonical
        assert permits(policy, canonical, clearance, "bravo") is permits(policy, label, clearance, "bravo")


@given(PLAIN_LABELS, PLAIN_LABELS)
def test_the_same_category_twice_admits_whom_both_name(first: Label, second: Label) -> None:
    both = Label(
        policy="PLAIN", classification=first.classification, categories=(*first.categories, *second.categories)
    )
    rank = Clearance(policy="PLAIN", classification="HIGH", restrictive=("alpha", "bravo", "charlie"))
    second = msgspec.structs.replace(second, classification=first.classification)

    assert (permits(PLAIN, both, rank, "bravo") is None) == (
        permits(PLAIN, first, rank, "bravo") is None and permits(PLAIN, second, rank, "bravo") is None
    )
