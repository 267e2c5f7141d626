"""What stays the same from one report of a device to its next: who it is, how it knows its place, what else it says.

A feed is the same devices over and over, so this part of an event is read and written once and then known again. What
is remembered is bounded in number and size, and makes no message different.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, TypeAlias

import msgspec

from protocols.body import Identity
from protocols.cot.detail import fix_source_of, read_identity, write_identity
from protocols.cot.event import Attributes, Details, Element
from protocols.cot.extras import are_beside, extras_of, write_extras
from protocols.ledger import Ledger
from protocols.message import Extra
from protocols.remembered import Remembered

PORTRAITS_MAX = 1024  # of at most ``event.REMEMBERED_EVENT_MAX`` bytes
_LASTING = frozenset({"contact", "__group", "takv", "precisionlocation"})
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(dict[str, dict[str, str]]).decode


class Portrait(NamedTuple):
    """The lasting part of an atom that was read. ``extras`` None: those of this event have to be read."""

    identity: Identity
    fix_source: str | None
    extras: tuple[Extra, ...] | None


class Lasting(NamedTuple):
    """The lasting part of an atom to write. ``extras`` None: those of this message have to be written."""

    elements: tuple[Element, ...]
    extras: tuple[Element, ...] | None


_Said: TypeAlias = tuple[str, Identity, str | None, tuple[Extra, ...]]


def read_portrait(kind: str, flat: dict[str, Attributes]) -> Portrait:
    """The portrait in the elements of a ``track`` or a ``contact``: all but those that change with every report."""
    lasting = flat.copy()
    lasting.pop("_flow-tags_", None)
    movement, status = lasting.pop("track", None), lasting.pop("status", None) if kind == "track" else None
    found = _read(kind, _pack(lasting))
    if (movement and _has_more(movement, "course", "speed")) or (status and _has_more(status, "battery", "readiness")):
        return found._replace(extras=None)
    return found


def write_portrait(kind: str, identity: Identity, fix_source: str | None, extras: tuple[Extra, ...]) -> Lasting:
    """The elements of a ``track`` or a ``contact`` that say who, how and what was kept."""
    return _written[kind, identity, fix_source, extras]


@lru_cache(maxsize=PORTRAITS_MAX)
def _read(kind: str, packed: bytes) -> Portrait:
    details = Details(dict(_unpack(packed)), ())
    return Portrait(read_identity(details), fix_source_of(details), extras_of(kind, details))


def _write(said: _Said) -> Lasting:
    kind, identity, fix_source, extras = said
    elements = write_identity(identity)
    if fix_source is not None:
        elements.append(Element("precisionlocation", {"geopointsrc": fix_source, "altsrc": fix_source}))
    if are_beside(kind, extras, _LASTING):
        whole, ledger = list(elements), Ledger()
        write_extras(kind, extras, whole, ledger)
        if not ledger.loss:
            return Lasting(_finished(whole[: len(elements)]), _finished(whole[len(elements) :]))
    return Lasting(_finished(elements), None)


_written: Remembered[_Said, Lasting] = Remembered(_write)


def _finished(elements: list[Element]) -> tuple[Element, ...]:
    return tuple([Element(element.tag, element.attributes, element.inner, element.xml()) for element in elements])


def _has_more(given: Attributes, one: str, other: str) -> bool:
    """Whether there are attributes beside these two."""
    return len(given) != (one in given) + (other in given)
