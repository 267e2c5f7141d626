"""The smallest change that would let a message through, or keep it back. Pure.

Changes are not reasoned about but tried: for the rule that decides there are candidates, least first, and the first
that makes the course end elsewhere is taken; then the next rule's, until the message arrives.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

import msgspec

from gateway.config import Config, faults
from gateway.review.candidates import candidates, without_route
from gateway.review.explain import Course, Situation, course
from gateway.review.marks import Change, higher_marks
from protocols.countersign import canonical
from protocols.message import Message

STEPS_MAX = 12  # changes that are put together; there are not many more rules
_STEP = re.compile(r"\.([a-z_]+)|\[(\d+)\]")


def remedies(situation: Situation, to: str) -> Sequence[Change] | None:
    """The changes that together let the message through to a unit; None where none are known.

    A table that they make is one that a gateway takes, and agreements whose words they change are signed anew.
    """
    for careful in (False, True):
        found = _search(situation, to, careful=careful)
        if found is not None:
            changes, after = found
            if not _faults(situation.config, after.config):
                return _signed(changes, situation, after)
    return None


def _search(situation: Situation, to: str, *, careful: bool) -> tuple[list[Change], Situation] | None:
    """Changes until the message arrives, and where they lead; ``careful``: none that the table is refused for."""
    found: list[Change] = []
    ends = course(situation, to)
    seen = {_place(ends)}
    while ends.reason is not None:
        for change in candidates(ends)(situation, to, ends):
            changed = _tried(situation, change)
            if changed is None or (careful and _faults(situation.config, changed.config)):
                continue
            if _place(after := course(changed, to)) not in seen:
                found.append(change)
                situation, ends = changed, after
                seen.add(_place(ends))
                break
        else:
            return None
        if len(found) > STEPS_MAX:
            return None
    return found, situation


def _faults(before: Config, after: Config) -> set[str]:
    """What a table would be refused for, and was not before."""
    return set(faults(after)) - set(faults(before)) if after is not before else set()


def _signed(changes: Sequence[Change], before: Situation, after: Situation) -> Sequence[Change]:
    """The changes, and in the end what has to be signed because of them: every agreement whose words they change."""
    begin, kept = before, before.signed
    for change in changes:
        before = apply(before, change)
    if before.signed >= after.signed:
        return changes
    due = (after.signed - kept) | _altered(begin.config, after.config)
    terms = [each for each in after.config.agreements if each.id in due & after.signed]
    say = " and ".join(f'"{each.id}" signed by {", ".join(each.partners)}' for each in terms)
    rest = [change for change in changes if change.at != "signed"]
    return [*rest, Change(at="signed", value=sorted(after.signed), say=f"have {say}, as it then reads")]


def _altered(before: Config, after: Config) -> frozenset[str]:
    """The agreements that a change gave other words, so that what was signed is not what stands there now."""
    words = {each.id: canonical(each) for each in before.agreements}
    return frozenset(each.id for each in after.agreements if words.get(each.id, b"") not in {b"", canonical(each)})


def barrier(situation: Situation, to: str) -> Change | None:
    """The change that would keep back from a unit a message that reaches it; None where it does not reach it."""
    ends = course(situation, to)
    if ends.reason is not None or ends.way is None:
        return None
    for change in (*higher_marks(situation), *without_route(situation, to)):
        changed = _tried(situation, change)
        if changed is not None and course(changed, to).reason is not None:
            return change
    return None


def apply(situation: Situation, change: Change) -> Situation:
    """The situation after a change. Raise ValueError where the change makes no sense."""
    root, _, path = change.at.partition(".")
    if root == "$":
        config = msgspec.convert(_put(_tree(situation.config), path, change.value), Config)
        return situation._replace(config=config, signed=situation.signed - _altered(situation.config, config))
    if root == "message":
        message = msgspec.convert(_put(_tree(situation.message), path, change.value), Message)
        return situation._replace(message=message)
    kinds = {
        "signed": frozenset[str],
        "renewed": frozenset[str],
        "now": datetime,
        "source": str,
        "before": tuple[Message, ...],
    }
    return situation._replace(**{root: msgspec.convert(change.value, kinds[root])})


def _tried(situation: Situation, change: Change) -> Situation | None:
    """The situation after a change, as if what it changes were signed already: that is told once, in the end."""
    try:
        changed = apply(situation, change)
    except ValueError:
        return None
    return changed._replace(signed=changed.signed | situation.signed)


def _place(ends: Course) -> tuple[str, str | None]:
    return ends.end.rule, ends.reason


def _tree(value: object) -> object:
    """A value as dictionaries and lists."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _put(tree: object, path: str, value: object) -> object:
    """A tree of dictionaries and lists with one value replaced, or appended where the index is the length."""
    keys = [name or int(index) for name, index in _STEP.findall("." + path)]
    holder = tree
    for key, following in pairwise(keys):
        absent: object = [] if isinstance(following, int) else {}
        holder = holder.setdefault(key, absent) if isinstance(holder, dict) else holder[key]  # type: ignore[index]
    last = keys[-1]
    if isinstance(holder, list) and last == len(holder):
        holder.append(value)
    else:
        holder[last] = value  # type: ignore[index]
    return tree
