"""What stays the same from one report of a device to its next: who it is, how it knows its place, what else it says.

A feed is the same devices over and over, so this part of an event is read once and then known again by its own bytes.
What is remembered is bounded in number and size, and makes no message different.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import msgspec

from protocols.body import Identity
from protocols.cot.detail import fix_source_of, read_identity
from protocols.cot.event import Attributes, Details
from protocols.cot.extras import extras_of
from protocols.message import Extra

PORTRAITS_MAX = 1024  # of at most ``event.REMEMBERED_EVENT_MAX`` bytes
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(dict[str, dict[str, str]]).decode


class Portrait(NamedTuple):
    """The lasting part of an atom. ``extras`` None: those of this event have to be read."""

    identity: Identity
    fix_source: str | None
    extras: tuple[Extra, ...] | None


def portrait(kind: str, flat: dict[str, Attributes]) -> Portrait:
    """The portrait in the elements of a ``track`` or a ``contact``: all but those that change with every report."""
    lasting = flat.copy()
    lasting.pop("_flow-tags_", None)
    movement, status = lasting.pop("track", None), lasting.pop("status", None) if kind == "track" else None
    found = _remembered(kind, _pack(lasting))
    if (movement and _has_more(movement, "course", "speed")) or (status and _has_more(status, "battery", "readiness")):
        return found._replace(extras=None)
    return found


@lru_cache(maxsize=PORTRAITS_MAX)
def _remembered(kind: str, packed: bytes) -> Portrait:
    details = Details(dict(_unpack(packed)), ())
    return Portrait(read_identity(details), fix_source_of(details), extras_of(kind, details))


def _has_more(given: Attributes, one: str, other: str) -> bool:
    """Whether there are attributes beside these two."""
    return len(given) != (one in given) + (other in given)
