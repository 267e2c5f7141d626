"""The sending side of CSE1: an epoch, its announcement and the envelopes sealed in it. Pure.

An epoch has one signer, one audience, one suite and one mode, and lives in memory only: it is never written down and
never resumed, so a counter cannot repeat after a restart, a restored backup or a fork. Clock and randomness are
arguments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols import schedule, tick
from protocols.checkpoint import Head, seal_head
from protocols.envelope import (
    AUDIENCE_MAX,
    DATA,
    ED25519_SIGNATURE,
    ENVELOPE_MAX,
    ENVELOPES_MAX,
    HEAD,
    LIFE_MAX_S,
    Announcement,
    Attested,
    Entry,
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
    unpack_body,
    unpack_envelope,
)
from protocols.identity import HYBRID, Randomness, SigningKey, seal_slot
from protocols.roster import Recipient
from protocols.topics import shard
from protocols.unit import partner_of

GENERATION_ENVELOPES: Final = 256  # envelopes under one AES key
GENERATION_S: Final = 60  # seconds one AES key is used
STEP_SLOTS: Final = 8  # key slots sealed in one step, about a millisecond
HEAD_ENVELOPES: Final = 4096  # envelopes between two checkpoints
HEAD_S: Final = 60  # seconds between two checkpoints while something is sent
THIN_HEAD_S: Final = 3600  # the same over satellite or radio, where one is seconds of the link's time
_BODY_MAX = ENVELOPE_MAX - 4096  # bytes, with room for header, tag, and the longest proof


class Signer(NamedTuple):
    """The unit that seals, and its signing key."""

    uid: str
    key: SigningKey


class Profile(NamedTuple):
    """How an epoch is sealed. ``not_after``: Unix seconds; cut to a day and to what the recipients' keys allow.

    ``shard``: of the mailboxes that its envelopes go to; None leaves it to chance.
    """

    suite: int
    mode: Mode = Mode.SIGNED
    not_after: int = 1 << 32
    policy: str | None = None
    shard: int | None = None


class Draft(NamedTuple):
    """An envelope before its proof: header, keys, sequence number, root and body."""

    header: bytes
    keys: schedule.Generation
    seq: int
    root: bytes
    body: bytes

    def seal(self, proof: bytes) -> bytes:
        """The envelope."""
        ciphertext = self.keys.cipher.encrypt(self.keys.nonce(self.seq), proof + self.body, self.header)
        return pack_envelope(self.header, ciphertext)


def seal_slice(drafts: Sequence[Draft], key: SigningKey) -> list[bytes]:
    """The envelopes of one slice of time under one signature; all drafts are of this key's MODE_TICK epochs."""
    top, paths = tick.tree([draft.root for draft in drafts])
    signature = key.sign(tick.signed(top))
    return [
        draft.seal(tick.Proof(signature, index, path).pack())
        for index, (draft, path) in enumerate(zip(drafts, paths, strict=True))
    ]


class Epoch:
    """One epoch of one sender."""

    def __init__(
        self, signer: Signer, recipients: Sequence[Recipient], profile: Profile, now_s: float, random: Randomness
    ) -> None:
        for _ in self._begin(signer, recipients, profile, now_s, random):
            pass

    @classmethod
    def in_steps(
        cls, signer: Signer, recipients: Sequence[Recipient], profile: Profile, now_s: float, random: Randomness
    ) -> Iterator[Epoch | None]:
        """An epoch made in steps of a few milliseconds: None until it is ready, and then the epoch."""
        epoch = cls.__new__(cls)
        for _ in epoch._begin(  # noqa: SLF001 - its own
            signer, recipients, profile, now_s, random
        ):
            yield None
        yield epoch

    def _begin(
        self, signer: Signer, recipients: Sequence[Recipient], profile: Profile, now_s: float, random: Randomness
    ) -> Iterator[None]:
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
        self.rnd, self.eid = _named(signer, profile.shard, random)
        self.seq = 0
        self.generation = 0
        self.closed = False
        self._random = random
        self._roots, self._rooted, self._headed = hashlib.sha256(), 0, now_s
        self._chain = random(32)
        self._passed: dict[int, bytes] = {}  # as they are derived: 76 bytes, and 3 kB ready for use
        self._enter(now_s)
        yield from self._announce(recipients)

    def __repr__(self) -> str:
        return f"Epoch({self.eid.hex()}, generation {self.generation}, seq {self.seq})"

    @property
    def audience(self) -> tuple[str, ...]:
        """The units that can open this epoch, sorted."""
        return tuple(entry.uid for entry in self._terms.audience)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The units that can open this epoch and the keys it was sealed to, sorted."""
        return self._terms.audience

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
        for _ in self._announce(recipients):
            pass

    def seal(self, messages: Sequence[bytes], now_s: float) -> bytes:
        """Seal one envelope of 1 to 256 messages.

        Raise Reject: too-large, malformed-body (no message), epoch-closed, epoch-exhausted, expired.
        """
        draft = self.draft(messages, now_s)
        proof = b"" if self.profile.mode is Mode.PAIRWISE else self._prove(draft.root)
        return draft.seal(proof)

    def draft(self, messages: Sequence[bytes], now_s: float) -> Draft:
        """An envelope that lacks only its proof; its sequence number is spent. Raise Reject, as ``seal``."""
        t_ms = max(0, int((now_s - self.created) * 1000))
        records = list(messages)
        body = pack_body(t_ms, records)
        if len(body) > _BODY_MAX:
            raise Reject(Refusal.TOO_LARGE)
        header = self._advance(DATA, now_s)
        keys, seq = self._keys, self.seq - 1
        root = schedule.envelope_root(header, t_ms, records, keys.salt, seq)
        self._roots.update(root)
        self._rooted += 1
        return Draft(header, keys, seq, root, body)

    def _prove(self, root: bytes) -> bytes:
        """The proof of an envelope that goes alone."""
        if self.profile.mode is Mode.SIGNED:
            return self.signer.key.sign(schedule.DATA_SIGNED + root)
        return tick.Proof(self.signer.key.sign(tick.signed(tick.leaf(root))), 0, ()).pack()

    def head(self, now_s: float, *, final: bool = False) -> bytes:
        """A checkpoint over every envelope since the last one; the final one closes the epoch. About a millisecond.

        Raise Reject: epoch-closed, epoch-exhausted, expired.
        """
        header = self._advance(HEAD, now_s)
        keys, seq = self._keys, self.seq - 1
        head = Head(int(now_s * 1000), seq - self._rooted, seq, self._roots.digest(), final)
        plain = seal_head(header, head, self.signer.key)
        self._roots, self._rooted, self._headed = hashlib.sha256(), 0, now_s
        self.closed = final
        return pack_envelope(header, keys.cipher.encrypt(keys.nonce(seq), plain, header))

    def head_due(self, now_s: float, every_s: float = HEAD_S) -> bool:
        """Whether a checkpoint is due: so long or 4 096 envelopes after the last one, and something to check."""
        waited = now_s - self._headed >= every_s
        return not self.closed and self._rooted > 0 and (waited or self._rooted >= HEAD_ENVELOPES)

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

    def recall(self, envelope: bytes) -> list[bytes]:
        """The messages of an envelope of this epoch, to be sealed anew without a unit that was removed.

        Raise Reject: malformed, unknown-epoch, generation-too-old or -too-far, bad-tag, malformed-body.
        """
        header, ciphertext = unpack_envelope(envelope)
        if header.eid != self.eid or header.type != DATA:
            raise Reject(Refusal.UNKNOWN_EPOCH)
        keys = self._keys
        if header.generation != self.generation:
            if (passed := self._passed.get(header.generation)) is None:
                raise Reject(Refusal.GENERATION_TOO_OLD)
            keys = schedule.load_generation(passed)
        try:
            plain = keys.cipher.decrypt(keys.nonce(header.seq), ciphertext, header.raw)
        except InvalidTag:
            raise Reject(Refusal.BAD_TAG) from None
        if self.profile.mode is Mode.TICK:
            return unpack_body(tick.unpack_proof(plain)[1])[1]
        return unpack_body(plain[ED25519_SIGNATURE if self.profile.mode is Mode.SIGNED else 0 :])[1]

    def forget(self, generation: int) -> None:
        """Nothing sealed before this generation waits any more: its keys go."""
        self._passed = {number: keys for number, keys in self._passed.items() if number >= generation}

    def _step(self, now_s: float) -> None:
        """Go on to the next generation; its chain key goes, its envelope keys stay while envelopes may wait."""
        self._passed[self.generation] = schedule.generation_keys(self._chain, self.eid, self.generation)
        self._chain = schedule.next_chain(self._chain, self.eid, self.generation)
        self.generation += 1
        self._enter(now_s)

    def _enter(self, now_s: float) -> None:
        self._keys = schedule.load_generation(schedule.generation_keys(self._chain, self.eid, self.generation))
        self._entered = now_s
        self._used = 0

    def _announce(self, recipients: Sequence[Recipient]) -> Iterator[None]:
        """Seal the chain key of this generation to every recipient, and sign what the epoch is."""
        ordered = sorted(recipients)
        done: list[bytes] = []
        for recipient in ordered:
            done.append(seal_slot(recipient.public, self.rnd, self._chain))
            if len(done) % STEP_SLOTS == 0:
                yield
        slots = tuple(done)
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


def _named(signer: Signer, wanted: int | None, random: Randomness) -> tuple[bytes, bytes]:
    """Random bytes and the id that follows from them, drawn until it falls into the shard that is wanted."""
    while True:
        rnd = random(16)
        eid = schedule.epoch_id(signer.key.kid, rnd)
        if wanted is None or shard(eid) == wanted:
            return rnd, eid
