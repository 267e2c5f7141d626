"""Units, bundles, epochs and inboxes for the tests of the sealing layer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

import pytest

from protocols.envelope import Mode, Refusal, Reject
from protocols.identity import HYBRID, SUITES, UnitKeys
from protocols.opening import Inbox
from protocols.partner import Bundle, Revoked, Root, SealingEntry, SigningEntry, Unit
from protocols.roster import Roster
from protocols.sealing import Epoch, Profile, Signer
from protocols.statement import BundleFault
from protocols.unit import partner_of

NOW = 1_800_000_000
DAY = 86_400
ALPHA, BRAVO, BRAVO_2, CHARLIE = "alpha/hq", "bravo/cell-1", "bravo/cell-2", "charlie/ops"
EVERYBODY = (ALPHA, BRAVO, BRAVO_2, CHARLIE)
ROOT = Root(ed25519=bytes(32), mldsa65=bytes(1952))


@cache
def keys(uid: str) -> UnitKeys:
    """The keys of a unit, the same for a whole run."""
    return UnitKeys.new(uid, os.urandom)


def unit(held: UnitKeys, suites: Sequence[int] = SUITES) -> Unit:
    dates = (NOW - DAY, NOW + 20 * DAY)
    return Unit(
        uid=held.uid,
        signing=(
            SigningEntry(
                ed25519=held.signing.public.ed25519,
                mldsa65=held.signing.public.mldsa,
                not_before=dates[0],
                not_after=dates[1],
            ),
        ),
        sealing=tuple(
            SealingEntry(suite=key.suite, key=key.public.key, not_before=dates[0], not_after=dates[1])
            for key in held.sealing
            if key.suite in suites
        ),
        suites=tuple(suites),
    )


def bundle(
    partner: str, units: Iterable[Unit], floor: Sequence[int] = SUITES, revoked: Iterable[bytes] = (), version: int = 1
) -> Bundle:
    return Bundle(
        format=1,
        partner=partner,
        version=version,
        issued=NOW - DAY,
        expires=NOW + 20 * DAY,
        roots=(ROOT,),
        threshold=1,
        units=tuple(units),
        floor=tuple(floor),
        revoked=tuple(Revoked(kid=kid, since=NOW) for kid in revoked),
    )


def roster(uids: Iterable[str] = EVERYBODY, floor: Sequence[int] = SUITES, revoked: Iterable[bytes] = ()) -> Roster:
    partners: dict[str, list[Unit]] = {}
    for uid in uids:
        partners.setdefault(partner_of(uid), []).append(unit(keys(uid)))
    return Roster([bundle(partner, units, floor) for partner, units in partners.items()], revoked)


def epoch(
    audience: Iterable[str] = (BRAVO,), sender: str = ALPHA, mode: Mode = Mode.SIGNED, suite: int = HYBRID
) -> Epoch:
    return epoch_at(NOW, audience, sender, Profile(suite, mode))


def epoch_at(now_s: float, audience: Iterable[str], sender: str, profile: Profile) -> Epoch:
    recipients = roster().recipients(audience, profile.suite, now_s)
    return Epoch(Signer(sender, keys(sender).signing), recipients, profile, now_s, os.urandom)


def inbox(uid: str = BRAVO, known: Roster | None = None) -> Inbox:
    return Inbox(roster() if known is None else known, {uid: keys(uid).sealing})


def reader(sent: Epoch, uid: str = BRAVO, now_s: float = NOW) -> Inbox:
    """An inbox that holds an epoch's announcement."""
    opened = inbox(uid)
    opened.accept(sent.announcement(), now_s)
    return opened


@contextmanager
def refuses(code: Refusal | BundleFault) -> Iterator[None]:
    """The block ends in a Reject with this code and with nothing else (checked under ``python -O`` too)."""
    with pytest.raises(Reject) as caught:
        yield
    if caught.value.code is not code or str(caught.value) != code.value:
        pytest.fail(f"refused with {caught.value.code}, not {code}")
