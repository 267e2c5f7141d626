"""A security policy made ready for decisions: labels and clearances as sets of marks, compared and joined. Pure.

The order is the one of ADatP-4774.1, section 4.4, where it narrows: classification by the hierarchy, restrictive
values unite, permissive values intersect, informative ones unite and carry no weight. Where that section would drop a
permissive tag (it is missing in one label, or nobody is left in it) this keeps the tag, or gives no label at all: a
label without the tag would be for everybody.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from protocols.category import Category, CategoryType, Clearance, Label, LabelRefusal
from protocols.tag import Classification, Group, Operation, Requirement, Tag, TagValue

MEMO_MAX = 4_096  # labels and clearances remembered; past that they are understood again
_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


class Mark(NamedTuple):
    """One value of one tag; sorts in the order of the policy."""

    tag: int
    place: int
    name: str


class Audience(NamedTuple):
    """Whom one permissive tag admits: holders of a mark, or, in a tag without a list, partners by their id."""

    tag: int
    marks: frozenset[Mark]
    partners: frozenset[str]


class Understood(NamedTuple):
    """A label whose every part its policy knows."""

    rank: int
    restrictive: frozenset[Mark]
    audiences: tuple[Audience, ...]
    informative: frozenset[Mark]

    def marks(self) -> frozenset[Mark]:
        """Every mark of the label."""
        return self.restrictive.union(self.informative, *(audience.marks for audience in self.audiences))


class Held(NamedTuple):
    """A clearance whose every part its policy knows; ``ranks`` None is every rank up to the ceiling."""

    ceiling: int
    ranks: frozenset[int] | None
    marks: frozenset[Mark]


class _Terms(NamedTuple):
    """With what a value or classification may stand."""

    excluded_ranks: frozenset[int] = frozenset()
    required_rank: int | None = None
    excluded: frozenset[Mark] = frozenset()
    required: tuple[tuple[Operation, tuple[frozenset[Mark], ...]], ...] = ()


class Lattice:
    """The decisions of one policy. ``tags`` without values take any value, as a policy without a SPIF does."""

    def __init__(
        self,
        name: str,
        classifications: Sequence[str],
        rules: Iterable[Classification],
        tags: Sequence[Tag],
        *,
        ignores_case: bool,
    ) -> None:
        self._ignores_case = ignores_case
        self._name = self._fold(name)
        self._names = (name, tuple(classifications))
        self._ranks = {self._fold(each): rank for rank, each in enumerate(classifications)}
        self.tags = tuple(tags)
        self._values: dict[tuple[CategoryType, str], dict[str, Mark]] = {}
        self._open: dict[tuple[CategoryType, str], int] = {}
        for number, tag in enumerate(tags):
            listed = self._values.setdefault((tag.type, tag.set), {})
            listed |= {self._fold(v.name): Mark(number, place, v.name) for place, v in enumerate(tag.values)}
            if not tag.values:
                self._open[tag.type, tag.set] = number
        self._of_class = {self._ranks[self._fold(each.name)]: self._requires(each.required) for each in rules}
        self._of_mark = {
            Mark(number, place, value.name): self._terms(value)
            for number, tag in enumerate(tags)
            for place, value in enumerate(tag.values)
        }
        self._bounds = tuple((n, t.least, t.most) for n, t in enumerate(tags) if t.least or t.most is not None)
        self._labels: dict[Label, Understood | None] = {}
        self._clearances: dict[Clearance, Held | None] = {}

    def is_called(self, name: str) -> bool:
        """Whether this is the policy of that name."""
        return self._fold(name) == self._name

    def rank(self, classification: str) -> int | None:
        """Place of a classification in the hierarchy, or None when the policy does not know it."""
        return self._ranks.get(self._fold(classification))

    def understand(self, label: Label) -> Understood | None:
        """A label as marks; None when any part is unknown, or the parts may not stand together."""
        try:
            return self._labels[label]
        except KeyError:
            read = self._read(label)
            return _remember(self._labels, label, read if read is not None and self._stands(read) else None)

    def hold(self, clearance: Clearance) -> Held | None:
        """A clearance as marks; None when any part is unknown or ambiguous."""
        try:
            return self._clearances[clearance]
        except KeyError:
            return _remember(self._clearances, clearance, self._held(clearance))

    def judge(self, label: Label, clearance: Clearance, holder: str) -> LabelRefusal | None:
        """Whether a partner with this clearance may see this label; None is yes, else the reason."""
        understood, held = self.understand(label), self.hold(clearance)
        if understood is None or held is None:
            return LabelRefusal.UNKNOWN_LABEL
        if understood.rank > held.ceiling or (held.ranks is not None and understood.rank not in held.ranks):
            return LabelRefusal.ABOVE_CEILING
        if not understood.restrictive <= held.marks:
            return LabelRefusal.CATEGORY_NOT_HELD
        for audience in understood.audiences:
            if audience.marks.isdisjoint(held.marks) and self._fold(holder) not in audience.partners:
                return LabelRefusal.NOT_RELEASABLE_TO
        return None

    def label(self, understood: Understood) -> Label:
        """The label of these marks: the policy's own spelling, in the policy's order, each value once."""
        grouped: dict[tuple[CategoryType, str], list[str]] = {}
        for mark in sorted(understood.marks()):
            tag = self.tags[mark.tag]
            grouped.setdefault((tag.type, tag.set), []).append(mark.name)
        categories = (Category(type=kind, tag=name, values=tuple(values)) for (kind, name), values in grouped.items())
        name, classifications = self._names
        return Label(policy=name, classification=classifications[understood.rank], categories=tuple(categories))

    def _fold(self, text: str) -> str:
        """A text as it is compared. Only ASCII letters: any wider folding would make strangers equal (K, U+212A)."""
        return text.translate(_UPPER) if self._ignores_case else text

    def _read(self, label: Label) -> Understood | None:
        rank = self._ranks.get(self._fold(label.classification))
        if rank is None or not self.is_called(label.policy):
            return None
        weights: dict[CategoryType, set[Mark]] = {kind: set() for kind in CategoryType}
        audiences: dict[int, Audience] = {}
        for category in label.categories:
            marks = self._marks(category)
            if marks is None:
                return None
            if category.type is not CategoryType.PERMISSIVE:
                weights[category.type] |= marks
                continue
            for audience in self._audiences(marks):  # the same tag twice admits whom both name
                met = _meet(audiences.get(audience.tag), audience)
                if not met.marks:
                    return None
                audiences[audience.tag] = met
        restrictive, informative = weights[CategoryType.RESTRICTIVE], weights[CategoryType.INFORMATIVE]
        in_order = tuple(audiences[tag] for tag in sorted(audiences))
        return Understood(rank, frozenset(restrictive), in_order, frozenset(informative))

    def _marks(self, category: Category) -> frozenset[Mark] | None:
        """The marks of a category; None when the policy does not know it or one of its values."""
        key = (category.type, category.tag)
        listed = self._values.get(key)
        if listed is None:
            return None
        number = self._open.get(key)
        found = set()
        for value in category.values:
            folded = self._fold(value)
            mark = listed.get(folded) or (None if number is None else Mark(number, 0, folded))
            if mark is None:
                return None
            found.add(mark)
        return frozenset(found)

    def _audiences(self, marks: Iterable[Mark]) -> Iterator[Audience]:
        by_tag: dict[int, set[Mark]] = {}
        for mark in marks:
            by_tag.setdefault(mark.tag, set()).add(mark)
        for tag, group in by_tag.items():
            partners = frozenset() if self.tags[tag].values else frozenset(mark.name for mark in group)
            yield Audience(tag, frozenset(group), partners)

    def _held(self, clearance: Clearance) -> Held | None:
        ceiling = self.rank(clearance.classification)
        ranks = [self.rank(each) for each in clearance.classifications]
        if ceiling is None or None in ranks or not self.is_called(clearance.policy):
            return None
        marks: set[Mark] = set()
        for category in clearance.categories:
            named = None if category.type is CategoryType.INFORMATIVE else self._marks(category)
            if named is None:
                return None
            marks |= named
        for value in clearance.restrictive:
            listed = self._anywhere(value)
            if listed is None:
                return None
            marks |= listed
        return Held(ceiling, frozenset(rank for rank in ranks if rank is not None) or None, frozenset(marks))

    def _anywhere(self, value: str) -> set[Mark] | None:
        """A restrictive value of whatever tag; None when no tag has it, or two list it."""
        folded, kind = self._fold(value), CategoryType.RESTRICTIVE
        listed = {marks[folded] for (of, _), marks in self._values.items() if of is kind and folded in marks}
        unlisted = {Mark(number, 0, folded) for (of, _), number in self._open.items() if of is kind}
        return listed | unlisted if len(listed) <= 1 and (listed or unlisted) else None

    def _stands(self, label: Understood) -> bool:
        """Whether the parts of a label may stand together (ADatP-4774.1, section 3.3)."""
        marks = label.marks()
        if not _meets(self._of_class.get(label.rank, ()), marks):
            return False
        for mark in marks:
            terms = self._of_mark.get(mark, _FREE)
            if label.rank in terms.excluded_ranks or terms.required_rank not in (None, label.rank):
                return False
            if not terms.excluded.isdisjoint(marks) or not _meets(terms.required, marks):
                return False
        for tag, least, most in self._bounds:
            count = sum(mark.tag == tag for mark in marks)
            if count < least or (most is not None and count > most):
                return False
        return True

    def _terms(self, value: TagValue) -> _Terms:
        excluded = frozenset[Mark]().union(*(self._group(group) for group in value.excluded))
        required_rank = None if value.required_class is None else self._ranks[self._fold(value.required_class)]
        ranks = frozenset(self._ranks[self._fold(name)] for name in value.excluded_classes)
        return _Terms(ranks, required_rank, excluded, self._requires(value.required))

    def _requires(self, required: Iterable[Requirement]) -> tuple[tuple[Operation, tuple[frozenset[Mark], ...]], ...]:
        return tuple((each.operation, tuple(self._group(group) for group in each.groups)) for each in required)

    def _group(self, group: Group) -> frozenset[Mark]:
        listed = self._values[group.type, group.set]
        return frozenset(listed[self._fold(value)] for value in group.values)


_FREE = _Terms()


def join(first: Understood, second: Understood) -> Understood | None:
    """What both labels ask for together; None when nobody is left whom both admit."""
    audiences = {audience.tag: audience for audience in first.audiences}
    for audience in second.audiences:
        met = _meet(audiences.get(audience.tag), audience)
        if not met.marks:
            return None
        audiences[audience.tag] = met
    return Understood(
        max(first.rank, second.rank),
        first.restrictive | second.restrictive,
        tuple(audiences[tag] for tag in sorted(audiences)),
        first.informative | second.informative,
    )


def covers(higher: Understood, lower: Understood) -> bool:
    """Whether everybody who may see ``higher`` may see ``lower``."""
    admitted = {audience.tag: audience.marks for audience in higher.audiences}
    return (
        higher.rank >= lower.rank
        and higher.restrictive >= lower.restrictive
        and all(audience.tag in admitted and admitted[audience.tag] <= audience.marks for audience in lower.audiences)
    )


def _meet(first: Audience | None, second: Audience) -> Audience:
    if first is None:
        return second
    return Audience(second.tag, first.marks & second.marks, first.partners & second.partners)


def _meets(required: Iterable[tuple[Operation, tuple[frozenset[Mark], ...]]], marks: frozenset[Mark]) -> bool:
    for operation, groups in required:
        met = sum(not group.isdisjoint(marks) for group in groups)
        wanted = {Operation.ONLY_ONE: met == 1, Operation.ONE_OR_MORE: met > 0, Operation.ALL: 0 < met == len(groups)}
        if not wanted[operation]:
            return False
    return True


def _remember(memo: dict[_K, _V], key: _K, value: _V) -> _V:
    if len(memo) >= MEMO_MAX:
        memo.clear()
    memo[key] = value
    return value
