"""Confidentiality labels in ADatP-4774 terms: what a message may be told to whom. Pure; fails closed.

A label is never invented: no label means no release. Dominance follows ADatP-4774 and SPIF 2.1: classification by the
policy's hierarchy, restrictive categories unite, permissive categories intersect, informative ones carry no weight.
"""

from __future__ import annotations

from enum import StrEnum

from protocols.quantity import Value


class CategoryType(StrEnum):
    """How a category's values combine (ADatP-4774, Category/@Type)."""

    RESTRICTIVE = "restrictive"
    PERMISSIVE = "permissive"
    INFORMATIVE = "informative"


class Category(Value, frozen=True):
    """One category of a label, for example permissive ``Releasable To`` with the values XAA and XBB."""

    type: CategoryType
    tag: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.tag or not self.values or not all(self.values):
            raise ValueError("a category needs a tag and values")


class Label(Value, frozen=True):
    """A confidentiality label: policy identifier, classification, categories."""

    policy: str
    classification: str
    categories: tuple[Category, ...] = ()

    def __post_init__(self) -> None:
        if not self.policy or not self.classification:
            raise ValueError("a label needs a policy and a classification")

    def __str__(self) -> str:
        marks = "".join(f" {c.tag} {', '.join(c.values)}" for c in self.categories)
        return f"{self.policy} {self.classification}{marks}"


class Policy(Value, frozen=True):
    """A security policy: its classifications from lowest to highest, and the categories it knows."""

    name: str
    classifications: tuple[str, ...]
    restrictive: tuple[str, ...] = ()
    permissive: tuple[str, ...] = ()
    informative: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        tags = (*self.restrictive, *self.permissive, *self.informative)
        if not self.name or not self.classifications or not all(self.classifications):
            raise ValueError("a policy needs a name and classifications")
        if len(set(self.classifications)) != len(self.classifications) or len(set(tags)) != len(tags):
            raise ValueError("a policy names each classification and each category once")

    def rank(self, classification: str) -> int | None:
        """Place of a classification in the hierarchy, or None when the policy does not know it."""
        return self.classifications.index(classification) if classification in self.classifications else None

    def knows(self, label: Label) -> bool:
        """Whether every part of a label is of this policy; a label with one unknown part is not understood."""
        tags = {
            CategoryType.RESTRICTIVE: self.restrictive,
            CategoryType.PERMISSIVE: self.permissive,
            CategoryType.INFORMATIVE: self.informative,
        }
        return (
            label.policy == self.name
            and label.classification in self.classifications
            and all(c.tag in tags[c.type] for c in label.categories)
        )


class Clearance(Value, frozen=True):
    """The most that a holder may see under one policy: highest classification and restrictive values held."""

    policy: str
    classification: str
    restrictive: tuple[str, ...] = ()


class LabelRefusal(StrEnum):
    """Why a label does not allow a release. Bounded."""

    UNKNOWN_LABEL = "unknown-label"
    ABOVE_CEILING = "above-ceiling"
    CATEGORY_NOT_HELD = "category-not-held"
    NOT_RELEASABLE_TO = "not-releasable-to"


def permits(policy: Policy, label: Label, clearance: Clearance, holder: str) -> LabelRefusal | None:
    """Whether a holder with this clearance may see this label; None is yes, else the reason.

    A permissive category admits only the holders it names; with no permissive category only the classification and
    the restrictive categories decide. Anything the policy does not know is refused.
    """
    ceiling = policy.rank(clearance.classification)
    if not policy.knows(label) or clearance.policy != policy.name or ceiling is None:
        return LabelRefusal.UNKNOWN_LABEL
    if policy.classifications.index(label.classification) > ceiling:
        return LabelRefusal.ABOVE_CEILING
    for category in label.categories:
        if category.type is CategoryType.RESTRICTIVE and not set(category.values) <= set(clearance.restrictive):
            return LabelRefusal.CATEGORY_NOT_HELD
        if category.type is CategoryType.PERMISSIVE and holder not in category.values:
            return LabelRefusal.NOT_RELEASABLE_TO
    return None
