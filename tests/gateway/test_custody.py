"""What gateways tell each other: everything that is owed, nothing of word itself, and little over a thin link."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from gateway.custody import THIN_CHECKPOINT_S, UNOPENED_MAX, UNOPENED_S, Showing, Unopened
from gateway.dispatch import Consignment
from gateway.keyring.ring import Keyring
from gateway.routing import Table
from gateway.stream import Outcome
from protocols.custody import Control, Fate, Taken, pack_control, unpack_control
from protocols.log_checkpoint import unpack_checkpoint
from protocols.message import Message
from protocols.record import Event, Record
from protocols.topics import Slot, parse_mailbox
from tests.fakes import NOW
from tests.gateway.line import Line, plain, posted, sealed_by
from tests.gateway.reports import a_track
from tests.gateway.test_relay import FROM_BRAVO
from tests.protocols.test_log_checkpoint import checkpoint, sent

THIN = ('partners = ["bravo", "charlie"]', 'partners = ["bravo", "charlie"]\nbytes_per_s = 300.0')


def told(sent: Sequence[Consignment], bravo: Keyring, now: datetime = NOW) -> list[Control]:
    """What bravo reads of it."""
    found: list[Control] = []
    for each in sent:
        box = parse_mailbox(each.parcel.topic)
        if box is not None and box.to == "bravo" and box.slot is Slot.KEYS:
            bravo.accept(each.parcel.data, now)
        elif box is not None and box.to == "bravo":
            opened = bravo.unseal(each.parcel.data, now)
            assert opened is not None
            found += map(unpack_control, opened.messages)
    return found


async def hears(line: Line, bravo: Keyring, *records: Message | bytes) -> bytes:
    """Alpha takes an envelope of bravo; gives its epoch."""
    sealed = sealed_by(bravo, "bravo/ops", records, "alpha/cell")
    await line.carry(posted(sealed), by="coalition")
    return sealed.eid


async def test_what_was_taken_is_told_once(line: Line, coalition: dict[str, Keyring]) -> None:
    eid = await hears(line, coalition["bravo"], a_track(0, "B-1", **FROM_BRAVO))

    (word,) = told(await line.custody.last_word(), coalition["bravo"])
    assert word.taken == (Taken(eid, 1),)
    assert await line.custody.last_word() == []


async def test_a_partner_that_joins_is_told_how_its_messages_ended(line: Line, coalition: dict[str, Keyring]) -> None:
    report = a_track(0, "B-1", **FROM_BRAVO)
    line.custody.beat({})
    line.custody.beat({"bravo": 30.0})
    await hears(line, coalition["bravo"], report)
    for outcome in line.audit.outcomes:
        line.custody(outcome)

    (word,) = told(await line.custody.last_word(), coalition["bravo"])
    assert [each.message for each in word.told] == [report.id]


async def test_a_partner_that_left_is_not_silent(line: Line) -> None:
    line.custody.beat({"bravo": 1e-9, "charlie": 1e-9})
    line.custody._listen()
    await asyncio.sleep(0.01)
    line.custody._listen()
    assert list(line.custody.silent) == ["bravo", "charlie"]

    alone = replace(line.config, routes=[r for r in line.config.routes if not any("charlie" in u for u in r.to)])
    line.custody.adopt(Table(alone, ()))

    assert list(line.custody.silent) == ["bravo"]


async def test_of_word_no_word_is_owed(line: Line, coalition: dict[str, Keyring]) -> None:
    await hears(line, coalition["bravo"], pack_control(Control()))
    assert await line.custody.last_word() == []


@pytest.mark.parametrize("known", [True, False], ids=["envelope", "announcement"])
async def test_whoever_sealed_what_opens_no_more_is_told_so(
    line: Line, coalition: dict[str, Keyring], *, known: bool
) -> None:
    bravo, later = coalition["bravo"], NOW + timedelta(hours=25)
    sealed = sealed_by(bravo, "bravo/ops", [a_track(0, "B-1", **FROM_BRAVO)], "alpha/cell")
    key, envelope = posted(sealed)
    if known:
        await line.carry([key], by="coalition")
        key = posted(sealed)[0]
    line.clock = lambda: later
    await line.carry([envelope] if known else [key, envelope], by="coalition")
    assert ("refused", "expired", None) in line.audit.said()

    (word,) = told(await line.custody.last_word(), bravo, later)
    assert word.taken == (Taken(sealed.eid, 0),)
    await line.carry([posted(sealed)[0]], by="coalition")
    assert await line.custody.last_word() == []  # once a minute


async def test_what_is_refused_for_good_is_taken_and_its_sender_told_and_it_costs_no_other_its_way(
    line: Line, coalition: dict[str, Keyring]
) -> None:
    """Else it would come again and again, and after a link was cut nothing of its precedence would pass it."""
    bravo = coalition["bravo"]
    good, alien = a_track(0, "B-1", **FROM_BRAVO), a_track(1, "B-2", origin="bravo/other")
    newer = msgspec.msgpack.encode({"id": "ab" * 16, "version": [9, 0]})
    eid = await hears(line, bravo, b"noise", newer, alien, good)
    assert line.audit.said() == [
        ("refused", "bad-message", None),
        ("refused", "bad-message", "alpha/cell"),
        ("refused", "origin-mismatch", "alpha/cell"),
        ("delivered", None, "alpha/cell"),
    ]

    for outcome in line.audit.outcomes:
        line.custody(outcome)
    (word,) = told(await line.custody.last_word(), bravo)
    assert word.taken == (Taken(eid, 1),)
    assert [(each.message, each.fate, each.reason) for each in word.told] == [
        ("ab" * 16, Fate.REFUSED, "bad-message"),
        (alien.id, Fate.REFUSED, "origin-mismatch"),
        (good.id, Fate.DELIVERED, None),
    ]


async def test_epochs_that_open_no_more_are_remembered_within_bounds() -> None:
    found = Unopened()
    for number in range(UNOPENED_MAX + 10):
        found.put("bravo", number.to_bytes(8, "big"), 0.0)
    found.put("bravo", bytes(8), UNOPENED_S - 1)
    assert len(found.take(lambda partner: partner != "bravo")) == UNOPENED_MAX
    found.put("bravo", bytes(8), UNOPENED_S)
    assert found.take(lambda _: True) == []
    assert found.take(lambda _: False) == [("bravo", bytes(8))]


@pytest.mark.parametrize(("kind", "fates"), [("track", []), ("chat", [Fate.DELIVERED])])
async def test_over_a_thin_link_nobody_is_told_that_a_position_was_delivered(
    coalition: dict[str, Keyring], kind: str, fates: list[Fate]
) -> None:
    line, bravo = Line(coalition["alpha"], plain(THIN)), coalition["bravo"]
    line.custody(ended(Event.DELIVERED, kind))
    assert [each.fate for word in told(await line.custody.last_word(), bravo) for each in word.told] == fates


async def test_what_was_not_released_is_told_over_any_link(coalition: dict[str, Keyring]) -> None:
    line = Line(coalition["alpha"], plain(THIN))
    line.custody(ended(Event.WITHHELD, "track"))
    (word,) = told(await line.custody.last_word(), coalition["bravo"])
    assert [each.fate for each in word.told] == [Fate.REFUSED]


def ended(event: Event, kind: str) -> Outcome:
    """A message of bravo's at a unit of ours."""
    return Outcome(
        Record(
            at=NOW,
            gateway="alpha",
            event=event,
            message="0" * 32,
            subject_kind=kind,
            source="bravo/ops",
            destination="alpha/cell",
            reason=None if event is Event.DELIVERED else "above-ceiling",
        )
    )


async def test_over_a_thin_link_word_is_gathered_after_the_first(coalition: dict[str, Keyring]) -> None:
    line, bravo = Line(coalition["alpha"], plain(THIN)), coalition["bravo"]
    eid = await hears(line, bravo, a_track(0, "B-1", **FROM_BRAVO))
    assert told(await line.custody.last_word(), bravo) == [Control(taken=(Taken(eid, 1),))]

    await hears(line, bravo, a_track(1, "B-1", **FROM_BRAVO))
    assert await line.custody.last_word() == []


def test_a_checkpoint_is_due_at_once_or_when_the_last_was_long_ago() -> None:
    showing = Showing()
    for partner in ("bravo", "charlie"):
        showing.begin(partner, 100.0)
    showing.made(b"1", ["bravo", "charlie"])

    assert showing.is_due("bravo", 100.0, 0.0)
    assert showing.take("bravo", 100.0) == b"1"
    assert not showing.is_due("bravo", 200.0, 0.0)
    assert not showing.is_due("charlie", 100.0 + THIN_CHECKPOINT_S - 1, THIN_CHECKPOINT_S)
    assert showing.is_due("charlie", 100.0 + THIN_CHECKPOINT_S, THIN_CHECKPOINT_S)


def test_of_two_checkpoints_that_were_not_shown_the_later_shows_the_growth_since_before_both() -> None:
    showing = Showing()
    first, second = sent(checkpoint(700), 300), sent(checkpoint(1000), 700)
    showing.made(first, ["bravo"])
    showing.made(second, ["bravo", "charlie"])

    assert unpack_checkpoint(showing.take("bravo", 0.0))[1].past.end == 300
    assert showing.take("charlie", 0.0) == second
