"""Parcels on disk: put there when a destination does not keep up, read back when it does. Over the spool.

Only sealed bytes wait for partners; what waits for a unit of ours is wrapped under a local key. Every row keeps the
Records that will be told when it ends, so that a restart or an expiry is accounted for like any other end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from gateway.dispatch import Consignment
from gateway.links import Parcel
from gateway.outbound.item import Item, State
from gateway.outbound.turns import RANKS
from gateway.outbound.wrapping import Wrapping, pack_facts, subjects, unpack_facts
from gateway.spool import Ended, Kept, Note, SpoolError, Why
from gateway.spool import Trouble as SpoolTrouble
from gateway.spool.spool import Spool
from gateway.stream import HandedOver, Stream
from protocols.custody import Numbered, Taken
from protocols.envelope import ENVELOPES_MAX
from protocols.record import Event, Record, Refused, Trouble, Withheld
from protocols.topics import key_topic

_LONG_AGO = datetime.min.replace(tzinfo=UTC)  # stands where facts are missing
EPOCH_S: Final = 86_400  # seconds an announcement is of use at most
_EID = 8
_ENDS = {
    Why.EXPIRED: (Event.WITHHELD, Withheld.EXPIRED),
    Why.SUPERSEDED: (Event.REFUSED, Refused.SUPERSEDED),
    Why.DAMAGED: (Event.REFUSED, Trouble.DAMAGED),
}


class Waiting:
    """What waits at one gateway."""

    def __init__(self, spool: Spool, wrapping: Wrapping, stream: Stream, partner: str) -> None:
        self._spool = spool
        self._wrapping = wrapping
        self._stream = stream
        self._partner = partner
        self._announced: dict[bytes, Note] = {}  # of epochs that something may have to wait under, for each partner
        self._noted: set[bytes] = set()  # of these the disk has the announcements
        self._earlier: dict[bytes, float] = {}  # when epochs of an earlier process end

    def rows(self) -> dict[str, list[int]]:
        """Rows that wait, by destination and precedence."""
        found = {}
        for lane, levels in self._spool.counts().items():
            if ":" in lane:
                continue  # not a destination: in quarantine
            counted = [0] * RANKS
            for level, count in levels.items():
                counted[level] = count.rows - count.in_hand
            found[lane] = counted
        return found

    def oldest_s(self, lane: str) -> list[float]:
        """For how long the oldest of each precedence has waited, seconds."""
        levels = self._spool.counts().get(lane, {})
        return [levels[level].oldest_s if level in levels else 0.0 for level in range(RANKS)]

    def announced(self, consignment: Consignment) -> None:
        """Remember an announcement, for envelopes that may have to wait."""
        if consignment.note is not None:
            expires_s = self._spool.wall_s() + (consignment.parcel.expires_s or EPOCH_S)
            name = _name(consignment.note, consignment.to)
            self._announced[name] = Note(name, consignment.to, consignment.parcel.data, expires_s)

    def announcement(self, eid: bytes, partner: str) -> Parcel | None:
        """The announcement of an epoch for a partner, where it is known and of use."""
        note = self._announced.get(_name(eid, partner))
        left_s = 0 if note is None else int(note.expires_s - self._spool.wall_s())
        if note is None or left_s <= 0:
            return None
        return Parcel(key_topic(partner, self._partner, eid), note.data, retain=True, expires_s=left_s)

    def is_over(self, eid: bytes) -> bool:
        """Whether an epoch of an earlier process is over, or nothing is known of it."""
        return self._earlier.get(eid, 0.0) <= self._spool.wall_s()

    def over(self) -> list[bytes]:
        """Epochs of an earlier process that are over, until they are forgotten.

        By the clock as it is believed: one that somebody sets must not end what may still be opened.
        """
        now_s = self._spool.wall_s()
        return [eid for eid, ends_s in self._earlier.items() if ends_s <= now_s]

    def forget_earlier(self, eid: bytes) -> None:
        """Nothing waits any more in an epoch of an earlier process that is over."""
        del self._earlier[eid]

    async def holds(self, eids: Sequence[bytes]) -> set[bytes]:
        """Those of these epochs under which something is on disk."""
        there = await self._spool.holds([(_key(eid, 0), _key(eid, ENVELOPES_MAX)) for eid in eids]) if eids else ()
        return {eid for eid, held in zip(eids, there, strict=True) if held}

    def sweep(self) -> None:
        """Forget announcements whose epochs are over, by the clock as it is believed: none that is only set."""
        now_s = self._spool.wall_s()
        over = [name for name, note in self._announced.items() if note.expires_s < now_s]
        for name in over:
            del self._announced[name]
            self._noted.discard(name)

    async def recall(self) -> None:
        """Know the announcements that rows of an earlier process need."""
        for note in await self._spool.notes():
            self._announced[note.eid] = note
            self._noted.add(note.eid)
            eid = note.eid[:_EID]
            self._earlier[eid] = max(note.expires_s, self._earlier.get(eid, 0.0))

    async def keep(self, lane: str, held: Sequence[tuple[Item, str]]) -> None:
        """Put parcels on disk; each then has its row, in hand when under way. Raise SpoolError: nothing was kept."""
        things, drafts = [], []
        for item, _ in held:
            records = self._drafts(item)
            drafts.append(records)
            things.append(await self._thing(lane, item, records))
        try:
            put = await self._spool.put(things)
        except SpoolError as error:
            if error.reason is SpoolTrouble.UNKNOWN_NOTE:
                self._noted.clear()  # announcements that the disk has forgotten are put there again
            raise
        for (item, reason), records, row in zip(held, drafts, put.ids, strict=True):
            item.row = row
            what = item.consignment
            data = what.parcel.data if what.event is Event.DELIVERED else None
            for record, copy in zip(records, what.copies, strict=True):
                self._stream.held(record, reason, copy.message, data)
        self.tell(put.superseded)

    async def load(self, lane: str, level: int, limit: int, now_s: float) -> list[Item]:
        """Parcels of one precedence from the disk, oldest first, now in hand."""
        items = []
        for row in await self._spool.take(lane, (level,), limit):
            try:
                drafts = unpack_facts(row.facts)
                parcel, messages = self._wrapping.open(row.data, wrapped=not row.key)
            except ValueError:
                self.tell([Ended(row.id, row.lane, row.precedence, row.key, row.facts, Why.DAMAGED)])
                self._spool.done((row.id,))
                continue
            number = Numbered(row.key[:_EID], int.from_bytes(row.key[_EID:], "big")) if row.key else None
            event = drafts[0].event if drafts else Event.FORWARDED
            consignment = Consignment(lane, parcel, event, precedence=level, custody=number)
            item = Item(consignment, drafts[0].at if drafts else _LONG_AGO, now_s - row.waited_s, None)
            item.row, item.facts, item.messages = row.id, row.facts, messages
            items.append(item)
        return items

    def release(self, items: Iterable[Item]) -> None:
        """These are not in hand any more: they wait on disk alone."""
        self._spool.release([item.row for item in items if item.row is not None])

    def done(self, rows: Iterable[int]) -> None:
        """These are over, and their Records are written."""
        self._spool.done(rows)

    async def settle(self, lane: str, said: Sequence[Taken]) -> Sequence[Ended]:
        """Rows that a partner's gateway has taken, whoever gave them to it."""
        return await self._spool.settle(lane, [each for taken in said for each in _ranges(taken)])

    async def expire(self) -> Sequence[Ended]:
        """End what is too old."""
        return await self._spool.expire()

    def tell(self, ended: Iterable[Ended], event: Event | None = None, reason: str | None = None) -> None:
        """The Records of rows that ended unseen; ``event`` where they ended otherwise than the spool says."""
        for each in ended:
            try:
                drafts = unpack_facts(each.facts)
            except ValueError:
                continue
            for draft in drafts:
                what, why = _ENDS.get(each.why, (draft.event, draft.reason))
                self._stream.ended(draft, event or what, (reason or draft.reason) if event else why)

    def _drafts(self, item: Item) -> tuple[Record, ...]:
        what = item.consignment
        handed = HandedOver(what.form, what.parcel.data, what.loss, item.arrived, what.reason)
        return tuple(self._stream.draft(what.event, message, way, handed) for message, way in what.copies)

    async def _thing(self, lane: str, item: Item, drafts: Sequence[Record]) -> Kept:
        what = item.consignment
        number = what.custody
        ends = [copy.message.times.valid_until for copy in what.copies]
        known = [end for end in ends if end is not None]
        expires = max(known) if known and len(known) == len(ends) else None
        note = b"" if number is None else await self._note(number.eid, lane)
        return Kept(
            lane,
            what.precedence,
            self._wrapping.wrapped(what.parcel, [copy.message for copy in what.copies])
            if number is None
            else self._wrapping.sealed(what.parcel),
            pack_facts(drafts),
            b"" if number is None else number.eid + number.seq.to_bytes(4, "big"),
            note,
            None if expires is None else expires.timestamp(),
            None if what.due is None else what.due.timestamp(),
            subjects(what.copies) if what.due is None else (),  # a newer one that waits too does not take its place
            item.state is not State.READY,
        )

    async def _note(self, eid: bytes, partner: str) -> bytes:
        """Have the announcement on disk that an envelope needs; empty where none is known."""
        name = _name(eid, partner)
        if name not in self._noted and (note := self._announced.get(name)) is not None:
            await self._spool.put_note(note)
            self._noted.add(name)
        return name if name in self._noted else b""


def _name(eid: bytes, partner: str) -> bytes:
    return eid + partner.encode()


def _ranges(taken: Taken) -> list[tuple[bytes, bytes]]:
    """Keys of the envelopes that were taken, as ranges whose ends both belong."""
    return [(_key(taken.eid, first), _key(taken.eid, last)) for first, last in taken.ranges()]


def _key(eid: bytes, seq: int) -> bytes:
    return eid + seq.to_bytes(4, "big")
