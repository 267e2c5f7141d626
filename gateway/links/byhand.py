"""A link by hand: what a courier brings are frames, what a courier is to take waits on disk for the next export.

``comity bundle import`` leaves frames in the link's folder, ``comity bundle export`` takes announcements and control
records from there and envelopes from the spool. So envelopes are held for a while, in case that custody of them comes
meanwhile, and then refused with ``by-hand``: they lie in the spool until a partner's gateway says that it has them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.bundles.folder import BundleFolder
from gateway.links import LinkError, SendRefusal, Settings, Statistics
from gateway.links.backoff import Pace
from gateway.links.fault import LostError
from gateway.links.ledger import Entry
from gateway.links.plain import PlainFrame, Tally
from gateway.links.upkeep import Upkeep
from protocols.carrier import Contents, Kind, Part
from protocols.envelope import Reject
from protocols.topics import Slot, parse_mailbox

LOOK_S: Final = 0.2  # how often the folder is looked at
HOLD_S: Final = 30.0  # that an envelope is held before it is refused
PORTIONS: Final = 2  # imported portions in memory


class _Portion:
    """One portion of a bundle, and how many of its frames are not settled."""

    def __init__(self, link: HandLink, name: str) -> None:
        self._link = link
        self._name = name
        self.left = 0

    def settled(self) -> None:
        """One more frame is."""
        self.left -= 1
        if not self.left:
            self._link.done(self._name)


class HandLink(Upkeep[PlainFrame]):
    """See Link."""

    def __init__(self, name: str, settings: Settings, folder: Path, pace: Pace = Pace()) -> None:  # noqa: B008 - an immutable value
        super().__init__(name, settings, pace)
        self._place = folder
        self._folder = BundleFolder(folder)
        self.tally = Tally()
        self._in_hand: set[str] = set()
        self._words: list[Entry] = []
        self._held: deque[tuple[float, Entry]] = deque()
        self._work = asyncio.Event()

    @property
    def statistics(self) -> Statistics:
        """See Link."""
        return self.tally.statistics(self._connects)

    def done(self, name: str) -> None:
        """Everything in a portion is settled: it need not be read again."""
        self._in_hand.discard(name)
        with contextlib.suppress(OSError):  # it is then read again, and every frame of it is a repeat
            self._folder.done(name)
        self._work.set()

    def _check(self) -> None:
        try:
            self._folder.prepare()
        except OSError as error:
            raise LinkError(f"{self._place}: {(error.strerror or 'cannot be used').lower()}") from error

    async def _connection(self) -> None:
        self._came_up()
        while True:
            try:
                await self._write_words()
                await self._look()
            except OSError as error:
                raise LostError((error.strerror or "the folder is gone").lower()) from None
            self._let_go()
            self._work.clear()
            if self._words:
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._work.wait()

    async def _look(self) -> None:
        """Take the oldest portions, as many as may be in hand."""
        if len(self._in_hand) >= PORTIONS or self._inbox.full:
            return
        for name in await asyncio.to_thread(self._folder.waiting):
            if name in self._in_hand:
                continue
            if len(self._in_hand) >= PORTIONS:
                return
            contents = await asyncio.to_thread(self._folder.take, name)
            if contents is None:
                self.tally.refused += 1
            else:
                self._bring(name, contents)

    def _bring(self, name: str, contents: Contents) -> None:
        """The frames of one portion."""
        portion = _Portion(self, name)
        frames = []
        for part in contents.parts:
            with contextlib.suppress(Reject):  # no envelope: it was whole on the medium, and is nothing for us
                frames.append(PlainFrame(part.topic(contents.header), part.data, self.tally, portion.settled))
        portion.left = len(frames)
        self._in_hand.add(name)
        self.tally.bytes_received += sum(len(frame.data) for frame in frames)
        if frames:
            self._inbox.put(frames)
        else:
            self.done(name)

    def _submit(self, entries: Sequence[Entry]) -> None:
        until = asyncio.get_running_loop().time() + HOLD_S
        for entry in entries:
            box = parse_mailbox(entry.parcel.topic)
            if box is not None and box.slot is not Slot.DATA:
                self._words.append(entry)
            else:
                self._held.append((until, entry))
        self._work.set()

    async def _write_words(self) -> None:
        """Keep what is for the next export; settled when it is on disk."""
        words = self._words[:]
        await asyncio.to_thread(self._store, [entry.parcel.topic for entry in words], [e.parcel.data for e in words])
        del self._words[: len(words)]
        for entry in words:
            self.tally.sent += 1
            self.tally.bytes_sent += len(entry.parcel.data)
            entry.settle(None)

    def _store(self, topics: Sequence[str], words: Sequence[bytes]) -> None:
        for topic, data in zip(topics, words, strict=True):
            box = parse_mailbox(topic)
            if box is not None and box.slot is Slot.KEYS:
                self._folder.keep(box.to, Part(Kind.KEYS, data, bytes.fromhex(box.tail)))
            elif box is not None:
                self._folder.keep(box.to, Part(Kind.CONTROL, data))

    def _let_go(self) -> None:
        """Refuse what was held long enough."""
        now = asyncio.get_running_loop().time()
        while self._held and (self._held[0][0] <= now or self._held[0][1].abandoned):
            _, entry = self._held.popleft()
            if not entry.abandoned:
                entry.settle(SendRefusal.BY_HAND)

    def _taken(self) -> None:
        self._work.set()
