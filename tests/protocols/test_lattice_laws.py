"""Dominance and combination as laws: what holds for every label of a policy with rules, and of one without."""

from __future__ import annotations

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from protocols.label import Category, CategoryType, Clearance, Label, Policy, combine, dominates, permits
from protocols.lattice import join
from tests.protocols.policies import HOME

PLAIN = Policy(
    name="PLAIN",
    classifications=("LOW", "MIDDLE", "HIGH"),
    restrictive=("Care", "Trade"),
    permissive=("Readers", "Also"),
    informative=("About",),
)


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
