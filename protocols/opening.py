"""The receiving side of CSE1: announcements accepted, envelopes opened, each exactly once. Pure.

Cheap checks first, and nothing is kept that was not authenticated: keys are derived on a cache and committed only
after tag and signature. The clock is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols import schedule, tick
from protocols.checkpoint import Checkpoint, Ledger, Standing, open_head
from protocols.envelope import (
    ED25519_SIGNATURE,
    HEAD,
    LIFE_MAX_S,
    SKEW_S,
    Announcement,
    Attested,
    Entry,
    Header,
    Mode,
    Refusal,
    Reject,
    Terms,
    unpack_announcement,
    unpack_attested,
    unpack_body,
    unpack_envelope,
    unpack_terms,
)
from protocols.identity import HYBRID, SLOT_SIZES, SealingKey, Verifier
from protocols.ratchet import Chain
from protocols.replay import Received
from protocols.roster import Roster

TRIALS_MAX: Final = 1024  # keys tried on the slots of one announcement, 0.1 ms each
_Held = tuple[str, SealingKey]
LATE_HORIZON_S: Final = 86_400  # default; 3 600 on a LAN, 259 200 over a satellite


class Attestation(NamedTuple):
    """The signed terms of an epoch: their bytes, the digest of all slots, and the signature over both."""

    terms: bytes
    slots: bytes
    ed25519: bytes


class Evidence(NamedTuple):
    """What a message's proof is made of, should it be passed on. ``salt``, of a generation, stays where it is."""

    attested: Attestation
    header: bytes
    t_ms: int
    salt: bytes
    plain: bytes


class Opened(NamedTuple):
    """What one envelope held. ``sealed_at`` is the signer's word; ``repeat``: it may have been delivered before.

    ``checkpoint``: what a HEAD proved (a HEAD holds no message), or the HEAD that this envelope completed.
    """

    sender: str
    audience: tuple[str, ...]
    messages: Sequence[bytes]
    sealed_at: datetime
    eid: bytes
    seq: int
    repeat: bool = False
    checkpoint: Checkpoint | None = None
    evidence: Evidence | None = None


class Tombstone(NamedTuple):
    """An epoch that was closed before its time, kept until it would have expired."""

    until_s: int
    sig_kid: bytes
    reason: Refusal


class Bounds(NamedTuple):
    """What one signer may make us hold: live epochs (the oldest is closed for a newer one), and closed ones."""

    epochs: int = 256
    tombstones: int = 4096


BOUNDS: Final = Bounds()


class Incoming:
    """One epoch of somebody else that we can open."""

    __slots__ = (
        "_attested",
        "_audience",
        "_chain",
        "_envelopes",
        "_last",
        "_ledger",
        "_suite",
        "_until_s",
        "_verifier",
        "received",
        "terms",
    )

    def __init__(
        self, terms: Terms, attested: Attestation, verifier: Verifier, chain: Chain, received: Received
    ) -> None:
        self.terms = terms
        self._attested = attested
        self.received = received
        self._audience = tuple(entry.uid for entry in terms.audience)
        self._verifier = verifier
        self._chain = chain
        self._ledger = Ledger()
        self._suite = terms.suite
        self._envelopes = terms.envelopes
        self._until_s = terms.not_after + SKEW_S
        self._last = terms.envelopes  # the number of the final HEAD, once it came

    def announced_again(self, terms: Terms, attested: Attestation, key: bytes) -> None:
        """The same epoch announced from a later generation, to more units. Raise Reject (bad-commitment)."""
        same = self.terms._replace(base=terms.base, commitment=terms.commitment, audience=terms.audience)
        if same != terms or not self._chain.agrees(terms.base, key):
            raise Reject(Refusal.BAD_COMMITMENT)
        if terms.base > self.terms.base:
            self.terms, self._attested = terms, attested
            self._audience = tuple(entry.uid for entry in terms.audience)

    def open(self, header: Header, ciphertext: bytes, now_s: float) -> Opened:
        """Open one envelope. Raise Reject; only an envelope that is accepted leaves a trace.

        Strangers can make us come as far as the tag, so everything before it is kept cheap.
        """
        seq = header.seq
        if header.suite != self._suite:
            raise Reject(Refusal.SUITE_MISMATCH)
        if seq >= self._envelopes:
            raise Reject(Refusal.SEQ_OVER_LIMIT)
        if now_s > self._until_s:
            raise Reject(Refusal.EXPIRED)
        received = self.received
        if seq <= received.highest and seq in received:
            raise Reject(Refusal.REPLAY)
        if seq > self._last:
            raise Reject(Refusal.EPOCH_CLOSED)
        chain = self._chain
        if now_s >= chain.sweep_at_s:
            chain.sweep(now_s)
        keys = chain.generation(header.generation)
        try:
            plain = keys.cipher.decrypt((keys.iv ^ seq).to_bytes(12, "big"), ciphertext, header.raw)
        except InvalidTag:
            raise Reject(Refusal.BAD_TAG) from None
        take = self._take_head if header.type == HEAD else self._take_data
        return take(header, plain, keys.salt, now_s)

    def _take_data(self, header: Header, plain: bytes, salt: bytes, now_s: float) -> Opened:
        t_ms, messages, root = self._read(header, plain, salt)
        self._timely(self.terms.created * 1000 + t_ms)
        evidence = Evidence(self._attested, header.raw, t_ms, salt, plain)
        opened = self._accept(header, messages, self.terms.created * 1000 + t_ms, now_s, evidence)
        checkpoint = self._ledger.note(header.seq, root, self.received)
        return opened if checkpoint is None else opened._replace(checkpoint=checkpoint)

    def _take_head(self, header: Header, plain: bytes, _: bytes, now_s: float) -> Opened:
        """A checkpoint; one that contradicts what its signer sent is refused. After the final one nothing is newer."""
        head = open_head(header, plain, self._verifier)
        self._timely(head.t_ms)
        checkpoint = self._ledger.prove(head, self.received)
        if checkpoint.standing is Standing.CONTRADICTED:
            raise Reject(Refusal.HEAD_MISMATCH)
        opened = self._accept(header, [], head.t_ms, now_s)
        if head.final:
            self._last = head.seq
        return opened._replace(checkpoint=checkpoint)

    def _timely(self, sealed_ms: int) -> None:
        """Refuse what says that it was sealed after its epoch. Raise Reject (expired)."""
        if sealed_ms > (self.terms.not_after + SKEW_S) * 1000:
            raise Reject(Refusal.EXPIRED)

    def _accept(
        self, header: Header, messages: list[bytes], sealed_ms: int, now_s: float, evidence: Evidence | None = None
    ) -> Opened:
        """Everything held: the number is spent, the chain moves on."""
        terms = self.terms
        self._chain.commit(header.generation, now_s)
        self.received.mark(header.seq)
        sealed_at = datetime.fromtimestamp(sealed_ms / 1000, UTC)
        return Opened(terms.sender, self._audience, messages, sealed_at, header.eid, header.seq, evidence=evidence)

    def _read(self, header: Header, plain: bytes, salt: bytes) -> tuple[int, list[bytes], bytes]:
        """Time, messages and root of a data envelope, once its proof held."""
        mode, proof = self.terms.mode, None
        if mode is Mode.SIGNED:
            signature, body = plain[:ED25519_SIGNATURE], plain[ED25519_SIGNATURE:]
        elif mode is Mode.TICK:
            proof, body = tick.unpack_proof(plain)
        else:
            body = plain
        t_ms, messages = unpack_body(body)
        root = schedule.envelope_root(header.raw, t_ms, messages, salt, header.seq)
        if proof is not None:
            self._verifier.verify_once(proof.signature, tick.signed(proof.top(root)))
        elif mode is Mode.SIGNED:
            self._verifier.verify(signature, schedule.DATA_SIGNED + root)
        return t_ms, messages, root

    def sweep(self, now_s: float) -> None:
        """Forget keys whose late horizon has passed."""
        self._chain.sweep(now_s)


class Inbox:
    """Every epoch that our units can open. ``keys``: the sealing keys of each of our units."""

    def __init__(
        self,
        roster: Roster,
        keys: Mapping[str, Sequence[SealingKey]],
        horizon_s: float = LATE_HORIZON_S,
        bounds: Bounds = BOUNDS,
    ) -> None:
        self.roster = roster
        self._bounds = bounds
        self._keys = _by_suite(keys)
        self.trials = 0  # keys tried on slots by the last announcement: what it cost
        self._horizon_s = horizon_s
        self._epochs: dict[bytes, Incoming] = {}
        self._tombstones: dict[bytes, Tombstone] = {}
        self._accepted: dict[bytes, tuple[bytes, bytes]] = {}  # rnd: digest of the announcement, epoch
        self._remembered: dict[bytes, bytes] = {}  # bitmaps of epochs that were open before a restart

    def remember(self, eid: bytes, bits: bytes) -> None:
        """What was received in an epoch before a restart; it counts once the epoch is announced again."""
        self._remembered[eid] = bits

    def bury(self, eid: bytes, tombstone: Tombstone) -> None:
        """An epoch that was closed before a restart stays closed."""
        self._tombstones[eid] = tombstone

    def accept(self, data: bytes, now_s: float) -> bytes:
        """Take an announcement and give the id of its epoch; the same one again changes nothing. Raise Reject."""
        announcement = unpack_announcement(data, SLOT_SIZES)
        fingerprint = schedule.digest(data)
        known = self._accepted.get(announcement.rnd)
        if known is not None and known[0] == fingerprint:
            return known[1]
        index, owner, chain = self._open_slot(announcement)
        attested, slots = _open_box(announcement, chain)
        terms = unpack_terms(attested.terms)
        if terms.suite != announcement.suite:
            raise Reject(Refusal.SUITE_MISMATCH)
        if terms.rnd != announcement.rnd:
            raise Reject(Refusal.MALFORMED)
        verifier = self._signer(terms, now_s)
        _verify(attested, slots, terms, verifier)
        eid = schedule.epoch_id(terms.sig_kid, terms.rnd)
        self._check(terms, eid, now_s)
        if len(terms.audience) != len(announcement.slots) or terms.audience[index] != owner:
            raise Reject(Refusal.SLOT_AUDIENCE_MISMATCH)
        if schedule.commitment(chain, eid, terms.base) != terms.commitment:
            raise Reject(Refusal.BAD_COMMITMENT)
        self._store(eid, terms, Attestation(attested.terms, slots, attested.ed25519), verifier, chain)
        self._accepted[announcement.rnd] = (fingerprint, eid)
        return eid

    def epoch(self, eid: bytes) -> Incoming:
        """An epoch that is open. Raise KeyError."""
        return self._epochs[eid]

    def open(self, envelope: bytes, now_s: float) -> Opened:
        """Open an envelope. Raise Reject; unknown-epoch when its announcement has not come yet."""
        header, ciphertext = unpack_envelope(envelope)
        epoch = self._epochs.get(header.eid)
        if epoch is None:
            tombstone = self._tombstones.get(header.eid)
            raise Reject(Refusal.UNKNOWN_EPOCH if tombstone is None else tombstone.reason)
        return epoch.open(header, ciphertext, now_s)

    def _open_slot(self, announcement: Announcement) -> tuple[int, Entry, bytes]:
        """The first slot that one of our keys opens: its place, whose it is, and the chain key in it.

        Keys in use are tried on every slot before rotated ones; garbage ends after ``TRIALS_MAX`` trials.
        """
        suite, self.trials = announcement.suite, 0
        whole = [(index, slot) for index, slot in enumerate(announcement.slots) if len(slot) == SLOT_SIZES[suite]]
        for keys in self._keys.get(suite, ()):
            for index, slot in whole:
                for uid, key in keys[: TRIALS_MAX - self.trials]:
                    self.trials += 1
                    chain = key.open(slot, announcement.rnd)
                    if chain is not None:
                        return index, Entry(uid, key.kid), chain
        raise Reject(Refusal.NOT_FOR_ME)

    def _signer(self, terms: Terms, now_s: float) -> Verifier:
        """Who signed, if that key is known and may sign this."""
        verifier = self.roster.signer(terms.sig_kid, now_s)
        if terms.suite not in self.roster.floor(verifier.partner):
            raise Reject(Refusal.SUITE_BELOW_FLOOR)
        if terms.sender != verifier.uid:
            raise Reject(Refusal.SIGNER_MISMATCH)
        return verifier

    def _check(self, terms: Terms, eid: bytes, now_s: float) -> None:
        """What a signer may not say even with a good signature."""
        lives = 0 < terms.not_after - terms.created <= LIFE_MAX_S
        if not lives or not terms.created - SKEW_S <= now_s <= terms.not_after + SKEW_S:
            raise Reject(Refusal.EXPIRED)
        if eid in self._tombstones:
            raise Reject(Refusal.EPOCH_TOMBSTONED)
        if terms.mode is Mode.PAIRWISE and len(terms.audience) != 1:
            raise Reject(Refusal.PAIRWISE_AUDIENCE)

    def _store(self, eid: bytes, terms: Terms, attested: Attestation, verifier: Verifier, key: bytes) -> None:
        epoch = self._epochs.get(eid)
        if epoch is not None:
            epoch.announced_again(terms, attested, key)
            return
        live = [known for known, other in self._epochs.items() if other.terms.sig_kid == terms.sig_kid]
        if len(live) >= self._bounds.epochs:
            if sum(stone.sig_kid == terms.sig_kid for stone in self._tombstones.values()) >= self._bounds.tombstones:
                raise Reject(Refusal.EPOCH_EXHAUSTED)
            self.close(min(live, key=lambda known: self._epochs[known].terms.created), Refusal.EPOCH_CLOSED)
        chain = Chain(eid, terms.base, key, self._horizon_s)
        self._epochs[eid] = Incoming(terms, attested, verifier, chain, Received(self._remembered.pop(eid, b"")))

    def close(self, eid: bytes, reason: Refusal) -> None:
        """Forget an epoch's keys for good; its tombstone refuses it until long after it would have expired."""
        epoch = self._epochs.pop(eid)
        self._accepted.pop(epoch.terms.rnd, None)
        # a day longer, so that what comes late is told that it expired and does not wait for an announcement
        until_s = epoch.terms.not_after + SKEW_S + LIFE_MAX_S
        self._tombstones[eid] = Tombstone(until_s, epoch.terms.sig_kid, reason)

    def epochs(self) -> list[bytes]:
        """Every epoch that is open."""
        return list(self._epochs)

    def adopt(self, roster: Roster, keys: Mapping[str, Sequence[SealingKey]]) -> list[bytes]:
        """Know other partners and keys from now on; gives the epochs closed because their signer was withdrawn."""
        self.roster, self._keys = roster, _by_suite(keys)
        gone = [eid for eid, epoch in self._epochs.items() if not roster.vouches(epoch.terms.sig_kid)]
        for eid in gone:
            self.close(eid, Refusal.REVOKED)
        return gone

    def sweep(self, now_s: float) -> None:
        """Forget what has passed its time: keys beyond the late horizon, expired epochs, old tombstones."""
        for eid, epoch in list(self._epochs.items()):
            epoch.sweep(now_s)
            if now_s > epoch.terms.not_after + SKEW_S:
                self.close(eid, Refusal.EXPIRED)
        self._tombstones = {eid: stone for eid, stone in self._tombstones.items() if now_s <= stone.until_s}


def _by_suite(keys: Mapping[str, Sequence[SealingKey]]) -> dict[int, tuple[list[_Held], list[_Held]]]:
    """Our keys for each suite: those in use (of each unit the first), and those that were rotated."""
    grouped: dict[int, tuple[list[_Held], list[_Held]]] = {}
    for uid, held in keys.items():
        seen: set[int] = set()
        for key in held:
            grouped.setdefault(key.suite, ([], []))[key.suite in seen].append((uid, key))
            seen.add(key.suite)
    return grouped


def _open_box(announcement: Announcement, chain: bytes) -> tuple[Attested, bytes]:
    """What the box of an announcement holds, and the digest of its slots."""
    slots = schedule.slots_digest(announcement.slots)
    cipher = AESGCM(schedule.box_key(chain, announcement.rnd))
    context = schedule.box_context(announcement.suite, announcement.rnd, slots)
    try:
        return unpack_attested(cipher.decrypt(announcement.nonce, announcement.box, context)), slots
    except InvalidTag:
        raise Reject(Refusal.BAD_BOX) from None


def _verify(attested: Attested, slots: bytes, terms: Terms, verifier: Verifier) -> None:
    """Both signatures of an announcement; the classic suite has one, and then no other."""
    signed = schedule.announcement_signed(attested.terms, slots)
    verifier.verify(attested.ed25519, signed)
    if terms.suite == HYBRID:
        verifier.verify_lasting(attested.mldsa, signed)
    elif attested.mldsa:
        raise Reject(Refusal.BAD_SIGNATURE)
