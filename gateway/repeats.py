"""What was seen before, and who may speak about a subject: duplicates, loops, late positions, authority. Bounded.

Canonical ids decide, not bytes, so a report that comes back in another format is still the same report. A format with
whole seconds cannot repeat the original's milliseconds, so such a copy is compared at whole seconds. An id counts
together with its subject: whoever may not speak about a subject cannot use up the ids of its reports either.

Memory is two generations, here and on disk alike: when the newer one is full it becomes the older one, which goes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Self

from gateway.generation import key_of
from gateway.keyring.keystore import KeyringError
from gateway.traces import DIGEST, Others, Owned, Trace, Traces, generation
from protocols.body import Alert, Contact, Delete, Track
from protocols.message import Authenticity, Message
from protocols.record import Refused, Withheld

REMEMBERED = 200_000  # ids, and subjects, kept at most; at least half as many of the latest
FRESH_MAX = 20_000  # messages under way; of more, the oldest are not noted on disk
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SECOND = 1_000_000  # microseconds
_ANY = ("utf-8", "surrogatepass")  # whatever a parser let in has a digest


class _Fresh(NamedTuple):
    """A message that passed and is not on disk yet; ``before``: its subject's newest report until then.

    ``which`` tells it from another message with its id, without keeping it.
    """

    which: int
    trace: Trace
    before: int | None


class Repeats:
    """The gateway's memory of ids and subjects; with ``traces`` it outlives the process."""

    def __init__(self, remembered: int = REMEMBERED, traces: Traces | None = None, beside: Sequence[Path] = ()) -> None:
        """``beside``: folders of other processes of this gateway, whose traces count too, soon after they are left."""
        self._full = max(1, remembered // 2)
        self._traces = traces
        self._others = Others(beside, self._full) if beside else None
        self._new = traces.newer if traces else generation(self._full)
        self._old = traces.older if traces else generation(self._full)
        self._fresh: OrderedDict[tuple[str, str], _Fresh] = OrderedDict()

    @classmethod
    def open(cls, state: Path, remembered: int = REMEMBERED, beside: Sequence[Path] = ()) -> Self:
        """The memory of a state directory, as the last process left it. Raise KeyringError, one line."""
        try:
            return cls(remembered, Traces(state, max(1, remembered // 4)), beside)  # a message has two ids at most
        except OSError as error:
            raise KeyringError(f"traces in {state}: {error.strerror}") from None

    @property
    def unwritten(self) -> int:
        """How many messages the disk did not take note of: after a restart these may pass once more."""
        return self._traces.unwritten if self._traces else 0

    def objection(self, message: Message) -> Refused | Withheld | None:
        """Why this message must not pass, or None; a message that passes is remembered at once, in memory."""
        subject, whole, moment = _digest(message.subject.encode(*_ANY)), message.times.whole_seconds, _moment(message)
        exact = _digest(subject + message.id.encode(*_ANY))
        coarse = exact if moment is None else _digest(subject + _at_whole_seconds(message, moment))
        if self._seen(exact) or (whole and self._seen(coarse)):
            return Refused.DUPLICATE
        if isinstance(message.body, Delete):  # it speaks about its target
            subject = _digest(message.body.target.encode(*_ANY))
        owner = _owner(message.origin or "")
        owned = self._owned(subject)
        if (owned is None or owned.owner != owner) and not _may_claim(message, owned):
            return Withheld.NOT_ORIGINATOR
        before = owned.newest if owned else None
        late = moment is not None and before is not None and moment < before
        if late and _is_position(message):
            return Refused.SUPERSEDED
        newest = before if late or moment is None else moment
        ids = (exact,) if whole or moment is None else (exact, coarse)
        self._keep(message, Trace(ids, subject, Owned(owner, newest, _is_foreign(message)).pack()), before)
        return None

    def forget(self, message: Message) -> None:
        """Policy kept a message from everybody: once it is let, it may come again. Its subject stays its origin's.

        To be called before ``commit``. What was taken at whole seconds stays, as it may be another report's too.
        """
        key = (message.id, message.subject)
        fresh = self._fresh.get(key)
        if fresh is None or fresh.which != id(message):
            return
        trace, subject, subjects = fresh.trace, key_of(fresh.trace.subject), self._new.subjects
        for each in trace.ids[:1]:
            self._new.ids.discard(key_of(each))
            self._old.ids.discard(key_of(each))
        owned = Owned.unpack(trace.owned)._replace(newest=fresh.before).pack()
        if subjects.get(subject) == trace.owned:
            subjects.put(subject, owned)
        self._fresh[key] = fresh._replace(trace=trace._replace(ids=(), owned=owned))

    def commit(self, messages: Iterable[Message]) -> None:
        """Put these on disk, in one write: those of a batch that were handed over durably, before its frames' acks.

        No others: what is on disk and was not handed over would be refused as a duplicate after a crash, and lost.
        Messages that did not pass, or are on disk already, do no harm here.
        """
        done = [fresh.trace for message in messages if (fresh := self._taken(message)) is not None]
        if self._traces is not None:
            self._traces.write(done)

    def close(self) -> None:
        """Let go of the disk."""
        if self._traces is not None:
            self._traces.close()

    def _seen(self, digest: bytes) -> bool:
        key = key_of(digest)
        if key in self._new.ids or key in self._old.ids:
            return True
        return self._others is not None and self._others.seen(digest)

    def _owned(self, subject: bytes) -> Owned | None:
        """Whose a subject is, and when its newest report was, also by what other processes of this gateway let pass."""
        key = key_of(subject)
        held = self._new.subjects.get(key) or self._old.subjects.get(key)
        owned = Owned.unpack(held) if held else None
        theirs = self._others.owned(subject) if self._others is not None else None
        if theirs is None:
            return owned
        other = Owned.unpack(theirs)
        if owned is None or other.newest is None:
            return owned or other
        return owned._replace(newest=max(other.newest, owned.newest or other.newest))

    def _keep(self, message: Message, trace: Trace, before: int | None) -> None:
        if len(self._new.ids) + len(trace.ids) > self._full or len(self._new.subjects) >= self._full:
            self._new, self._old = generation(self._full), self._new
        trace.put_in(self._new)
        if len(self._fresh) >= FRESH_MAX:
            self._fresh.popitem(last=False)
        self._fresh[message.id, message.subject] = _Fresh(id(message), trace, before)

    def _taken(self, message: Message) -> _Fresh | None:
        """What is to be written of this very message; another one with its id, refused, does not speak for it."""
        key = (message.id, message.subject)
        fresh = self._fresh.get(key)
        return self._fresh.pop(key) if fresh is not None and fresh.which == id(message) else None


def _may_claim(message: Message, owned: Owned | None) -> bool:
    """Whether a unit may speak about a subject that is not its own yet; nobody deletes what it never spoke of.

    A unit of ours, vouched for by its link, takes a subject back from a partner that named it first: else a partner
    could silence our own units here by squatting on their names. A partner never takes one over.
    """
    if isinstance(message.body, Delete):
        return False
    return owned is None or (owned.foreign and not _is_foreign(message))


def _is_foreign(message: Message) -> bool:
    return message.authenticity is Authenticity.VERIFIED


def _is_position(message: Message) -> bool:
    return isinstance(message.body, Track | Contact)


def _moment(message: Message) -> int | None:
    observed = message.times.observed
    return None if observed is None else (observed - _EPOCH) // _MICROSECOND


def _at_whole_seconds(message: Message, moment: int) -> bytes:
    """What a report and its copy in a format without fractions have in common, beside their subject."""
    family = "position" if _is_position(message) else message.kind
    cancelled = "cancelled" if isinstance(message.body, Alert) and message.body.cancelled else ""
    return f"{moment // _SECOND} {family} {cancelled}".encode()


def _digest(data: bytes) -> bytes:
    return sha256(data).digest()[:DIGEST]


@lru_cache(maxsize=4096)
def _owner(unit: str) -> bytes:
    return _digest(unit.encode())
