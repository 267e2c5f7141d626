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

from gateway.config import Config
from gateway.review.candidates import CANDIDATES, Change, higher_marks, without_route
from gateway.review.explain import Course, Situation, course
from protocols.message import Message

STEPS_MAX = 12  # changes that are put together; there are not many more rules
_STEP = re.compile(r"\.([a-z_]+)|\[(\d+)\]")


def remedies(situation: Situation, to: str) -> Sequence[Change] | None:
    """The changes that together let the message through to a unit; None where none are known."""
    found: list[Change] = []
    ends = course(situation, to)
    seen = {_place(ends)}
    while ends.reason is not None:
        for change in CANDIDATES.get(ends.reason, _nothing)(situation, to, ends):
            changed = _tried(situation, change)
            if changed is not None and _place(after := course(changed, to)) not in seen:
                found.append(change)
                situation, ends = changed, after
                seen.add(_place(ends))
                break
        else:
            return None
        if len(found) > STEPS_MAX:
            return None
    return found


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
        return situation._replace(config=config)
    if root == "message":
        message = msgspec.convert(_put(_tree(situation.message), path, change.value), Message)
        return situation._replace(message=message)
    kinds = {"signed": frozenset[str], "now": datetime, "source": str, "before": tuple[Message, ...]}
    return situation._replace(**{root: msgspec.convert(change.value, kinds[root])})


def _tried(situation: Situation, change: Change) -> Situation | None:
    try:
        return apply(situation, change)
    except ValueError:
        return None


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


def _nothing(_situation: Situation, _to: str, _ends: Course) -> Sequence[Change]:
    return ()
