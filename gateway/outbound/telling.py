"""The Records of what ends on the way out; of what was read from the disk, those that were kept with it."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.dispatch import Consignment, Unsent
from gateway.links import SendRefusal
from gateway.outbound.item import Item
from gateway.stream import HandedOver, Stream
from protocols.record import Event


def arrived(stream: Stream, item: Item) -> None:
    """Its destination has it."""
    what = item.consignment
    if item.drafts:
        messages = item.messages or (None,) * len(item.drafts)
        data = what.parcel.data if what.event is Event.DELIVERED else None
        for draft, message in zip(item.drafts, messages, strict=False):
            stream.ended(draft, draft.event, draft.reason, message, data)
        return
    handed = HandedOver(what.form, what.parcel.data, what.loss, item.arrived, what.reason)
    for message, way in what.copies:
        stream.handed(what.event, message, way, handed)


def refused(stream: Stream, item: Item, refusal: SendRefusal) -> None:
    """The far side will never take it."""
    for draft in item.drafts:
        stream.ended(draft, Event.REFUSED, refusal)
    for message, way in () if item.drafts else item.consignment.copies:
        stream.kept(Event.REFUSED, refusal, message, way)


def left_out(stream: Stream, item: Item, ready: Sequence[Consignment], unsent: Sequence[Unsent]) -> None:
    """It was sealed anew, and not for everybody."""
    if item.drafts:
        names = {copy.way.destination.id for each in ready for copy in each.copies}
        for draft in item.drafts:
            if draft.destination not in names:
                stream.ended(draft, Event.WITHHELD, unsent[0].reason if unsent else None)
    for each in unsent:
        stream.kept(Event.WITHHELD, each.reason, each.copy.message, each.copy.way)
