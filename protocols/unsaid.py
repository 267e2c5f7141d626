"""What a format could not say of a message: every field that has a value and that its writer did not carry.

Paths are those of the canonical JSON, a body's fields without their ``body.`` (``position.altitude_m``,
``times.valid_until``, ``identity.team``). Pure.
"""

from __future__ import annotations

from collections.abc import Container
from functools import cache

import msgspec

from protocols.message import Loss, LossReason, Message

# What the gateway keeps about a message is not for a format to say.
_ENVELOPE = (
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


def unsaid(message: Message, carried: Container[str]) -> list[Loss]:
    """List a loss for each field with a value whose path, or the path of what holds it, is not in ``carried``."""
    losses: list[Loss] = []
    _collect(message.body, "", carried, losses)
    for name in _ENVELOPE:
        value = getattr(message, name)
        if name in carried or value == _defaults(Message)[name]:
            continue
        if isinstance(value, msgspec.Struct) and name != "label":
            _collect(value, name + ".", carried, losses)
        else:
            losses.append(Loss(field=name, reason=LossReason.NO_FIELD))
    return losses


def _collect(value: msgspec.Struct, path: str, carried: Container[str], losses: list[Loss]) -> None:
    for name, default in _defaults(type(value)).items():
        found = getattr(value, name)
        where = path + name
        if found is default or found == default or where in carried or where in _OF_THE_GATEWAY:
            continue
        if isinstance(found, msgspec.Struct):
            _collect(found, where + ".", carried, losses)
        else:
            losses.append(Loss(field=where, reason=LossReason.NO_FIELD))


@cache
def _defaults(kind: type[msgspec.Struct]) -> dict[str, object]:
    return {field.name: field.default for field in msgspec.structs.fields(kind)}
