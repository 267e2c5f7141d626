"""What is beyond the links, for tests in which time passes: partners' gateways that open what they are sent, or do not.

They have keyrings of their own and the time of the test; the courier may keep what they are sent while they are away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from gateway.keyring.ring import Keyring, Opened
from gateway.links import Parcel, SendRefusal
from protocols.custody import taken
from protocols.envelope import Reject
from protocols.message import unpack
from protocols.topics import Mailbox, Slot, parse_mailbox
from tests.fakes import NOW, FakeLink
from tests.gateway.line import Line


class Time:
    """A clock that somebody moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **units: float) -> None:
        self.now += timedelta(**units)


class Unsteady(FakeLink):
    """A link that can be cut: what it had not sent by then is lost, which it says once it is there again."""

    def cut(self) -> None:
        self.taking.clear()

    def mend(self) -> None:
        self.openings += 1
        self.taking.set()

    async def send_all(self, parcels: Sequence[Parcel]) -> Sequence[SendRefusal | None]:
        if not self.taking.is_set():
            await self.taking.wait()
            return [SendRefusal.LOST] * len(parcels)
        return await super().send_all(parcels)


class Far:
    """The partners of a line's gateway: who hears what, how often, and what they refuse."""

    def __init__(self, line: Line, keyrings: Mapping[str, Keyring], time: Time) -> None:
        self._line = line
        self._keyrings = keyrings
        self._time = time
        self._away: set[str] = set()
        self._kept: list[Parcel] = []  # at the courier, for those who are away
        self.heard: dict[str, list[str]] = {name: [] for name in keyrings}  # subjects, in their order
        self.repeats = 0
        self.refused: list[tuple[str, str]] = []

    def __call__(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            box = parse_mailbox(parcel.topic)
            if box is None or box.slot is Slot.CONTROL:
                continue
            if box.to in self._away:
                self._kept.append(parcel)
            else:
                self._take(box, parcel.data)

    def leaves(self, partner: str) -> None:
        self._away.add(partner)

    def returns(self, partner: str) -> None:
        """It is back, and the courier gives it what it kept."""
        self._away.discard(partner)
        kept, self._kept = self._kept, []
        self(kept)

    def _take(self, box: Mailbox, data: bytes) -> None:
        keyring, now = self._keyrings[box.to], self._time.now
        try:
            if box.slot is Slot.KEYS:
                opened = list(keyring.accept(data, now, box.sender))
            else:
                one = keyring.unseal(data, now, box.sender)
                opened = [] if one is None else [one]
        except Reject as refusal:
            self.refused.append((box.to, str(refusal.code)))
            return
        for each in opened:
            self._hear(box.to, each)

    def _hear(self, partner: str, opened: Opened) -> None:
        heard = self.heard[partner]
        for data in opened.messages:
            subject = unpack(data).subject
            self.repeats += subject in heard  # by its message id the gateway there knows it
            if subject not in heard:
                heard.append(subject)
        self._keyrings[partner].settle(opened.eid, opened.seq)
        known = self._keyrings[partner].custody(opened.eid)
        if known is not None:
            said = (taken(opened.eid, known.received),)
            asyncio.get_running_loop().call_soon(self._line.outbound.taken, partner, said)
