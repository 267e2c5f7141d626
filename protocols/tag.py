"""What a security policy says of its classifications and tags, in the terms of the Open XML SPIF 2.1. Pure data.

Within a policy every reference is by name, for that is what a label carries; only what refers to another policy keeps
that policy's numbers (``lacv``), because its names are not known until its own file is read.
"""

from __future__ import annotations

from enum import StrEnum

from protocols.category import CategoryType
from protocols.quantity import Value

CODES = frozenset(
    {
        "pageTop", "pageBottom", "pageTopBottom", "documentStart", "documentEnd", "noNameDisplay", "noMarkingDisplay",
        "suppressClassName", "firstLineOfText", "lastLineOfText", "subject", "xHeader", "portionMarking", "inputTitle",
        "waterMark", "replacePolicy",
    }
)  # fmt: skip
PARTS = frozenset({"prefix", "suffix", "separator"})


class Operation(StrEnum):
    """How many of the groups that a requirement names must be met."""

    ONLY_ONE = "onlyOne"
    ONE_OR_MORE = "oneOrMore"
    ALL = "all"


class Applied(StrEnum):
    """When an equivalence holds: ``encrypt`` out of the policy that states it, ``decrypt`` into it, or both."""

    ENCRYPT = "encrypt"
    DECRYPT = "decrypt"
    BOTH = "both"


class Group(Value, frozen=True):
    """Values of one tag set; a label meets it with any of them."""

    set: str
    type: CategoryType
    values: tuple[str, ...]


class Requirement(Value, frozen=True):
    """What must stand in a label beside the classification or value that requires it."""

    operation: Operation
    groups: tuple[Group, ...]


class ForeignValue(Value, frozen=True):
    """A value of another policy: its tag set (``set`` by name or ``set_id`` by OID), its kind of tag, its number."""

    type: CategoryType
    lacv: int
    enumerated: bool = False
    set: str | None = None
    set_id: str | None = None


class EquivalentValue(Value, frozen=True):
    """What a value is in the policy with this OID (SPIF ``equivalentSecCategoryTag``); without a value, nothing."""

    policy: str
    applied: Applied
    value: ForeignValue | None = None


class EquivalentClass(Value, frozen=True):
    """What a classification is in another policy, named by its OID, and which values come with it there."""

    policy: str
    lacv: int
    applied: Applied
    required: tuple[ForeignValue, ...] = ()


class EquivalentPolicy(Value, frozen=True):
    """Another policy that this one has equivalents in, and which values every label has there."""

    name: str
    id: str
    required: tuple[ForeignValue, ...] = ()


class Phrase(Value, frozen=True):
    """How something is shown, where (``codes``) and in which language (None: in every other). No text: its name."""

    codes: tuple[str, ...]
    text: str | None = None
    language: str | None = None


class Qualifier(Value, frozen=True):
    """What stands before (``prefix``), after (``suffix``) or between (``separator``) the values that are shown."""

    part: str
    text: str
    language: str | None = None


class Look(Value, frozen=True):
    """How something of a policy is marked (SPIF ``markingData`` and ``markingQualifier``)."""

    phrases: tuple[Phrase, ...] = ()
    qualifiers: tuple[Qualifier, ...] = ()


PLAIN = Look()


class TagValue(Value, frozen=True):
    """One value of a tag (SPIF ``tagCategory``): with which classifications and values it may stand."""

    name: str
    lacv: int | None = None
    excluded_classes: tuple[str, ...] = ()
    required_class: str | None = None
    required: tuple[Requirement, ...] = ()
    excluded: tuple[Group, ...] = ()
    equivalents: tuple[EquivalentValue, ...] = ()
    look: Look = PLAIN


class Tag(Value, frozen=True):
    """One tag of a tag set. ``set`` is the name that labels use; ``most`` and ``least`` bound how many values stand."""

    set: str
    name: str
    type: CategoryType
    values: tuple[TagValue, ...]
    id: str | None = None
    enumerated: bool = False
    most: int | None = None
    least: int = 0
    look: Look = PLAIN


class Classification(Value, frozen=True):
    """What a policy says of one of its classifications beyond its place in the hierarchy."""

    name: str
    lacv: int | None = None
    required: tuple[Requirement, ...] = ()
    equivalents: tuple[EquivalentClass, ...] = ()
    look: Look = PLAIN
