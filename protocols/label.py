"""Labels under their security policy: who may see one, and what becomes of several together. Pure; fails closed.

A policy is written in a table (names only, any value of a category) or read from a SPIF (``protocols.spif``: every
value, with what it may stand beside). Whatever a policy does not know, in a label or in a clearance, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from protocols.category import Category, CategoryType, Clearance, Label, LabelRefusal
from protocols.lattice import Lattice, Understood, covers, join
from protocols.quantity import Value
from protocols.tag import PLAIN, Classification, EquivalentPolicy, Look, Tag

__all__ = [
    "Category",
    "CategoryType",
    "Clearance",
    "Label",
    "LabelRefusal",
    "Policy",
    "combine",
    "dominates",
    "permits",
]


class Policy(Value, frozen=True, dict=True, gc=True):
    """A security policy: its classifications from lowest to highest, and the categories it knows.

    ``restrictive``, ``permissive`` and ``informative`` name categories that take any value; a permissive one names
    partners by their id. The rest is what a SPIF says: ``tags`` with every value, ``rules`` of the classifications,
    ``equivalents`` in other policies. ``id`` is its OID. ``ignores_case``: its standard compares without regard to case
    (ADatP-4774 says so of the NATO policy). ``degraded``: labels with known small faults are taken
    (``protocols.label_xml``).
    """

    name: str
    classifications: tuple[str, ...]
    restrictive: tuple[str, ...] = ()
    permissive: tuple[str, ...] = ()
    informative: tuple[str, ...] = ()
    id: str | None = None
    ignores_case: bool = False
    degraded: bool = False
    tags: tuple[Tag, ...] = ()
    rules: tuple[Classification, ...] = ()
    equivalents: tuple[EquivalentPolicy, ...] = ()
    look: Look = PLAIN

    def __post_init__(self) -> None:
        open_tags = (*self.restrictive, *self.permissive, *self.informative)
        listed = [(tag.type, tag.set, value.name) for tag in self.tags for value in tag.values]
        if not self.name or not self.classifications or not all(self.classifications):
            raise ValueError("a policy needs a name and classifications")
        if self.ignores_case:
            listed = [(kind, of, name.upper()) for kind, of, name in listed]
        sets = {tag.set for tag in self.tags}
        if any(len(set(names)) != len(names) for names in (self._compared, open_tags, listed)) or sets & set(open_tags):
            raise ValueError("a policy names each classification and each category once")
        if not all(tag.values for tag in self.tags):
            raise ValueError("a tag of a policy lists its values")
        try:
            self.lattice  # noqa: B018  every reference is followed here, so that none fails while deciding
        except KeyError:
            raise ValueError("a policy refers to a classification or value that it does not have") from None

    @property
    def _compared(self) -> tuple[str, ...]:
        return tuple(name.upper() for name in self.classifications) if self.ignores_case else self.classifications

    @cached_property
    def lattice(self) -> Lattice:
        """The policy made ready for decisions."""
        named = {
            CategoryType.RESTRICTIVE: self.restrictive,
            CategoryType.PERMISSIVE: self.permissive,
            CategoryType.INFORMATIVE: self.informative,
        }
        unlisted = [Tag(set=name, name=name, type=kind, values=()) for kind, names in named.items() for name in names]
        tags = (*self.tags, *unlisted)
        return Lattice(self.name, self.classifications, self.rules, tags, ignores_case=self.ignores_case)

    def is_called(self, name: str) -> bool:
        """Whether a label with this policy identifier means this policy."""
        return self.lattice.is_called(name)

    def rank(self, classification: str) -> int | None:
        """Place of a classification in the hierarchy, or None when the policy does not know it."""
        return self.lattice.rank(classification)

    def knows(self, label: Label) -> bool:
        """Whether every part of a label is of this policy and may stand beside the others."""
        return self.lattice.understand(label) is not None

    def canonical(self, label: Label) -> Label | None:
        """A label in the policy's own spelling and order; None when the policy does not know it."""
        understood = self.lattice.understand(label)
        return None if understood is None else self.lattice.label(understood)


def permits(policy: Policy, label: Label, clearance: Clearance, holder: str) -> LabelRefusal | None:
    """Whether a holder with this clearance may see this label; None is yes, else the reason.

    Of each permissive category at least one value must be the holder's: in the clearance, or, where the policy does not
    list the values, the holder's partner id. With no permissive category only the classification and the restrictive
    categories decide. Anything the policy does not know is refused.
    """
    return policy.lattice.judge(label, clearance, holder)


def dominates(policy: Policy, higher: Label, lower: Label) -> bool:
    """Whether everybody who may see ``higher`` may see ``lower``; false where the policy does not know both."""
    above, below = policy.lattice.understand(higher), policy.lattice.understand(lower)
    return above is not None and below is not None and covers(above, below)


def combine(policy: Policy, labels: Iterable[Label]) -> Label | None:
    """The label of something that was built of several; it dominates each of them.

    None when there is none: no labels, one that the policy does not know, nobody left whom all admit, or parts that may
    not stand together. What it is built of must then be withheld.
    """
    joined: Understood | None = None
    for label in labels:
        understood = policy.lattice.understand(label)
        if understood is None:
            return None
        joined = understood if joined is None else join(joined, understood)
        if joined is None:
            return None
    if joined is None:
        return None
    result = policy.lattice.label(joined)
    return result if policy.knows(result) else None
