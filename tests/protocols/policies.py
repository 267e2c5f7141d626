"""Policies and labels for tests: our own fixtures, and the public samples where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocols.label import Category, CategoryType, Label, Policy
from protocols.spif import read_spif
from protocols.xml import parse

FIXTURES = Path(__file__).parents[1] / "fixtures" / "labels"
STANDARDS = Path(__file__).parents[2].parent / "shared" / "standards" / "labels"
needs_standards = pytest.mark.skipif(not STANDARDS.is_dir(), reason="the third-party samples are not here")

HOME = read_spif((FIXTURES / "home.spif.xml").read_bytes())
AWAY = read_spif((FIXTURES / "away.spif.xml").read_bytes())
THIRD = read_spif((FIXTURES / "third.spif.xml").read_bytes())
_SPIFFY = "{http://surevine.com/xmlns/spiffy}"


def category(kind: str, tag: str, *values: str) -> Category:
    """A category in one line."""
    return Category(type=CategoryType(kind), tag=tag, values=values)


def home(classification: str, *categories: Category) -> Label:
    """A label of the policy HOME."""
    return Label(policy="HOME", classification=classification, categories=categories)


def public(name: str) -> Policy:
    """A public SPIF, as it is."""
    return read_spif((STANDARDS / "spif" / name).read_bytes())


def food() -> Policy:
    """The public food policy with what keeps it from being a SPIF put right: its one namespace, version and typo."""
    text = (STANDARDS / "spif" / "food-policy.xml").read_text()
    for wrong, right in (
        ("<SPIF>", '<SPIF xmlns="http://www.xmlspif.org/spif" schemaVersion="2.1">'),
        ("</securityCategiryTagSet>", "</securityCategoryTagSet>"),
        ("<markingQualifier code=", "<markingQualifier markingCode="),
    ):
        assert wrong in text
        text = text.replace(wrong, right)
    return read_spif(text.encode())


def by_number(name: str, policy: Policy) -> Label:
    """A public label or clearance that names everything by number, in words."""
    root = parse((STANDARDS / "samples" / name).read_bytes())
    assert root.find(f"{_SPIFFY}policy").get("id") == policy.id  # type: ignore[union-attr]
    numbers = {rule.lacv: rule.name for rule in policy.rules}
    found = []
    for element in root.findall(f"{_SPIFFY}tag"):
        kind = str(element.get("type"))
        weight = CategoryType(kind.removeprefix("enumerated").lower())
        where = (element.get("id"), weight, kind.startswith("enumerated"))
        tags = [tag for tag in policy.tags if (tag.id, tag.type, tag.enumerated) == where]
        number = int(str(element.get("lacv")))
        found += [(tag.set, weight, value.name) for tag in tags for value in tag.values if value.lacv == number]
    merged: dict[tuple[CategoryType, str], list[str]] = {}
    for of, weight, value in found:
        merged.setdefault((weight, of), []).append(value)
    classification = int(str(root.findall(f"{_SPIFFY}classification")[0].get("lacv")))
    categories = (Category(type=kind, tag=tag, values=tuple(values)) for (kind, tag), values in merged.items())
    return Label(policy=policy.name, classification=numbers[classification], categories=tuple(categories))
