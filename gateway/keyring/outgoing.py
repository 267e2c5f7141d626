"""The epochs that our units seal in: begun, renewed, and closed when a recipient is removed. Memory only.

Making an epoch takes milliseconds (a key slot for each recipient, a post-quantum signature), so it is done one at a
time: ``prepare`` and ``renew`` give way after each, and an event loop is never held up for longer than one.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from protocols.envelope import SKEW_S, Entry, Mode, Refusal, Reject, unpack_envelope
from protocols.identity import UnitKeys
from protocols.ratchet import AHEAD_MAX
from protocols.roster import Roster
from protocols.sealing import HEAD_S, THIN_HEAD_S, Epoch, Profile, Signer
from protocols.unit import partner_of

RENEW_AFTER_S: Final = 43_200  # seconds; an envelope stays readable for at least the other half of an epoch's day
RENEW_EARLY_S: Final = 1_800  # seconds before that in which upkeep renews what is in use, so that sealing never has to
IDLE_S: Final = 3_600  # seconds without an envelope after which an epoch is not renewed but left to end
REANNOUNCE_AFTER: Final = AHEAD_MAX * 3 // 4  # generations; a receiver that starts late must still be able to follow


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


class Outgoing:
    """Every epoch of the units that we speak for. ``floor``: the suites that we allow ourselves."""

    def __init__(self, units: Mapping[str, UnitKeys], roster: Roster, floor: Sequence[int]) -> None:
        self._units = units
        self._roster = roster
        self._floor = floor
        self._live: dict[Channel, Epoch] = {}
        self._ended: dict[bytes, Epoch] = {}  # closed epochs whose envelopes may still wait to be sent
        self._used: dict[Channel, float] = {}

    def take(self, channel: Channel, now_s: float) -> tuple[Epoch, Sequence[Announced]]:
        """The epoch to seal in now, and its announcements when it has to be told first. Raise Reject."""
        epoch = self._live.get(channel)
        self._used[channel] = now_s
        if epoch is None or _is_due(epoch, now_s, RENEW_AFTER_S):
            epoch = self._begin(channel, now_s)
            return epoch, announced(epoch)
        if epoch.generation - epoch.base < REANNOUNCE_AFTER:
            return epoch, ()
        epoch.reannounce(self._roster.recipients(channel.audience, epoch.profile.suite, now_s), now_s)
        return epoch, announced(epoch)

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

    def announcements(self) -> list[Announced]:
        """Every announcement that should stand retained now."""
        return [each for epoch in self._live.values() if not epoch.closed for each in announced(epoch)]

    def announcement(self, eid: bytes, uid: str) -> Announced:
        """The announcement of an epoch, for one unit of its audience. Raise Reject (unknown-epoch, not-for-me)."""
        for epoch in (*self._live.values(), *self._ended.values()):
            if epoch.eid == eid:
                if uid not in epoch.audience:
                    raise Reject(Refusal.NOT_FOR_ME)
                partner = partner_of(uid)
                return next(each for each in announced(epoch) if each.partner == partner)
        raise Reject(Refusal.UNKNOWN_EPOCH)

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
        eid = unpack_envelope(envelope)[0].eid
        epochs = (*self._live.values(), *self._ended.values())
        epoch = next((epoch for epoch in epochs if epoch.eid == eid), None)
        if epoch is None:
            raise Reject(Refusal.UNKNOWN_EPOCH)
        return Channel(epoch.signer.uid, frozenset(epoch.audience), epoch.profile.mode), epoch.recall(envelope)

    def sweep(self, now_s: float) -> list[bytes]:
        """Forget epochs that have expired; gives them, so that what stands retained can be cleared."""
        for channel, epoch in list(self._live.items()):
            if now_s >= epoch.not_after:
                self._end(channel)
        gone = [eid for eid, epoch in self._ended.items() if now_s >= epoch.not_after]
        for eid in gone:
            del self._ended[eid]
        return gone

    def drop(self) -> None:
        """Forget everything, as a forked process must: two of us would use one counter."""
        for epoch in (*self._live.values(), *self._ended.values()):
            epoch.closed = True
        self._live, self._ended = {}, {}

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
        for epoch in Epoch.in_steps(signer, recipients, Profile(suite, channel.mode), now_s, os.urandom):
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


def _is_due(epoch: Epoch, now_s: float, after_s: float) -> bool:
    """Whether an epoch should seal no more. One that began in the future, when the clock was wrong, opens nowhere."""
    lived = now_s - epoch.created
    return epoch.closed or epoch.exhausted or not -SKEW_S <= lived < after_s or now_s >= epoch.not_after
