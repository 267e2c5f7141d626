"""Parcels to their links, and one Record for each copy when its link has it, or will not take it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from gateway.dispatch import Consignment
from gateway.links import Link
from gateway.stream import HandedOver, Stream
from protocols.record import Attention, Event


async def hand_over(
    ready: Sequence[Consignment],
    links: Mapping[str, Link],
    stream: Stream,
    arrived: datetime,
    reason: Attention | None = None,
) -> bool:
    """Send everything, each link in order and all links at once; whether the links took all of it.

    ``reason`` is why it goes there, where that is out of the ordinary.
    """
    by_link: dict[str, list[Consignment]] = {}
    for consignment in ready:
        by_link.setdefault(consignment.link, []).append(consignment)
    sending = (links[name].send_all([each.parcel for each in batch]) for name, batch in by_link.items())
    refused = False
    for batch, refusals in zip(by_link.values(), await asyncio.gather(*sending), strict=True):
        for consignment, refusal in zip(batch, refusals, strict=True):
            what = HandedOver(consignment.form, consignment.parcel.data, consignment.loss, arrived, reason)
            refused = refused or refusal is not None
            for message, way in consignment.copies:
                if refusal is None:
                    stream.handed(consignment.event, message, way, what)
                else:
                    stream.kept(Event.REFUSED, refusal, message, way)
    return not refused
