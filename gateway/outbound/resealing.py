"""What waited too long for the epoch that it was sealed in: sealed anew in its place, or ended, before it leaves.

An envelope opens nowhere once its epoch is over, a day at most after it began; nor may it leave once somebody of its
audience was removed. We can open what this process sealed, and seal it anew. What an earlier process sealed we cannot,
since no epoch key is ever on disk: that goes while its epoch lives, and what then remains is withheld, and told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final

from gateway.dispatch import Consignment, Dispatch
from gateway.outbound import telling
from gateway.outbound.announcing import epochs
from gateway.outbound.item import Item
from gateway.outbound.lane import Lane
from gateway.outbound.waiting import Waiting
from gateway.stream import About, Stream
from protocols.custody import Taken
from protocols.envelope import ENVELOPES_MAX, Refusal, Reject
from protocols.record import Event, Trouble

AT_ONCE: Final = 32  # sealed anew before others have the loop, some milliseconds
KEYS_EVERY: Final = 30  # seconds between two looks at what the keys of past epochs are kept for


class Resealing:
    """Judges what is about to leave, and what can no longer."""

    def __init__(self, waiting: Waiting, dispatch: Dispatch, stream: Stream) -> None:
        self._waiting = waiting
        self._dispatch = dispatch
        self._stream = stream
        self._looks = 0
        self._told: set[bytes] = set()  # epochs that a partner opens nothing of although they are new
        self.left = AT_ONCE  # that may be sealed anew before others have the loop

    def is_fit(self, item: Item) -> bool:
        """Whether it may leave as it is: an envelope, and what is only of use while its epoch is."""
        what = item.consignment
        eid = what.epoch if what.custody is None else what.custody.eid
        return eid is None or not self._dispatch.is_closed(eid)

    def anew(self, item: Item, now: datetime) -> list[Consignment]:
        """Announcements that go first, and it in another envelope. Nothing: it goes nowhere any more, which is told."""
        self.left -= 1
        try:
            ready = self._dispatch.reseal(item.consignment, now)
        except Reject as error:
            over = error.code is Refusal.UNKNOWN_EPOCH and self._is_over(item)
            telling.left_out(self._stream, item, Trouble.SEAL_EXPIRED if over else error.code, lambda _: False)
            return []
        if len(ready) > 1:
            self.left = 0  # an epoch was begun, which takes milliseconds
        telling.left_out(self._stream, item, Refusal.REVOKED, lambda unit: self._dispatch.reaches(unit, now))
        return ready if item.drafts or ready[-1].copies else []  # else of this partner nobody may read it any more

    def unopened(self, partner: str, eid: bytes) -> None:
        """A partner's gateway opens nothing that was sealed in an epoch. In one of the past it is sealed anew.

        One that we seal in now would be followed by one like it: then a clock is wrong, there or here, and that is
        told; what waits goes again as it is until it opens, or its epoch is over.
        """
        epochs_of_ours = self._dispatch.epochs
        if epochs_of_ours.seals(eid) and eid not in self._told:
            self._told.add(eid)
            self._stream.about(Event.FAULT, About(Trouble.NOT_OPENED, partner))
        elif epochs_of_ours.recalls(eid) and not epochs_of_ours.seals(eid):
            self._dispatch.close((eid,))

    def loaded(self, items: Iterable[Item]) -> None:
        """These were read from the disk. What an earlier process sealed in an epoch that is over leaves no more."""
        for eid in epochs(items):
            if not self._dispatch.epochs.recalls(eid) and self._waiting.is_over(eid):
                self._dispatch.close((eid,))

    async def end_earlier(self, lanes: Mapping[str, Lane], done: Collection[int]) -> Collection[str]:
        """End what waits on disk in epochs of an earlier process that are over; gives where. Raise SpoolError.

        ``done``: rows that ended otherwise a moment ago.
        """
        found = set()
        over = self._waiting.over()
        self._dispatch.close(over)
        there = await self._waiting.holds(over)
        for eid in over:
            if eid not in there:
                self._waiting.forget_earlier(eid)
                continue
            for name, lane in lanes.items():
                ended = await self._waiting.settle(name, (Taken(eid, ENVELOPES_MAX),)) if lane.waiting else ()
                mine = {*done, *(item.row for item in lane.in_hand())}  # told when it would leave
                self._waiting.tell(
                    [each for each in ended if each.id not in mine], Event.WITHHELD, Trouble.SEAL_EXPIRED
                )
                if ended:
                    found.add(name)
        return found

    async def keep_keys(self, lanes: Collection[Lane]) -> None:
        """Say what the keys of our past epochs are still needed for, now and then. Raise SpoolError."""
        if any(lane.spilling for lane in lanes):  # what is just being put on disk is seen neither here nor there
            return
        self._looks += 1
        if (self._looks - 1) % KEYS_EVERY:  # the first at the start: from then on no clock ends them
            return
        ours = self._dispatch.epochs
        in_memory = {eid for lane in lanes for eid in lane.epochs()}  # before the disk is asked: it may go there
        on_disk = await self._waiting.holds([eid for eid in ours.kept() if eid not in in_memory])
        ours.keep(in_memory | on_disk)
        self._told = {eid for eid in self._told if ours.seals(eid)}

    def _is_over(self, item: Item) -> bool:
        number = item.consignment.custody
        return number is not None and self._waiting.is_over(number.eid)
