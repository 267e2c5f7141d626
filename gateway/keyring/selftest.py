"""Known answers of every primitive, checked at start: a wrong or patched library must not seal a single message."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa, mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from gateway.keyring.keystore import KeyringError
from protocols.identity import SUITES, SealingKey, seal_slot

_hex = bytes.fromhex

# GCM specification (McGrew, Viega), test case 14
_GCM = _hex("cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919")
# RFC 5869, appendix A.1
_PRK = _hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
_OKM = _hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
# RFC 8032, 7.1, test 2
_ED_SEED = _hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
_ED_SIGNATURE = _hex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
# RFC 7748, 5.2, after one iteration
_X25519 = _hex("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079")
# RFC 9106, 5.3
_ARGON2 = _hex("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659")
# draft-connolly-cfrg-xwing-kem, appendix C, first vector: SHA-256 of its public key
_XWING_SEED = _hex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
_XWING_PUBLIC = _hex("2e816deebcd76c5c80d0cd2d174478871658e8e2ff42bc9d4a6e486372e856bb")
# Of seeds of zeros: the implicit rejection of a ciphertext of zeros; SHA-256 of the public key
_MLKEM_REJECTION = _hex("0419c6fa226891f68d792ae5e5a2929f2876ecf86dc7bb27ee0b3563320adb8f")
_MLDSA_PUBLIC = _hex("085ba380ff386dd52e42349c6eb88489d6058ea541a4e3fb0dce9a3fd1f7a911")


def check_primitives() -> None:
    """Check them all; takes about ten milliseconds. Raise KeyringError at the first that is wrong."""
    for name, holds in CHECKS.items():
        try:
            right = holds()
        except (InvalidSignature, InvalidTag, UnsupportedAlgorithm, ValueError, TypeError):
            right = False
        if not right:
            raise KeyringError(f"self-test: {name} does not give its known answer; this installation must not be used")


def _aes_gcm() -> bool:
    cipher, zeros = AESGCM(bytes(32)), bytes(12)
    sealed = cipher.encrypt(zeros, bytes(16), b"")
    return sealed == _GCM and cipher.decrypt(zeros, sealed, None) == bytes(16) and _refuses_altered(cipher, sealed)


def _refuses_altered(cipher: AESGCM, sealed: bytes) -> bool:
    try:
        cipher.decrypt(bytes(12), sealed[:-1] + bytes((sealed[-1] ^ 1,)), None)
    except InvalidTag:
        return True
    return False


def _hkdf() -> bool:
    return HKDFExpand(SHA256(), 42, _hex("f0f1f2f3f4f5f6f7f8f9")).derive(_PRK) == _OKM


def _ed25519() -> bool:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(_ED_SEED)
    key.public_key().verify(_ED_SIGNATURE, b"\x72")
    try:
        key.public_key().verify(_ED_SIGNATURE, b"\x73")
    except InvalidSignature:
        return key.sign(b"\x72") == _ED_SIGNATURE
    return False


def _x25519() -> bool:
    nine = b"\x09" + bytes(31)
    secret = x25519.X25519PrivateKey.from_private_bytes(nine)
    return secret.exchange(x25519.X25519PublicKey.from_public_bytes(nine)) == _X25519


def _argon2() -> bool:
    derivation = Argon2id(
        salt=b"\2" * 16, length=32, iterations=3, lanes=4, memory_cost=32, ad=b"\4" * 12, secret=b"\3" * 8
    )
    return derivation.derive(b"\1" * 32) == _ARGON2


def _mlkem() -> bool:
    key = mlkem.MLKEM768PrivateKey.from_seed_bytes(bytes(64))
    shared, ciphertext = key.public_key().encapsulate()
    return key.decapsulate(ciphertext) == shared and key.decapsulate(bytes(1088)) == _MLKEM_REJECTION


def _mldsa() -> bool:
    key = mldsa.MLDSA65PrivateKey.from_seed_bytes(bytes(32))
    public = key.public_key()
    signature = key.sign(b"known", b"CSE1")
    public.verify(signature, b"known", b"CSE1")
    try:
        public.verify(signature, b"known", b"other")
    except InvalidSignature:
        return hashlib.sha256(public.public_bytes_raw()).digest() == _MLDSA_PUBLIC
    return False


def _hpke() -> bool:
    """X-Wing keys from their seed, and a slot of each suite opened by its key and by no other."""
    if hashlib.sha256(SealingKey(SUITES[0], _XWING_SEED).public.key).digest() != _XWING_PUBLIC:
        return False
    for suite in SUITES:
        key, other = SealingKey(suite, _XWING_SEED), SealingKey(suite, _ED_SEED)
        slot = seal_slot(key.public, bytes(16), b"\5" * 32)
        if key.open(slot, bytes(16)) != b"\5" * 32 or other.open(slot, bytes(16)) is not None:
            return False
    return True


CHECKS: Final[dict[str, Callable[[], bool]]] = {
    "AES-256-GCM": _aes_gcm,
    "HKDF-SHA256": _hkdf,
    "Ed25519": _ed25519,
    "X25519": _x25519,
    "Argon2id": _argon2,
    "ML-KEM-768": _mlkem,
    "ML-DSA-65": _mldsa,
    "HPKE with X-Wing and X25519": _hpke,
}
