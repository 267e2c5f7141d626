"""Labels fail closed: what is not known, not held or not named is not released."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.label import Category, CategoryType, Clearance, Label, LabelRefusal, Policy, permits
from protocols.message import from_json
from tests.protocols.strategies import labels

MISSION = Policy(
    name="MISSION",
    classifications=("UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL"),
    restrictive=("Sensitivity",),
    permissive=("Releasable To", "Also To"),
    informative=("Context",),
)
RANKS = MISSION.classifications


def label(classification: str = "RESTRICTED", *categories: Category) -> Label:
    return Label(policy="MISSION", classification=classification, categories=categories)


def cleared(classification: str = "CONFIDENTIAL", *held: str) -> Clearance:
    return Clearance(policy="MISSION", classification=classification, restrictive=held)


def restrictive(*values: str) -> Category:
    return Category(type=CategoryType.RESTRICTIVE, tag="Sensitivity", values=values)


def permissive(*values: str, tag: str = "Releasable To") -> Category:
    return Category(type=CategoryType.PERMISSIVE, tag=tag, values=values)


@pytest.mark.parametrize("of_label", RANKS)
@pytest.mark.parametrize("of_holder", RANKS)
def test_classification_is_judged_by_the_hierarchy(of_label: str, of_holder: str) -> None:
    allowed = {  # written out by hand: (label, holder)
        ("UNCLASSIFIED", "UNCLASSIFIED"),
        ("UNCLASSIFIED", "RESTRICTED"),
        ("UNCLASSIFIED", "CONFIDENTIAL"),
        ("RESTRICTED", "RESTRICTED"),
        ("RESTRICTED", "CONFIDENTIAL"),
        ("CONFIDENTIAL", "CONFIDENTIAL"),
    }
    expected = None if (of_label, of_holder) in allowed else LabelRefusal.ABOVE_CEILING

    assert permits(MISSION, label(of_label), cleared(of_holder), "bravo") is expected


@pytest.mark.parametrize(
    ("marked", "holder"),
    [
        (Label(policy="NATO", classification="RESTRICTED"), cleared()),
        (label("SECRET"), cleared()),
        (label("restricted"), cleared()),  # a policy's words are exact
        (label("RESTRICTED", Category(type=CategoryType.RESTRICTIVE, tag="Atomal", values=("x",))), cleared()),
        (label("RESTRICTED", Category(type=CategoryType.INFORMATIVE, tag="Releasable To", values=("x",))), cleared()),
        (label("RESTRICTED", Category(type=CategoryType.PERMISSIVE, tag="Context", values=("bravo",))), cleared()),
        (label(), Clearance(policy="NATO", classification="CONFIDENTIAL")),
        (label(), Clearance(policy="MISSION", classification="COSMIC")),
    ],
    ids=["policy", "classification", "case", "tag", "tag of another type", "type of another tag", "their policy",
         "their rank"],
)  # fmt: skip
def test_what_the_policy_does_not_know_is_refused(marked: Label, holder: Clearance) -> None:
    assert permits(MISSION, marked, holder, "bravo") is LabelRefusal.UNKNOWN_LABEL


def test_every_restrictive_value_must_be_held() -> None:
    both = label("RESTRICTED", restrictive("MEDICAL", "SOURCE"))

    assert permits(MISSION, both, cleared("CONFIDENTIAL", "MEDICAL", "SOURCE"), "bravo") is None
    assert permits(MISSION, both, cleared("CONFIDENTIAL", "MEDICAL"), "bravo") is LabelRefusal.CATEGORY_NOT_HELD
    assert permits(MISSION, both, cleared(), "bravo") is LabelRefusal.CATEGORY_NOT_HELD


def test_a_permissive_category_admits_only_whom_it_names() -> None:
    named = label("RESTRICTED", permissive("bravo", "delta"))

    assert permits(MISSION, named, cleared(), "bravo") is None
    assert permits(MISSION, named, cleared(), "charlie") is LabelRefusal.NOT_RELEASABLE_TO
    assert permits(MISSION, named, cleared(), "brav") is LabelRefusal.NOT_RELEASABLE_TO


def test_permissive_categories_intersect() -> None:
    twice = label("RESTRICTED", permissive("bravo", "charlie"), permissive("bravo", "delta", tag="Also To"))

    assert permits(MISSION, twice, cleared(), "bravo") is None
    assert permits(MISSION, twice, cleared(), "charlie") is LabelRefusal.NOT_RELEASABLE_TO
    assert permits(MISSION, twice, cleared(), "delta") is LabelRefusal.NOT_RELEASABLE_TO


def test_an_informative_category_carries_no_weight() -> None:
    context = Category(type=CategoryType.INFORMATIVE, tag="Context", values=("exercise",))

    assert permits(MISSION, label("RESTRICTED", context), cleared(), "bravo") is None


def test_the_classification_is_judged_before_the_categories() -> None:
    marked = label("CONFIDENTIAL", restrictive("MEDICAL"), permissive("delta"))

    assert permits(MISSION, marked, cleared("RESTRICTED"), "bravo") is LabelRefusal.ABOVE_CEILING


@given(labels, st.lists(st.text(max_size=5), max_size=3))
def test_a_label_of_strangers_is_never_permitted(marked: Label, held: list[str]) -> None:
    holder = Clearance(policy=marked.policy, classification=marked.classification, restrictive=tuple(held))

    assert permits(MISSION, marked, holder, "bravo") is LabelRefusal.UNKNOWN_LABEL


@given(st.sampled_from(RANKS), st.sets(st.sampled_from("ABC")), st.sets(st.sampled_from("ABC")))
def test_more_marks_never_release_more(rank: str, marks: set[str], held: set[str]) -> None:
    holder = cleared("RESTRICTED", *held)
    plain = permits(MISSION, label(rank), holder, "bravo")
    marked = permits(MISSION, label(rank, *([restrictive(*sorted(marks))] if marks else [])), holder, "bravo")

    assert marked is None or marks - held or plain is not None
    assert plain is None or marked is not None


@pytest.mark.parametrize(
    "fault",
    [{"policy": "", "classification": "X"}, {"policy": "P", "classification": ""}],
    ids=["no policy", "no classification"],
)
def test_a_label_without_its_parts_is_refused(fault: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="policy and a classification"):
        Label(**fault)  # type: ignore[arg-type]


@pytest.mark.parametrize(("tag", "values"), [("", ("x",)), ("Releasable To", ()), ("Releasable To", ("",))])
def test_a_category_without_tag_or_values_is_refused(tag: str, values: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="tag and values"):
        Category(type=CategoryType.PERMISSIVE, tag=tag, values=values)


@pytest.mark.parametrize(
    "fault",
    [
        {"name": "", "classifications": ("A",)},
        {"name": "P", "classifications": ()},
        {"name": "P", "classifications": ("A", "")},
        {"name": "P", "classifications": ("A", "B", "A")},
        {"name": "P", "classifications": ("A",), "restrictive": ("T",), "informative": ("T",)},
    ],
    ids=str,
)
def test_a_policy_that_says_two_things_is_refused(fault: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match="policy"):
        Policy(**fault)  # type: ignore[arg-type]


def test_no_message_has_a_label_that_nobody_gave() -> None:
    bare = b'{"id":"1","subject":"s","body":{"kind":"chat","text":"x"},"source":{"format":"cot"}}'

    assert from_json(bare).label is None


def test_a_label_reads_as_people_write_it() -> None:
    assert str(label("RESTRICTED", permissive("bravo", "delta"))) == "MISSION RESTRICTED Releasable To bravo, delta"
