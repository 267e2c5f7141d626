"""Confidentiality labels in ADatP-4774 terms: what a message is marked with, and what a holder is cleared for. Pure.

A label is never invented: no label means no release. What a label allows is for its policy to say
(``protocols.label``); here is only what one is made of.
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
    """One category of a label, for example permissive ``Releasable To`` with the values XAA and XBB.

    ``tag`` is the name of the policy's tag set (ADatP-4774, Category/@TagName).
    """

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


class Clearance(Value, frozen=True):
    """The most that a holder may see under one policy: highest classification, and the values held.

    ``restrictive`` names values of whatever restrictive category has them; ``categories`` says of which category a
    value is held, restrictive or permissive, as it must where a policy has one value twice. ``classifications`` limits
    a clearance to these and nothing between; empty is everything up to ``classification``.
    """

    policy: str
    classification: str
    restrictive: tuple[str, ...] = ()
    categories: tuple[Category, ...] = ()
    classifications: tuple[str, ...] = ()


class LabelRefusal(StrEnum):
    """Why a label does not allow a release. Bounded."""

    UNKNOWN_LABEL = "unknown-label"
    ABOVE_CEILING = "above-ceiling"
    CATEGORY_NOT_HELD = "category-not-held"
    NOT_RELEASABLE_TO = "not-releasable-to"
