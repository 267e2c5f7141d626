"""What waits longer than its seal lives is heard all the same, once and in order; what cannot be is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace

from gateway.keyring.ring import Keyring
from gateway.outbound import outbound as module
from gateway.outbound import resealing
from protocols.agreement import Transformation
from protocols.custody import Taken
from protocols.envelope import unpack_envelope
from protocols.message import Precedence
from tests.fakes import FakeLink
from tests.gateway.line import Line, plain, say
from tests.gateway.outbound.far import Far, Time, Unsteady
from tests.gateway.test_relay import a_position

SECONDS = 60.0
PARTNERS = ("bravo", "charlie")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at every second is looked at with every tick."""
    monkeypatch.setattr(module, "TICK_S", 0.005)
    monkeypatch.setattr(module, "HOLD_S", 0.01)
    monkeypatch.setattr(module, "SLOW_TICKS", 1)
    monkeypatch.setattr(resealing, "KEYS_EVERY", 1)
    monkeypatch.setattr("gateway.outbound.lane.PATIENCE_S", 0.05)
    monkeypatch.setattr("gateway.outbound.lane.PATIENCE_MAX_S", 0.2)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def both(coalition: dict[str, Keyring], formats: None, time: Time) -> Line:  # noqa: ARG001  the formats are to be found
    """A gateway whose reports go to both partners in one envelope."""
    config = plain()
    as_it_is = tuple(replace(each, transformation=Transformation()) for each in config.agreements)
    line = Line(coalition["alpha"], replace(config, agreements=as_it_is))
    line.clock = line.spool.clock = time
    return line


async def until(wanted: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not wanted():
            await asyncio.sleep(0.005)


def tend(line: Line, time: Time) -> None:
    """What the sealing layer does every second."""
    line.outbound.submit(line.dispatch.due(time.now), time.now)


async def report(line: Line, number: int, time: Time, precedence: Precedence | None = None) -> None:
    """One more report of a field unit, taken to the end: it is delivered, or on disk."""
    now = time.now
    message = a_position(0, f"S-{number}", precedence=precedence, id=f"{number:032x}")
    message = replace(message, times=replace(message.times, observed=now, created=now))
    tend(line, time)
    await line.relay.run("national", {"national": FakeLink([say(message)])})


def subjects(numbers: Sequence[int]) -> list[str]:
    return [f"S-{number}" for number in numbers]


def at(line: Line, partner: str) -> int:
    """Rows that wait for a partner."""
    return sum(row.lane == partner for row in line.spool.rows.values())


async def test_a_link_that_is_down_for_thirty_hours(both: Line, coalition: dict[str, Keyring], time: Time) -> None:
    """Sealed in three epochs, of which one is over and one nearly: everything is heard once, in order, by both."""
    link, far = Unsteady(), Far(both, coalition, time)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        await report(both, 0, time)
        await until(lambda: far.heard["charlie"] == ["S-0"])
        link.cut()
        for number in range(1, 31):
            time.passes(hours=1)
            await report(both, number, time)
        sealed_in = {row.key[:8] for row in both.spool.rows.values() if row.key}
        assert len(sealed_in) == 3
        link.mend()
        for partner in PARTNERS:
            await until(lambda: at(both, partner) == 0)  # noqa: B023  awaited at once

    assert far.heard == {partner: subjects(range(31)) for partner in PARTNERS} | {"alpha": []}
    assert (far.refused, far.repeats) == ([], 0)
    assert {event for event, _, to in both.audit.said() if to in {"bravo/ops", "charlie/map"}} == {"held", "forwarded"}


async def test_a_partner_that_is_away_for_thirty_hours_while_its_courier_is_there(
    both: Line, coalition: dict[str, Keyring], time: Time
) -> None:
    """What the courier kept for it is over by then; what is sealed anew is not."""
    link, far = Unsteady(), Far(both, coalition, time)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        await report(both, 0, time)
        await until(lambda: far.heard["bravo"] == ["S-0"])
        far.leaves("bravo")
        for number in range(1, 31):
            time.passes(hours=1)
            await report(both, number, time)
        assert far.heard["charlie"] == subjects(range(31))  # whoever is there hears it at once
        far.returns("bravo")
        await until(lambda: at(both, "bravo") == 0 and len(far.heard["bravo"]) == 31)

    assert far.heard["bravo"] == subjects(range(31))
    assert {code for _, code in far.refused} <= {"expired", "replay"}


async def test_flash_that_waits_goes_first_also_when_it_is_sealed_anew(
    both: Line, coalition: dict[str, Keyring], time: Time
) -> None:
    link, far = Unsteady(), Far(both, coalition, time)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        link.cut()
        for number, precedence in enumerate((None, None, Precedence.FLASH, Precedence.FLASH)):
            await report(both, number, time, precedence)
        time.passes(hours=30)
        tend(both, time)
        link.mend()
        await until(lambda: at(both, "bravo") == 0)

    heard = far.heard["bravo"]
    assert heard[0] == "S-2"  # of each precedence one goes alone after a link was cut
    assert [each for each in heard if each in subjects([2, 3])] == subjects([2, 3])
    assert [each for each in heard if each in subjects([0, 1])] == subjects([0, 1])
    assert (far.refused, far.repeats) == ([], 0)


async def test_an_hour_is_left_for_what_leaves_to_be_opened(
    both: Line, coalition: dict[str, Keyring], time: Time
) -> None:
    link, far = Unsteady(), Far(both, coalition, time)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        link.cut()
        await report(both, 0, time)
        (first,) = {row.key[:8] for row in both.spool.rows.values() if row.lane == "bravo"}
        time.passes(hours=22, minutes=59)
        tend(both, time)
        assert not both.dispatch.is_closed(first)
        time.passes(minutes=1)
        tend(both, time)
        assert both.dispatch.is_closed(first)
        link.mend()
        await until(lambda: at(both, "bravo") == 0)
    envelopes = [parcel.data for parcel in link.sent if parcel.topic.startswith("comity/1/bravo/alpha/d/")]
    assert first not in {unpack_envelope(each)[0].eid for each in envelopes}


async def test_word_of_what_it_was_sealed_as_before_is_word_of_it(
    both: Line, coalition: dict[str, Keyring], time: Time
) -> None:
    """The partner had taken it, and only the word was late: it is not told twice, and nothing is left of it."""
    link, far = Unsteady(), Far(both, coalition, time)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        far.leaves("bravo")
        await report(both, 0, time)
        lane = both.outbound.lanes["bravo"]
        (before,) = [number for eid in lane.numbered for number in lane.numbered[eid]]
        (old,) = lane.numbered
        time.passes(hours=30)
        tend(both, time)
        await until(lambda: old not in lane.numbered and len(lane.numbered) == 1)
        both.outbound.taken("bravo", (Taken(old, before + 1),))
        await until(lambda: at(both, "bravo") == 0)
        assert (lane.numbered, lane.former) == ({}, {})
    assert [said for said in both.audit.said() if said[2] == "bravo/ops"][-1] == ("forwarded", None, "bravo/ops")
    assert [event for event, _, to in both.audit.said() if to == "bravo/ops"].count("forwarded") == 1


async def test_what_was_sealed_while_the_clock_was_ahead_is_sealed_anew_at_once(
    both: Line, coalition: dict[str, Keyring], time: Time
) -> None:
    link, far = Unsteady(), Far(both, coalition, time)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        far.leaves("bravo")
        time.passes(hours=6)
        await report(both, 0, time)
        await report(both, 1, time)
        time.passes(hours=-6)  # an operator puts it right
        far.returns("bravo")
        tend(both, time)
        await report(both, 2, time)
        await until(lambda: at(both, "bravo") == 0 and len(far.heard["bravo"]) == 3)

    assert sorted(far.heard["bravo"]) == subjects(range(3))


async def test_keys_of_past_epochs_go_once_nothing_waits_under_them(
    both: Line, coalition: dict[str, Keyring], time: Time
) -> None:
    link, far = Unsteady(), Far(both, coalition, time)
    epochs = coalition["alpha"].outgoing
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        link.cut()
        await report(both, 0, time)
        (old,) = {row.key[:8] for row in both.spool.rows.values() if row.lane == "bravo"}
        time.passes(days=3)
        await report(both, 1, time)
        for _ in range(5):
            tend(both, time)
            await asyncio.sleep(0.02)
        assert epochs.recalls(old)
        link.mend()
        await until(lambda: not epochs.recalls(old))
        assert at(both, "bravo") == at(both, "charlie") == 0
    assert far.heard["bravo"] == subjects([0, 1])


async def test_a_clock_put_forward_soon_after_the_start_costs_nothing(
    both: Line, coalition: dict[str, Keyring], time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "KEYS_EVERY", 1_000_000)
    link, far = Unsteady(), Far(both, coalition, time)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        link.cut()
        await report(both, 0, time)
        time.passes(days=3)
        tend(both, time)
        await report(both, 1, time)
        time.passes(days=-3)
        tend(both, time)
        link.mend()
        await until(lambda: at(both, "bravo") == 0)

    assert far.heard["bravo"] == subjects([0, 1])
    assert "withheld" not in {event for event, _, _ in both.audit.said()}


def restarted(line: Line, keyring: Keyring) -> None:
    """As a process that begins: with what is on disk, and with epochs of its own only."""
    keyring.outgoing.drop()
    line.spool.held.clear()
    line.links.clear()
    line.dispatch._closed.clear()
    line.begin(line.relay._stream)


async def test_what_an_earlier_process_sealed_goes_while_its_epoch_lives(
    both: Line, coalition: dict[str, Keyring], time: Time
) -> None:
    away = Unsteady()
    away.cut()
    async with both.sending(FakeLink(), away):
        await report(both, 0, time)
    restarted(both, coalition["alpha"])
    time.passes(hours=23, minutes=59)
    link, far = Unsteady(), Far(both, coalition, time)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        tend(both, time)
        await until(lambda: at(both, "bravo") == 0)

    assert far.heard["bravo"] == ["S-0"]
    keys = [parcel for parcel in link.sent if parcel.topic.startswith("comity/1/bravo/alpha/k/")]
    assert [0 < (parcel.expires_s or 0) <= 60 for parcel in keys] == [True]


@pytest.mark.parametrize("reachable", [True, False], ids=["there", "still away"])
async def test_what_an_earlier_process_sealed_is_withheld_and_told_when_its_epoch_is_over(
    both: Line, coalition: dict[str, Keyring], time: Time, *, reachable: bool
) -> None:
    """Before the partner would refuse it, and whether or not the partner is there."""
    away = Unsteady()
    away.cut()
    async with both.sending(FakeLink(), away):
        for number in range(3):
            await report(both, number, time)
    restarted(both, coalition["alpha"])
    link, far = Unsteady(), Far(both, coalition, time)
    if not reachable:
        link.cut()
    time.passes(hours=24, seconds=1)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        await until(lambda: at(both, "bravo") == 0)
        await until(lambda: both.audit.said().count(("withheld", "seal-expired", "bravo/ops")) == 3)
        await report(both, 3, time)  # and the next one is not held up by that
        link.mend()
        await until(lambda: far.heard["bravo"] == ["S-3"])

    assert far.refused == []
    assert both.audit.said().count(("withheld", "seal-expired", "bravo/ops")) == 3


async def test_a_clock_put_forward_does_not_end_what_an_earlier_process_sealed(
    both: Line, coalition: dict[str, Keyring], time: Time
) -> None:
    """The disk's clock, which believes no jump before it has lasted, says when an epoch is over."""
    away = Unsteady()
    away.cut()
    async with both.sending(FakeLink(), away):
        await report(both, 0, time)
    restarted(both, coalition["alpha"])
    believed = time.now
    both.spool.clock = lambda: believed + timedelta(seconds=5)
    link, far = Unsteady(), Far(both, coalition, time)
    link.cut()
    time.passes(days=3)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        tend(both, time)
        await asyncio.sleep(0.1)
        assert at(both, "bravo") == 1
        time.passes(days=-3)
        link.mend()
        await until(lambda: far.heard["bravo"] == ["S-0"])


async def test_a_removed_unit_costs_its_neighbours_no_order(
    both: Line, coalition: dict[str, Keyring], time: Time
) -> None:
    """Of what is about to leave together, some is sealed anew and some need not be."""
    link, far = Unsteady(), Far(both, coalition, time)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        link.cut()
        await report(both, 0, time)
        await report(both, 1, time)
        (shared,) = {row.key[:8] for row in both.spool.rows.values() if row.lane == "bravo"}
        time.passes(hours=13)  # what comes is sealed in a newer epoch
        await report(both, 2, time)
        both.dispatch.close((shared,))
        link.mend()
        await until(lambda: at(both, "bravo") == 0)
    assert far.heard["bravo"] == subjects(range(3))


async def test_nothing_leaves_under_an_epoch_that_was_closed_a_moment_ago(
    both: Line, coalition: dict[str, Keyring], time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was about to be given to the link is not, and is sealed anew in its place."""
    link, far = Unsteady(), Far(both, coalition, time)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        await report(both, 0, time)
        await until(lambda: far.heard["bravo"] == ["S-0"])
        (old,) = coalition["alpha"].outgoing.standing("bravo")
        before, pump = len(link.sent), both.outbound._pump

        def closing(group: asyncio.TaskGroup) -> None:
            pump(group)
            if old in both.outbound.lanes["bravo"].numbered and not both.dispatch.is_closed(old):
                coalition["alpha"].finish(time.now)
                both.dispatch.close((old,))

        monkeypatch.setattr(both.outbound, "_pump", closing)
        await report(both, 1, time)
        assert both.dispatch.is_closed(old)
        await report(both, 2, time)
        await until(lambda: len(far.heard["bravo"]) == 3)
    assert far.heard["bravo"] == subjects(range(3))
    envelopes = [parcel.data for parcel in link.sent[before:] if "/d/" in parcel.topic]
    assert old not in {unpack_envelope(each)[0].eid for each in envelopes}


async def test_what_a_partner_says_it_cannot_open_is_sealed_anew_if_it_is_of_a_past_epoch(
    both: Line, coalition: dict[str, Keyring], time: Time
) -> None:
    """The clock there is ahead: by ours, the epoch has hours to live."""
    link, far = Unsteady(), Far(both, coalition, time)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        far.leaves("bravo")
        await report(both, 0, time)
        (old,) = coalition["alpha"].outgoing.standing("bravo")
        time.passes(hours=13)
        await report(both, 1, time)
        assert not coalition["alpha"].outgoing.seals(old)
        both.outbound.taken("charlie", (Taken(b"8 others", 0),))
        assert not both.dispatch.is_closed(old)
        both.outbound.taken("bravo", (Taken(old, 0),))
        assert both.dispatch.is_closed(old)
        await until(lambda: old not in both.outbound.lanes["bravo"].numbered)
        far.returns("bravo")
        await until(lambda: at(both, "bravo") == 0)
    assert sorted(far.heard["bravo"]) == subjects([0, 1])


async def test_a_partner_that_opens_nothing_new_is_told_of_once_and_loses_nothing(
    both: Line, coalition: dict[str, Keyring], time: Time
) -> None:
    link, far = Unsteady(), Far(both, coalition, time)
    async with both.sending(FakeLink(), link, custody=False):
        link.told = far
        far.leaves("bravo")
        await report(both, 0, time)
        (eid,) = coalition["alpha"].outgoing.standing("bravo")
        for _ in range(2):
            both.outbound.taken("bravo", (Taken(eid, 0),))
        assert not both.dispatch.is_closed(eid)
        far.returns("bravo")
        await until(lambda: far.heard["bravo"] == ["S-0"])
    assert both.audit.said().count(("fault", "not-opened", "bravo")) == 1


async def test_what_an_earlier_process_sealed_is_told_also_where_nothing_is_read_from_the_disk(
    both: Line, coalition: dict[str, Keyring], time: Time
) -> None:
    """The destination refuses everything for now, and what waits for it is over by then."""
    away = Unsteady()
    away.cut()
    async with both.sending(FakeLink(), away):
        for number in range(3):
            await report(both, number, time)
    restarted(both, coalition["alpha"])
    lane = both.outbound.lanes["bravo"]
    lane.paused_until = float("inf")
    async with both.sending(FakeLink(), Unsteady()):
        await until(lambda: at(both, "charlie") == 0)
        assert at(both, "bravo") == 3
        time.passes(hours=24, seconds=1)
        await until(lambda: at(both, "bravo") == 0)
        await until(lambda: lane.waiting == 0 and both.outbound._waiting.over() == [])
    assert both.audit.said().count(("withheld", "seal-expired", "bravo/ops")) == 3
