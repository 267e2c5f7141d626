"""What sealing and opening would refuse, an explanation says too, with the same reason and what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from gateway.review.explain import Situation, course
from gateway.review.keys import Keys
from gateway.review.remedy import apply, remedies
from protocols.envelope import Refusal
from protocols.identity import CLASSIC, HYBRID
from protocols.roster import Roster
from tests.gateway.review.test_explain import FROM_BRAVO, situation
from tests.protocols.cast import NOW, bundle, keys, roster, unit

UNITS = ("alpha/patrols", "bravo/ops", "charlie/map")
READ = datetime.fromtimestamp(NOW, UTC)
OURS = frozenset({"alpha/patrols", "alpha/cell"})
ENDED = READ + timedelta(days=30)


def known(them: Roster | None = None, *, read: datetime = READ, ours: frozenset[str] = OURS) -> Keys:
    return Keys(roster(UNITS) if them is None else them, ours, read)


def bravo(name: str = "bravo/ops", suites: tuple[int, ...] = (HYBRID, CLASSIC), revoked: bytes = b"") -> Roster:
    """Alpha, and bravo with one unit."""
    ours = bundle("alpha", [unit(keys("alpha/patrols"))], floor=(HYBRID,))
    return Roster([ours, bundle("bravo", [unit(keys(name), suites)])], [revoked])


KEY = next(key.public.kid for key in keys("bravo/ops").sealing if key.suite == HYBRID)
TO_BRAVO = [
    (known(read=ENDED), Refusal.EXPIRED,
     "import a newer bundle of bravo (comity partner import): what is pinned has ended"),
    (known(roster(["alpha/patrols"])), Refusal.UNKNOWN_SIGNER,
     "import the bundle of bravo with its fingerprint (comity partner import)"),
    (known(bravo("bravo/cell")), Refusal.UNKNOWN_SIGNER,
     "import a newer bundle of bravo (comity partner import): the one that is pinned does not name bravo/ops"),
    (known(bravo(suites=(CLASSIC,))), Refusal.SUITE_BELOW_FLOOR,
     ("import a newer bundle of bravo (comity partner import): it has no key of bravo/ops that holds now, "
      "in a suite that we allow")),
    (known(bravo(revoked=KEY)), Refusal.REVOKED,
     "import a newer bundle of bravo (comity partner import): the key of bravo/ops was withdrawn"),
    (known(ours=frozenset({"alpha/cell"})), Refusal.UNKNOWN_SIGNER,
     "make keys for alpha/patrols, or enrol it, and issue the bundle that states them (comity key add)"),
]  # fmt: skip


def holds(case: Situation, to: str, reason: str, say: str) -> None:
    """It is kept back for that reason, which one change mends."""
    assert course(case, to).reason == reason
    changes = remedies(case, to) or ()
    assert [change.say for change in changes] == [say]
    assert course(apply(case, changes[0]), to).reason is None


@pytest.mark.parametrize(("held", "reason", "say"), TO_BRAVO)
def test_what_cannot_be_sealed_is_withheld_and_a_bundle_mends_it(held: Keys, reason: str, say: str) -> None:
    holds(situation(keys=held), "bravo/ops", reason, say)


@pytest.mark.parametrize(("held", "reason", "say"), TO_BRAVO[:3])
def test_what_cannot_be_opened_is_refused_and_a_bundle_mends_it(held: Keys, reason: str, say: str) -> None:
    case = situation(FROM_BRAVO, source="bravo/ops", keys=held)

    assert [step.rule for step in course(case, "alpha/cell").steps] == ["opening"]
    holds(case, "alpha/cell", reason, say)


def test_a_signing_key_that_was_withdrawn_opens_nothing() -> None:
    case = situation(FROM_BRAVO, source="bravo/ops", keys=known(bravo(revoked=keys("bravo/ops").signing.kid)))

    assert course(case, "alpha/cell").reason == Refusal.REVOKED


def test_what_holds_passes_and_is_the_last_question() -> None:
    ends = course(situation(keys=known()), "bravo/ops")

    assert (ends.reason, ends.end.rule) == (None, "sealing")


def test_between_units_of_ours_no_keys_are_asked_about() -> None:
    ends = course(situation(keys=known(read=ENDED)), "alpha/cell")

    assert {step.rule for step in ends.steps}.isdisjoint({"sealing", "opening"})


def test_a_bundle_mends_only_what_its_partner_states() -> None:
    case = situation(keys=known(read=ENDED), renewed=frozenset({"charlie"}))

    assert course(case, "bravo/ops").reason == Refusal.EXPIRED


def test_a_message_that_is_no_longer_valid_is_not_mended_by_a_bundle() -> None:
    """Both are called expired, and neither is taken for the other."""
    case = situation(keys=known())
    times = replace(case.message.times, valid_until=case.now - timedelta(minutes=1))

    changes = remedies(case._replace(message=replace(case.message, times=times)), "bravo/ops") or ()

    assert [change.at for change in changes] == ["now"]
