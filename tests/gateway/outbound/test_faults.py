"""A destination for which the disk holds no more is told once, and once when there has been room for a while."""

from __future__ import annotations

from gateway.outbound.faults import OVER_S, Full
from gateway.stream import Stream
from tests.fakes import FakeAudit, clock


def test_each_destination_is_told_once_and_over_only_after_a_while_without_a_refusal() -> None:
    audit = FakeAudit()
    full = Full(Stream("alpha", audit, clock))
    for second in range(5):
        full.refused("bravo", float(second))
        full.look(float(second))
    full.refused("charlie", 8.0)
    assert audit.said() == [("fault", "spool-full", "bravo"), ("fault", "spool-full", "charlie")]

    full.look(4.0 + OVER_S)
    assert "bravo" in full
    full.look(4.5 + OVER_S)
    assert "bravo" not in full
    assert "charlie" in full
    assert audit.said()[2:] == [("mended", "spool-full", "bravo")]
