"""One destination: a partner's gateway or a unit of ours, and everything that is on its way there."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from math import inf
from typing import Final

from gateway.dispatch import CONTROL, Consignment
from gateway.links import Parcel
from gateway.outbound.item import Item, State
from gateway.outbound.parts import parts_of
from gateway.outbound.roads import Detour
from gateway.outbound.turns import FRAMING, RANKS, URGENT, Offer, rank
from gateway.outbound.window import LARGEST, Window
from protocols.custody import Numbered, Taken
from protocols.record import Holding

PATIENCE_S: Final = 2.0  # for custody, before an envelope is sent again; doubled each time
THIN_PATIENCE_S: Final = 120.0  # the same over a link with a budget, where word of custody comes seldom
THIN_HOLD_S: Final = 10.0  # that what is urgent waits for its turn there in memory, its source with it
PATIENCE_MAX_S: Final = 60.0
AWAY_TRIES: Final = 2  # of an envelope, without a word of anything, after which a gateway is taken to be away
ALONE_S: Final = 0.05  # between two tries where nobody was there to receive, doubled each time
ALONE_MAX_S: Final = 2.0
WORD_RANK: Final = URGENT - 0.005  # after everything urgent, before everything that is not
LOAD: Final = 64  # parcels read from the disk at once
LOAD_THIN: Final = 4
CONTROL_MAX: Final = 1024  # parcels about keys and custody that wait in memory; older ones are sent anew anyhow


class Lane:
    """Queues by precedence. What is READY stands in ``fresh``; older ones of the same precedence never on disk."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.thin = False  # reached by a link with a budget
        self.fresh: tuple[deque[Item], ...] = tuple(deque() for _ in range(RANKS))
        self.disk = [0] * RANKS  # rows on disk that nobody has in hand, and that are due
        self.unsafe: dict[Item, None] = {}  # in memory alone, so that their sources wait; oldest first
        self.numbered: dict[bytes, dict[int, Item]] = {}  # envelopes under way, by epoch and number
        self.former: dict[Numbered, Item] = {}  # sealed anew since: word of what they were sent as is word of them
        self.announced: set[bytes] = set()  # epochs of rows whose announcements were published again
        self.spill: list[tuple[Item, str]] = []  # to be put on disk, and why
        self.spilling = False
        self.storing: frozenset[int] = frozenset()  # precedences of which something is just being put there
        self.cut: dict[int, Item] = {}  # by precedence, what goes in several frames and has not gone whole
        self.loading = False
        self.window = Window()
        self.paused_until = 0.0  # the far side refuses what it may take later
        self.pauses = 0
        self.back_at = 0.0  # when the disk may be asked again
        self.openings: Mapping[str, int] = {}  # connections of the links that lead there, when it was looked at
        self.doubt: dict[int, Item | None] = {}  # precedences of which one parcel goes alone until it has arrived
        self.silent = False  # its gateway says nothing, and is taken to be away
        self.detour = Detour()
        self.road: str | None = None  # the link that was taken last
        self._heard_at = 0.0
        self._turns = 0
        self._alone_at = 0.0  # when the next of those may go
        self._alone_s = ALONE_S
        self._delayed: list[tuple[float, int]] = []

    @property
    def waiting(self) -> int:
        """Parcels that wait on disk."""
        return sum(self.disk) + len(self._delayed)

    @property
    def room(self) -> int:
        """Parcels that may still be sent; where there is a budget it says when, since word of custody comes seldom."""
        return max(0, LARGEST - self.window.parcels) if self.thin else self.window.room

    def put(self, item: Item) -> Holding | None:
        """Queue a parcel behind its like, or say why it has to wait on disk."""
        level = item.precedence
        if level == CONTROL:
            queue = self.fresh[CONTROL]
            if len(queue) >= CONTROL_MAX:
                queue.popleft()
            queue.append(item)
            return None
        if (
            self.disk[level]
            or level in self.storing
            or any(each.precedence == level and _is_passed(each) for each, _ in self.spill)
        ):
            return Holding.BEHIND
        self.fresh[level].append(item)
        if item.ticket is not None:
            self.unsafe[item] = None
        return None

    def back(self, items: Sequence[Item]) -> None:
        """The disk does not take these: they stay in memory, and their sources go on waiting."""
        self.unsafe = dict.fromkeys(items) | self.unsafe
        for item in reversed(items):
            if item.state is State.READY:
                self.fresh[item.precedence].appendleft(item)

    def levels(self, now: float) -> Iterator[int]:
        """Precedences that something may be sent of now: what is urgent always, the rest while there is room."""
        if now < self.paused_until:
            return
        for level in range(CONTROL, -1, -1):
            begun = level in self.cut
            if begun or (self.fresh[level] and (level >= URGENT or self.room) and self._may_go(level, now)):
                yield level

    def next_level(self, now: float) -> int | None:
        """The precedence whose turn it is, by rank; None when nothing may be sent."""
        levels = list(self.levels(now))
        return max(levels, key=lambda level: self._rank(level, now), default=None)

    def head(self, level: int) -> Item:
        """What is next of a precedence."""
        return self.cut.get(level) or self.fresh[level][0]

    def _rank(self, level: int, now: float) -> float:
        """How urgent the next one is; on a thin link word waits for what is urgent, and so do keys of what is not."""
        if level == CONTROL and self.thin and self._needed().isdisjoint(self._keys()):
            return WORD_RANK
        return rank(level, now - self.head(level).since)

    def _needed(self) -> set[bytes]:
        """Epochs of what is urgent."""
        numbers = [item.consignment.custody for queue in self.fresh[URGENT:CONTROL] for item in queue]
        return {number.eid for number in numbers if number is not None}

    def _keys(self) -> set[bytes | None]:
        """Epochs whose announcements wait."""
        begun = [self.cut[CONTROL]] if CONTROL in self.cut else []
        return {item.consignment.note for item in (*begun, *self.fresh[CONTROL])}

    def load_level(self, oldest: Sequence[float]) -> int | None:
        """The precedence to be read from the disk next; ``oldest``: how long the oldest of each has waited, seconds."""
        return max(self._to_load(), key=lambda level: rank(level, oldest[level]), default=None)

    @property
    def load_size(self) -> int:
        """How many to read at once. By a link with a budget few: what waits on disk may still be superseded there."""
        return LOAD_THIN if self.thin else LOAD

    def _to_load(self) -> list[int]:
        """Precedences of which some wait on disk and few are at hand: what goes next is read ahead of its turn."""
        few = 1 if self.thin else LOAD // 2
        return [level for level in range(RANKS) if self.disk[level] and len(self.fresh[level]) < few]

    def offer(self, level: int, now: float) -> Offer:
        """What it would send next by a link with a budget."""
        return Offer(self.name, level, self.head(level).size + FRAMING, self._rank(level, now))

    def part(self, level: int, frame: int) -> tuple[Item, Parcel]:
        """The next one of a precedence, or the next frame of it where it is longer than one."""
        item = self.cut.get(level) or self.take(level)
        parcel = item.consignment.parcel
        item.parts = item.parts or parts_of(parcel, frame)
        if item.parts is None:
            self.cut.pop(level, None)
            return item, parcel
        parcel = item.parts.next()
        self.cut[level] = item
        if item.parts.given:
            del self.cut[level]
        return item, parcel

    def cut_anew(self) -> None:
        """What was sent may be lost: what has not gone whole begins again."""
        for item in self.cut.values():
            item.parts = None

    def at_broker(self, item: Item, now: float) -> None:
        """A broker has it, and word of the far side is owed. Where that comes seldom, the next need not wait for it."""
        item.state, item.sent_at = State.SENT, now
        if self.thin and not self.silent and self.doubt.get(item.precedence) is item:
            del self.doubt[item.precedence]

    def take(self, level: int) -> Item:
        """The next one of a precedence, now under way."""
        item = self.fresh[level].popleft()
        item.state, item.left_at = State.FLYING, inf
        if not item.turn:
            self._turns += 1
            item.turn = self._turns
        if level in self.doubt:
            self.doubt[level] = item
        self.window.sent(item.size)
        number = item.consignment.custody
        if number is not None:
            self.numbered.setdefault(number.eid, {})[number.seq] = item
        return item

    def wants_load(self, now: float) -> bool:
        """Whether something should be read from the disk: while something moves, since what is in hand expires not."""
        return now >= self.paused_until and any(self.disk) and bool(self.room) and bool(self._to_load())

    def loaded(self, level: int, items: Sequence[Item]) -> None:
        """These came from the disk."""
        self.fresh[level].extend(items)
        self.disk[level] = max(0, self.disk[level] - len(items)) if items else 0

    def look_for(self, rows: Sequence[int]) -> None:
        """Rows on disk of which we do not know whether they are due: what is not is not found, and looked for again."""
        if not self.loading:
            self.disk = [known or there for known, there in zip(self.disk, rows, strict=True)]

    def again(self, items: Collection[Item]) -> None:
        """Send these once more, in the order in which they were first sent, before what has not been sent yet."""
        for item in items:
            item.state = State.READY
            self._is_back(item)
        # What is just being put on disk is read from there.
        ours = [item for item in items if item.row is not None or item in self.unsafe or item.precedence == CONTROL]
        for level in {item.precedence for item in ours}:
            queue = self.fresh[level]
            before = [item for item in (*ours, *queue) if item.precedence == level and item.turn]
            rest = [item for item in queue if not item.turn]
            queue.clear()
            queue.extend(sorted(before, key=lambda item: item.turn))
            queue.extend(rest)

    def not_sent(self, items: Collection[Item]) -> None:
        """These were not given to a link after all."""
        for item in items:
            self.window.ended(item.size)
        self.again(items)

    def given_back(self, items: Collection[Item]) -> None:
        """A link did not send these, or what it sent may be lost."""
        self.not_sent(items)
        self.go_back()

    def held_by(self, road: str) -> list[Item]:
        """What a link was given and has not answered."""
        return [item for item in self.under_way() if item.state is State.FLYING and item.given_to == road]

    def go_back(self) -> None:
        """What was sent and has not arrived may be lost: all of it again, one of each precedence first and alone.

        Until that one has arrived: else what goes next would pass what is lost once more. What is urgent does not wait
        for that over a link with a budget, where word of it takes half a minute.
        """
        sent = [item for item in self.under_way() if item.state is State.SENT]
        for item in sent:
            self.window.ended(item.size)
        self.doubt = dict.fromkeys(range(URGENT if self.thin else CONTROL))
        self.again(sent)

    def heard(self, now: float) -> None:
        """Its gateway said something: it is there, so that nothing goes alone because it was not."""
        self._heard_at = now
        if self.silent:
            self.silent = False
            self.doubt = {}

    def is_there(self, overdue: Collection[Item]) -> bool:
        """Whether its gateway spoke after one of these was sent."""
        return any(item.sent_at < self._heard_at for item in overdue)

    def listen(self, overdue: Collection[Item]) -> None:
        """A gateway that says nothing is away: what was sent waits with what was not, and one goes now and then.

        Else a courier would keep for it what was sent last, and what was sent first would be over when it is back.
        """
        missed = any(item.tries >= AWAY_TRIES and self._heard_at < item.sent_at for item in overdue)
        if missed and not self.silent:
            self.go_back()
            self.silent = True

    def hold_off(self, now: float) -> None:
        """Nobody is there to receive: try again soon, and later and later."""
        self._alone_at = now + self._alone_s
        self._alone_s = min(ALONE_MAX_S, 2 * self._alone_s)

    def renumber(self, item: Item, sealed: Consignment) -> None:
        """It was sealed anew, and goes in its place."""
        number = item.consignment.custody
        self._unnumber(item)
        if item.turn and number is not None:
            item.former = (*item.former, number)
            self.former[number] = item
        item.replace(sealed)

    def forget(self, item: Item, *, delivered: bool) -> None:
        """It is done with."""
        if delivered and self.doubt.get(item.precedence) is item:
            del self.doubt[item.precedence]
            self._alone_s = ALONE_S
        item.state = State.DONE
        self.drop(item)
        item.safe(delivered=delivered)

    def drop(self, item: Item) -> None:
        """The memory need not keep it."""
        self.unsafe.pop(item, None)
        self._is_back(item)
        self._unnumber(item)
        for number in item.former:
            self.former.pop(number, None)

    def epochs(self) -> set[bytes]:
        """The epochs under which something is in memory."""
        items = (*(each for queue in self.fresh for each in queue), *(each for each, _ in self.spill))
        numbers = (item.consignment.custody for item in items)
        return {*self.numbered, *(number.eid for number in numbers if number is not None)}

    def _unnumber(self, item: Item) -> None:
        number = item.consignment.custody
        if number is not None and (envelopes := self.numbered.get(number.eid)) is not None:
            envelopes.pop(number.seq, None)
            if not envelopes:
                del self.numbered[number.eid]

    def in_hand(self) -> Iterator[Item]:
        """What was read from the disk, or put there while it was under way."""
        yield from (item for queue in self.fresh for item in queue if item.row is not None)
        yield from self.under_way()

    def under_way(self) -> Iterator[Item]:
        """Envelopes that were given to a link, and have not arrived."""
        yield from (item for envelopes in self.numbered.values() for item in envelopes.values())

    def taken(self, said: Taken) -> list[Item]:
        """What of an epoch is under way and was taken."""
        envelopes = self.numbered.get(said.eid, {})
        former = [item for (eid, seq), item in self.former.items() if eid == said.eid and seq in said]
        return list(dict.fromkeys([*(item for seq, item in envelopes.items() if seq in said), *former]))

    def overdue(self, now: float, closed: Collection[bytes] = ()) -> list[Item]:
        """Envelopes that the far side has not said to have taken in its time, oldest first.

        ``closed``: epochs under which nothing is worth a longer patience, since it goes again otherwise than it was.
        """
        patience = max(THIN_PATIENCE_S if self.thin else PATIENCE_S, 4 * self.window.round_trip_s)
        found: list[Item] = []
        for eid, envelopes in self.numbered.items():
            most = patience if eid in closed else max(patience, PATIENCE_MAX_S)
            waiting = (item for item in envelopes.values() if item.state is State.SENT)
            found += [item for item in waiting if now - item.sent_at > min(most, patience * 2**item.tries)]
        return found

    def oldest(self, now: float) -> Item | None:
        """Of what is to go to the disk when it does not get away, the oldest."""
        return next((item for item in self.unsafe if not self._goes_soon(item, now)), None)

    def to_disk(self, now: float) -> list[Item]:
        """Everything whose source waits, in its order; what is not under way leaves the queues.

        What is urgent stays for a while where there is a budget: its turn comes with the next frame.
        """
        items = [item for item in self.unsafe if not self._goes_soon(item, now)]
        for item in items:
            del self.unsafe[item]
        for queue in self.fresh[:CONTROL]:
            kept = [item for item in queue if item.row is not None or item in self.unsafe]
            queue.clear()
            queue.extend(kept)
        return items

    def _goes_soon(self, item: Item, now: float) -> bool:
        queue = self.fresh[item.precedence]
        waits = self.thin and item.state is State.READY and item.precedence >= URGENT and bool(queue)
        return waits and now - queue[0].since < THIN_HOLD_S

    def delay(self, due_s: float, level: int) -> None:
        """One on disk is not due yet."""
        heappush(self._delayed, (due_s, level))

    def ripen(self, now_s: float) -> bool:
        """Count what has become due; whether anything has."""
        found = False
        while self._delayed and self._delayed[0][0] <= now_s:
            _, level = heappop(self._delayed)
            self.disk[level] += 1
            found = True
        return found

    def _may_go(self, level: int, now: float) -> bool:
        return level not in self.doubt or (self.doubt[level] is None and now >= self._alone_at)

    def _is_back(self, item: Item) -> None:
        """It is not under way any more; if it went alone, the next one may."""
        item.parts = None
        if self.cut.get(item.precedence) is item:
            del self.cut[item.precedence]
        if self.doubt.get(item.precedence) is item:
            self.doubt[item.precedence] = None


def stored(spill: Iterable[tuple[Item, str]]) -> frozenset[int]:
    """The precedences of which nothing may pass what is put on disk."""
    return frozenset(item.precedence for item, _ in spill if _is_passed(item))


def _is_passed(item: Item) -> bool:
    """Whether what comes would pass it while it is put on disk: not where it is urgent, and has left."""
    return item.precedence < URGENT or item.state is State.READY
