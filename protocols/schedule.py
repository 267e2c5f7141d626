"""The key schedule of CSE1: from an epoch's chain key to the key, nonce and leaf salts of one envelope. Pure.

Every derivation and every signature has a context string of its own; all of them stand in ``CONTEXTS``.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

ANNOUNCEMENT_SIGNED: Final = b"CSE1 ann\0"
DATA_SIGNED: Final = b"CSE1 data\0"
HEAD_SIGNED: Final = b"CSE1 head\0"
TICK_SIGNED: Final = b"CSE1 tick\0"
BUNDLE_SIGNED: Final = b"CSE1 bundle\0"
REVOCATION_SIGNED: Final = b"CSE1 revocation\0"
REQUEST_SIGNED: Final = b"CSE1 request\0"
ENROLMENT_SIGNED: Final = b"CSE1 enrol\0"
AGREEMENT_SIGNED: Final = b"CSE1 agreement\0"
LOG_SIGNED: Final = b"CSE1 log\0"
MLDSA_CONTEXT: Final = b"CSE1"
SLOT_INFO: Final = b"CSE1 ann"
EPOCH_ID: Final = b"CSE1 eid"
SIGNING_KEY_ID: Final = b"CSE1 sig"
SEALING_KEY_ID: Final = b"CSE1 kem"
ROOT: Final = b"CSE1 root"
LEAF: Final = b"CSE1 leaf"

SIGNATURE_CONTEXTS: Final = (
    ANNOUNCEMENT_SIGNED,
    DATA_SIGNED,
    HEAD_SIGNED,
    TICK_SIGNED,
    BUNDLE_SIGNED,
    REVOCATION_SIGNED,
    REQUEST_SIGNED,
    ENROLMENT_SIGNED,
    AGREEMENT_SIGNED,
    LOG_SIGNED,
)
HASH_CONTEXTS: Final = (EPOCH_ID, SIGNING_KEY_ID, SEALING_KEY_ID, ROOT)
DERIVATIONS: Final = (b"chain", b"key", b"commit", b"ann")

_SHA256 = SHA256()


class Generation(NamedTuple):
    """The keys of up to 256 envelopes (sender's side): cipher, nonce base, secret of the leaf salts."""

    cipher: AESGCM
    iv: int
    salt: bytes

    def nonce(self, seq: int) -> bytes:
        """The nonce of one sequence number, as in TLS 1.3."""
        return (self.iv ^ seq).to_bytes(12, "big")


def expand(key: bytes, label: bytes, scope: bytes, number: int, length: int) -> bytes:
    """E(key, label, scope, number, length) of the specification: HKDF-Expand with SHA-256."""
    return HKDFExpand(_SHA256, length, b"CSE1 " + label + scope + number.to_bytes(4, "big")).derive(key)


def epoch_id(sig_kid: bytes, rnd: bytes) -> bytes:
    """The id of an epoch. It binds the signer, so that nobody can squat on an id seen on the wire."""
    return hashlib.sha256(EPOCH_ID + sig_kid + rnd).digest()[:8]


def signing_key_id(ed25519: bytes, mldsa: bytes) -> bytes:
    """The whole 32 bytes of a signing key's id; the wire carries the first eight."""
    return hashlib.sha256(SIGNING_KEY_ID + ed25519 + mldsa).digest()


def sealing_key_id(suite: int, public: bytes) -> bytes:
    """The whole 32 bytes of a sealing (KEM) key's id; the wire carries the first eight."""
    return hashlib.sha256(SEALING_KEY_ID + bytes((suite,)) + public).digest()


def next_chain(chain: bytes, eid: bytes, generation: int) -> bytes:
    """The chain key that follows the one of ``generation``."""
    return expand(chain, b"chain", eid, generation + 1, 32)


def generation_keys(chain: bytes, eid: bytes, generation: int) -> bytes:
    """The 76 bytes of one generation: AES key, nonce base, leaf salt."""
    return expand(chain, b"key", eid, generation, 76)


def load_generation(keys: bytes) -> Generation:
    """The keys of one generation, ready for use."""
    return Generation(AESGCM(keys[:32]), int.from_bytes(keys[32:44], "big"), keys[44:])


def commitment(chain: bytes, eid: bytes, base: int) -> bytes:
    """What an announcement commits to: AES-GCM does not bind its key, so the signature does."""
    return expand(chain, b"commit", eid, base, 32)


def box_key(chain: bytes, rnd: bytes) -> bytes:
    """The key of an announcement's box."""
    return expand(chain, b"ann", rnd, 0, 32)


def box_context(suite: int, rnd: bytes, slots: bytes) -> bytes:
    """The associated data of an announcement's box."""
    return bytes((suite,)) + rnd + slots


def announcement_signed(terms: bytes, slots: bytes) -> bytes:
    """What both signatures of an announcement cover; ``slots`` is D of the specification."""
    return ANNOUNCEMENT_SIGNED + hashlib.sha256(terms).digest() + slots


def leaf_salts(salt: bytes, seq: int, count: int) -> bytes:
    """Sixteen bytes for each message of one envelope."""
    return HKDFExpand(_SHA256, 16 * count, LEAF + seq.to_bytes(8, "big")).derive(salt)


def leaf(salt: bytes, message: bytes) -> bytes:
    """The leaf of one message: with its salt, one message can be disclosed and no other guessed."""
    return hashlib.sha256(b"\0" + salt + message).digest()


def root(header: bytes, t_ms: int, leaves: list[bytes]) -> bytes:
    """What the signature of an envelope covers: header, time and messages."""
    start = ROOT + hashlib.sha256(header).digest() + t_ms.to_bytes(8, "big") + len(leaves).to_bytes(4, "big")
    return hashlib.sha256(start + b"".join(leaves)).digest()


def envelope_root(header: bytes, t_ms: int, messages: list[bytes], salt: bytes, seq: int) -> bytes:
    """The root of one envelope from the secret of its generation."""
    salts = leaf_salts(salt, seq, len(messages))
    sha256 = hashlib.sha256
    places = range(0, 16 * len(messages), 16)
    leaves = [
        sha256(b"\0" + salts[at : at + 16] + message).digest() for at, message in zip(places, messages, strict=True)
    ]
    return root(header, t_ms, leaves)


def digest(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def slots_digest(slots: tuple[bytes, ...]) -> bytes:
    """D of the specification: the same for the whole form of an announcement and for every split form."""
    sha256 = hashlib.sha256
    return sha256(b"".join(slot if len(slot) == 32 else sha256(slot).digest() for slot in slots)).digest()
