"""The sending side of CSE1: an epoch, its announcement and the envelopes sealed in it. Pure.

An epoch has one signer, one audience, one suite and one mode, and lives in memory only: it is never written down and
never resumed, so a counter cannot repeat after a restart, a restored backup or a fork. Clock and randomness are
arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols import schedule
from protocols.envelope import (
    AUDIENCE_MAX,
    DATA,
    ENVELOPE_MAX,
    ENVELOPES_MAX,
    LIFE_MAX_S,
    Announcement,
    Attested,
    Mode,
    Refusal,
    Reject,
    Terms,
    pack_announcement,
    pack_attested,
    pack_body,
    pack_envelope,
    pack_header,
    pack_terms,
)
from protocols.identity import HYBRID, Randomness, SigningKey, seal_slot
from protocols.roster import Recipient
from protocols.unit import partner_of

GENERATION_ENVELOPES: Final = 256  # envelopes under one AES key
GENERATION_S: Final = 60  # seconds one AES key is used
_BODY_MAX = ENVELOPE_MAX - 4096  # bytes, with room for header, tag, and the longest proof


class Signer(NamedTuple):
    """The unit that seals, and its signing key."""

    uid: str
    key: SigningKey


class Profile(NamedTuple):
    """How an epoch is sealed. ``not_after``: Unix seconds; cut to a day and to what the recipients' keys allow."""

    suite: int
    mode: Mode = Mode.SIGNED
    not_after: int = 1 << 32
    policy: str | None = None


class Epoch:
    """One epoch of one sender."""

    def __init__(
        self, signer: Signer, recipients: Sequence[Recipient], profile: Profile, now_s: float, random: Randomness
    ) -> None:
        if not 0 < len(recipients) <= AUDIENCE_MAX:
            raise Reject(Refusal.TOO_LARGE)
        if profile.mode is Mode.PAIRWISE and len(recipients) != 1:
            raise Reject(Refusal.PAIRWISE_AUDIENCE)
        self.signer = signer
        self.profile = profile
        self.created = int(now_s)
        self.not_after = min(profile.not_after, self.created + LIFE_MAX_S, *(r.until for r in recipients))
        if self.not_after <= self.created:
            raise Reject(Refusal.EXPIRED)
        self.rnd = random(16)
        self.eid = schedule.epoch_id(signer.key.kid, self.rnd)
        self.seq = 0
        self.generation = 0
        self.closed = False
        self._random = random
        self._chain = random(32)
        self._enter(now_s)
        self._announce(recipients)

    def __repr__(self) -> str:
        return f"Epoch({self.eid.hex()}, generation {self.generation}, seq {self.seq})"

    @property
    def audience(self) -> tuple[str, ...]:
        """The units that can open this epoch, sorted."""
        return tuple(entry.uid for entry in self._terms.audience)

    @property
    def base(self) -> int:
        """The generation from which the newest announcement lets its recipients read."""
        return self._terms.base

    @property
    def exhausted(self) -> bool:
        """Whether no more messages fit; the last sequence number is kept for the closing HEAD."""
        return self.seq >= ENVELOPES_MAX - 1

    def announcement(self) -> bytes:
        """The announcement in full, every slot whole."""
        return pack_announcement(self._announcement)

    def announcement_for(self, partner: str) -> bytes:
        """The announcement for one partner: other partners' slots stand as their digests."""
        slots = zip(self._terms.audience, self._announcement.slots, strict=True)
        split = tuple(s if partner_of(entry.uid) == partner else schedule.digest(s) for entry, s in slots)
        return pack_announcement(self._announcement._replace(slots=split))

    def partners(self) -> tuple[str, ...]:
        """The partners whose units can open this epoch, sorted."""
        return tuple(sorted({partner_of(uid) for uid in self.audience}))

    def reannounce(self, recipients: Sequence[Recipient], now_s: float) -> None:
        """Let an audience read from now on, earlier generations staying closed to those who join.

        Nobody may be left out: a unit is removed by a new epoch only. Raise Reject (slot-audience-mismatch).
        """
        if not set(self.audience) <= {recipient.entry.uid for recipient in recipients}:
            raise Reject(Refusal.SLOT_AUDIENCE_MISMATCH)
        if self.profile.mode is Mode.PAIRWISE and len(recipients) != 1:
            raise Reject(Refusal.PAIRWISE_AUDIENCE)
        self._step(now_s)
        self._announce(recipients)

    def seal(self, messages: Sequence[bytes], now_s: float) -> bytes:
        """Seal one envelope of 1 to 256 messages.

        Raise Reject: too-large, malformed-body (no message), epoch-closed, epoch-exhausted, expired.
        """
        t_ms = max(0, int((now_s - self.created) * 1000))
        records = list(messages)
        body = pack_body(t_ms, records)
        if len(body) > _BODY_MAX:
            raise Reject(Refusal.TOO_LARGE)
        header = self._advance(DATA, now_s)
        keys, seq = self._keys, self.seq - 1
        root = schedule.envelope_root(header, t_ms, records, keys.salt, seq)
        if self.profile.mode is Mode.SIGNED:
            body = self.signer.key.sign(schedule.DATA_SIGNED + root) + body
        return pack_envelope(header, keys.cipher.encrypt(keys.nonce(seq), body, header))

    def _advance(self, kind: int, now_s: float) -> bytes:
        """Claim the next sequence number, before anything is encrypted under it, and give its header."""
        if self.closed:
            raise Reject(Refusal.EPOCH_CLOSED)
        if now_s >= self.not_after:
            raise Reject(Refusal.EXPIRED)
        if self.seq >= ENVELOPES_MAX - (kind == DATA):  # the last number is kept for the closing HEAD
            raise Reject(Refusal.EPOCH_EXHAUSTED)
        if self._used >= GENERATION_ENVELOPES or abs(now_s - self._entered) >= GENERATION_S:
            self._step(now_s)
        seq = self.seq
        self.seq = seq + 1
        self._used += 1
        return pack_header(self.profile.suite, kind, self.eid, self.generation, seq)

    def _step(self, now_s: float) -> None:
        """Go on to the next generation and forget the chain key of this one."""
        self._chain = schedule.next_chain(self._chain, self.eid, self.generation)
        self.generation += 1
        self._enter(now_s)

    def _enter(self, now_s: float) -> None:
        self._keys = schedule.load_generation(schedule.generation_keys(self._chain, self.eid, self.generation))
        self._entered = now_s
        self._used = 0

    def _announce(self, recipients: Sequence[Recipient]) -> None:
        """Seal the chain key of this generation to every recipient, and sign what the epoch is."""
        ordered = sorted(recipients)
        slots = tuple(seal_slot(recipient.public, self.rnd, self._chain) for recipient in ordered)
        suite, mode = self.profile.suite, self.profile.mode
        self._terms = Terms(
            suite,
            self.rnd,
            self.generation,
            self.signer.uid,
            self.signer.key.kid,
            self.created,
            self.not_after,
            ENVELOPES_MAX,
            mode,
            schedule.commitment(self._chain, self.eid, self.generation),
            tuple(recipient.entry for recipient in ordered),
            self.profile.policy,
        )
        terms, all_slots = pack_terms(self._terms), schedule.slots_digest(slots)
        signed = schedule.announcement_signed(terms, all_slots)
        lasting = self.signer.key.sign_lasting(signed) if suite == HYBRID else b""
        box = pack_attested(Attested(terms, self.signer.key.sign(signed), lasting))
        cipher = AESGCM(schedule.box_key(self._chain, self.rnd))
        nonce = self._random(12)  # a fixed one would repeat when the same epoch is announced again
        sealed = cipher.encrypt(nonce, box, schedule.box_context(suite, self.rnd, all_slots))
        self._announcement = Announcement(suite, self.rnd, slots, nonce, sealed)
