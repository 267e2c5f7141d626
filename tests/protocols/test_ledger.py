"""The account of one translation."""

from __future__ import annotations

from protocols.body import Identity
from protocols.ledger import LOSSES_MAX, Ledger
from protocols.message import Derived, Loss, LossReason


def test_collects_losses_and_derivations_once_each_in_order() -> None:
    ledger = Ledger()
    ledger.drop("a")
    ledger.approximate("b", LossReason.CHARSET)
    ledger.drop("a")
    ledger.derive("c", "d", "rule")
    ledger.derive("c", "d", "rule")

    assert ledger.loss == (
        Loss(field="a", reason=LossReason.NO_FIELD),
        Loss(field="b", reason=LossReason.CHARSET, approximated=True),
    )
    assert ledger.derived == (Derived(field="c", source="d", rule="rule"),)


def test_drops_only_what_says_anything() -> None:
    ledger = Ledger()
    ledger.drop_given("identity", Identity(callsign="A", team=""), "callsign", "team", "role")

    assert [loss.field for loss in ledger.loss] == ["identity.callsign", "identity.team"]


def test_is_bounded() -> None:
    ledger = Ledger()
    for number in range(1000):
        ledger.drop(f"field-{number}")
        ledger.derive(f"field-{number}", "x", "y")

    assert len(ledger.loss) == len(ledger.derived) == LOSSES_MAX
