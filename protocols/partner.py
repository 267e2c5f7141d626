"""Partner bundles: the signed file by which a partner states its units, their keys and what is revoked. Pure.

Rules as in TUF: a version never goes back, expiry is enforced, a change of roots is signed by the old and the new
roots. The first bundle of a partner is taken only with its fingerprint, read over voice: no trust on first use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from protocols.curve import is_sound
from protocols.envelope import Reject
from protocols.identity import (
    ED25519_PUBLIC,
    MLDSA_PUBLIC,
    SEALING_KEY_SIZES,
    SealingPublic,
    SigningKey,
    SigningPublic,
    seal_slot,
)
from protocols.quantity import Value
from protocols.schedule import BUNDLE_SIGNED, REVOCATION_SIGNED
from protocols.statement import KID, SIGNERS_MAX, BundleFault, Signature, decode, open_statement, sign, verify
from protocols.unit import is_partner_id, is_unit_id, partner_of

BUNDLE_LIFE_MAX_S: Final = 30 * 86_400
STALE_AFTER_S: Final = 7 * 86_400  # seconds after which an operator is warned that no newer bundle came
FORMAT: Final = 1
_DIGITS, _GROUP = 40, 5
_CLOCK_SKEW_S = 300


class SigningEntry(Value, frozen=True):
    """A unit's signing key and when it holds, Unix seconds."""

    ed25519: bytes
    mldsa65: bytes
    not_before: int
    not_after: int

    def __post_init__(self) -> None:
        if len(self.ed25519) != ED25519_PUBLIC or len(self.mldsa65) != MLDSA_PUBLIC:
            raise ValueError("a signing key has the wrong size")
        _span(self.not_before, self.not_after)

    @property
    def public(self) -> SigningPublic:
        """The key itself."""
        return SigningPublic(self.ed25519, self.mldsa65)


class SealingEntry(Value, frozen=True):
    """A unit's sealing key for one suite and when it holds, Unix seconds."""

    suite: int
    key: bytes
    not_before: int
    not_after: int

    def __post_init__(self) -> None:
        if SEALING_KEY_SIZES.get(self.suite) != len(self.key):
            raise ValueError("a sealing key has the wrong size for its suite")
        _span(self.not_before, self.not_after)

    @property
    def public(self) -> SealingPublic:
        """The key itself."""
        return SealingPublic(self.suite, self.key)


class Unit(Value, frozen=True):
    """One liaison unit as its partner states it."""

    uid: str
    signing: tuple[SigningEntry, ...]
    sealing: tuple[SealingEntry, ...]
    suites: tuple[int, ...]
    roles: tuple[str, ...] = ()
    max_label: str | None = None
    topics: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not is_unit_id(self.uid):
            raise ValueError("a unit id is partner/unit, each a-z, 0-9 and -")

    def kids(self) -> tuple[bytes, ...]:
        """The ids of all its keys."""
        return (*(entry.public.kid for entry in self.signing), *(entry.public.kid for entry in self.sealing))


class Root(Value, frozen=True):
    """A root key of a partner: kept offline, it signs bundles and nothing else."""

    ed25519: bytes
    mldsa65: bytes

    def __post_init__(self) -> None:
        if len(self.ed25519) != ED25519_PUBLIC or len(self.mldsa65) != MLDSA_PUBLIC:
            raise ValueError("a root key has the wrong size")

    @property
    def public(self) -> SigningPublic:
        """The key itself."""
        return SigningPublic(self.ed25519, self.mldsa65)


class Revoked(Value, frozen=True):
    """A key that holds no longer, by its id."""

    kid: bytes
    since: int

    def __post_init__(self) -> None:
        if len(self.kid) != KID:
            raise ValueError("a key id has eight bytes")


class Bundle(Value, frozen=True):
    """What a partner states about itself. Times are Unix seconds; ``previous`` is the SHA-256 of the file before."""

    format: int
    partner: str
    version: int
    issued: int
    expires: int
    roots: tuple[Root, ...]
    threshold: int
    units: tuple[Unit, ...]
    floor: tuple[int, ...]
    revoked: tuple[Revoked, ...] = ()
    previous: bytes = b""

    def __post_init__(self) -> None:
        if not is_partner_id(self.partner):
            raise ValueError("a partner id is a-z, 0-9 and -")
        _span(self.issued, self.expires)
        if self.format != FORMAT or self.version < 1 or self.expires - self.issued > BUNDLE_LIFE_MAX_S:
            raise ValueError("a bundle has format 1, a version from 1 and lives at most 30 days")
        if not 0 < self.threshold <= len(self.roots) <= SIGNERS_MAX or not self.floor:
            raise ValueError("a bundle needs roots, a threshold that they can reach and a floor of suites")
        if any(partner_of(unit.uid) != self.partner for unit in self.units):
            raise ValueError("a unit lies outside the partner's name space")
        if len({unit.uid for unit in self.units}) != len(self.units):
            raise ValueError("a unit is stated twice")


class Revocation(Value, frozen=True):
    """A unit's keys withdrawn, signed beforehand and kept offline by the unit's partner until it is needed."""

    format: int
    partner: str
    uid: str
    kids: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if self.format != FORMAT or not is_unit_id(self.uid) or partner_of(self.uid) != self.partner or not self.kids:
            raise ValueError("a revocation names keys of a unit of its partner")


class Pin(Value, frozen=True):
    """What we hold a partner to: its roots, and the newest bundle seen."""

    partner: str
    roots: tuple[Root, ...]
    threshold: int
    version: int
    digest: bytes


def fingerprint(partner: str, roots: Sequence[Root]) -> str:
    """Forty decimal digits in eight groups: what two persons read to each other before a partner is pinned."""
    digest = hashlib.sha256(partner.encode() + b"".join(root.ed25519 + root.mldsa65 for root in roots)).digest()
    digits = str(int.from_bytes(digest, "big") % 10**_DIGITS).zfill(_DIGITS)
    return " ".join(digits[at : at + _GROUP] for at in range(0, _DIGITS, _GROUP))


def sign_bundle(bundle: Bundle, roots: Sequence[SigningKey]) -> bytes:
    """The file of a bundle, signed by these roots."""
    return sign(msgspec.msgpack.encode(bundle), BUNDLE_SIGNED, roots)


def sign_revocation(revocation: Revocation, roots: Sequence[SigningKey]) -> bytes:
    """The file of a revocation, signed by these roots."""
    return sign(msgspec.msgpack.encode(revocation), REVOCATION_SIGNED, roots)


def read_bundle(data: bytes) -> Bundle:
    """What a bundle file says, not yet verified. Raise Reject."""
    payload, _ = open_statement(data)
    return decode(payload, Bundle)


def first_contact(data: bytes, expected: str, now_s: int) -> tuple[Bundle, Pin]:
    """Pin a partner by its first bundle and the fingerprint that was read over voice. Raise Reject."""
    payload, signatures = open_statement(data)
    bundle = decode(payload, Bundle)
    if "".join(expected.split()) != fingerprint(bundle.partner, bundle.roots).replace(" ", ""):
        raise Reject(BundleFault.FINGERPRINT_MISMATCH)
    _verify(BUNDLE_SIGNED + payload, signatures, bundle)
    _check_content(bundle, now_s)
    return bundle, _pin(bundle, data)


def adopt(data: bytes, pin: Pin, now_s: int) -> tuple[Bundle, Pin]:
    """Take a newer bundle of a pinned partner (or the same again). Raise Reject with what is wrong with it."""
    payload, signatures = open_statement(data)
    bundle = decode(payload, Bundle)
    if bundle.partner != pin.partner:
        raise Reject(BundleFault.WRONG_PARTNER)
    _verify(BUNDLE_SIGNED + payload, signatures, pin)
    if bundle.roots != pin.roots or bundle.threshold != pin.threshold:
        _verify(BUNDLE_SIGNED + payload, signatures, bundle)
    if bundle.version < pin.version:
        raise Reject(BundleFault.ROLLED_BACK)
    digest = hashlib.sha256(data).digest()
    if bundle.version == pin.version and digest != pin.digest:
        raise Reject(BundleFault.FORKED)
    if bundle.version == pin.version + 1 and bundle.previous != pin.digest:
        raise Reject(BundleFault.FORKED)
    _check_content(bundle, now_s)
    return bundle, _pin(bundle, data)


def reload(data: bytes, pin: Pin) -> Bundle:
    """A bundle that was adopted before, from where it was kept; it may have expired since. Raise Reject."""
    if hashlib.sha256(data).digest() != pin.digest:
        raise Reject(BundleFault.FORKED)
    return read_bundle(data)


def read_partner(data: bytes) -> str:
    """Whose revocation a file says it is, not yet verified. Raise Reject."""
    return decode(open_statement(data)[0], Revocation).partner


def read_revocation(data: bytes, pin: Pin) -> Revocation:
    """A revocation of a pinned partner, verified. It does not expire. Raise Reject."""
    payload, signatures = open_statement(data)
    revocation = decode(payload, Revocation)
    if revocation.partner != pin.partner:
        raise Reject(BundleFault.WRONG_PARTNER)
    _verify(REVOCATION_SIGNED + payload, signatures, pin)
    return revocation


def _verify(signed: bytes, signatures: list[Signature], by: Bundle | Pin) -> None:
    verify(signed, signatures, [root.public for root in by.roots], by.threshold)


def _check_content(bundle: Bundle, now_s: int) -> None:
    """Validity in time, and that every key is sound and stands there once."""
    if now_s > bundle.expires:
        raise Reject(BundleFault.EXPIRED)
    if now_s < bundle.issued - _CLOCK_SKEW_S:
        raise Reject(BundleFault.NOT_YET_VALID)
    signing = [root.public for root in bundle.roots] + [e.public for unit in bundle.units for e in unit.signing]
    sealing = [entry.public for unit in bundle.units for entry in unit.sealing]
    kids = [key.kid for key in signing] + [key.kid for key in sealing]
    if len(set(kids)) != len(kids):
        raise Reject(BundleFault.KEY_COLLISION)
    if not all(is_sound(key.ed25519) for key in signing) or not all(map(_accepts_slots, sealing)):
        raise Reject(BundleFault.WEAK_KEY)


def _accepts_slots(public: SealingPublic) -> bool:
    """Whether a slot can be sealed to this key: its encoding is legal and its X25519 part not of low order."""
    try:
        seal_slot(public, bytes(16), bytes(32))
    except ValueError:
        return False
    return True


def _pin(bundle: Bundle, data: bytes) -> Pin:
    return Pin(
        partner=bundle.partner,
        roots=bundle.roots,
        threshold=bundle.threshold,
        version=bundle.version,
        digest=hashlib.sha256(data).digest(),
    )


def _span(start: int, end: int) -> None:
    if not 0 <= start < end < 1 << 32:
        raise ValueError("a validity runs from an earlier to a later moment")
