"""The keys of a liaison unit: what it signs with, and what others seal to it with. Pure; randomness is an argument.

A private key is its seed, 32 bytes: Ed25519 and ML-DSA-65 to sign, X-Wing (suite 1) or X25519 (suite 2) to open.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa, mlkem, x25519

from protocols.envelope import MLDSA_SIGNATURE, Refusal, Reject
from protocols.schedule import MLDSA_CONTEXT, SLOT_INFO, sealing_key_id, signing_key_id
from protocols.unit import partner_of

Randomness = Callable[[int], bytes]  # so many bytes that nobody can guess: os.urandom outside tests

HYBRID: Final = 1  # X-Wing, AES-256-GCM, Ed25519 and ML-DSA-65
CLASSIC: Final = 2  # X25519, AES-256-GCM, Ed25519
SUITES: Final = (HYBRID, CLASSIC)  # best first
SLOT_SIZES: Final = {HYBRID: 1168, CLASSIC: 80}
SEALING_KEY_SIZES: Final = {HYBRID: 1216, CLASSIC: 32}
ED25519_PUBLIC: Final = 32
MLDSA_PUBLIC: Final = 1952
SEED: Final = 32
_MLKEM_PUBLIC = 1184
_MLKEM_SEED = 64
_LOADED = 1024  # public keys kept ready
_RECENT = 8  # signed slices of time remembered for each signer

_Private = hpke.MLKEM768X25519PrivateKey | x25519.X25519PrivateKey
_HPKE = {
    HYBRID: hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM),
    CLASSIC: hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM),
}


class SigningPublic(NamedTuple):
    """The public half of a signing key, raw."""

    ed25519: bytes
    mldsa: bytes

    @property
    def kid(self) -> bytes:
        """The eight bytes that name this key on the wire."""
        return signing_key_id(self.ed25519, self.mldsa)[:8]


class SealingPublic(NamedTuple):
    """What others seal to: X-Wing public key (ML-KEM-768 then X25519) or an X25519 public key, raw."""

    suite: int
    key: bytes

    @property
    def kid(self) -> bytes:
        """The eight bytes that name this key on the wire."""
        return sealing_key_id(self.suite, self.key)[:8]


class Verifier:
    """A signing key of somebody else, loaded once."""

    __slots__ = ("_ed25519", "_mldsa", "_recent", "kid", "partner", "uid")

    def __init__(self, uid: str, public: SigningPublic) -> None:
        self.uid = uid
        self.partner = partner_of(uid)
        self.kid = public.kid
        self._recent: deque[tuple[bytes, bytes]] = deque(maxlen=_RECENT)
        self._ed25519 = ed25519.Ed25519PublicKey.from_public_bytes(public.ed25519)
        self._mldsa = mldsa.MLDSA65PublicKey.from_public_bytes(public.mldsa)

    def verify(self, signature: bytes, data: bytes) -> None:
        """Check an Ed25519 signature. Raise Reject (bad-signature)."""
        try:
            self._ed25519.verify(signature, data)
        except InvalidSignature:
            raise Reject(Refusal.BAD_SIGNATURE) from None

    def verify_once(self, signature: bytes, data: bytes) -> None:
        """As ``verify``, for a signature that many envelopes carry: it is checked once."""
        if (signature, data) in self._recent:
            return
        self.verify(signature, data)
        self._recent.append((signature, data))

    def verify_lasting(self, signature: bytes, data: bytes) -> None:
        """Check an ML-DSA-65 signature. Raise Reject (bad-signature)."""
        if len(signature) != MLDSA_SIGNATURE:
            raise Reject(Refusal.BAD_SIGNATURE)
        try:
            self._mldsa.verify(signature, data, MLDSA_CONTEXT)
        except InvalidSignature:
            raise Reject(Refusal.BAD_SIGNATURE) from None


class SigningKey:
    """A signing key of our own: Ed25519 for every envelope, ML-DSA-65 beside it where a signature has to last."""

    __slots__ = ("_ed25519", "_mldsa", "kid", "public", "seeds")

    def __init__(self, ed25519_seed: bytes, mldsa_seed: bytes) -> None:
        self.seeds = (ed25519_seed, mldsa_seed)
        self._ed25519 = ed25519.Ed25519PrivateKey.from_private_bytes(ed25519_seed)
        self._mldsa = mldsa.MLDSA65PrivateKey.from_seed_bytes(mldsa_seed)
        public = (self._ed25519.public_key().public_bytes_raw(), self._mldsa.public_key().public_bytes_raw())
        self.public = SigningPublic(*public)
        self.kid = self.public.kid

    @classmethod
    def new(cls, random: Randomness) -> SigningKey:
        """A fresh key."""
        return cls(random(SEED), random(SEED))

    def sign(self, data: bytes) -> bytes:
        """An Ed25519 signature, 64 bytes."""
        return self._ed25519.sign(data)

    def sign_lasting(self, data: bytes) -> bytes:
        """An ML-DSA-65 signature, 3309 bytes; takes about a millisecond."""
        return self._mldsa.sign(data, MLDSA_CONTEXT)


class SealingKey:
    """A private key that opens what was sealed to us."""

    __slots__ = ("_private", "kid", "public", "seed", "suite")

    def __init__(self, suite: int, seed: bytes) -> None:
        self.suite = suite
        self.seed = seed
        expand = _expand_xwing if suite == HYBRID else _expand_x25519
        self._private, public = expand(seed)
        self.public = SealingPublic(suite, public)
        self.kid = self.public.kid

    @classmethod
    def new(cls, suite: int, random: Randomness) -> SealingKey:
        """A fresh key."""
        return cls(suite, random(SEED))

    def open(self, slot: bytes, rnd: bytes) -> bytes | None:
        """The chain key in a slot of an announcement, or None when the slot is not for this key."""
        try:
            chain = _HPKE[self.suite].decrypt(slot, self._private, SLOT_INFO + rnd + self.kid)
        except InvalidTag:
            return None
        return chain if len(chain) == SEED else None


def seal_slot(public: SealingPublic, rnd: bytes, chain: bytes) -> bytes:
    """A slot of an announcement: the chain key, for one unit. Takes about 0.1 ms. ``public`` was checked at import."""
    recipient, kid = _load(public)
    return _HPKE[public.suite].encrypt(chain, recipient, SLOT_INFO + rnd + kid)


@lru_cache(maxsize=_LOADED)
def _load(public: SealingPublic) -> tuple[hpke.MLKEM768X25519PublicKey | x25519.X25519PublicKey, bytes]:
    """A public key ready for use and its id; a unit is sealed to in many epochs."""
    suite, key = public
    if suite != HYBRID:
        return x25519.X25519PublicKey.from_public_bytes(key), public.kid
    lattice = mlkem.MLKEM768PublicKey.from_public_bytes(key[:_MLKEM_PUBLIC])
    curve = x25519.X25519PublicKey.from_public_bytes(key[_MLKEM_PUBLIC:])
    return hpke.MLKEM768X25519PublicKey(lattice, curve), public.kid


class UnitKeys(NamedTuple):
    """Everything one unit holds: its signing key and its sealing keys, newest first."""

    uid: str
    signing: SigningKey
    sealing: tuple[SealingKey, ...]

    @classmethod
    def new(cls, uid: str, random: Randomness, suites: tuple[int, ...] = SUITES) -> UnitKeys:
        """Fresh keys for a unit, a sealing key for each suite."""
        return cls(uid, SigningKey.new(random), tuple(SealingKey.new(suite, random) for suite in suites))


def _expand_x25519(seed: bytes) -> tuple[_Private, bytes]:
    """An X25519 private key and its public key."""
    private = x25519.X25519PrivateKey.from_private_bytes(seed)
    return private, private.public_key().public_bytes_raw()


def _expand_xwing(seed: bytes) -> tuple[_Private, bytes]:
    """The two parts of an X-Wing private key and their public keys (draft-connolly-cfrg-xwing-kem, 5.2)."""
    expanded = hashlib.shake_256(seed).digest(_MLKEM_SEED + SEED)
    lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED])
    curve = x25519.X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED:])
    public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    return hpke.MLKEM768X25519PrivateKey(lattice, curve), public
