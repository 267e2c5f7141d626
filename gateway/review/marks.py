"""Changes to labels and ceilings that may let a message through, least first; ``remedy`` tries them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from gateway.config import Config, LocalUnit
from gateway.release import facts
from gateway.review.explain import Course, Situation, vouched
from protocols.agreement import Agreement
from protocols.equivalence import label_under
from protocols.label import Category, CategoryType, Clearance, Label, Policy
from protocols.quantity import Value
from protocols.record import Withheld
from protocols.unit import partner_of


class Change(Value, frozen=True):
    """One change: where (``$`` is the table, ``message`` the message), what it becomes, and that in words."""

    at: str
    value: object
    say: str


def heights(situation: Situation, to: str, ends: Course) -> Iterator[Change]:
    """A ceiling, the agreement's or the unit's, that reaches the label as the ceiling's policy has it."""
    for place, who, terms, label in _ceilings(situation, to, ends):
        if label is None:
            continue
        if ends.reason == Withheld.ABOVE_CEILING:
            yield Change(at=f"{place}.classification", value=label.classification, say=f"{who} {label.classification}")
            continue
        values = sorted({*terms.restrictive, *_values(label, CategoryType.RESTRICTIVE)})
        yield Change(at=f"{place}.restrictive", value=values, say=f"{who} {', '.join(values)}")
        yield from _holding(place, who, terms, [c for c in label.categories if c.type is CategoryType.RESTRICTIVE])


def _ceilings(situation: Situation, to: str, ends: Course) -> Iterator[tuple[str, str, Clearance, Label | None]]:
    """Where the two ceilings of a way stand, in words whose they are, and the label in the policy of each."""
    if ends.way is None:
        return
    at, agreement = agreement_at(situation, ends)
    known = facts(vouched(situation).message, situation.through)
    policies = {policy.name: policy for policy in situation.config.policies}
    for place, who, terms in (
        (f"{at}.highest", f'agree in "{agreement.id}" on', agreement.highest),
        (f"{unit_at(situation.config, to)}.clearance", f"clear {to} for", ends.way.destination.clearance),
    ):
        label = known.label and label_under(terms.policy, known.label, known.alternatives, policies)
        yield place, who, terms, label


def _values(label: Label, kind: CategoryType) -> list[str]:
    return [value for each in label.categories if each.type is kind for value in each.values]


def _holding(place: str, who: str, terms: Clearance, categories: Sequence[Category]) -> Iterator[Change]:
    """A ceiling that holds these categories too, by the name of their tags."""
    if categories:
        held = msgspec.to_builtins([*terms.categories, *categories])
        said = ", ".join(f"{each.tag} {', '.join(each.values)}" for each in categories)
        yield Change(at=f"{place}.categories", value=held, say=f"{who} {said}")


def admitting(situation: Situation, to: str, ends: Course) -> Iterator[Change]:
    """A label that admits the holder too, by its id or by what it holds; or a ceiling that holds what is admitted."""
    unit, label, ceilings = local_unit(situation), label_of(situation), list(_ceilings(situation, to, ends))
    holders = [partner_of(to), *(value for _, _, terms, _ in ceilings for c in terms.categories for value in c.values)]
    for holder in dict.fromkeys(holders):
        wider = label and replace(label, categories=tuple(_open_to(label, holder)))
        if wider is not None and any(policy.knows(wider) for policy in situation.config.policies):
            yield from _labelled(situation, unit, wider, f"its originator marks it releasable to {holder} too")
    for place, who, terms, there in ceilings:
        if there is None:
            continue
        permissive = [each for each in there.categories if each.type is CategoryType.PERMISSIVE]
        yield from _holding(place, who, terms, [replace(each, values=each.values[:1]) for each in permissive])


def unknown(situation: Situation, to: str, ends: Course) -> Iterator[Change]:
    """A ceiling in the label's own policy, where it has no equivalent in the ceiling's; else other labels."""
    label = label_of(situation)
    if label is not None and any(policy.knows(label) for policy in situation.config.policies):
        kept = [each for each in label.categories if each.type is not CategoryType.INFORMATIVE]
        for place, who, _, there in _ceilings(situation, to, ends):
            if there is None:
                terms = Clearance(policy=label.policy, classification=label.classification, categories=tuple(kept))
                say = f"{who} {label}, in the policy of that label"
                yield Change(at=place, value=msgspec.to_builtins(terms), say=say)
        return
    yield from marks(situation, to, ends)


def marks(situation: Situation, _to: str, _ends: Course) -> Iterator[Change]:
    """Other labels: those of the unit's own table first, then new ones, lowest first."""
    unit = local_unit(situation)
    if unit is not None and situation.message.source.label_hint is None:
        for rule in unit.labels:
            yield Change(at="message.source.label_hint", value=rule.hint, say=f"mark it {rule.hint} ({rule.label})")
    for policy in situation.config.policies:
        lowest = Label(policy=policy.name, classification=policy.classifications[0])
        yield from _labelled(situation, unit, lowest, f"mark it {lowest}, if that is what it is")


def _open_to(label: Label, holder: str) -> Iterator[Category]:
    for each in label.categories:
        wider = each.type is CategoryType.PERMISSIVE and holder not in each.values
        yield replace(each, values=(*each.values, holder)) if wider else each


def _labelled(situation: Situation, unit: LocalUnit | None, label: Label, say: str) -> Iterator[Change]:
    """The change that gives the message this label: on the message, or in the label table of a unit of ours."""
    value, hint = msgspec.to_builtins(label), situation.message.source.label_hint
    if unit is None:
        yield Change(at="message.label", value=value, say=say)
        return
    at = unit_at(situation.config, unit.id)
    place = next((i for i, rule in enumerate(unit.labels) if rule.hint == hint), len(unit.labels))
    if hint is None:
        yield Change(at=f"{at}.default_label", value=value, say=f"{say}: as {unit.id}'s default")
    elif place < len(unit.labels):
        yield Change(at=f"{at}.labels[{place}].label", value=value, say=say)
    else:
        rules = [*msgspec.to_builtins(unit.labels), {"hint": hint, "label": value}]
        yield Change(at=f"{at}.labels", value=rules, say=f"say in {unit.id}'s label table what {hint} means")


def higher_marks(situation: Situation) -> Iterator[Change]:
    """The same message, marked one classification higher, and higher still."""
    label, unit = label_of(situation), local_unit(situation)
    policy = next((each for each in situation.config.policies if label and each.name == label.policy), None)
    for classification in _above(policy, label):
        higher = replace(label, classification=classification) if label else None
        if higher is None:
            continue
        hint = next((rule.hint for rule in unit.labels if rule.label == higher), None) if unit else None
        if hint is not None:
            yield Change(at="message.source.label_hint", value=hint, say=f"mark it {hint} ({higher})")
        else:
            yield from _labelled(situation, unit, higher, f"mark it {higher}")


def _above(policy: Policy | None, label: Label | None) -> Sequence[str]:
    if policy is None or label is None or (rank := policy.rank(label.classification)) is None:
        return ()
    return policy.classifications[rank + 1 :]


def label_of(situation: Situation) -> Label | None:
    """The label that the message is judged by: mapped from its marking for a unit of ours."""
    unit = local_unit(situation)
    if unit is None:
        return situation.message.label
    hint = situation.message.source.label_hint
    return unit.default_label if hint is None else next((r.label for r in unit.labels if r.hint == hint), None)


def local_unit(situation: Situation) -> LocalUnit | None:
    """The unit of ours that a message comes from; None for a partner's."""
    return next((unit for unit in situation.config.units if unit.id == situation.source), None)


def unit_at(config: Config, unit: str) -> str:
    """Where a unit stands in the table."""
    for table, entries in (("units", config.units), ("peers", config.peers)):
        for index, each in enumerate(entries):
            if each.id == unit:
                return f"$.{table}[{index}]"
    raise ValueError("no such unit")


def agreement_at(situation: Situation, ends: Course) -> tuple[str, Agreement]:
    """The agreement that decided, and where it stands in the table."""
    for index, agreement in enumerate(situation.config.agreements):
        if agreement.id == ends.end.agreement:
            return f"$.agreements[{index}]", agreement
    raise ValueError("no agreement decided")
