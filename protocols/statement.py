"""A signed statement: the file form of partner bundles, revocations and enrolments. Pure.

``94 bin(payload) bin(Ed25519) bin(ML-DSA-65) bin(key ids)``, verified over the exact bytes of the payload. Where
several roots sign, their signatures and key ids stand one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

import msgspec

from protocols.curve import is_sound
from protocols.envelope import ED25519_SIGNATURE, ENVELOPE_MAX, MLDSA_SIGNATURE, Reject, pack, unpack_strict
from protocols.identity import SigningKey, SigningPublic, Verifier
from protocols.quantity import Value

STATEMENT_MAX: Final = ENVELOPE_MAX  # bytes; a bundle of about 300 units
SIGNERS_MAX: Final = 16
KID: Final = 8
_Statement = TypeVar("_Statement", bound=Value)


class BundleFault(StrEnum):
    """Why a partner bundle or a revocation is refused. Bounded."""

    TOO_LARGE = "bundle-too-large"
    MALFORMED = "bundle-malformed"
    WRONG_PARTNER = "bundle-of-another-partner"
    WRONG_ROOT = "bundle-signed-by-wrong-root"
    BAD_SIGNATURE = "bundle-bad-signature"
    ROLLED_BACK = "bundle-rolled-back"
    FORKED = "bundle-forked"
    EXPIRED = "bundle-expired"
    NOT_YET_VALID = "bundle-not-yet-valid"
    WEAK_KEY = "bundle-weak-key"
    KEY_COLLISION = "bundle-key-collision"
    FINGERPRINT_MISMATCH = "fingerprint-mismatch"
    NOT_PINNED = "partner-not-pinned"


class Signature(NamedTuple):
    """Both signatures of one root."""

    kid: bytes
    ed25519: bytes
    mldsa: bytes


def sign(payload: bytes, context: bytes, roots: Sequence[SigningKey]) -> bytes:
    """A signed file: one signature of each kind from each root, one after the other, in the order of the key ids."""
    signed = context + payload
    ed25519 = b"".join(root.sign(signed) for root in roots)
    mldsa = b"".join(root.sign_lasting(signed) for root in roots)
    return pack((payload, ed25519, mldsa, b"".join(root.kid for root in roots)))


def open_statement(data: bytes) -> tuple[bytes, list[Signature]]:
    """The payload and the signatures of a signed file, not yet verified."""
    if len(data) > STATEMENT_MAX:
        raise Reject(BundleFault.TOO_LARGE)
    fields = unpack_strict(data, BundleFault.MALFORMED)
    if type(fields) is not list or len(fields) != 4 or not all(type(field) is bytes for field in fields):
        raise Reject(BundleFault.MALFORMED)
    payload, ed25519, mldsa, kids = fields
    count = len(kids) // KID
    sizes = (KID * count, ED25519_SIGNATURE * count, MLDSA_SIGNATURE * count)
    if not 0 < count <= SIGNERS_MAX or (len(kids), len(ed25519), len(mldsa)) != sizes:
        raise Reject(BundleFault.MALFORMED)
    return payload, [
        Signature(_part(kids, i, KID), _part(ed25519, i, ED25519_SIGNATURE), _part(mldsa, i, MLDSA_SIGNATURE))
        for i in range(count)
    ]


def _part(data: bytes, index: int, size: int) -> bytes:
    return data[index * size : (index + 1) * size]


def decode(payload: bytes, kind: type[_Statement]) -> _Statement:
    """A statement in its only legal encoding: repeated keys, longer forms and unknown fields are refused."""
    try:
        statement = msgspec.msgpack.decode(payload, type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError):  # ValueError: a text that is no UTF-8
        raise Reject(BundleFault.MALFORMED) from None
    if msgspec.msgpack.encode(statement) != payload:
        raise Reject(BundleFault.MALFORMED)
    return statement


def verify(signed: bytes, signatures: list[Signature], keys: Sequence[SigningPublic], threshold: int) -> None:
    """Whether enough of these keys signed. Raise Reject (wrong root, weak key, bad signature)."""
    known = {key.kid: key for key in keys}
    signers = {signature.kid: signature for signature in signatures if signature.kid in known}
    if len(signers) < threshold:
        raise Reject(BundleFault.WRONG_ROOT)
    for kid, signature in signers.items():
        if not is_sound(known[kid].ed25519):
            raise Reject(BundleFault.WEAK_KEY)
        verifier = Verifier("", known[kid])
        try:
            verifier.verify(signature.ed25519, signed)
            verifier.verify_lasting(signature.mldsa, signed)
        except Reject:
            raise Reject(BundleFault.BAD_SIGNATURE) from None
