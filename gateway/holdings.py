"""What a gateway holds in its state directory: its units' keys, its own bundle, and the bundles of pinned partners.

``keys`` (encrypted): private keys of own units, and the pins of partners, so that a changed pin is noticed.
``root`` (encrypted): the partner's root key; belongs offline, needed only to issue a bundle.
``bundles/<partner>.<digest>.bundle``: public, each the very file whose digest its pin holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from gateway.keystore import KeyringError, Secret, load, save, write_private
from protocols.envelope import Reject
from protocols.identity import SUITES, SealingKey, SigningKey, UnitKeys
from protocols.partner import (
    BUNDLE_LIFE_MAX_S,
    FORMAT,
    Bundle,
    BundleFault,
    Pin,
    Revoked,
    Root,
    SealingEntry,
    SigningEntry,
    Unit,
    adopt,
    fingerprint,
    first_contact,
    read_bundle,
    reload,
    sign_bundle,
)
from protocols.quantity import Value
from protocols.roster import Roster
from protocols.unit import is_unit_id, partner_of

KEYS: Final = "keys"
ROOT: Final = "root"
BUNDLES: Final = "bundles"
SIGNING_LIFE_S: Final = 90 * 86_400
_Content = TypeVar("_Content", bound=Value)


class HeldSigning(Value, frozen=True):
    """A private signing key: two seeds, and when it was made (Unix seconds)."""

    ed25519: bytes
    mldsa65: bytes
    created: int


class HeldSealing(Value, frozen=True):
    """A private sealing key: its seed, when it was made, and when a newer one took its place (0: in use)."""

    suite: int
    seed: bytes
    created: int
    retired: int = 0


class HeldUnit(Value, frozen=True):
    """One of our units and its private keys, newest first."""

    uid: str
    signing: tuple[HeldSigning, ...]
    sealing: tuple[HeldSealing, ...]


class Held(Value, frozen=True):
    """The content of the ``keys`` file."""

    partner: str
    units: tuple[HeldUnit, ...]
    pins: tuple[Pin, ...] = ()
    revoked: tuple[Revoked, ...] = ()


class HeldRoot(Value, frozen=True):
    """The content of the ``root`` file."""

    partner: str
    ed25519: bytes
    mldsa65: bytes

    def key(self) -> SigningKey:
        """The root, ready to sign."""
        return SigningKey(self.ed25519, self.mldsa65)


class Holdings:
    """One state directory, unlocked."""

    def __init__(self, directory: Path, secret: Secret, held: Held) -> None:
        self.directory = directory
        self._secret = secret
        self._held = held

    @classmethod
    def create(cls, directory: Path, units: Iterable[str], secret: Secret, now_s: int) -> Holdings:
        """New root and unit keys in an empty directory, and the first bundle. Raise KeyringError."""
        uids = sorted(set(units))
        if not all(map(is_unit_id, uids)):
            raise KeyringError("a unit id is partner/unit, each a-z, 0-9 and -")
        partners = {partner_of(uid) for uid in uids}
        if len(partners) != 1:
            raise KeyringError("all units of one state directory belong to one partner")
        if (directory / KEYS).exists() or (directory / ROOT).exists():
            raise KeyringError(f"{directory} already holds keys")
        partner = partners.pop()
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        (directory / BUNDLES).mkdir(exist_ok=True, mode=0o700)
        seeds = SigningKey.new(os.urandom).seeds
        root = HeldRoot(partner=partner, ed25519=seeds[0], mldsa65=seeds[1])
        save(directory / ROOT, msgspec.msgpack.encode(root), secret)
        held = Held(partner=partner, units=tuple(_new_unit(uid, now_s) for uid in uids))
        holdings = cls(directory, secret, held)
        holdings.issue(now_s)
        return holdings

    @classmethod
    def open(cls, directory: Path, secret: Secret) -> Holdings:
        """Unlock a state directory. Raise KeyringError."""
        return cls(directory, secret, _read(directory / KEYS, secret, Held))

    @property
    def partner(self) -> str:
        """Whose keys these are."""
        return self._held.partner

    def unit_keys(self) -> dict[str, UnitKeys]:
        """The private keys of our units, ready for use, newest first."""
        return {unit.uid: _load(unit) for unit in self._held.units}

    def pins(self) -> tuple[Pin, ...]:
        """What we hold each partner to, ourselves included."""
        return self._held.pins

    def bundle(self, partner: str) -> Bundle:
        """The newest bundle of a pinned partner. Raise KeyringError when it was changed since."""
        try:
            return reload(self.bundle_file(partner), self._pin(partner))
        except Reject as refusal:
            raise KeyringError(f"the bundle of {partner} is not the one that was imported: {refusal}") from None

    def bundle_file(self, partner: str) -> bytes:
        """The signed file itself: what is exported. Raise KeyringError."""
        path = self._bundle_path(self._pin(partner))
        try:
            return path.read_bytes()
        except OSError as error:
            raise KeyringError(f"the bundle {path} cannot be read: {error.strerror}") from None

    def roster(self) -> Roster:
        """Whom we know, from every pinned bundle. Raise KeyringError."""
        bundles = [self.bundle(pin.partner) for pin in self._held.pins]
        return Roster(bundles, [revoked.kid for revoked in self._held.revoked])

    def fingerprint(self, partner: str) -> str:
        """The forty digits of a pinned partner."""
        return fingerprint(partner, self._pin(partner).roots)

    def pin(self, data: bytes, expected: str, now_s: int) -> Bundle:
        """First contact: pin a partner with the fingerprint that was compared by voice. Raise Reject, KeyringError."""
        partner = read_bundle(data).partner
        if any(pin.partner == partner for pin in self._held.pins):
            raise KeyringError(f"{partner} is pinned already: import its newer bundle, or withdraw it first")
        bundle, pin = first_contact(data, expected, now_s)
        self._keep(data, pin)
        return bundle

    def adopt(self, data: bytes, now_s: int) -> Bundle:
        """A newer bundle of a pinned partner. Raise Reject."""
        partner = read_bundle(data).partner
        known = next((pin for pin in self._held.pins if pin.partner == partner), None)
        if known is None:
            raise Reject(BundleFault.NOT_PINNED)
        bundle, pin = adopt(data, known, now_s)
        self._keep(data, pin)
        return bundle

    def withdraw(self, partner: str) -> None:
        """Trust a partner no longer: nothing is sealed to it or opened from it. Raise KeyringError."""
        if partner == self.partner:
            raise KeyringError("our own bundle cannot be withdrawn")
        gone = self._pin(partner)
        self._save(msgspec.structs.replace(self._held, pins=tuple(pin for pin in self._held.pins if pin != gone)))
        self._bundle_path(gone).unlink(missing_ok=True)

    def issue(self, now_s: int) -> Bundle:
        """State our units anew, one version on, signed by the root. Raise KeyringError when the root is not here."""
        root = _read(self.directory / ROOT, self._secret, HeldRoot).key()
        before = next((pin for pin in self._held.pins if pin.partner == self.partner), None)
        public = Root(ed25519=root.public.ed25519, mldsa65=root.public.mldsa)
        bundle = Bundle(
            format=FORMAT,
            partner=self.partner,
            version=1 if before is None else before.version + 1,
            issued=now_s,
            expires=now_s + BUNDLE_LIFE_MAX_S,
            roots=(public,),
            threshold=1,
            units=tuple(_stated(unit, now_s) for unit in self._held.units),
            floor=SUITES,
            revoked=(),
            previous=b"" if before is None else before.digest,
        )
        data = sign_bundle(bundle, [root])
        pinned = first_contact(data, fingerprint(self.partner, bundle.roots), now_s)[1]
        self._keep(data, pinned)
        return bundle

    def _bundle_path(self, pin: Pin) -> Path:
        return self.directory / BUNDLES / f"{pin.partner}.{pin.digest.hex()[:16]}.bundle"

    def _pin(self, partner: str) -> Pin:
        for pin in self._held.pins:
            if pin.partner == partner:
                return pin
        raise KeyringError(f"{partner} is not pinned: import its bundle with its fingerprint")

    def _keep(self, data: bytes, pin: Pin) -> None:
        """Keep a verified bundle and what we now hold its partner to; after a crash either the old or the new holds."""
        others = tuple(known for known in self._held.pins if known.partner != pin.partner)
        before = [known for known in self._held.pins if known.partner == pin.partner and known.digest != pin.digest]
        write_private(self._bundle_path(pin), data)
        self._save(msgspec.structs.replace(self._held, pins=(*others, pin)))
        for known in before:
            self._bundle_path(known).unlink(missing_ok=True)

    def _save(self, held: Held) -> None:
        save(self.directory / KEYS, msgspec.msgpack.encode(held), self._secret)
        self._held = held


def _read(path: Path, secret: Secret, kind: type[_Content]) -> _Content:
    try:
        return msgspec.msgpack.decode(load(path, secret), type=kind)
    except msgspec.DecodeError:
        raise KeyringError(f"the keystore {path} is of another kind or version") from None


def _new_unit(uid: str, now_s: int) -> HeldUnit:
    seeds = SigningKey.new(os.urandom).seeds
    return HeldUnit(
        uid=uid,
        signing=(HeldSigning(ed25519=seeds[0], mldsa65=seeds[1], created=now_s),),
        sealing=tuple(HeldSealing(suite=suite, seed=os.urandom(32), created=now_s) for suite in SUITES),
    )


def _load(unit: HeldUnit) -> UnitKeys:
    newest = unit.signing[0]
    sealing = tuple(SealingKey(key.suite, key.seed) for key in unit.sealing)
    return UnitKeys(unit.uid, SigningKey(newest.ed25519, newest.mldsa65), sealing)


def _stated(unit: HeldUnit, now_s: int) -> Unit:
    """What a bundle says of one of our units."""
    signing = [(SigningKey(key.ed25519, key.mldsa65).public, key.created) for key in unit.signing]
    sealing = [(SealingKey(key.suite, key.seed).public, key.created) for key in unit.sealing if not key.retired]
    return Unit(
        uid=unit.uid,
        signing=tuple(
            SigningEntry(ed25519=p.ed25519, mldsa65=p.mldsa, not_before=at, not_after=at + SIGNING_LIFE_S)
            for p, at in signing
        ),
        sealing=tuple(
            SealingEntry(suite=p.suite, key=p.key, not_before=at, not_after=now_s + BUNDLE_LIFE_MAX_S)
            for p, at in sealing
        ),
        suites=tuple(sorted({public.suite for public, _ in sealing})),
    )
