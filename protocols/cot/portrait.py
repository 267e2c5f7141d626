"""What stays the same from one report of a device to its next: who it is, how it knows its place, what was kept of it.

A feed is the same devices over and over, so this part of an event is written once and then known again.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from protocols.body import Identity
from protocols.cot.detail import write_identity
from protocols.cot.extras import are_beside, write_extras
from protocols.cot.markup import Element
from protocols.ledger import Ledger
from protocols.message import Extra
from protocols.remembered import Remembered

_LASTING = frozenset({"contact", "__group", "takv", "precisionlocation"})


class Lasting(NamedTuple):
    """The lasting part of an atom to write. ``extras`` None: those of this message have to be written."""

    elements: tuple[Element, ...]
    extras: tuple[Element, ...] | None


_Said: TypeAlias = tuple[str, Identity, str | None, tuple[Extra, ...]]


def write_portrait(kind: str, identity: Identity, fix_source: str | None, extras: tuple[Extra, ...]) -> Lasting:
    """The elements of a ``track`` or a ``contact`` that say who, how and what was kept."""
    return _written[kind, identity, fix_source, extras]


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
