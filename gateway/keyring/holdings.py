"""What a gateway holds in its state directory: its units' keys, its own bundle, and the bundles of pinned partners.

``keys`` (encrypted): private keys of own units, and the pins of partners, so that a changed pin is noticed.
``root`` (encrypted): the partner's root key; belongs offline, needed only to issue a bundle.
``bundles/<partner>.<digest>.bundle``: public, each the very file whose digest its pin holds.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from gateway.durable import write_private
from gateway.keyring.held import Held, HeldRoot, HeldUnit, RevokedOf, kids, new_unit, rotated, stated
from gateway.keyring.keystore import KeyringError, Secret, load, save
from protocols.agreement import Agreement
from protocols.countersign import countersign
from protocols.enrolment import read_enrolment, sign_enrolment
from protocols.envelope import Reject
from protocols.identity import SUITES, SigningKey, UnitKeys
from protocols.partner import (
    BUNDLE_LIFE_MAX_S,
    FORMAT,
    Bundle,
    Pin,
    Revocation,
    Revoked,
    Root,
    Unit,
    adopt,
    fingerprint,
    first_contact,
    read_bundle,
    read_partner,
    read_revocation,
    reload,
    sign_bundle,
    sign_revocation,
)
from protocols.quantity import Value
from protocols.roster import Roster, Withdrawn
from protocols.statement import BundleFault
from protocols.unit import is_unit_id, partner_of

KEYS: Final = "keys"
ROOT: Final = "root"
BUNDLES: Final = "bundles"
CHANGED: Final = "changed"  # touched whenever whom we trust has changed
LOCK: Final = ".lock"
_Content = TypeVar("_Content", bound=Value)


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
        partner = _begin(directory, uids)
        seeds = SigningKey.new(os.urandom).seeds
        root = HeldRoot(partner=partner, ed25519=seeds[0], mldsa65=seeds[1])
        save(directory / ROOT, msgspec.msgpack.encode(root), secret)
        holdings = cls(directory, secret, Held(partner=partner, units=tuple(new_unit(uid, now_s) for uid in uids)))
        holdings.issue(now_s)
        return holdings

    @classmethod
    def create_unit(cls, directory: Path, uid: str, secret: Secret, now_s: int) -> Holdings:
        """Keys for one unit that holds them itself; its partner states it once it is enrolled. Raise KeyringError."""
        holdings = cls(directory, secret, Held(partner=_begin(directory, [uid]), units=(new_unit(uid, now_s),)))
        holdings._save(holdings._held)
        return holdings

    def has_root(self) -> bool:
        """Whether bundles can be issued here."""
        return (self.directory / ROOT).exists()

    def enrolment(self, uid: str, now_s: int) -> bytes:
        """The file by which a unit of ours asks the holder of the root to be stated. Raise KeyringError."""
        unit = self._unit(uid)
        return sign_enrolment(stated(unit, now_s), *(key.key() for key in unit.signing))

    def enrol(self, data: bytes) -> Unit:
        """State a unit of ours that holds its own keys, from the next bundle on. Raise Reject, KeyringError."""
        unit = read_enrolment(data)
        if partner_of(unit.uid) != self.partner:
            raise KeyringError(f"{unit.uid} is not a unit of {self.partner}")
        with self._changing():
            if any(known.uid == unit.uid for known in self._held.units):
                raise KeyringError(f"the keys of {unit.uid} are held here")
            others = tuple(known for known in self._held.enrolled if known.uid != unit.uid)
            self._save(replace(self._held, enrolled=(*others, unit)))
        return unit

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
        return {unit.uid: unit.keys() for unit in self._held.units}

    def units(self) -> tuple[HeldUnit, ...]:
        """Our units with the dates of their keys."""
        return self._held.units

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
        anybodys = [each.kid for each in self._held.revoked if not each.partner]
        return Roster(bundles, anybodys, [Withdrawn(each.partner, each.kid) for each in self._held.revoked])

    def fingerprint(self, partner: str) -> str:
        """The forty digits of a pinned partner."""
        return fingerprint(partner, self._pin(partner).roots)

    def pin(self, data: bytes, expected: str, now_s: int) -> Bundle:
        """First contact: pin a partner with the fingerprint that was compared by voice. Raise Reject, KeyringError."""
        partner = read_bundle(data).partner
        with self._changing():
            if any(pin.partner == partner for pin in self._held.pins):
                raise KeyringError(f"{partner} is pinned already: import its newer bundle, or withdraw it first")
            bundle, pin = first_contact(data, expected, now_s)
            self._check_foreign(bundle)
            self._keep(data, pin)
        return bundle

    def adopt(self, data: bytes, now_s: int) -> Bundle:
        """A newer bundle of a pinned partner. Raise Reject."""
        partner = read_bundle(data).partner
        with self._changing():
            bundle, pin = adopt(data, self._pinned(partner), now_s)
            self._check_foreign(bundle)
            self._keep(data, pin)
        return bundle

    def take_revocation(self, data: bytes, now_s: int) -> Revocation:
        """A partner's pre-signed revocation: its keys hold no longer, whatever bundle comes. Raise Reject."""
        with self._changing():
            revocation = read_revocation(data, self._pinned(read_partner(data)))
            if not self._stated_by_others(revocation.partner).isdisjoint(revocation.kids):
                raise Reject(BundleFault.WRONG_PARTNER)
            partner, known = revocation.partner, {(entry.partner, entry.kid) for entry in self._held.revoked}
            news = tuple(
                RevokedOf(kid=kid, since=now_s, partner=partner)
                for kid in revocation.kids
                if (partner, kid) not in known
            )
            self._save(replace(self._held, revoked=(*self._held.revoked, *news)))
        return revocation

    def withdraw(self, partner: str) -> None:
        """Trust a partner no longer: nothing is sealed to it or opened from it. Raise KeyringError."""
        if partner == self.partner:
            raise KeyringError("our own bundle cannot be withdrawn")
        with self._changing():
            gone = self._pin(partner)
            self._save(replace(self._held, pins=tuple(pin for pin in self._held.pins if pin != gone)))
        self._bundle_path(gone).unlink(missing_ok=True)

    def rotate(self, uid: str, now_s: int, *, signing: bool = False) -> None:
        """New sealing keys for a unit (and a new signing key); the old ones stay for what is under way.

        Takes effect for others with the next bundle (``issue``). Raise KeyringError.
        """
        with self._changing():
            unit = rotated(self._unit(uid), now_s, signing=signing)
            others = tuple(each for each in self._held.units if each.uid != uid)
            self._save(replace(self._held, units=(*others, unit)))

    def add(self, uid: str, now_s: int) -> None:
        """Keys for a further unit of ours, stated with the next bundle. Raise KeyringError."""
        if not is_unit_id(uid) or partner_of(uid) != self.partner:
            raise KeyringError(f"{uid} is not a unit of {self.partner}")
        with self._changing():
            if any(unit.uid == uid for unit in self._held.units):
                raise KeyringError(f"{uid} has keys already: rotate them")
            self._save(replace(self._held, units=(*self._held.units, new_unit(uid, now_s))))

    def revoke(self, uid: str, now_s: int) -> None:
        """Withdraw one of our units with all its keys; stated with the next bundle. Raise KeyringError."""
        with self._changing():
            news = tuple(Revoked(kid=kid, since=now_s) for kid in self._kids(uid))
            units = tuple(each for each in self._held.units if each.uid != uid)
            enrolled = tuple(each for each in self._held.enrolled if each.uid != uid)
            withdrawn = (*self._held.withdrawn, *news)
            self._save(replace(self._held, units=units, enrolled=enrolled, withdrawn=withdrawn))

    def presign_revocation(self, uid: str) -> bytes:
        """A revocation of one of our units, to be kept offline until it is needed. Raise KeyringError."""
        statement = Revocation(format=FORMAT, partner=self.partner, uid=uid, kids=self._kids(uid))
        return sign_revocation(statement, [self._root()])

    def countersign(self, agreement: Agreement) -> bytes:
        """Our signature under an agreement, as it stands. Raise KeyringError when the root is not here."""
        return countersign(agreement, [self._root()])

    def issue(self, now_s: int) -> Bundle:
        """State our units anew, one version on, signed by the root. Raise KeyringError when the root is not here."""
        root = self._root()
        with self._changing():
            before = next((pin for pin in self._held.pins if pin.partner == self.partner), None)
            bundle = Bundle(
                format=FORMAT,
                partner=self.partner,
                version=1 if before is None else before.version + 1,
                issued=now_s,
                expires=now_s + BUNDLE_LIFE_MAX_S,
                roots=(Root(ed25519=root.public.ed25519, mldsa65=root.public.mldsa),),
                threshold=1,
                units=(*(stated(unit, now_s) for unit in self._held.units), *self._held.enrolled),
                floor=SUITES,
                revoked=self._held.withdrawn,
                previous=b"" if before is None else before.digest,
            )
            data = sign_bundle(bundle, [root])
            self._keep(data, first_contact(data, fingerprint(self.partner, bundle.roots), now_s)[1])
        return bundle

    def reload(self) -> None:
        """Read what another process changed. Raise KeyringError."""
        self._held = _read(self.directory / KEYS, self._secret, Held)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One process changes a state directory at a time, and begins from what is there."""
        descriptor = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if (self.directory / KEYS).exists():
                self.reload()
            yield
        finally:
            os.close(descriptor)

    def _check_foreign(self, bundle: Bundle) -> None:
        """Nobody states a key that another partner has stated: it would vouch for neither. Raise Reject."""
        others = self._stated_by_others(bundle.partner)
        if not all(others.isdisjoint(unit.kids()) for unit in bundle.units):
            raise Reject(BundleFault.KEY_COLLISION)

    def _stated_by_others(self, partner: str) -> set[bytes]:
        """The keys that stand in the bundles of all partners but one. Raise KeyringError."""
        bundles = [self.bundle(pin.partner) for pin in self._held.pins if pin.partner != partner]
        return {kid for bundle in bundles for unit in bundle.units for kid in unit.kids()}

    def _root(self) -> SigningKey:
        return _read(self.directory / ROOT, self._secret, HeldRoot).key()

    def _kids(self, uid: str) -> tuple[bytes, ...]:
        """The ids of every key of one of our units, whoever holds them. Raise KeyringError."""
        for unit in self._held.enrolled:
            if unit.uid == uid:
                return unit.kids()
        return kids(self._unit(uid))

    def _unit(self, uid: str) -> HeldUnit:
        for unit in self._held.units:
            if unit.uid == uid:
                return unit
        raise KeyringError(f"no keys of {uid} here")

    def _pinned(self, partner: str) -> Pin:
        for pin in self._held.pins:
            if pin.partner == partner:
                return pin
        raise Reject(BundleFault.NOT_PINNED)

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
        self._save(replace(self._held, pins=(*others, pin)))
        for known in before:
            self._bundle_path(known).unlink(missing_ok=True)

    def _save(self, held: Held) -> None:
        save(self.directory / KEYS, msgspec.msgpack.encode(held), self._secret)
        self._held = held
        (self.directory / BUNDLES / CHANGED).touch(mode=0o600)  # a running gateway watches this folder


def _begin(directory: Path, uids: Iterable[str]) -> str:
    """An empty state directory for units of one partner; gives the partner. Raise KeyringError."""
    if not all(map(is_unit_id, uids)):
        raise KeyringError("a unit id is partner/unit, each a-z, 0-9 and -")
    partners = {partner_of(uid) for uid in uids}
    if len(partners) != 1:
        raise KeyringError("all units of one state directory belong to one partner")
    if (directory / KEYS).exists() or (directory / ROOT).exists():
        raise KeyringError(f"{directory} already holds keys")
    (directory / BUNDLES).mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.chmod(0o700)
    return partners.pop()


def _read(path: Path, secret: Secret, kind: type[_Content]) -> _Content:
    try:
        return msgspec.msgpack.decode(load(path, secret), type=kind)
    except msgspec.DecodeError:
        raise KeyringError(f"the keystore {path} is of another kind or version") from None
