"""The keys of the units that this gateway speaks for: seals what leaves, opens what arrives. Synchronous.

Epochs live in memory only and begin anew at every start and after a fork, so that no counter is ever resumed. The slow
work (post-quantum signature, key slots) happens once an epoch, never for an envelope.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Final, NamedTuple

from gateway.keyring.holdings import Holdings
from gateway.keyring.journal import Journal
from gateway.keyring.keystore import CREDENTIALS, KeyringError, Secret, find_secret, key_file
from gateway.keyring.outgoing import Announced, Channel, Outgoing, Posting, forget_after_fork
from gateway.keyring.selftest import check_primitives
from protocols.envelope import SKEW_S, Mode, Refusal, Reject, unpack_envelope
from protocols.opening import Inbox, Opened, Tombstone
from protocols.parking import Parking
from protocols.partner import Pin
from protocols.proof import Proven, verify
from protocols.replay import Received
from protocols.request import KeyRequest, unpack_request
from protocols.roster import Roster
from protocols.sealing import seal_slice
from protocols.statement import sign

__all__ = ["Announced", "Channel", "Keyring", "Opened", "Posting", "Sealed", "Upkeep", "secret"]

ASK_AFTER_S: Final = 2.0  # seconds that envelopes wait before their announcement is asked for
ASK_EVERY_S: Final = 60.0  # seconds between two requests for one epoch, and between two answers
SOURCES_MAX: Final = 256  # sources that envelopes may wait for at once
TRIALS: Final = 64  # keys tried that make one refused announcement count once more
GARBAGE_PER_S: Final = 10  # announcements of one source that may be refused in a second
SWEEP_EVERY_S: Final = 30.0
PSEUDONYM_KEY: Final = "pseudonym.key"  # file in a state folder with the ``secret`` for pseudonyms


class Sealed(NamedTuple):
    """One envelope for the whole audience; ``announcements`` come first, and only when an epoch began."""

    envelope: bytes
    eid: bytes
    announcements: Sequence[Announced]
    seq: int


class Asked(NamedTuple):
    """A key request for one partner's control mailbox."""

    partner: str
    data: bytes


class Upkeep(NamedTuple):
    """What is to be sent now: announcements, checkpoints, key requests; and epochs whose announcements may go.

    ``spent``: epochs of ours under which nothing may leave any more; what waits there is sealed anew.
    """

    announcements: list[Announced]
    heads: list[Posting]
    requests: list[Asked]
    lapsed: list[bytes]
    spent: list[bytes]


class InCustody(NamedTuple):
    """An epoch whose envelopes we take: of whom, for which unit of ours, and which were handed over durably."""

    sender: str
    unit: str
    received: Received


class Adopted(NamedTuple):
    """What a newer bundle changed: our epochs that closed (what waits under them is sealed anew), theirs that did."""

    partner: str
    closed: tuple[bytes, ...]
    refused: tuple[bytes, ...]


class Keyring:
    """What a gateway seals and opens with."""

    def __init__(self, holdings: Holdings, journal: Journal, worker: int = 0) -> None:
        self._holdings = holdings
        self._journal = journal
        self._units = holdings.unit_keys()
        self._roster = holdings.roster()
        self._inbox = Inbox(self._roster, {uid: keys.sealing for uid, keys in self._units.items()})
        if not self._roster.knows(holdings.partner):
            raise KeyringError(f"the bundle of {holdings.partner} is not here: import it with its fingerprint")
        self._outgoing = Outgoing(self._units, self._roster, self._roster.floor(holdings.partner), worker)
        self._parked: dict[str, Parking] = {}
        self._asked: dict[bytes, float] = {}
        self._answered: dict[tuple[bytes, bytes], float] = {}
        self._garbage: dict[str, tuple[int, int]] = {}
        self._swept = 0.0
        self._renewing: Iterator[Sequence[Announced]] = iter(())
        self.refused: Counter[Refusal] = Counter()  # parked envelopes that did not open in the end
        for eid, bits in journal.settled().items():
            self._inbox.remember(eid, bits)
        for eid, until_s in journal.buried().items():
            self._inbox.bury(eid, Tombstone(until_s, b"", Refusal.EPOCH_CLOSED))
        forget_after_fork(self._outgoing)

    @classmethod
    def open(
        cls,
        directory: Path,
        now: datetime,
        secret: Secret | None = None,
        memory: Path | None = None,
        worker: int = 0,
    ) -> Keyring:
        """Check every primitive and unlock a state directory. Raise KeyringError, one line that says what to do.

        ``memory``: where what was received is noted, if not there: processes that share keys share no envelopes.
        ``worker``: which of such processes this is, from 0.
        """
        check_primitives()
        secret = secret or find_secret(directory, _credentials())
        if secret is None:
            raise KeyringError(f"no secret for {directory}: give a passphrase, a key file or a systemd credential")
        journal = Journal(memory or directory, now.timestamp())
        return cls(Holdings.open(directory, secret), journal, worker)

    @property
    def units(self) -> frozenset[str]:
        """The units this gateway speaks for."""
        return frozenset(self._units)

    def pins(self) -> Sequence[Pin]:
        """What each partner is held to, ourselves included."""
        return self._holdings.pins()

    def pseudonym(self, uid: str) -> str:
        """A lasting name for one of our units that tells a broker nothing. Raise KeyError."""
        return hashlib.sha256(b"comity session" + b"".join(self._units[uid].signing.seeds)).hexdigest()[:20]

    @property
    def partner(self) -> str:
        """Whose gateway this is."""
        return self._holdings.partner

    @property
    def roster(self) -> Roster:
        """Whom we know now."""
        return self._roster

    def lasts_s(self, now: datetime) -> float:
        """Seconds until the first bundle ends, ours too, or a signing key of ours: then nothing is sealed with it."""
        return self._roster.lasts(unit.signing.kid for unit in self._units.values()) - now.timestamp()

    def bundle_file(self, partner: str) -> bytes:
        """The signed bundle that a partner is held to now, ours included. Raise KeyringError."""
        return self._holdings.bundle_file(partner)

    def attest(self, context: bytes, payload: bytes) -> bytes:
        """A statement signed by the first of our units that our bundle names. Takes 1 ms. Raise KeyringError.

        ``context`` is one of ``SIGNATURE_CONTEXTS``.
        """
        for unit in self._units.values():
            if self._roster.vouches(unit.signing.kid):
                return sign(payload, context, [unit.signing])
        raise KeyringError(f"no signing key here stands in the bundle of {self.partner}: issue a bundle")

    def seal(
        self, sender: str, audience: Sequence[str], messages: Sequence[bytes], now: datetime, mode: Mode = Mode.SIGNED
    ) -> Sealed:
        """Seal messages of one of our units. Raise Reject, as ``Roster.recipients`` and ``Epoch.seal`` do."""
        now_s = now.timestamp()
        epoch, announcements = self._outgoing.take(Channel(sender, frozenset(audience), mode), now_s)
        envelope = epoch.seal(messages, now_s)
        return Sealed(envelope, epoch.eid, announcements, epoch.seq - 1)

    def seal_slice(
        self, sender: str, bundles: Iterable[tuple[Sequence[str], Sequence[bytes]]], now: datetime
    ) -> list[Sealed]:
        """Seal bundles for many audiences under one signature (MODE_TICK). Raise Reject, and then nothing is sealed."""
        now_s = now.timestamp()
        drafts, notes = [], []
        for audience, messages in bundles:
            epoch, announcements = self._outgoing.take(Channel(sender, frozenset(audience), Mode.TICK), now_s)
            drafts.append(epoch.draft(messages, now_s))
            notes.append((epoch.eid, announcements, epoch.seq - 1))
        envelopes = seal_slice(drafts, self._units[sender].signing)
        return [Sealed(envelope, *note) for envelope, note in zip(envelopes, notes, strict=True)]

    def prepare(self, channels: Iterable[Channel], now: datetime) -> Iterator[Sequence[Announced]]:
        """Begin the epochs that these channels lack, in steps between which an event loop gives way.

        What a step gives (nothing, until an epoch is ready) is published before anything is sealed. Raise Reject.
        """
        return self._outgoing.prepare(channels, now.timestamp())

    def reseal(self, envelope: bytes, now: datetime) -> Sealed:
        """Seal anew what waits under a closed epoch, for those of its audience who may still read it.

        Raise Reject: unknown-epoch for an envelope from before a restart, not-for-me when nobody is left.
        """
        channel, messages = self._outgoing.recall(envelope)
        left = [uid for uid in channel.audience if self._roster.reaches(uid, now.timestamp())]
        if not left:
            raise Reject(Refusal.NOT_FOR_ME)
        return self.seal(channel.sender, left, messages, now, Mode.SIGNED)

    def reaches(self, unit: str, now: datetime) -> bool:
        """Whether something can be sealed to a unit now."""
        return self._roster.reaches(unit, now.timestamp())

    @property
    def outgoing(self) -> Outgoing:
        """The epochs that our units seal in."""
        return self._outgoing

    def accept(self, announcement: bytes, now: datetime, source: str = "") -> Sequence[Opened]:
        """Take an announcement; give what waited for it and now opens. Raise Reject.

        ``source``: where it came from; beyond ten refused in a second more is refused unread (epoch-exhausted), and
        one that had many keys tried counts for several.
        """
        now_s = now.timestamp()
        second, count = self._garbage.get(source, (0, 0))
        if second == int(now_s) and count >= GARBAGE_PER_S:
            raise Reject(Refusal.EPOCH_EXHAUSTED)
        try:
            eid = self._inbox.accept(announcement, now_s)
        except Reject:
            cost = 1 + self._inbox.trials // TRIALS
            self._garbage[source] = (int(now_s), count + cost if second == int(now_s) else cost)
            raise
        self._journal.epoch(eid, self._inbox.epoch(eid).terms.not_after + SKEW_S)
        return self._unpark(eid, now_s)

    def unseal(self, envelope: bytes, now: datetime, source: str = "") -> Opened | None:
        """Open an envelope, each exactly once; None when it waits for its announcement. Raise Reject.

        ``source``: the partner it came from, by its topic; what waits is bounded for each source.
        """
        now_s = now.timestamp()
        try:
            return self._open(envelope, now_s)
        except Reject as refusal:
            if refusal.code is not Refusal.UNKNOWN_EPOCH:
                raise
        if source not in self._parked and len(self._parked) >= SOURCES_MAX:
            raise Reject(Refusal.UNKNOWN_EPOCH)
        self._parked.setdefault(source, Parking()).put(unpack_envelope(envelope)[0].eid, envelope, now_s)
        return None

    def proven(self, record: bytes, passer: str, now: datetime) -> Proven:
        """A message that a partner passes on, held to its originator's bundle. Raise Reject, as ``proof.verify``."""
        return verify(record, self._roster, passer, now.timestamp())

    def settle(self, eid: bytes, seq: int) -> None:
        """The messages of an envelope were handed over durably: refuse it for good, also after a restart.

        Call before acknowledging its source. What was opened and not settled opens once more after a crash, marked
        ``repeat``: nothing is lost, and the message id tells a repeat.
        """
        self._journal.settle(eid, seq)

    def custody(self, eid: bytes) -> InCustody | None:
        """What was taken of an epoch; None when it is not open here."""
        received = self._journal.received(eid)
        try:
            terms = self._inbox.epoch(eid).terms
        except KeyError:
            return None
        unit = next((entry.uid for entry in terms.audience if entry.uid in self._units), None)
        return None if received is None or unit is None else InCustody(terms.sender, unit, received)

    def adopt(self, data: bytes, now: datetime) -> Adopted:
        """Take a partner's newer bundle at run time. Raise Reject, KeyringError."""
        bundle = self._holdings.adopt(data, int(now.timestamp()))
        return self._know(bundle.partner, now)

    def revoke(self, data: bytes, now: datetime) -> Adopted:
        """Take a partner's pre-signed revocation. Raise Reject, KeyringError."""
        return self._know(self._holdings.take_revocation(data, int(now.timestamp())).partner, now)

    def reload(self, now: datetime) -> Adopted:
        """Take what another process changed in the state directory. Raise KeyringError."""
        self._holdings.reload()
        return self._know(self._holdings.partner, now)

    def answer(self, data: bytes, now: datetime) -> Announced | None:
        """Answer a key request of a unit in the audience; None when it was answered a moment ago. Raise Reject."""
        now_s = now.timestamp()
        request = unpack_request(data, self._roster, now_s)
        announcement = self._outgoing.announcement(request.eid, request.uid)
        key = request.eid, request.sig_kid
        if now_s - self._answered.get(key, 0.0) < ASK_EVERY_S:
            return None
        self._answered[key] = now_s
        return announcement

    def upkeep(self, now: datetime, thin: Collection[str] = (), budget_s: float = 0.01) -> Upkeep:
        """What is due besides the traffic: renewals, checkpoints, key requests. Call it every second or oftener.

        ``thin``: partners reached by a link with a budget; a checkpoint of 3.5 kB goes there once an hour. It
        stops at the first step after ``budget_s`` seconds; what is left is due at the next call.
        """
        now_s, started = now.timestamp(), perf_counter()
        due = Upkeep([], [], self._requests(now_s), self._sweep(now_s), self._outgoing.spent(now_s))
        for step in self._renewal(now_s):
            due.announcements.extend(step)
            if perf_counter() - started > budget_s:
                return due
        for posting in self._outgoing.heads(now_s, thin):
            due.heads.append(posting)
            if perf_counter() - started > budget_s:
                return due
        return due

    def finish(self, now: datetime) -> list[Posting]:
        """The final checkpoint of every epoch, before a gateway stops."""
        return self._outgoing.finish(now.timestamp())

    def close(self) -> None:
        """Let go of files and epochs."""
        self._outgoing.drop()
        self._journal.close()

    def _open(self, envelope: bytes, now_s: float) -> Opened:
        opened = self._inbox.open(envelope, now_s)
        repeat = self._journal.doubtful(opened.eid, opened.seq)
        self._journal.opened(opened.eid, opened.seq)
        return opened._replace(repeat=True) if repeat else opened

    def _unpark(self, eid: bytes, now_s: float) -> list[Opened]:
        opened = []
        for envelope in [each for parking in self._parked.values() for each in parking.take(eid)]:
            try:
                opened.append(self._open(envelope, now_s))
            except Reject as refusal:
                self.refused[Refusal(refusal.code)] += 1
        return opened

    def _renewal(self, now_s: float) -> Iterator[Sequence[Announced]]:
        """The steps of a renewal, going on where the last call stopped."""
        for last in (False, True):
            for step in self._renewing:  # noqa: UP028 - "yield from" would end it when this call stops early
                yield step
            if not last:
                self._renewing = self._outgoing.renew(now_s)

    def _requests(self, now_s: float) -> list[Asked]:
        """A request for each epoch that envelopes have been waiting for, signed by the first of our units."""
        signer = next(iter(self._units.values()))
        requests = []
        for source, parking in self._parked.items():
            for eid in parking.epochs(now_s - ASK_AFTER_S):
                if source and now_s - self._asked.get(eid, 0.0) >= ASK_EVERY_S:
                    self._asked[eid] = now_s
                    request = KeyRequest(eid, signer.uid, signer.signing.kid, int(now_s))
                    requests.append(Asked(source, request.pack(signer.signing)))
        return requests

    def _sweep(self, now_s: float) -> list[bytes]:
        """Forget what has passed its time, every half minute."""
        if abs(now_s - self._swept) < SWEEP_EVERY_S:
            return []
        self._swept = now_s
        self._inbox.sweep(now_s)
        self._journal.sweep(now_s)
        for parking in self._parked.values():
            parking.sweep(now_s)
        self._parked = {source: parking for source, parking in self._parked.items() if len(parking)}
        self._asked = {eid: at for eid, at in self._asked.items() if now_s - at < ASK_EVERY_S}
        self._answered = {key: at for key, at in self._answered.items() if now_s - at < ASK_EVERY_S}
        self._garbage = {source: told for source, told in self._garbage.items() if told[0] == int(now_s)}
        return self._outgoing.sweep(now_s)

    def _know(self, partner: str, now: datetime) -> Adopted:
        """Act on a changed roster at once: the removal barrier."""
        now_s = now.timestamp()
        self._units, self._roster = self._holdings.unit_keys(), self._holdings.roster()
        closed = self._outgoing.adopt(self._roster, self._units, now_s)
        until = {eid: self._inbox.epoch(eid).terms.not_after + SKEW_S for eid in self._inbox.epochs()}
        refused = self._inbox.adopt(self._roster, {uid: keys.sealing for uid, keys in self._units.items()})
        for eid in refused:
            self._journal.bury(eid, until[eid])
        return Adopted(partner, tuple(closed), tuple(refused))


def secret(path: Path) -> bytes:
    """A random key of this gateway for another purpose, kept 0600 and made when there is none. Raise KeyringError."""
    return key_file(path).value


def _credentials() -> Path | None:
    """Where systemd put this service's credentials."""
    folder = os.environ.get(CREDENTIALS)
    return None if folder is None else Path(folder)
