"""An agreement closes and opens while its gateway runs, as its partners' signatures go and come."""

from __future__ import annotations

from pathlib import Path

from gateway.demo.tally import Told
from protocols.record import Event, Withheld
from tests.e2e.stage import publish, stage
from tests.e2e.test_bad_input import track


def is_changed(told: Told) -> bool:
    return told.record.event is Event.TABLE_CHANGED and told.record.gateway == "alpha"


def is_forwarded(told: Told) -> bool:
    return told.record.event is Event.FORWARDED and told.record.destination == "bravo/ops"


async def test_a_signature_that_goes_closes_its_agreement_and_one_that_comes_opens_it(tmp_path: Path) -> None:
    async with stage(tmp_path, "embedded") as coalition:
        file = tmp_path / "state" / "alpha" / "agreements" / "alpha-bravo.bravo.signed"
        port, signature = coalition.ports["alpha"], file.read_bytes()
        await publish(port, "tak/alpha/one", track("ONE"))
        await coalition.until(is_forwarded)

        file.unlink()
        await coalition.until(is_changed)
        await publish(port, "tak/alpha/two", track("TWO"))
        withheld = await coalition.until(lambda told: told.record.reason == Withheld.AGREEMENT_UNSIGNED, 2)

        file.write_bytes(signature)
        await coalition.until(is_changed, 2)
        await publish(port, "tak/alpha/three", track("THREE"))
        forwarded = await coalition.until(is_forwarded, 2)

    assert {(told.record.gateway, told.record.destination) for told in withheld} == {
        ("alpha", "bravo/ops"),
        ("alpha", "bravo/cell"),
    }
    assert len(forwarded) == 2
