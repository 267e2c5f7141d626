"""The epochs that our units seal in: begun, renewed, and closed when a recipient is removed. Memory only.

Making an epoch takes milliseconds (a key slot for each recipient, a post-quantum signature), so it is done one at a
time: ``prepare`` and ``renew`` give way after each, and an event loop is never held up for longer than one.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from protocols.envelope import LIFE_MAX_S, SKEW_S, Entry, Mode, Refusal, Reject, unpack_envelope
from protocols.identity import UnitKeys
from protocols.ratchet import AHEAD_MAX
from protocols.roster import Roster
from protocols.sealing import HEAD_S, THIN_HEAD_S, Epoch, Profile, Signer
from protocols.topics import SHARDS
from protocols.unit import partner_of

RENEW_AFTER_S: Final = 43_200  # seconds; an envelope stays readable for at least the other half of an epoch's day
RENEW_EARLY_S: Final = 1_800  # seconds before that in which upkeep renews what is in use, so that sealing never has to
IDLE_S: Final = 3_600  # seconds without an envelope after which an epoch is not renewed but left to end
SPENT_AFTER_S: Final = LIFE_MAX_S - 3_600  # seconds; what waits then is sealed anew, so that it has time to arrive
GENERATIONS: Final = AHEAD_MAX * 3 // 4  # of one epoch; a receiver that starts late must still be able to follow
LOOKS: Final = 2  # in a row that find nothing waiting under an epoch that ended, before its keys go


class Channel(NamedTuple):
    """What has an epoch of its own: a sender, its audience, and what vouches for the envelopes."""

    sender: str
    audience: frozenset[str]
    mode: Mode


class Announced(NamedTuple):
    """An announcement for one partner, to be published retained until it expires, before any envelope of its epoch."""

    partner: str
    data: bytes
    expires: datetime
    eid: bytes


class Posting(NamedTuple):
    """An envelope without messages (a checkpoint) for the data mailboxes of these partners."""

    envelope: bytes
    eid: bytes
    partners: tuple[str, ...]


class _Over(NamedTuple):
    """An epoch whose keys are gone: what a unit that asks for its announcement is still told."""

    audience: tuple[str, ...]
    announced: tuple[Announced, ...]
    not_after: int


class Outgoing:
    """Every epoch of the units that we speak for. ``floor``: the suites that we allow ourselves.

    All that a worker seals for a unit goes to one shard, from epoch to epoch and from start to start, so that one
    worker of the receiver has it, in order; the shards of several workers are neighbours, so that several have them.
    """

    def __init__(self, units: Mapping[str, UnitKeys], roster: Roster, floor: Sequence[int], worker: int = 0) -> None:
        self._units = units
        self._roster = roster
        self._floor = floor
        self._worker = worker
        self._live: dict[Channel, Epoch] = {}
        self._ended: dict[bytes, Epoch] = {}  # closed epochs whose envelopes may still wait to be sent
        self._over: dict[bytes, _Over] = {}
        self._spent: set[bytes] = set()  # of those two, what was told to be
        self._unused: dict[bytes, int] | None = (
            None  # looks that found nothing waiting under an epoch; None: nobody looks
        )
        self._seen: dict[bytes, int] = {}  # generations of live epochs at the last look
        self._used: dict[Channel, float] = {}

    def take(self, channel: Channel, now_s: float) -> tuple[Epoch, Sequence[Announced]]:
        """The epoch to seal in now, and its announcements when it has to be told first. Raise Reject."""
        epoch = self._live.get(channel)
        self._used[channel] = now_s
        if epoch is None or _is_due(epoch, now_s, RENEW_AFTER_S):
            epoch = self._begin(channel, now_s)
            return epoch, announced(epoch)
        return epoch, ()

    def prepare(self, channels: Iterable[Channel], now_s: float) -> Iterator[Sequence[Announced]]:
        """Begin the epochs that these channels lack; each step gives the announcements of one that is ready, or none.

        Raise Reject.
        """
        for channel in channels:
            epoch = self._live.get(channel)
            if epoch is None or _is_due(epoch, now_s, RENEW_AFTER_S):
                yield from self._begin_in_steps(channel, now_s)

    def renew(self, now_s: float) -> Iterator[Sequence[Announced]]:
        """Renew what is in use and will soon be due, in steps as ``prepare``; leave the rest to end."""
        for channel, epoch in list(self._live.items()):
            if not _is_due(epoch, now_s, RENEW_AFTER_S - RENEW_EARLY_S):
                continue
            if now_s - self._used.get(channel, 0.0) > IDLE_S:
                self._end(channel)
                continue
            try:
                yield from self._begin_in_steps(channel, now_s)
            except Reject:  # a recipient is gone or expired: whoever seals next is told why
                self._end(channel)

    def heads(self, now_s: float, thin: Collection[str] = ()) -> Iterator[Posting]:
        """The checkpoints that are due, one at each step; seldom for epochs that a partner of ``thin`` hears."""
        for epoch in list(self._live.values()):
            every_s = HEAD_S if thin == () or frozenset(thin).isdisjoint(epoch.partners()) else THIN_HEAD_S
            if epoch.head_due(now_s, every_s) and now_s < epoch.not_after:
                yield Posting(epoch.head(now_s), epoch.eid, epoch.partners())

    def finish(self, now_s: float) -> list[Posting]:
        """Close every epoch with its final checkpoint: a tail that is dropped then shows."""
        postings = []
        for channel, epoch in list(self._live.items()):
            if not epoch.closed and now_s < epoch.not_after:
                postings.append(Posting(epoch.head(now_s, final=True), epoch.eid, epoch.partners()))
            self._end(channel)
        return postings

    def standing(self, partner: str) -> list[bytes]:
        """The epochs that we seal in now and whose announcements should stand retained for a partner."""
        return [e.eid for e in self._live.values() if not e.closed and partner in e.partners()]

    def announcement(self, eid: bytes, uid: str) -> Announced:
        """The announcement of an epoch, for one unit of its audience. Raise Reject (unknown-epoch, not-for-me)."""
        over, epoch = self._over.get(eid), self._find(eid)
        if over is None and epoch is None:
            raise Reject(Refusal.UNKNOWN_EPOCH)
        if uid not in (epoch or over).audience:  # type: ignore[union-attr]  # one of them is there
            raise Reject(Refusal.NOT_FOR_ME)
        notes = over.announced if over else announced(epoch) if epoch else ()
        return next(each for each in notes if each.partner == partner_of(uid))

    def adopt(self, roster: Roster, units: Mapping[str, UnitKeys], now_s: float) -> list[bytes]:
        """Know other partners from now on; gives the epochs that are closed because a unit was removed.

        Nothing leaves under a closed epoch any more: what waits is sealed anew (``recall``).
        """
        self._roster, self._units = roster, units
        closed = []
        for channel, epoch in list(self._live.items()):
            entries = self._entries(channel, epoch, now_s)
            if entries is None:
                closed.append(epoch.eid)
            if entries != epoch.entries:  # a sealing key was rotated: what waits still opens, what comes is sealed anew
                self._end(channel)
        return closed

    def recall(self, envelope: bytes) -> tuple[Channel, list[bytes]]:
        """The messages of an envelope of ours, and for whom they were. Raise Reject (unknown-epoch after a restart)."""
        epoch = self._find(unpack_envelope(envelope)[0].eid)
        if epoch is None:
            raise Reject(Refusal.UNKNOWN_EPOCH)
        return Channel(epoch.signer.uid, frozenset(epoch.audience), epoch.profile.mode), epoch.recall(envelope)

    def recalls(self, eid: bytes) -> bool:
        """Whether what waits under an epoch could be sealed anew: not what an earlier process sealed."""
        return self._find(eid) is not None

    def seals(self, eid: bytes) -> bool:
        """Whether something may still be sealed in this epoch."""
        return any(epoch.eid == eid for epoch in self._live.values())

    def spent(self, now_s: float) -> list[bytes]:
        """Epochs under which nothing may leave any more, each told once: they are over, or will be soon.

        Or they began in the future, when the clock was wrong, so that they open nowhere.
        """
        epochs = (*self._live.values(), *self._ended.values())
        found = [e.eid for e in epochs if e.eid not in self._spent and _is_past(e, now_s, SPENT_AFTER_S)]
        self._spent.update(found)
        return found

    def kept(self) -> list[bytes]:
        """The epochs whose keys are kept, for what may wait under them."""
        return [*(epoch.eid for epoch in self._live.values()), *self._ended]

    def keep(self, waiting: Collection[bytes]) -> None:
        """Under these epochs something waits. Of the others that ended the keys go, of the live ones those of before.

        Once this is told, keys are kept for as long as something waits under them, and no clock ends that.
        """
        for epoch in self._live.values():
            if epoch.eid not in waiting:
                epoch.forget(self._seen.get(epoch.eid, 0))
        self._seen = {epoch.eid: epoch.generation for epoch in self._live.values()}
        before = self._unused or {}
        self._unused = {eid: before.get(eid, 0) + 1 for eid in self._ended if eid not in waiting}
        for eid, looks in self._unused.items():
            if looks >= LOOKS:
                epoch = self._ended.pop(eid)
                self._over[eid] = _Over(epoch.audience, tuple(announced(epoch)), epoch.not_after)

    def sweep(self, now_s: float) -> list[bytes]:
        """Forget epochs that have expired; gives them, so that what stands retained can be cleared."""
        for channel, epoch in list(self._live.items()):
            if now_s >= epoch.not_after:
                self._end(channel)
        gone = [eid for eid, over in self._over.items() if now_s >= over.not_after]
        if self._unused is None:
            gone += [eid for eid, epoch in self._ended.items() if now_s >= epoch.not_after]
        for eid in gone:
            self._over.pop(eid, None)
            self._ended.pop(eid, None)
        self._spent.difference_update(gone)
        return gone

    def drop(self) -> None:
        """Forget everything, as a forked process must: two of us would use one counter."""
        for epoch in (*self._live.values(), *self._ended.values()):
            epoch.closed = True
        self._live, self._ended, self._over = {}, {}, {}

    def _find(self, eid: bytes) -> Epoch | None:
        """An epoch of ours whose keys we have."""
        ended = self._ended.get(eid)
        return ended or next((epoch for epoch in self._live.values() if epoch.eid == eid), None)

    def _entries(self, channel: Channel, epoch: Epoch, now_s: float) -> tuple[Entry, ...] | None:
        """The audience of an epoch as it would be sealed to now, or None when it may not be sealed to any more."""
        keys = self._units.get(channel.sender)
        if keys is None or not self._roster.vouches(epoch.signer.key.kid):
            return None
        try:
            suite = self._roster.best_suite(channel.audience, self._floor)
            recipients = self._roster.recipients(channel.audience, suite, now_s)
        except Reject:
            return None
        current = suite == epoch.profile.suite and keys.signing.kid == epoch.signer.key.kid
        return tuple(recipient.entry for recipient in recipients) if current else ()

    def _begin(self, channel: Channel, now_s: float) -> Epoch:
        """A new epoch in the place of the old one, at once. Raise Reject."""
        for _ in self._begin_in_steps(channel, now_s):
            pass
        return self._live[channel]

    def _begin_in_steps(self, channel: Channel, now_s: float) -> Iterator[Sequence[Announced]]:
        """A new epoch in the place of the old one, which seals until the new one is ready. Raise Reject."""
        keys = self._units.get(channel.sender)
        if keys is None:
            raise Reject(Refusal.UNKNOWN_SIGNER)
        suite = self._roster.best_suite(channel.audience, self._floor)
        recipients = self._roster.recipients(channel.audience, suite, now_s)
        signer, roster = Signer(channel.sender, keys.signing), self._roster
        profile = Profile(suite, channel.mode, shard=(signer.key.kid[0] + self._worker) % SHARDS)
        for epoch in Epoch.in_steps(signer, recipients, profile, now_s, os.urandom):
            if epoch is None:
                yield ()
            elif roster is self._roster:  # else somebody was removed meanwhile: whoever seals next begins anew
                self._end(channel)
                self._live[channel] = epoch
                yield announced(epoch)

    def _end(self, channel: Channel) -> None:
        """Seal no more in a channel's epoch; its envelopes may still wait to be sent."""
        epoch = self._live.pop(channel, None)
        if epoch is not None:
            epoch.closed = True
            self._ended[epoch.eid] = epoch


def announced(epoch: Epoch) -> Sequence[Announced]:
    """One announcement for each partner of an epoch's audience."""
    expires = datetime.fromtimestamp(epoch.not_after, UTC)
    return [Announced(partner, epoch.announcement_for(partner), expires, epoch.eid) for partner in epoch.partners()]


def forget_after_fork(outgoing: Outgoing) -> None:
    """A child of this process begins its own epochs: two processes never share a counter."""
    known = weakref.ref(outgoing)

    def forget() -> None:
        still = known()
        if still is not None:
            still.drop()

    os.register_at_fork(after_in_child=forget)


def _is_due(epoch: Epoch, now_s: float, after_s: float) -> bool:
    """Whether an epoch should seal no more."""
    full = epoch.exhausted or epoch.generation - epoch.base >= GENERATIONS
    return epoch.closed or full or _is_past(epoch, now_s, after_s)


def _is_past(epoch: Epoch, now_s: float, after_s: float) -> bool:
    """Whether an epoch is that old, or over. One that began in the future, when the clock was wrong, opens nowhere."""
    return not -SKEW_S <= now_s - epoch.created < after_s or now_s >= epoch.not_after
