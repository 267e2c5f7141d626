"""The keys of the units that this gateway speaks for: seals what leaves, opens what arrives. Synchronous.

Epochs live in memory only and begin anew at every start and after a fork, so that no counter is ever resumed. The slow
work (post-quantum signature, key slots) happens once an epoch, never for an envelope.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from gateway.holdings import Holdings
from gateway.journal import Journal
from gateway.keystore import KeyringError, Secret, find_secret, key_file
from protocols.envelope import SKEW_S, Mode, Refusal, Reject, unpack_envelope
from protocols.opening import LATE_HORIZON_S, Inbox, Opened, Tombstone
from protocols.parking import Parking
from protocols.ratchet import AHEAD_MAX
from protocols.sealing import Epoch, Profile, Signer

RENEW_AFTER_S: Final = 43_200  # seconds; an envelope stays readable for at least the other half of an epoch's day
REANNOUNCE_AFTER: Final = AHEAD_MAX * 3 // 4  # generations; a receiver that starts late must still be able to follow


class Announced(NamedTuple):
    """An announcement for one partner, to be published retained until it expires, before any envelope of its epoch."""

    partner: str
    data: bytes
    expires: datetime
    eid: bytes


class Sealed(NamedTuple):
    """One envelope for the whole audience; ``announcements`` come first, and only when an epoch began."""

    envelope: bytes
    eid: bytes
    announcements: Sequence[Announced]
    seq: int


class Keyring:
    """What a gateway seals and opens with."""

    def __init__(self, holdings: Holdings, journal: Journal, horizon_s: float = LATE_HORIZON_S) -> None:
        self._holdings = holdings
        self._journal = journal
        self._units = holdings.unit_keys()
        self._roster = holdings.roster()
        self._inbox = Inbox(self._roster, {uid: keys.sealing for uid, keys in self._units.items()}, horizon_s)
        self._epochs: dict[tuple[str, frozenset[str], Mode], Epoch] = {}
        self._parked: dict[str, Parking] = {}
        self.refused: Counter[Refusal] = Counter()  # parked envelopes that did not open in the end
        for eid, bits in journal.settled().items():
            self._inbox.remember(eid, bits)
        for eid, until_s in journal.buried().items():
            self._inbox.bury(eid, Tombstone(until_s, b"", Refusal.EPOCH_CLOSED))

    @classmethod
    def open(
        cls, directory: Path, now: datetime, secret: Secret | None = None, horizon_s: float = LATE_HORIZON_S
    ) -> Keyring:
        """Unlock a state directory. Raise KeyringError, one line that says what to do."""
        secret = secret or find_secret(directory, _credentials())
        if secret is None:
            raise KeyringError(f"no secret for {directory}: give a passphrase, a key file or a systemd credential")
        return cls(Holdings.open(directory, secret), Journal(directory, now.timestamp()), horizon_s)

    @property
    def units(self) -> frozenset[str]:
        """The units this gateway speaks for."""
        return frozenset(self._units)

    def seal(
        self, sender: str, audience: Sequence[str], messages: Sequence[bytes], now: datetime, mode: Mode = Mode.SIGNED
    ) -> Sealed:
        """Seal messages of one of our units. Raise Reject, as ``Roster.recipients`` and ``Epoch.seal`` do."""
        now_s = now.timestamp()
        key = (sender, frozenset(audience), mode)
        epoch = self._epochs.get(key)
        announcements: Sequence[Announced] = ()
        if epoch is None or _is_due(epoch, now_s):
            epoch = self._epochs[key] = self._begin(sender, key[1], mode, now_s)
            announcements = announced(epoch)
        elif epoch.generation - epoch.base >= REANNOUNCE_AFTER:
            epoch.reannounce(self._roster.recipients(epoch.audience, epoch.profile.suite, now_s), now_s)
            announcements = announced(epoch)
        envelope = epoch.seal(messages, now_s)
        return Sealed(envelope, epoch.eid, announcements, epoch.seq - 1)

    def announcements(self) -> Sequence[Announced]:
        """Every announcement that should stand retained now: to publish again when a broker lost them."""
        return [announcement for epoch in self._epochs.values() for announcement in announced(epoch)]

    def accept(self, announcement: bytes, now: datetime) -> Sequence[Opened]:
        """Take an announcement; give what waited for it and now opens. Raise Reject."""
        now_s = now.timestamp()
        eid = self._inbox.accept(announcement, now_s)
        self._journal.epoch(eid, self._inbox.epoch(eid).terms.not_after + SKEW_S)
        waiting = [envelope for parking in self._parked.values() for envelope in parking.take(eid)]
        opened = []
        for envelope in waiting:
            try:
                opened.append(self._open(envelope, now_s))
            except Reject as refusal:
                self.refused[Refusal(refusal.code)] += 1
        return opened

    def unseal(self, envelope: bytes, now: datetime, source: str = "") -> Opened | None:
        """Open an envelope, each exactly once; None when it waits for its announcement. Raise Reject.

        ``source``: where it came from (a partner, by its topic); what waits is bounded for each source.
        """
        now_s = now.timestamp()
        try:
            return self._open(envelope, now_s)
        except Reject as refusal:
            if refusal.code is not Refusal.UNKNOWN_EPOCH:
                raise
        self._parked.setdefault(source, Parking()).put(unpack_envelope(envelope)[0].eid, envelope, now_s)
        return None

    def settle(self, eid: bytes, seq: int) -> None:
        """The messages of an envelope were handed over durably: refuse it for good, also after a restart.

        Call before acknowledging its source. What was opened and not settled opens once more after a crash, marked
        ``repeat``: nothing is lost, and the message id tells a repeat.
        """
        self._journal.settle(eid, seq)

    def close(self) -> None:
        """Let go of files."""
        self._journal.close()

    def _open(self, envelope: bytes, now_s: float) -> Opened:
        opened = self._inbox.open(envelope, now_s)
        repeat = self._journal.doubtful(opened.eid, opened.seq)
        self._journal.opened(opened.eid, opened.seq)
        return opened._replace(repeat=True) if repeat else opened

    def _begin(self, sender: str, audience: frozenset[str], mode: Mode, now_s: float) -> Epoch:
        """A new epoch. Raise Reject."""
        keys = self._units.get(sender)
        if keys is None:
            raise Reject(Refusal.UNKNOWN_SIGNER)
        suite = self._roster.best_suite(audience, self._roster.floor(self._holdings.partner))
        recipients = self._roster.recipients(audience, suite, now_s)
        return Epoch(Signer(sender, keys.signing), recipients, Profile(suite, mode), now_s, os.urandom)


def secret(path: Path) -> bytes:
    """A random key of this gateway for another purpose, kept 0600 and made when there is none. Raise KeyringError."""
    return key_file(path).value


def announced(epoch: Epoch) -> Sequence[Announced]:
    """One announcement for each partner of an epoch's audience."""
    expires = datetime.fromtimestamp(epoch.not_after, UTC)
    return [Announced(partner, epoch.announcement_for(partner), expires, epoch.eid) for partner in epoch.partners()]


def _is_due(epoch: Epoch, now_s: float) -> bool:
    """Whether an epoch should seal no more."""
    lived = now_s - epoch.created
    return epoch.closed or epoch.exhausted or lived >= RENEW_AFTER_S or now_s >= epoch.not_after


def _credentials() -> Path | None:
    """Where systemd put this service's credentials."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return None if folder is None else Path(folder)
