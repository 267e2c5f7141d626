"""The Records of what ends on the way out; of what was read from the disk, those that were kept with it."""

from __future__ import annotations

from collections.abc import Callable

from gateway.links import SendRefusal
from gateway.outbound.item import Item
from gateway.outbound.wrapping import pack_facts
from gateway.stream import HandedOver, Stream
from protocols.record import Event


def arrived(stream: Stream, item: Item) -> None:
    """Its destination has it."""
    what = item.consignment
    if drafts := item.drafts:
        messages = item.messages or (None,) * len(drafts)
        data = what.parcel.data if what.event is Event.DELIVERED else None
        for draft, message in zip(drafts, messages, strict=False):
            stream.ended(draft, draft.event, draft.reason, message, data)
        return
    handed = HandedOver(what.form, what.parcel.data, what.loss, item.arrived, what.reason)
    for message, way in what.copies:
        stream.handed(what.event, message, way, handed)


def refused(stream: Stream, item: Item, refusal: SendRefusal) -> None:
    """The far side will never take it."""
    drafts = item.drafts
    for draft in drafts:
        stream.ended(draft, Event.REFUSED, refusal)
    for message, way in () if drafts else item.consignment.copies:
        stream.kept(Event.REFUSED, refusal, message, way)


def left_out(stream: Stream, item: Item, reason: str, reaches: Callable[[str], bool]) -> None:
    """It was sealed anew, or cannot be: those who may not read it any more do not get it."""
    drafts = item.drafts
    kept = tuple(draft for draft in drafts if reaches(draft.destination or ""))
    for draft in drafts:
        if draft not in kept:
            stream.ended(draft, Event.WITHHELD, reason)
    for message, way in () if drafts else item.consignment.copies:
        if not reaches(way.destination.id):
            stream.kept(Event.WITHHELD, reason, message, way)
    item.facts = pack_facts(kept) if kept else None
