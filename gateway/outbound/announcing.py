"""Partners find the keys of what they are sent: announcements are published again where they may have been lost.

A broker that was started anew may have forgotten what stood retained. What is under way has its announcements go before
it; those of epochs in which nothing is under way follow slowly, and not at all over a link with a budget, where they
are asked for when they are missed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime

from gateway.dispatch import CONTROL, Consignment, Dispatch
from gateway.outbound.item import Item
from gateway.outbound.lane import Lane
from gateway.outbound.waiting import Waiting
from protocols.record import Event


class Announcing:
    """Publishes announcements again."""

    def __init__(
        self,
        waiting: Waiting,
        dispatch: Dispatch,
        submit: Callable[[list[Consignment], datetime], object],
        clock: Callable[[], datetime],
    ) -> None:
        self._waiting = waiting
        self._dispatch = dispatch
        self._submit = submit
        self._clock = clock
        self._standing: dict[Lane, deque[bytes]] = {}  # epochs that are to be announced again, in turn

    def once(self, lane: Lane, eid: bytes, last: str | None = None) -> None:
        """Publish an epoch's announcement, once for each start and for each time that it may be lost."""
        if eid in lane.announced:
            return
        lane.announced.add(eid)
        parcel = self._waiting.announcement(eid, lane.name)
        if parcel is not None:
            again = Consignment(lane.name, parcel, Event.FORWARDED, precedence=CONTROL, note=eid, epoch=eid, last=last)
            self._submit([again], self._clock())

    def anew(self, lane: Lane, items: Iterable[Item]) -> None:
        """These may have been lost, and the announcements of their epochs with them.

        They go by the link that these take next. Over a link with a budget only of what was sent twice in vain:
        whoever misses a key asks for it.
        """
        again = [item for item in items if not lane.thin or item.tries > 1]
        for eid in epochs(again):
            lane.announced.discard(eid)
            last = (item.road for item in again if item.tries and epochs([item]) == {eid})
            self.once(lane, eid, next(last, None))

    def reopened(self, lane: Lane) -> None:
        """What stood retained there may be lost."""
        if lane.thin:
            return
        lane.announced.clear()
        if standing := self._dispatch.epochs.standing(lane.name):
            self._standing[lane] = deque(standing)

    def step(self) -> None:
        """One of those that are to be published again. A tick apart, they are no storm, whatever their number."""
        lane = next(iter(self._standing), None)
        if lane is None:
            return
        standing = self._standing.pop(lane)
        if lane.thin:
            return
        self.once(lane, standing.popleft())
        if standing:
            self._standing[lane] = standing  # after the others


def epochs(items: Iterable[Item]) -> set[bytes]:
    """The epochs that these were sealed in."""
    return {item.consignment.custody.eid for item in items if item.consignment.custody is not None}
