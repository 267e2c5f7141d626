"""Markings word for word as the policies' authors expect them, and as our own fixtures say by hand."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from protocols.category import Clearance, Label
from protocols.label import Policy
from protocols.label_xml import read_label
from protocols.marking import clearance_marking, marking
from tests.protocols.policies import HOME, STANDARDS, by_number, category, food, home, needs_standards, public

_TEST = re.compile(r"<test ([^>]*)/>")
_ATTRIBUTE = re.compile(r"""([\w:-]+)=(["'])(.*?)\2""")


class Expected(NamedTuple):
    """One line of the public list of expected markings."""

    label: str
    language: str | None
    marking: str | None


def _expected() -> list[Expected]:
    path = STANDARDS / "expected-markings.xml"
    lines = _TEST.findall(path.read_text()) if path.is_file() else []
    found = []
    for line in lines:
        said = {name: value for name, _, value in _ATTRIBUTE.findall(line)}
        if said.get("valid") == "true" and "tlpx" not in said["label"]:  # the policy TLPX itself is not public here
            found.append(Expected(said["label"], said.get("xml:lang"), said.get("label-marking")))
    return found


def _sample(name: str) -> tuple[Policy, Label]:
    policy = food() if name.startswith("food") else public("nato-4774-policy.xml")
    if name.endswith(".nato"):
        path = STANDARDS / "samples" / name.replace(".nato", ".slab.xml")
        return policy, read_label(path.read_bytes()).label
    return policy, by_number(name.replace(".xml", _ending(name)), policy)


def _ending(name: str) -> str:
    return ".spiffy.xml" if name.startswith("nato") else ".xml"


@needs_standards
@pytest.mark.parametrize("expected", _expected(), ids=lambda each: f"{each.label} {each.language}")
def test_a_public_label_is_valid_and_marked_as_its_policys_author_expects(expected: Expected) -> None:
    policy, label = _sample(expected.label)

    assert policy.knows(label)
    if expected.marking is not None:
        assert marking(policy, label, expected.language) == expected.marking


@needs_standards
def test_the_whole_list_of_expected_markings_is_tried() -> None:
    assert len(_expected()) == 15


@needs_standards
@pytest.mark.parametrize(
    ("language", "staff", "expected"),
    [
        (None, False, "EXAMPLE RESTRICTED ALPHA REL TO XAA, XBB"),
        ("fr", False, "EXAMPLE RESTREINT ALPHA REL TO XAA, XBB"),
        (None, True, "EXAMPLE RESTRICTED ALPHA REL TO XAA, XBB STAFF"),
    ],
)
def test_the_example_label_is_marked_as_expected(language: str | None, expected: str, *, staff: bool) -> None:
    label = read_label((STANDARDS / "samples" / "EXAMPLE-restricted.slab.xml").read_bytes()).label
    more = (category("informative", "Administrative", "STAFF"),) if staff else ()
    label = Label(policy=label.policy, classification=label.classification, categories=(*label.categories, *more))

    assert marking(public("EXAMPLE.xml"), label, language) == expected


@needs_standards
def test_a_tlp_label_is_marked_as_expected() -> None:
    label = Label(
        policy="TLP",
        classification="AMBER",
        categories=(
            category("permissive", "Additional Information", "EU"),
            category("informative", "Additional Information", "Extra", "Foreign"),
        ),
    )

    assert marking(public("tlp.xml"), label) == "TLP:AMBER [REGION=EU] [Additional Handling May Apply]/[Imported Data]"


@needs_standards
def test_a_clearance_is_marked_as_expected() -> None:
    intolerant = Clearance(
        policy="Food",
        classification="Luxury",
        classifications=("Commodity", "Luxury"),
        restrictive=("Peanut", "Nut", "Gluten", "Not Vegan"),
        categories=(category("permissive", "Taste Sensations", "Sweet"),),
    )

    expected = "[ {Commodity|Luxury} Sweet Contains Peanut+Nut+Gluten Not Vegan ]"
    assert clearance_marking(food(), intolerant) == expected


@needs_standards
def test_top_secret_of_nato_is_cosmic() -> None:
    label = Label(policy="NATO", classification="TOP SECRET", categories=(category("permissive", "Context", "NATO"),))

    assert marking(public("nato-4774-policy.xml"), label) == "COSMIC TOP SECRET"


@pytest.mark.parametrize(
    ("label", "language", "expected"),
    [
        (home("OPEN"), None, "HOME OPEN"),
        (home("GUARDED"), "fr-CA", "HOME RESERVE"),
        (home("GUARDED"), "de", "HOME GUARDED"),
        (home("OPEN", category("permissive", "Release", "XBB", "XAA")), None, "HOME OPEN FOR XAA, XBB"),
        (home("OPEN", category("permissive", "Release", "XAA")), "fr", "HOME OPEN POUR XAA"),
        (home("OPEN", category("restrictive", "Care", "HOME ONLY", "MEDICAL")), None, "HOME OPEN MEDICAL/HOME ONLY"),
        (home("NOWHERE"), None, None),
    ],
)
def test_phrases_are_chosen_by_language_and_stand_in_the_order_of_the_policy(
    label: Label, language: str | None, expected: str | None
) -> None:
    assert marking(HOME, label, language) == expected


def test_a_policy_from_a_table_is_marked_with_the_names_of_its_categories() -> None:
    mission = Policy(name="MISSION", classifications=("OPEN", "CLOSED"), permissive=("Releasable To",))
    label = Label(
        policy="MISSION",
        classification="CLOSED",
        categories=(category("permissive", "Releasable To", "bravo", "alpha"),),
    )

    assert marking(mission, label) == "MISSION CLOSED Releasable To alpha, bravo"


def test_what_a_policy_does_not_know_is_not_marked() -> None:
    assert clearance_marking(HOME, Clearance(policy="HOME", classification="HIGHEST")) is None
    assert clearance_marking(HOME, Clearance(policy="HOME", classification="GUARDED")) == "{OPEN|GUARDED}"
