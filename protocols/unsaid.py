"""What a format could not say of a message: every field that has a value and that its writer did not carry.

Paths are those of the canonical JSON, a body's fields without their ``body.`` (``position.altitude_m``,
``times.valid_until``, ``identity.team``). Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple, get_args

import msgspec

from protocols.message import Loss, LossReason, Message

# What the gateway keeps about a message is not for a format to say.
_SAID = (
    "times",
    "label",
    "precedence",
    "mode",
    "exercise",
    "addressees",
    "references",
    "provenance",
    "quality",
    "extras",
)
_OF_THE_GATEWAY = frozenset({"times.received", "times.whole_seconds"})
_WHOLE = frozenset({"label"})  # lost or said as one


class _Field(NamedTuple):
    """A field that is not carried; of a part that may be absent, what of it is not carried."""

    path: str
    default: object
    loss: Loss
    inner: tuple[_Field, ...] = ()


class _Plan(NamedTuple):
    """The fields of one kind of message that a writer does not carry, and how to get them all at once."""

    fields: tuple[_Field, ...]
    values: Callable[[Message], tuple[object, ...]]


def unsaid(message: Message, carried: Iterable[str]) -> list[Loss]:
    """List a loss for each field with a value whose path, or the path of what holds it, is not in ``carried``."""
    plan = _plan(type(message.body), frozenset(carried))
    losses: list[Loss] = []
    for (_, default, loss, inner), value in zip(plan.fields, plan.values(message), strict=True):
        if value is default or (default is not None and value == default):
            continue
        if inner:
            losses += [each.loss for each in inner if getattr(value, each.path.rpartition(".")[2]) != each.default]
        else:
            losses.append(loss)
    return losses


@lru_cache(maxsize=512)
def _plan(body: type[msgspec.Struct], carried: frozenset[str]) -> _Plan:
    found = [(f"body.{field.path}", field) for field in _fields(body, "", carried)]
    found += [(field.path, field) for field in _fields(Message, "", carried) if field.path.partition(".")[0] in _SAID]
    get = attrgetter("id", "subject", *(getter for getter, _ in found))  # two more, so that it always gives a tuple
    return _Plan(tuple(field for _, field in found), lambda message: get(message)[2:])


def _fields(kind: type[msgspec.Struct], prefix: str, carried: frozenset[str]) -> Iterator[_Field]:
    for field in msgspec.structs.fields(kind):
        path = prefix + field.name
        if path in carried or path in _OF_THE_GATEWAY:
            continue
        part = _part(field.type)
        loss = Loss(field=path, reason=LossReason.NO_FIELD)
        if part is None or path in _WHOLE:
            yield _Field(path, field.default, loss)
        elif field.type is part:
            yield from _fields(part, path + ".", carried)
        elif any(each.startswith(path + ".") for each in carried):
            inner = tuple(_fields(part, path + ".", carried))
            if inner:
                yield _Field(path, field.default, loss, inner)
        else:
            yield _Field(path, field.default, loss)


def _part(annotation: object) -> type[msgspec.Struct] | None:
    """The struct of a field that is one, or is one or None."""
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, msgspec.Struct):
            return each
    return None
