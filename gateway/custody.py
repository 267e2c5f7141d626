"""Custody between gateways: word of what we have taken and how it ended, and what partners' gateways say of ours.

Word is cumulative and sealed, sent some milliseconds after the first envelope was taken, so that a burst costs one
control record. A gateway that has said nothing for a while sends one that says nothing: a heartbeat. Whoever is silent
for longer than three of them, although something should flow, is reported. Over a link with a budget all of this is
said seldom, and only what somebody needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final, NamedTuple

from gateway.audit import AuditError
from gateway.audit.checkpoints import Checkpoints
from gateway.audit.witnesses import Witnesses
from gateway.dispatch import Consignment, Dispatch
from gateway.intake import RefusalError
from gateway.keyring.ring import Keyring, Opened
from gateway.outbound.outbound import Outbound
from gateway.routing import Table
from gateway.stream import About, Outcome, Stream
from protocols.custody import Control, Fate, Taken, Told, is_control, pack_control, portions, taken
from protocols.envelope import Reject
from protocols.log_checkpoint import since
from protocols.record import Event, Refused, Trouble, Withheld
from protocols.unit import partner_of

LINGER_S: Final = 0.004  # from the first envelope taken to the word of it
THIN_LINGER_S: Final = 15.0  # between two words over a link with a budget
THIN_CHECKPOINT_S: Final = 3_600.0  # between two checkpoints of our audit over one: each is 4 kB
PASSING: Final = "track"  # the kind of what is out of date before word of it would be there
UNOPENED_S: Final = 60.0  # between two words of one epoch that cannot be opened
UNOPENED_MAX: Final = 1024  # such epochs in that time
TOLD_MAX: Final = 20_000  # ends of messages that wait to be told; past that the oldest are not
SILENT_AFTER: Final = 3  # heartbeats
_FATES = {
    Event.DELIVERED: Fate.DELIVERED,
    Event.ACKNOWLEDGED: Fate.READ,
    Event.WITHHELD: Fate.REFUSED,
    Event.REFUSED: Fate.REFUSED,
    Event.NOT_ACKNOWLEDGED: Fate.EXPIRED,
}
_UNTOLD = frozenset({Refused.DUPLICATE, Refused.SUPERSEDED})  # the message itself, or a newer one, has its own end


class Pair(NamedTuple):
    """A unit of ours and a unit of a partner's gateway, between whose keys control records go."""

    unit: str
    peer: str


class Books(NamedTuple):
    """Checkpoints of our audit, for partners to keep, and theirs, for us."""

    checkpoints: Checkpoints
    witnesses: Witnesses


class Showing:
    """Which partner is still to be shown a checkpoint of our audit. Pure."""

    def __init__(self) -> None:
        self._unshown: dict[str, bytes] = {}
        self._shown_at: dict[str, float] = {}

    def begin(self, partner: str, now_s: float) -> None:
        """A partner from now on: where checkpoints go seldom, nothing is shown before units had their say."""
        self._shown_at.setdefault(partner, now_s)

    def made(self, checkpoint: bytes, partners: Iterable[str]) -> None:
        """There is another one; whoever was not shown the last will see the growth since before both."""
        for partner in partners:
            before = self._unshown.get(partner)
            self._unshown[partner] = checkpoint if before is None else since(before, checkpoint)

    def is_due(self, partner: str, now_s: float, every_s: float) -> bool:
        """Whether a partner is to be shown one now, at most one in so many seconds."""
        return partner in self._unshown and now_s - self._shown_at.get(partner, -every_s) >= every_s

    def take(self, partner: str, now_s: float) -> bytes:
        """What the partner is shown. Raise KeyError when that is nothing."""
        self._shown_at[partner] = now_s
        return self._unshown.pop(partner)


class Ends(NamedTuple):
    """What custody works with."""

    keyring: Keyring
    dispatch: Dispatch
    outbound: Outbound
    stream: Stream
    clock: Callable[[], datetime]
    holds: Callable[[str], bool] = lambda _: True  # which messages are ours to record, where workers share them


class Unopened:
    """Epochs of partners in which nothing can be opened any more, each told at most once a minute. Bounded."""

    def __init__(self) -> None:
        self._due: dict[tuple[str, bytes], None] = {}
        self._noted: dict[tuple[str, bytes], float] = {}

    def put(self, partner: str, eid: bytes, now: float) -> None:
        """Something came that was sealed in such an epoch."""
        if now - self._noted.get((partner, eid), -UNOPENED_S) < UNOPENED_S:
            return
        if len(self._noted) >= UNOPENED_MAX:
            self._noted = {each: at for each, at in self._noted.items() if now - at < UNOPENED_S}
        if len(self._noted) < UNOPENED_MAX:
            self._noted[partner, eid] = now
            self._due[partner, eid] = None

    def take(self, waits: Callable[[str], bool]) -> list[tuple[str, bytes]]:
        """What is to be told now: to all but partners that ``waits`` names."""
        taken = [each for each in self._due if not waits(each[0])]
        for each in taken:
            del self._due[each]
        return taken


class Custody:
    """What one gateway owes its partners' gateways, and hears from them. A reader of the Record stream."""

    def __init__(
        self, partner: str, table: Table, ends: Ends, heartbeats_s: Mapping[str, float], books: Books | None = None
    ) -> None:
        """``heartbeats_s``: seconds between two heartbeats by partner, 0 for none."""
        self._partner = partner
        self._books = books
        self._keyring, self._dispatch, self._outbound, self._stream, self._clock, self._holds = ends
        self._heartbeats_s = heartbeats_s
        self._owed: dict[bytes, None] = {}  # epochs of which word is due
        self._unopened = Unopened()
        self._told: dict[tuple[str, str], list[Told]] = {}  # ends of messages, by (unit of ours, origin)
        self._told_count = 0
        self._showing = Showing()
        self._heard: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._began = 0.0
        self._silent: set[str] = set()
        self._wake = asyncio.Event()
        self.adopt(table)

    def adopt(self, table: Table) -> None:
        """Know the pairs that this table lets speak to each other."""
        self._thin = table.thin
        self._pairs: dict[str, Pair] = {}
        for one, other in table.pairs():
            for unit, peer in ((one, other), (other, one)):
                foreign = partner_of(peer) != self._partner
                if foreign and unit in self._keyring.units and partner_of(peer) not in self._pairs:
                    self._pairs[partner_of(peer)] = Pair(unit, peer)
        self._silent &= self._pairs.keys()  # who is no partner any more is not waited for
        self._heard = {partner: at for partner, at in self._heard.items() if partner in self._pairs}

    def beat(self, heartbeats_s: Mapping[str, float]) -> None:
        """From now on these partners, who may have joined, are told that we are there, and told how messages ended."""
        self._heartbeats_s = heartbeats_s

    def took(self, opened: Iterable[Opened]) -> None:
        """These envelopes are ours now: their messages were handed over durably."""
        for envelope in opened:
            if not all(map(is_control, envelope.messages)):  # of word itself no word is owed, or it would never end
                self._owed[envelope.eid] = None
        self._wake.set()

    def repeated(self, eid: bytes) -> None:
        """An envelope came again that we have: the word of it was lost."""
        self._owed[eid] = None
        if (known := self._keyring.custody(eid)) is not None:
            self._outbound.unheard(partner_of(known.sender))
        self._wake.set()

    def unopened(self, refusal: RefusalError) -> None:
        """An envelope came, or an announcement, that can never be opened: whoever sealed it has to seal it anew."""
        if refusal.source is not None and refusal.eid is not None:
            self._unopened.put(refusal.source, refusal.eid, asyncio.get_running_loop().time())
            self._wake.set()

    def __call__(self, outcome: Outcome) -> None:
        """Take note of how a partner's message ended here."""
        record = outcome.record
        origin, fate = record.source, _FATES.get(record.event)
        if fate is None or origin is None or record.message is None or record.reason in _UNTOLD:
            return
        if partner_of(origin) == self._partner or partner_of(origin) not in self._heartbeats_s:
            return
        destination = record.destination or self._partner
        if partner_of(destination) != self._partner or self._told_count >= TOLD_MAX:
            return
        if fate is Fate.DELIVERED and record.subject_kind == PASSING and partner_of(origin) in self._thin:
            return
        fate = Fate.EXPIRED if record.reason == Withheld.EXPIRED else fate
        reason = None if fate in {Fate.DELIVERED, Fate.READ} else record.reason
        unit = destination if destination in self._keyring.units else self._voice(partner_of(origin))
        if unit is not None:
            self._told.setdefault((unit, origin), []).append(Told(record.message, origin, destination, fate, reason))
            self._told_count += 1
            self._wake.set()

    def hear(self, sender: str, control: Control) -> None:
        """What a partner's gateway says, under the verified signature of one of its units."""
        partner = partner_of(sender)
        self._outbound.taken(partner, control.taken)
        for told in control.told:
            ours = partner_of(told.destination) == partner and partner_of(told.origin) == self._partner
            if ours and self._holds(told.message):
                reason = told.reason or told.fate if told.fate is Fate.REFUSED else told.fate
                self._stream.about(Event.RECEIPT, About(reason, told.destination, told.message, told.origin))
        if control.checkpoint is not None and self._books is not None:
            self._witness(partner, control.checkpoint, self._books.witnesses)

    def _witness(self, partner: str, checkpoint: bytes, witnesses: Witnesses) -> None:
        """Keep what a partner says its audit is; one that contradicts an earlier one is an alarm."""
        try:
            seen = witnesses.take(partner, checkpoint, self._keyring, self._clock())
        except (Reject, AuditError, OSError) as error:
            reason = error.code if isinstance(error, Reject) else Trouble.WITNESS_NOT_KEPT
            self._stream.about(Event.FAULT, About(reason, partner))
            return
        if seen.alarm:
            self._stream.about(Event.FAULT, About(seen.standing, partner))

    def alive(self, partner: str) -> None:
        """Something came from a partner whose signature holds."""
        self._heard[partner] = asyncio.get_running_loop().time()
        if partner in self._silent:
            self._silent.discard(partner)
            self._stream.about(Event.MENDED, About(Trouble.PARTNER_SILENT, partner))

    @property
    def silent(self) -> Sequence[str]:
        """Partners of whom nothing is heard although something should be."""
        return tuple(sorted(self._silent))

    async def run(self) -> None:
        """Say what is owed, until cancelled."""
        self._began = asyncio.get_running_loop().time()
        for partner in self._pairs:
            self._heard.setdefault(partner, self._began)
            self._showing.begin(partner, self._began)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._wake.wait()
                    await asyncio.sleep(LINGER_S)
            self._wake.clear()
            now = self._clock()
            if self._books is not None and (made := await self._books.checkpoints.due(now)) is not None:
                self._showing.made(made, self._pairs)
            self._outbound.submit(list(self._word(now)), now)
            self._listen()

    async def last_word(self) -> list[Consignment]:
        """What is owed when a gateway stops, with a checkpoint over everything that its audit has by then."""
        now = self._clock()
        if self._books is not None and (made := await self._books.checkpoints.last(now)) is not None:
            self._showing.made(made, self._pairs)
        return list(self._word(now))

    def _word(self, now: datetime) -> Iterator[Consignment]:
        """Control records for everything that is due."""
        loop_s = asyncio.get_running_loop().time()
        by_pair = self._owing(loop_s)
        for partner, pair in self._pairs.items():
            every_s = self._heartbeats_s.get(partner, 0.0)
            shown = self._showing.is_due(partner, loop_s, self._rhythm_s(partner))
            if shown or 0 < every_s <= loop_s - self._spoken_at(partner):
                joined = next((each for each in by_pair if partner_of(each.peer) == partner), pair)
                by_pair.setdefault(joined, ([], []))
        for pair, (epochs, ends) in by_pair.items():
            partner = partner_of(pair.peer)
            self._pairs[partner] = pair  # whose epoch is open: another would have to be announced first
            shown = self._showing.is_due(partner, loop_s, self._rhythm_s(partner))
            checkpoint = self._showing.take(partner, loop_s) if shown else None
            self._said[partner] = loop_s
            for control in portions(epochs, ends, checkpoint):
                with suppress(Reject):  # a peer that can be told nothing, since it is revoked or its bundle expired
                    yield from self._dispatch.control(pair.unit, pair.peer, pack_control(control), now)

    def _owing(self, now: float) -> dict[Pair, tuple[list[Taken], list[Told]]]:
        """What is owed to whom: envelopes that were taken, and messages that ended."""
        by_pair: dict[Pair, tuple[list[Taken], list[Told]]] = {}
        for eid in list(self._owed):
            known = self._keyring.custody(eid)
            if known is not None and self._can_wait(partner_of(known.sender), now):
                continue
            del self._owed[eid]
            if known is not None:
                by_pair.setdefault(Pair(known.unit, known.sender), ([], []))[0].append(taken(eid, known.received))
        for partner, eid in self._unopened.take(lambda partner: self._can_wait(partner, now)):
            if (pair := self._pairs.get(partner)) is not None:
                by_pair.setdefault(pair, ([], []))[0].append(Taken(eid, 0))
        for (unit, origin), ends in list(self._told.items()):
            if not self._can_wait(partner_of(origin), now):
                by_pair.setdefault(Pair(unit, origin), ([], []))[1].extend(ends)
                self._told_count -= len(self._told.pop((unit, origin)))
        return by_pair

    def _rhythm_s(self, partner: str) -> float:
        return THIN_CHECKPOINT_S if partner in self._thin else 0.0

    def _spoken_at(self, partner: str) -> float:
        """When it was last told something. Over a link with a budget the first heartbeat is not due at the start."""
        return self._said.get(partner, self._began if partner in self._thin else 0.0)

    def _can_wait(self, partner: str, now: float) -> bool:
        """Over a link with a budget, word is gathered after the first: each control record takes a while of it."""
        return partner in self._thin and now - self._said.get(partner, -THIN_LINGER_S) < THIN_LINGER_S

    def _listen(self) -> None:
        """Report who has been silent for too long."""
        now = asyncio.get_running_loop().time()
        for partner in self._pairs:
            patience_s = SILENT_AFTER * self._heartbeats_s.get(partner, 0.0)
            if patience_s and partner not in self._silent and now - self._heard.setdefault(partner, now) > patience_s:
                self._silent.add(partner)
                self._stream.about(Event.FAULT, About(Trouble.PARTNER_SILENT, partner))

    def _voice(self, partner: str) -> str | None:
        pair = self._pairs.get(partner)
        return None if pair is None else pair.unit
