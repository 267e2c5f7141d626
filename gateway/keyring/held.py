"""Private keys as they are kept: their seeds and dates, and what a bundle says of them. Seconds are Unix time."""

from __future__ import annotations

import os
from typing import Final

from msgspec.structs import replace

from protocols.envelope import LIFE_MAX_S
from protocols.identity import SEED, SUITES, SealingKey, SigningKey, UnitKeys
from protocols.partner import BUNDLE_LIFE_MAX_S, Pin, Revoked, SealingEntry, SigningEntry, Unit
from protocols.quantity import Value

SIGNING_LIFE_S: Final = 90 * 86_400
ROTATE_AFTER_S: Final = 7 * 86_400  # seconds after which sealing keys should be rotated
KEPT_S: Final = 4 * 86_400  # seconds a rotated key is kept: the longest late horizon (72 h) and a day
SIGNED_BEFORE_S: Final = 2 * LIFE_MAX_S  # seconds a rotated signing key vouches on, for epochs that live


class HeldSigning(Value, frozen=True):
    """A private signing key: two seeds, when it was made, and when a newer one took its place (0: in use)."""

    ed25519: bytes
    mldsa65: bytes
    created: int
    retired: int = 0

    def key(self) -> SigningKey:
        """The key, ready to sign."""
        return SigningKey(self.ed25519, self.mldsa65)


class HeldSealing(Value, frozen=True):
    """A private sealing key: its seed, when it was made, and when a newer one took its place (0: in use)."""

    suite: int
    seed: bytes
    created: int
    retired: int = 0

    def key(self) -> SealingKey:
        """The key, ready to open."""
        return SealingKey(self.suite, self.seed)


class HeldUnit(Value, frozen=True):
    """One of our units and its private keys, newest first."""

    uid: str
    signing: tuple[HeldSigning, ...]
    sealing: tuple[HeldSealing, ...]

    def keys(self) -> UnitKeys:
        """The keys, ready for use."""
        return UnitKeys(self.uid, self.signing[0].key(), tuple(key.key() for key in self.sealing))


class RevokedOf(Revoked, frozen=True):
    """A key of a partner that holds no longer, by that partner's word; one that was noted without it is anybody's."""

    partner: str = ""


class Held(Value, frozen=True):
    """The content of the ``keys`` file.

    ``enrolled``: units of ours that hold their own keys; ``revoked``: keys of partners; ``withdrawn``: keys of ours.
    """

    partner: str
    units: tuple[HeldUnit, ...]
    enrolled: tuple[Unit, ...] = ()
    pins: tuple[Pin, ...] = ()
    revoked: tuple[RevokedOf, ...] = ()
    withdrawn: tuple[Revoked, ...] = ()


class HeldRoot(Value, frozen=True):
    """The content of the ``root`` file."""

    partner: str
    ed25519: bytes
    mldsa65: bytes

    def key(self) -> SigningKey:
        """The root, ready to sign."""
        return SigningKey(self.ed25519, self.mldsa65)


def new_unit(uid: str, now_s: int) -> HeldUnit:
    """Fresh keys for a unit."""
    return HeldUnit(uid=uid, signing=(_new_signing(now_s),), sealing=_new_sealing(now_s))


def rotated(unit: HeldUnit, now_s: int, *, signing: bool) -> HeldUnit:
    """New sealing keys (and a new signing key) before the old ones; what was rotated long enough ago is destroyed."""
    old_sealing = tuple(replace(key, retired=key.retired or now_s) for key in unit.sealing)
    sealing = _new_sealing(now_s) + tuple(key for key in old_sealing if now_s - key.retired < KEPT_S)
    if not signing:
        return replace(unit, sealing=sealing)
    old_signing = tuple(replace(key, retired=key.retired or now_s) for key in unit.signing)
    kept = tuple(key for key in old_signing if now_s - key.retired < SIGNED_BEFORE_S)
    return replace(unit, sealing=sealing, signing=(_new_signing(now_s), *kept))


def kids(unit: HeldUnit) -> tuple[bytes, ...]:
    """The ids of every key of a unit."""
    return tuple(key.key().kid for key in unit.signing) + tuple(key.key().kid for key in unit.sealing)


def stated(unit: HeldUnit, now_s: int) -> Unit:
    """What a bundle of this moment says of a unit."""
    sealing = [(key.key().public, key.created) for key in unit.sealing if not key.retired]
    return Unit(
        uid=unit.uid,
        signing=tuple(_signing_entry(key) for key in unit.signing),
        sealing=tuple(
            SealingEntry(suite=public.suite, key=public.key, not_before=at, not_after=now_s + BUNDLE_LIFE_MAX_S)
            for public, at in sealing
        ),
        suites=tuple(sorted({public.suite for public, _ in sealing})),
    )


def _signing_entry(held: HeldSigning) -> SigningEntry:
    public = held.key().public
    end = held.created + SIGNING_LIFE_S
    if held.retired:
        end = min(end, held.retired + SIGNED_BEFORE_S)
    return SigningEntry(ed25519=public.ed25519, mldsa65=public.mldsa, not_before=held.created, not_after=end)


def _new_signing(now_s: int) -> HeldSigning:
    ed25519, mldsa65 = SigningKey.new(os.urandom).seeds
    return HeldSigning(ed25519=ed25519, mldsa65=mldsa65, created=now_s)


def _new_sealing(now_s: int) -> tuple[HeldSealing, ...]:
    return tuple(HeldSealing(suite=suite, seed=os.urandom(SEED), created=now_s) for suite in SUITES)
