"""Whom we know: the units of verified partner bundles, their keys, floors and revocations. Pure.

A roster is built anew when a bundle or a revocation comes in; the clock is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from protocols.envelope import Entry, Refusal, Reject
from protocols.identity import SUITES, SealingPublic, Verifier
from protocols.partner import Bundle, SigningEntry, Unit
from protocols.unit import partner_of


class Recipient(NamedTuple):
    """A unit that something can be sealed to now, with the key to use and until when it holds (Unix seconds)."""

    entry: Entry
    public: SealingPublic
    until: int


class Withdrawn(NamedTuple):
    """A key that a partner says holds no longer."""

    partner: str
    kid: bytes


class Roster:
    """The units of our own and of our partners' bundles.

    ``revoked``: keys that hold no longer, whoever's they are. ``withdrawn``: what partners withdrew beside what their
    bundles say; a partner's word ends its own keys and nobody else's.
    """

    def __init__(
        self, bundles: Iterable[Bundle], revoked: Iterable[bytes] = (), withdrawn: Iterable[Withdrawn] = ()
    ) -> None:
        self._bundles = {bundle.partner: bundle for bundle in bundles}
        self._units: dict[str, Unit] = {}
        self._signing: dict[bytes, tuple[str, SigningEntry]] = {}
        self._verifiers: dict[bytes, Verifier] = {}
        self._revoked = set(revoked)
        stated: dict[bytes, set[str]] = {}
        for bundle in self._bundles.values():
            for unit in bundle.units:
                self._units[unit.uid] = unit
                for entry in unit.signing:
                    self._claim(unit.uid, entry)
                for kid in unit.kids():
                    stated.setdefault(kid, set()).add(bundle.partner)
        said = [Withdrawn(bundle.partner, entry.kid) for bundle in self._bundles.values() for entry in bundle.revoked]
        self._revoked.update(kid for partner, kid in (*said, *withdrawn) if partner in stated.get(kid, {partner}))

    def _claim(self, uid: str, entry: SigningEntry) -> None:
        """Enter a signing key. A key that two partners claim vouches for neither."""
        kid = entry.public.kid
        if kid in self._signing:
            self._revoked.add(kid)
        self._signing[kid] = (uid, entry)

    def __contains__(self, uid: str) -> bool:
        return uid in self._units

    def knows(self, partner: str) -> bool:
        """Whether a partner's bundle is pinned."""
        return partner in self._bundles

    def units(self) -> tuple[Unit, ...]:
        """Every unit that is known."""
        return tuple(self._units.values())

    def is_revoked(self, kid: bytes) -> bool:
        """Whether a signing or sealing key was withdrawn."""
        return kid in self._revoked

    def vouches(self, kid: bytes) -> bool:
        """Whether a signing key is known and not withdrawn."""
        return kid in self._signing and kid not in self._revoked

    def expires(self, partner: str) -> int:
        """When what we know of a partner ends, Unix seconds; 0 for a stranger."""
        bundle = self._bundles.get(partner)
        return 0 if bundle is None else bundle.expires

    def lasts(self, signers: Iterable[bytes] = ()) -> int:
        """Until when every bundle holds, and these signing keys of those that are known; Unix seconds."""
        keys = [self._signing[kid][1].not_after for kid in signers if kid in self._signing]
        return min([*(bundle.expires for bundle in self._bundles.values()), *keys])

    def floor(self, partner: str) -> tuple[int, ...]:
        """The suites that a partner allows for its own announcements."""
        return self._bundles[partner].floor

    def signer(self, kid: bytes, now_s: float) -> Verifier:
        """The holder of a signing key. Raise Reject: unknown-signer, revoked, expired (key or bundle)."""
        known = self._signing.get(kid)
        if known is None:
            raise Reject(Refusal.UNKNOWN_SIGNER)
        if kid in self._revoked:
            raise Reject(Refusal.REVOKED)
        uid, entry = known
        if not entry.not_before <= now_s <= min(entry.not_after, self.expires(partner_of(uid))):
            raise Reject(Refusal.EXPIRED)
        verifier = self._verifiers.get(kid)
        if verifier is None:
            verifier = self._verifiers[kid] = Verifier(uid, entry.public)
        return verifier

    def recipients(self, audience: Iterable[str], suite: int, now_s: float) -> tuple[Recipient, ...]:
        """The keys to seal to, sorted by unit.

        Raise Reject: unknown-signer for a unit in no pinned bundle, expired for a bundle that is, suite-below-floor
        or revoked for a unit without a key of this suite that holds now.
        """
        return tuple(self._recipient(uid, suite, now_s) for uid in sorted(set(audience)))

    def _recipient(self, uid: str, suite: int, now_s: float) -> Recipient:
        unit = self._units.get(uid)
        if unit is None:
            raise Reject(Refusal.UNKNOWN_SIGNER)
        until = self.expires(partner_of(uid))
        if now_s > until:
            raise Reject(Refusal.EXPIRED)
        keys = [e for e in unit.sealing if e.suite == suite and e.not_before <= now_s < e.not_after]
        if suite not in unit.suites or not keys:
            raise Reject(Refusal.SUITE_BELOW_FLOOR)
        newest = max(keys, key=lambda entry: entry.not_before)
        if newest.public.kid in self._revoked:
            raise Reject(Refusal.REVOKED)
        return Recipient(Entry(uid, newest.public.kid), newest.public, min(until, newest.not_after))

    def reaches(self, uid: str, now_s: float) -> bool:
        """Whether something can be sealed to a unit now, in any suite."""
        for suite in SUITES:
            try:
                self._recipient(uid, suite, now_s)
            except Reject:
                continue
            return True
        return False

    def best_suite(self, audience: Iterable[str], floor: Iterable[int]) -> int:
        """The best suite that every unit of an audience lists and our floor allows. Raise Reject."""
        allowed = set(floor)
        for uid in audience:
            unit = self._units.get(uid)
            if unit is None:
                raise Reject(Refusal.UNKNOWN_SIGNER)
            allowed &= set(unit.suites)
        for suite in SUITES:
            if suite in allowed:
                return suite
        raise Reject(Refusal.SUITE_BELOW_FLOOR)
