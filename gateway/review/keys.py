"""Whether a message can be sealed for a unit, or opened from one, with the keys that pinned bundles state. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from gateway.config import Config
from protocols.envelope import Refusal, Reject
from protocols.roster import Roster
from protocols.unit import partner_of

SEALING = "sealing"
OPENING = "opening"


class Keys(NamedTuple):
    """Whom a gateway knows, and for whom it seals.

    ``read``: when; what is asked about a moment before is answered as of then, since keys of earlier are not kept.
    ``renewed``: partners whose bundles are taken to be in order, as after they were imported, or issued, anew.
    """

    roster: Roster
    units: frozenset[str]
    read: datetime
    renewed: frozenset[str] = frozenset()


def unsealed(keys: Keys, config: Config, source: str, to: str, now: datetime) -> str | None:
    """Why nothing can be sealed for a unit, as the keyring would say it; what we pass on, any unit of ours seals."""
    ours = {unit.id for unit in config.units}
    if source in ours and source not in keys.units and partner_of(source) not in keys.renewed:
        return Refusal.UNKNOWN_SIGNER
    if partner_of(to) in keys.renewed:
        return None
    try:
        suite = keys.roster.best_suite([to], keys.roster.floor(config.gateway.partner))
        keys.roster.recipients([to], suite, max(now, keys.read).timestamp())
    except Reject as refusal:
        return refusal.code
    return None


def unopened(keys: Keys, source: str, now: datetime) -> str | None:
    """Why nothing that a partner's unit signs is opened: none of its keys is vouched for now."""
    if partner_of(source) in keys.renewed:
        return None
    reason: str | None = Refusal.UNKNOWN_SIGNER
    for kid in _signing(keys.roster, source):
        try:
            keys.roster.signer(kid, max(now, keys.read).timestamp())
        except Reject as refusal:
            reason = refusal.code
        else:
            return None
    return reason


def mend(keys: Keys, unit: str, reason: str, config: Config) -> str:
    """What makes the keys of a unit hold again, in words."""
    partner = partner_of(unit)
    if partner == config.gateway.partner:
        return f"make keys for {unit}, or enrol it, and issue the bundle that states them (comity key add)"
    if not keys.roster.knows(partner):
        return f"import the bundle of {partner} with its fingerprint (comity partner import)"
    why = {
        Refusal.UNKNOWN_SIGNER: f"the one that is pinned does not name {unit}",
        Refusal.EXPIRED: "what is pinned has ended",
        Refusal.REVOKED: f"the key of {unit} was withdrawn",
    }.get(Refusal(reason), f"it has no key of {unit} that holds now, in a suite that we allow")
    return f"import a newer bundle of {partner} (comity partner import): {why}"


def _signing(roster: Roster, uid: str) -> Iterator[bytes]:
    for unit in roster.units():
        if unit.uid == uid:
            yield from (entry.public.kid for entry in unit.signing)
