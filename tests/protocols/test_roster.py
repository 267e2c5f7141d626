from __future__ import annotations

import os

import pytest
from msgspec.structs import replace

from protocols.envelope import Refusal
from protocols.identity import CLASSIC, HYBRID, SealingKey
from protocols.partner import SealingEntry
from protocols.roster import Roster, Withdrawn
from tests.protocols.cast import ALPHA, BRAVO, BRAVO_2, CHARLIE, DAY, NOW, bundle, keys, refuses, roster, unit

KID = keys(BRAVO).signing.kid


def test_knows_the_units_of_its_bundles() -> None:
    known = roster([ALPHA, BRAVO])

    assert BRAVO in known
    assert CHARLIE not in known
    assert [each.uid for each in known.units()] == [ALPHA, BRAVO]
    assert known.knows("bravo")
    assert not known.knows("charlie")
    assert known.expires("bravo") == NOW + 20 * DAY
    assert known.expires("charlie") == 0
    assert known.floor("bravo") == (HYBRID, CLASSIC)


def test_a_signer_is_known_by_its_key() -> None:
    known = roster()

    assert known.signer(KID, NOW).uid == BRAVO
    assert known.signer(KID, NOW) is known.signer(KID, NOW)
    with refuses(Refusal.UNKNOWN_SIGNER):
        known.signer(bytes(8), NOW)


@pytest.mark.parametrize("now_s", [NOW - DAY - 1, NOW + 20 * DAY + 1])
def test_a_signing_key_holds_within_its_dates(now_s: int) -> None:
    with refuses(Refusal.EXPIRED):
        roster().signer(KID, now_s)


def test_a_revoked_key_holds_no_longer_whoever_revoked_it() -> None:
    for known in (roster(revoked=[KID]), Roster([bundle("bravo", [unit(keys(BRAVO))], revoked=[KID])])):
        assert known.is_revoked(KID)
        assert not known.vouches(KID)
        with refuses(Refusal.REVOKED):
            known.signer(KID, NOW)
    assert roster().vouches(KID)
    assert not roster().vouches(bytes(8))


def test_what_is_known_lasts_until_the_first_bundle_or_key_ends() -> None:
    brief = bundle("charlie", [unit(keys(CHARLIE))])

    assert roster().lasts([KID, bytes(8)]) == NOW + 20 * DAY
    assert Roster([bundle("bravo", [unit(keys(BRAVO))]), replace(brief, expires=NOW + DAY)]).lasts() == NOW + DAY
    early = replace(unit(keys(BRAVO)).signing[0], not_after=NOW + 2 * DAY)
    known = Roster([bundle("bravo", [replace(unit(keys(BRAVO)), signing=(early,))])])
    assert known.lasts() == NOW + 20 * DAY
    assert known.lasts([KID]) == NOW + 2 * DAY


def test_a_partner_revokes_nobody_elses_keys() -> None:
    alphas = [keys(ALPHA).signing.kid, *(key.kid for key in keys(ALPHA).sealing)]
    bundles = [bundle("alpha", [unit(keys(ALPHA))]), bundle("bravo", [unit(keys(BRAVO))], revoked=[*alphas, KID])]

    for known in (Roster(bundles), Roster(bundles, withdrawn=[Withdrawn("bravo", kid) for kid in alphas])):
        assert known.signer(alphas[0], NOW).uid == ALPHA
        assert known.recipients([ALPHA], HYBRID, NOW)
        assert not any(known.is_revoked(kid) for kid in alphas)
        assert known.is_revoked(KID)


def test_what_a_partner_withdrew_beforehand_holds_whatever_its_bundle_says() -> None:
    own = bundle("bravo", [unit(keys(BRAVO))])

    assert Roster([own], withdrawn=[Withdrawn("bravo", KID)]).is_revoked(KID)
    assert Roster([], withdrawn=[Withdrawn("bravo", KID)]).is_revoked(KID)


def test_a_key_that_two_partners_claim_vouches_for_neither() -> None:
    stolen = replace(unit(keys(BRAVO)), uid="charlie/ops")

    with refuses(Refusal.REVOKED):
        Roster([bundle("bravo", [unit(keys(BRAVO))]), bundle("charlie", [stolen])]).signer(KID, NOW)


def test_recipients_are_sorted_and_stand_once() -> None:
    told = roster().recipients([CHARLIE, BRAVO, BRAVO], HYBRID, NOW)

    assert [recipient.entry.uid for recipient in told] == [BRAVO, CHARLIE]
    assert told[0].entry.kem_kid == keys(BRAVO).sealing[0].kid
    assert told[0].until == NOW + 20 * DAY


def test_the_newest_key_that_holds_is_sealed_to() -> None:
    fresh = SealingKey.new(HYBRID, os.urandom)
    held = unit(keys(BRAVO))
    future = SealingKey.new(HYBRID, os.urandom)
    rotated = replace(
        held,
        sealing=(
            *held.sealing,
            SealingEntry(suite=HYBRID, key=fresh.public.key, not_before=NOW - 5, not_after=NOW + DAY),
            SealingEntry(suite=HYBRID, key=future.public.key, not_before=NOW + 5, not_after=NOW + DAY),
        ),
    )
    known = Roster([bundle("bravo", [rotated])])

    (recipient,) = known.recipients([BRAVO], HYBRID, NOW)

    assert recipient.entry.kem_kid == fresh.kid
    assert recipient.until == NOW + DAY


def test_who_cannot_be_sealed_to_says_why() -> None:
    known = roster([BRAVO])

    with refuses(Refusal.UNKNOWN_SIGNER):
        known.recipients([BRAVO_2], HYBRID, NOW)
    with refuses(Refusal.EXPIRED):
        known.recipients([BRAVO], HYBRID, NOW + 20 * DAY + 1)
    with refuses(Refusal.SUITE_BELOW_FLOOR):
        known.recipients([BRAVO], HYBRID, NOW + 20 * DAY)  # its keys end with its bundle
    with refuses(Refusal.SUITE_BELOW_FLOOR):
        Roster([bundle("bravo", [unit(keys(BRAVO), [CLASSIC])])]).recipients([BRAVO], HYBRID, NOW)
    with refuses(Refusal.REVOKED):
        roster(revoked=[keys(BRAVO).sealing[0].kid]).recipients([BRAVO], HYBRID, NOW)


def test_a_unit_is_reached_in_any_suite() -> None:
    assert roster().reaches(BRAVO, NOW)
    assert roster(revoked=[keys(BRAVO).sealing[0].kid]).reaches(BRAVO, NOW)
    assert not roster(revoked=[key.kid for key in keys(BRAVO).sealing]).reaches(BRAVO, NOW)
    assert not roster().reaches("bravo/nobody", NOW)


def test_the_best_suite_is_what_everybody_lists_and_we_allow() -> None:
    mixed = Roster([bundle("bravo", [unit(keys(BRAVO)), unit(keys(BRAVO_2), [CLASSIC])])])

    assert mixed.best_suite([BRAVO], (HYBRID, CLASSIC)) == HYBRID
    assert mixed.best_suite([BRAVO, BRAVO_2], (HYBRID, CLASSIC)) == CLASSIC
    with refuses(Refusal.SUITE_BELOW_FLOOR):
        mixed.best_suite([BRAVO, BRAVO_2], (HYBRID,))
    with refuses(Refusal.UNKNOWN_SIGNER):
        mixed.best_suite([CHARLIE], (HYBRID,))
