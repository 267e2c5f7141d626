"""What a label is in another policy, where the policies' own files say so. Pure; fails closed.

The originator's label is never replaced: an equivalent is an alternative beside it (ADatP-4774.1, section 4.2). A part
without an equivalent, or one that would weigh less there, means that there is no alternative.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from protocols.category import Category, CategoryType, Label
from protocols.label import Policy
from protocols.lattice import Mark
from protocols.tag import Applied, ForeignValue, Tag

_OUT = frozenset({Applied.ENCRYPT, Applied.BOTH})
_IN = frozenset({Applied.DECRYPT, Applied.BOTH})
_Part: TypeAlias = tuple[Tag | None, list[list[Mark]]]  # a tag (None: what every label has there), and its values there


class _There(NamedTuple):
    """What becomes of a label's parts in the other policy: a classification, and its marks."""

    classification: str
    marks: frozenset[Mark]


class _NothingError(Exception):
    """A part has no equivalent."""


def equivalent(label: Label, policy: Policy, other: Policy) -> Label | None:
    """A label of ``policy`` as a label of ``other``; None where neither policy says what it would be.

    The label's own policy is asked (``encrypt``); only where it says nothing of the other one, that one (``decrypt``).
    """
    understood = policy.lattice.understand(label)
    if understood is None or policy.id is None or other.id is None or policy.id == other.id:
        return None
    name, marks = policy.classifications[understood.rank], sorted(understood.marks())
    state = _stated_by_own if any(each.id == other.id for each in policy.equivalents) else _stated_by_other
    try:
        return other.canonical(_label(state(name, marks, policy, other), other))
    except _NothingError:
        return None


def alternatives(label: Label, policies: Mapping[str, Policy]) -> tuple[Label, ...]:
    """A label in every other policy that has an equivalent, by the name of the policy."""
    own = policies.get(label.policy)
    if own is None:
        return ()
    found = (equivalent(label, own, policies[name]) for name in sorted(policies) if name != label.policy)
    return tuple(each for each in found if each is not None)


def label_under(wanted: str, label: Label, beside: Iterable[Label], policies: Mapping[str, Policy]) -> Label | None:
    """The label by which a message is judged under the policy ``wanted``; None where it cannot be judged.

    That is the originator's label, else its equivalent as our own policies have it. Only where we do not have the
    originator's policy, the alternative that came ``beside`` it is believed: pass none that is not vouched for.
    """
    if label.policy == wanted:
        return label
    own, other = policies.get(label.policy), policies.get(wanted)
    stated = {each for each in beside if each.policy == wanted}
    if other is None or len(stated) > 1:
        return None
    if own is not None:
        derived = equivalent(label, own, other)
        return derived if stated <= {derived} else None  # what came beside contradicts us: neither is believed
    return next((each for each in stated if other.knows(each)), None)


def _stated_by_own(name: str, marks: Iterable[Mark], policy: Policy, other: Policy) -> _There:
    """What the label's own policy says it is in the other."""
    stated = next(each for each in policy.equivalents if each.id == other.id)
    rule = next((rule for rule in policy.rules if rule.name == name), None)
    classes = [] if rule is None else [e for e in rule.equivalents if e.policy == other.id and e.applied in _OUT]
    if len(classes) != 1:
        raise _NothingError
    parts: list[_Part] = [(None, [[_named(value, other) for value in (*classes[0].required, *stated.required)]])]
    parts += [(tag, [list(_outward(tag, mark, other)) for mark in group]) for tag, group in _by_tag(marks, policy)]
    return _There(_class_named(classes[0].lacv, other), _gathered(parts, other))


def _stated_by_other(name: str, marks: Iterable[Mark], policy: Policy, other: Policy) -> _There:
    """What the other policy says that the label is there."""
    number = next((rule.lacv for rule in policy.rules if rule.name == name), None)
    classes = [
        rule.name
        for rule in other.rules
        for each in rule.equivalents
        if each.policy == policy.id and each.applied in _IN and each.lacv == number and not each.required
    ]
    if number is None or len(classes) != 1:
        raise _NothingError
    parts: list[_Part] = [
        (tag, [list(_inward(tag, mark, policy, other)) for mark in group]) for tag, group in _by_tag(marks, policy)
    ]
    if not all(each for _, mapped in parts for each in mapped):
        raise _NothingError
    return _There(classes[0], _gathered(parts, other))


def _gathered(parts: Iterable[_Part], other: Policy) -> frozenset[Mark]:
    """The marks of all parts. Two parts that admit through one permissive tag would admit more than both do here."""
    gathered: set[Mark] = set()
    admitting: set[int] = set()
    for tag, mapped in parts:
        marks = {mark for each in mapped for mark in each}
        through = {mark.tag for mark in marks if other.lattice.tags[mark.tag].type is CategoryType.PERMISSIVE}
        if not through.isdisjoint(admitting):
            raise _NothingError
        if tag is not None:
            _weigh(tag, [[other.lattice.tags[mark.tag].type for mark in each] for each in mapped])
        admitting |= through
        gathered |= marks
    return frozenset(gathered)


def _by_tag(marks: Iterable[Mark], policy: Policy) -> Iterator[tuple[Tag, list[Mark]]]:
    grouped: dict[int, list[Mark]] = {}
    for mark in marks:
        grouped.setdefault(mark.tag, []).append(mark)
    for number, group in grouped.items():
        yield policy.lattice.tags[number], group


def _outward(tag: Tag, mark: Mark, other: Policy) -> Iterator[Mark]:
    """The values that a value is in the other policy; none where it is to be discarded."""
    if not tag.values:
        raise _NothingError
    stated = [e for e in tag.values[mark.place].equivalents if e.policy == other.id and e.applied in _OUT]
    if not stated:
        raise _NothingError
    yield from (_named(each.value, other) for each in stated if each.value is not None)


def _inward(tag: Tag, mark: Mark, policy: Policy, other: Policy) -> Iterator[Mark]:
    """The values of the other policy that say they are this one."""
    if not tag.values:
        raise _NothingError
    here = (tag.id, tag.type, tag.enumerated, tag.values[mark.place].lacv)
    for number, theirs in enumerate(other.tags):
        for place, value in enumerate(theirs.values):
            for each in value.equivalents:
                if each.policy != policy.id or each.applied not in _IN or each.value is None:
                    continue
                if here == (each.value.set_id, each.value.type, each.value.enumerated, each.value.lacv):
                    yield Mark(number, place, value.name)


def _weigh(tag: Tag, kinds: list[list[CategoryType]]) -> None:
    """Refuse what would weigh less there than here: only what carries no weight may be lost or become informative."""
    if tag.type is CategoryType.RESTRICTIVE and not all(CategoryType.RESTRICTIVE in each for each in kinds):
        raise _NothingError
    named = [kind for each in kinds for kind in each]
    if tag.type is CategoryType.PERMISSIVE and set(named) != {CategoryType.PERMISSIVE}:
        raise _NothingError


def _named(value: ForeignValue, policy: Policy) -> Mark:
    """The value of a policy that another policy refers to by number."""
    for number, tag in enumerate(policy.tags):
        if (tag.type, tag.enumerated) == (value.type, value.enumerated) and value.set_id in {None, tag.id}:
            for place, each in enumerate(tag.values if value.set in {None, tag.set} else ()):
                if each.lacv == value.lacv:
                    return Mark(number, place, each.name)
    raise _NothingError


def _class_named(lacv: int, policy: Policy) -> str:
    for rule in policy.rules:
        if rule.lacv == lacv:
            return rule.name
    raise _NothingError


def _label(there: _There, policy: Policy) -> Label:
    grouped: dict[tuple[CategoryType, str], list[str]] = {}
    for mark in sorted(there.marks):
        tag = policy.lattice.tags[mark.tag]
        grouped.setdefault((tag.type, tag.set), []).append(mark.name)
    categories = (Category(type=kind, tag=tag, values=tuple(values)) for (kind, tag), values in grouped.items())
    return Label(policy=policy.name, classification=there.classification, categories=tuple(categories))
