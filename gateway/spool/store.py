"""The log and its index as one: what is put in, taken, ended. For one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.spool import Clock, Ended, Kept, Note, Put, Row, SpoolError, SpoolFull, Trouble, Why
from gateway.spool.ageing import Ageing
from gateway.spool.ballast import BALLAST_BYTES, Ballast
from gateway.spool.catalogue import Catalogue
from gateway.spool.entry import Entry, Kind, Noted, Thing, write
from gateway.spool.fault import IndexDamagedError, of_system
from gateway.spool.hand import Hand
from gateway.spool.index import PRECEDENCES, Arrival, Found, lane_of, queue_of
from gateway.spool.log import Place
from gateway.spool.room import Allowed, Draft, Room
from gateway.spool.schema import SEQUENCE_BITS
from gateway.spool.tidy import Tidying

ENDED_MAX: Final = 2000  # rows that one call ends
_SETTLED_MAX: Final = 10_000  # rows that one range settles
_SPARE_BYTES: Final = 1 << 20  # beyond what was refused, so that it does not begin again at once
_STAMP_S: Final = 30.0  # spool time that a kill may lose


class Store:
    """What waits on disk, in one folder."""

    def __init__(self, folder: Path, allowed: Allowed, clock: Clock) -> None:
        """Open it, and make good what is damaged. Raise SpoolError."""
        self._ballast = Ballast(folder / "ballast")
        self.hand = Hand()
        self.trouble: Trouble | None = None
        self._refused_bytes = 0  # that were to be written when that trouble began
        self.lost = 0
        self.commits = 0
        self._broken: list[Ended] = []
        self._done: set[int] = set()  # ended, and not yet in the log
        self.catalogue = self._open(folder)
        lived_s, wall_s = self.catalogue.stamp
        self.ageing = Ageing(clock, lived_s, wall_s if wall_s >= 0 else None)
        self.room = Room(self.catalogue, allowed)
        self._tidying = Tidying(self.catalogue)
        self._notes = {bytes.fromhex(note.eid) for note in self.catalogue.index.notes()}

    def _open(self, folder: Path) -> Catalogue:
        try:
            return Catalogue(folder, self.hand.look_again)
        except SpoolError as error:
            if error.reason is not Trouble.DISK_FULL or not self._ballast.release():
                raise
        return Catalogue(folder, self.hand.look_again)

    def close(self) -> None:
        """Write down what is done and let go of the files."""
        try:
            self.forget(())
            self._stamp(0.0)
        except SpoolError as error:
            self.trouble = error.reason
        self.catalogue.close()

    @property
    def unwritten(self) -> bool:
        """Whether something that is done is not yet in the log."""
        return bool(self._done)

    def put(self, puts: Sequence[Sequence[Kept]]) -> list[Put | SpoolError]:
        """Keep what several callers give, in one group. Each is kept as a whole or not at all."""
        answers: list[Put | SpoolError | None] = [None] * len(puts)
        try:
            self._ballast.hold()
        except OSError as error:
            self.trouble = of_system(error)
            return [SpoolError(self.trouble)] * len(puts)
        self._stamp_clock()
        together: list[Draft] = []
        alone: list[Draft] = []
        self.room.measure()
        for position, things in enumerate(puts):
            try:
                draft = self._draft(position, things)
                lane = self.room.take(draft)
                if lane is not None and not any(kept.subjects for kept in things):
                    raise SpoolFull(lane)
            except SpoolError as error:
                answers[position] = error
            else:
                (together if lane is None else alone).append(draft)  # alone: by superseding it may make its own room
        for group in (together, *([draft] for draft in alone)):
            for draft, answer in zip(group, self._keep(group, strict=group is not together), strict=True):
                answers[draft.position] = answer
        return [answer for answer in answers if answer is not None]

    def _draft(self, position: int, things: Sequence[Kept]) -> Draft:
        """As it is to stand in the log. Raise SpoolError, ValueError for what cannot be."""
        self._know_notes({kept.note for kept in things if kept.note})
        lanes = {kept.lane: self._lane(kept.lane) for kept in things}
        at, wall = self.catalogue.stamp
        ids, bodies, raws = [], [], []
        for number, kept in enumerate(things, self.catalogue.next_id):
            row = lanes[kept.lane] * PRECEDENCES + kept.precedence << SEQUENCE_BITS | number
            body = self._body(kept, at, wall)
            ids.append(row)
            bodies.append(body)
            raws.append(write(Kind.THING, body, row, kept.precedence))
        self.catalogue.next_id += len(ids)
        return Draft(position, things, ids, bodies, raws)

    def _lane(self, name: str) -> int:
        number = self.catalogue.index.lanes.get(name)
        return self.catalogue.read(lambda: self.catalogue.index.lane(name)) if number is None else number

    def _body(self, kept: Kept, at: float, wall: float) -> Thing:
        expires = None if kept.expires_s is None else self.ageing.at_s(kept.expires_s)
        due = None if kept.due_s is None else self.ageing.at_s(kept.due_s)
        return Thing(
            kept.lane,
            at,
            wall,
            due if due is not None and due > at else None,
            expires,
            kept.expires_s,
            kept.key,
            kept.note,
            kept.subjects,
            kept.facts,
            kept.data,
        )

    def _know_notes(self, eids: set[bytes]) -> None:
        if not eids <= self._notes:
            raise SpoolError(Trouble.UNKNOWN_NOTE)

    def _keep(self, drafts: Sequence[Draft], *, strict: bool) -> list[Put | SpoolError]:
        if not drafts:
            return []
        try:
            ended = self._write(drafts, strict=strict)
        except SpoolError as error:
            if not isinstance(error, SpoolFull):
                self.trouble = error.reason
                refused = 2 * sum(len(raw) for draft in drafts for raw in draft.raws)
                self._refused_bytes = min(refused, BALLAST_BYTES)  # what a disk may never have had room for
            return [error] * len(drafts)
        self.trouble = None
        self.commits += 1
        puts = [Put(tuple(d.ids), ()) for d in drafts]
        for one in ended:  # given to one that put something newer into the lane
            at = next(i for i, d in enumerate(drafts) if any(k.subjects and k.lane == one.lane for k in d.things))
            puts[at] = puts[at]._replace(superseded=(*puts[at].superseded, one))
        return list(puts)

    def _write(self, drafts: Sequence[Draft], *, strict: bool) -> list[Ended]:
        lanes = {kept.lane for draft in drafts for kept in draft.things}
        ids = [row for draft in drafts for row in draft.ids]
        given = {row for draft in drafts for row, k in zip(draft.ids, draft.things, strict=True) if k.in_hand}

        def apply(places: Sequence[Place]) -> list[Found]:
            index = self.catalogue.index
            bodies = [body for draft in drafts for body in draft.bodies]
            stale = index.add(list(map(Arrival, ids, places, bodies)))
            found = index.among(row for row in stale if row not in given and row not in self.hand) if stale else []
            if found:
                index.remove(one.id for one in found)
            if strict:
                self.room.check(lanes)
            return found

        found = self.catalogue.write([raw for d in drafts for raw in d.raws], apply, sync=True) or []
        self.hand.hold(given)
        self._done.update(one.id for one in found)
        entries = self.catalogue.log.read(found)
        things = [entry.thing() if entry and entry.kind is Kind.THING else None for entry in entries]
        return [self._ended(one, thing, Why.SUPERSEDED) for one, thing in zip(found, things, strict=True)]

    def take(self, lane: str, precedences: Sequence[int], limit: int, bytes_max: int) -> list[Row]:
        """Give out rows, in the order of these precedences, the oldest of each first."""
        found, things, seen = self.catalogue.read(lambda: self._look(lane, precedences, limit, bytes_max))
        now_s = self.ageing.now_s()
        rows = []
        for one, thing in zip(found, things, strict=True):
            if thing is None:
                self._broken.append(self._ended(one, None, Why.DAMAGED))
                self._done.add(one.id)
                continue
            rows.append(_row(one.id, thing, now_s))
        self.hand.hold(row.id for row in rows)
        for queue, seen_row in seen.items():
            self.hand.seen(queue, seen_row)
        return rows

    def _look(
        self, lane: str, precedences: Sequence[int], limit: int, bytes_max: int
    ) -> tuple[list[Found], list[Thing | None], dict[int, int]]:
        index = self.catalogue.index
        self.hand.look_again(index.mature(self.ageing.now_s()))
        found: list[Found] = []
        seen: dict[int, int] = {}
        size = 0
        if lane not in index.lanes:
            return [], [], {}
        for precedence in precedences:
            queue = index.lanes[lane] * PRECEDENCES + precedence
            for one in self._waiting(queue, limit):
                if one.id not in self.hand and one.id not in self._done:
                    if found and (len(found) >= limit or size + one.length > bytes_max):
                        return found, self._things(found), seen
                    found.append(one)
                    size += one.length
                seen[queue] = one.id
        return found, self._things(found), seen

    def _waiting(self, queue: int, limit: int) -> Iterator[Found]:
        index = self.catalogue.index
        if queue not in index.sums or not index.sums[queue].rows:
            return
        after = self.hand.after(queue)
        while True:
            rows = index.ready(queue, after, limit)
            yield from rows
            if len(rows) < limit:
                return
            after = rows[-1].id

    def _things(self, found: Sequence[Found]) -> list[Thing | None]:
        """What the log has there; None where both copies are damaged. Raise IndexDamagedError when it is not that."""
        log, names = self.catalogue.log, self.catalogue.index.names
        things: list[Thing | None] = []
        for one, entry in zip(found, log.read(found), strict=True):
            if entry is None:
                if not log.broken(one):
                    raise IndexDamagedError
                things.append(None)
                continue
            thing = entry.thing() if entry.id == one.id and entry.kind is Kind.THING else None
            if thing is None or thing.lane != names.get(lane_of(one.id)):
                raise IndexDamagedError
            things.append(thing)
        return things

    def finish(self, ids: Iterable[int]) -> None:
        """They wait no longer, which is written with the next ``forget``; until then ``take`` leaves them out."""
        self._done.update(ids)

    def forget(self, ids: Iterable[int]) -> None:
        """They wait no longer. Raise SpoolError when it cannot be written yet; then it is with the next."""
        self._done.update(ids)
        if not self._done:
            return
        self._stamp_clock()
        done = sorted(self._done)
        try:
            self._write_done(done)
        except SpoolError as error:
            self.trouble = error.reason
            raise
        self.hand.drop(done)
        self._done.difference_update(done)

    def _write_done(self, done: list[int]) -> None:
        raws = [write(Kind.DONE, done)]
        try:
            self.catalogue.write(raws, lambda _: self.catalogue.index.remove(done), sync=False)
        except SpoolError as error:
            if error.reason is not Trouble.DISK_FULL or not self._ballast.release():
                raise
            self.catalogue.write(raws, lambda _: self.catalogue.index.remove(done), sync=False)

    def settle(self, lane: str, ranges: Sequence[tuple[bytes, bytes]]) -> list[Ended]:
        """The rows of a lane with keys in these ranges wait no longer."""

        def look() -> tuple[list[Found], list[Thing | None]]:
            index = self.catalogue.index
            number = index.lanes.get(lane, 0)
            found = {one.id: one for first, last in ranges for one in index.keyed(number, first, last, _SETTLED_MAX)}
            rows = [one for one in found.values() if one.id not in self._done]
            return rows, self._things(rows)

        return self._end(*self.catalogue.read(look), Why.SETTLED)

    def holds(self, ranges: Sequence[tuple[bytes, bytes]]) -> list[bool]:
        """Whether rows have keys in these ranges."""
        return self.catalogue.read(lambda: [self.catalogue.index.holds(*each) for each in ranges])

    def expire(self) -> list[Ended]:
        """End what is too old, and what was superseded while it was in hand; at most ENDED_MAX rows."""
        self.forget(())
        broken, self._broken = self._broken, []
        try:
            ended = self._end(*self.catalogue.read(self._stale), Why.SUPERSEDED)
            if not self.ageing.held and len(ended) < ENDED_MAX:
                ended += self._end(*self.catalogue.read(self._expired), Why.EXPIRED)
            self._stamp()
        except SpoolError:
            self._broken = broken
            raise
        with suppress(SpoolError, OSError):
            self._mend()
        return broken + ended

    def _stale(self) -> tuple[list[Found], list[Thing | None]]:
        found = self._not_in_hand(self.catalogue.index.stale)
        return found, self._things(found)

    def _expired(self) -> tuple[list[Found], list[Thing | None]]:
        index, now_s = self.catalogue.index, self.ageing.now_s()
        found = self._not_in_hand(lambda limit, offset: index.expired(now_s, limit, offset))
        for queue, oldest in index.oldest.items():
            name = index.names.get(queue // PRECEDENCES)
            before_s = now_s - self.room.limits(name or "").age_max_s
            if oldest <= before_s and len(found) < ENDED_MAX:
                found += self._not_in_hand(lambda limit, offset: index.aged(queue, before_s, limit, offset))  # noqa: B023
        unique = list({one.id: one for one in found}.values())
        return unique, self._things(unique)

    def _not_in_hand(self, look: Callable[[int, int], list[Found]]) -> list[Found]:
        found: list[Found] = []
        offset = 0
        while len(found) < ENDED_MAX:
            rows = look(ENDED_MAX, offset)
            found += [one for one in rows if one.id not in self.hand and one.id not in self._done]
            if len(rows) < ENDED_MAX:
                break
            offset += ENDED_MAX
        return found[:ENDED_MAX]

    def _end(self, found: Sequence[Found], things: Sequence[Thing | None], why: Why) -> list[Ended]:
        if not found:
            return []
        self.forget(one.id for one in found)
        return [self._ended(one, thing, why) for one, thing in zip(found, things, strict=True)]

    def _ended(self, one: Found, thing: Thing | None, why: Why) -> Ended:
        lane = self.catalogue.index.names.get(lane_of(one.id), "")
        if thing is None:
            self.lost += 1
            return Ended(one.id, lane, queue_of(one.id) % PRECEDENCES, b"", b"", Why.DAMAGED)
        return Ended(one.id, lane, queue_of(one.id) % PRECEDENCES, thing.key, thing.facts, why)

    def put_note(self, note: Note) -> None:
        """Keep a note. Raise SpoolError."""
        self._stamp_clock()
        noted = Noted(note.eid, note.partner, note.data, self.ageing.at_s(note.expires_s), note.expires_s)
        try:
            self._ballast.hold()
        except OSError as error:
            raise SpoolError(of_system(error)) from None
        self.catalogue.write(
            [write(Kind.NOTE, noted)], lambda places: self.catalogue.index.note(noted, places[0]), sync=True
        )
        self._notes.add(note.eid)

    def notes(self, eids: Sequence[bytes] | None) -> list[Note]:
        """Those notes, or all."""

        def look() -> list[Entry | None]:
            return self.catalogue.log.read(self.catalogue.index.notes(eids))

        bodies = [entry.noted() for entry in self.catalogue.read(look) if entry and entry.kind is Kind.NOTE]
        return [Note(body.eid, body.partner, body.data, body.expires_s) for body in bodies]

    def tidy(self) -> bool:
        """One step of keeping the log short; whether there is more to do. Raise SpoolError, OSError."""
        return self._tidying.step(urgent=self.trouble is Trouble.DISK_FULL)

    def _mend(self) -> None:
        """See whether what could not be written could be now. Raise SpoolError, OSError."""
        if self.trouble is None:
            return
        self.catalogue.read(lambda: self.catalogue.index.checkpoint(shrink=True))
        self._ballast.hold()
        self._stamp(0.0)
        if self._ballast.room() >= self._refused_bytes + _SPARE_BYTES:
            self.trouble = None

    def _stamp_clock(self) -> None:
        self.catalogue.stamp = self.ageing.stamp()

    def _stamp(self, after_s: float = _STAMP_S) -> None:
        """Write down the time now and then, so that a restart knows how long it was away; forget notes by it."""
        self._stamp_clock()
        lived_s = self.catalogue.stamp[0]
        if lived_s - self.catalogue.index.mark.lived_s >= after_s:
            dropped = self.catalogue.write([], lambda _: self.catalogue.index.drop_notes(lived_s), sync=False)
            self._notes -= dropped or set()


def _row(number: int, thing: Thing, now_s: float) -> Row:
    precedence, waited_s = queue_of(number) % PRECEDENCES, max(0.0, now_s - thing.at)
    return Row(
        number, thing.lane, precedence, thing.data, thing.facts, thing.key, thing.note, thing.expires_s, waited_s
    )
