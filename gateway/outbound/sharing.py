"""What goes next by a link with a budget: one frame, of whose turn it is. Pure but for the lanes that it takes from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from gateway.dispatch import Consignment
from gateway.links import Parcel
from gateway.outbound.item import Item
from gateway.outbound.lane import Lane
from gateway.outbound.parts import Parts, size_of
from gateway.outbound.turns import Turns


class Given(NamedTuple):
    """What is given to a link: an item whole, or one of its parts."""

    lane: Lane
    item: Item
    parcel: Parcel
    parts: Parts | None = None


def share(turns: Turns, lanes: Mapping[Lane, int], now_s: float) -> list[Given]:
    """The frame that is next, now under way and charged; ``lanes``: each with the precedence that it would send of."""
    by_name = {lane.name: lane for lane in lanes}
    chosen = turns.choose([lane.offer(level, now_s) for lane, level in lanes.items()])
    if chosen is None or turns.frame is None:
        return []
    lane = by_name[chosen.lane]
    item, parcel = lane.part(chosen.precedence, turns.frame)
    turns.sent(chosen._replace(size=size_of(parcel)), now_s)
    return [Given(lane, item, parcel, item.parts)]


def affordable(turns: Turns, ready: Iterable[Consignment]) -> Iterator[Parcel]:
    """Of what would be sent past every queue, as much as a budget allows in the time of one frame."""
    left = turns.frame
    for each in ready:
        if left is not None:
            left -= size_of(each.parcel)
            if left < 0:
                return
        yield each.parcel
