"""Who must acknowledge, who stands in, who is told: every step recorded, nobody given what release refuses."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters import load
from gateway.config import Config
from gateway.keyring.keystore import KeyringError
from gateway.keyring.ring import Keyring
from gateway.links import SendRefusal
from protocols.body import Chat, Receipt, ReceiptState
from protocols.label import Label
from protocols.message import Message, Precedence, Times
from protocols.record import Event
from tests.fakes import NOW, FakeLink
from tests.gateway.vigil import ASKED, BACK, DEFAULT_LABEL, STANDING_IN, Vigil, told

pytestmark = pytest.mark.usefixtures("formats")
SUBJECT = "GeoChat.1"
DESK, PATROLS, CELL = "alpha/desk", "alpha/patrols", "alpha/cell"
HOURS = 'duty = [{ days = ["%s"], from = "%s", until = "%s" }]\ntime_zone = "%s"\n'


def hours(unit: str, days: str, begins: str, until: str, zone: str = "UTC") -> tuple[str, str]:
    """A unit given duty hours."""
    at = f'id = "{unit}"\n'
    return at, at + HOURS % (days.replace(",", '", "'), begins, until, zone)


@pytest.fixture
def vigil(coalition: dict[str, Keyring], tmp_path: Path) -> Vigil:
    return Vigil(coalition, tmp_path)


async def test_what_is_acknowledged_in_time_goes_no_further(vigil: Vigil) -> None:
    await vigil.tell(told())
    await vigil.after(599)
    await vigil.answer(SUBJECT)

    assert await vigil.after(3600) == []
    assert ("acknowledged", "by-receipt", CELL) in vigil.said()
    assert {event for event, _, _ in vigil.said()}.isdisjoint({"escalated", "not-acknowledged"})
    assert len(vigil.escalation) == 0


async def test_what_is_not_acknowledged_goes_to_the_next_and_the_next_and_then_the_origin_is_told(
    vigil: Vigil,
) -> None:
    await vigil.tell(told())

    assert await vigil.after(599.9) == []
    assert await vigil.after(0.1) == ["tak/to-desk"]
    assert vigil.said() == [("delivered", "stands-in", DESK), ("escalated", "not-in-time", CELL)]
    assert await vigil.after(600) == ["tak/to-patrols"]
    assert vigil.heard() == []
    assert await vigil.after(600) == []
    assert vigil.heard() == [Receipt(of=SUBJECT, state=ReceiptState.EXPIRED, reason="not-in-time")]
    assert vigil.said()[2:] == [
        ("delivered", "stands-in", PATROLS),
        ("escalated", "not-in-time", DESK),
        ("forwarded", "not-in-time", "bravo/ops"),
        ("not-acknowledged", "not-in-time", PATROLS),
    ]
    assert await vigil.after(100_000) == []
    assert vigil.audit.written == len(vigil.audit.outcomes)


async def test_whoever_was_given_it_may_acknowledge_also_late(vigil: Vigil) -> None:
    await vigil.tell(told(1), told(2))
    await vigil.after(600)
    await vigil.answer("GeoChat.1", topic="desk/alpha")
    await vigil.answer("GeoChat.2", topic="cell/alpha")

    assert await vigil.after(600) == []
    assert (
        vigil.said()[-2:]
        == [
            ("acknowledged", "by-receipt", DESK),
            ("withheld", "no-route", None),
        ]
        or ("acknowledged", "by-receipt", DESK) in vigil.said()
    )
    assert ("acknowledged", "by-receipt", CELL) in vigil.said()


async def test_nobody_acknowledges_what_it_was_not_given(vigil: Vigil) -> None:
    await vigil.tell(told())
    await vigil.answer(SUBJECT, topic="tak/alpha/hawk-1")
    await vigil.answer("GeoChat.99", topic="cell/alpha", number=1)

    assert await vigil.after(600) == ["tak/to-desk"]


async def test_a_unit_that_declines_is_not_waited_for(vigil: Vigil) -> None:
    await vigil.tell(told())
    await vigil.answer(SUBJECT, ReceiptState.REFUSED)

    assert await vigil.after(0) == ["tak/to-desk"]
    assert ("escalated", "declined", CELL) in vigil.said()


@pytest.mark.parametrize(
    ("precedence", "seconds"),
    [
        (None, 600),
        (Precedence.ROUTINE, 600),
        (Precedence.PRIORITY, 600),
        (Precedence.IMMEDIATE, 60),
        (Precedence.FLASH, 60),
        (Precedence.OVERRIDE, 60),
    ],
)
async def test_the_time_is_that_of_the_precedence(vigil: Vigil, precedence: Precedence | None, seconds: int) -> None:
    await vigil.tell(told(precedence=precedence))

    assert await vigil.after(seconds - 1) == []
    assert await vigil.after(1) == ["tak/to-desk"]


async def test_a_precedence_below_those_named_asks_for_nothing(vigil: Vigil) -> None:
    await vigil.tell(told(precedence=Precedence.DEFERRED))

    assert len(vigil.escalation) == 0


async def test_off_duty_at_arrival_goes_straight_to_the_first_who_is_on_and_to_the_unit_itself(
    coalition: dict[str, Keyring], tmp_path: Path
) -> None:
    """It is Saturday, 21:07 UTC, so 22:07 in Zurich and 17:07 in New York."""
    off, desk_off = hours(CELL, "sat", "07:00", "19:00", "Europe/Zurich"), hours(DESK, "sat", "18:00", "22:00", "UTC")
    vigil = Vigil(coalition, tmp_path, off, desk_off)
    await vigil.tell(told())
    assert vigil.line.national.topics() == ["tak/to-cell"]

    assert await vigil.after(0) == ["tak/to-desk"]
    assert vigil.said() == [("delivered", "stands-in", DESK), ("escalated", "off-duty", CELL)]


async def test_alternates_who_are_off_duty_are_passed_over(coalition: dict[str, Keyring], tmp_path: Path) -> None:
    vigil = Vigil(coalition, tmp_path, hours(DESK, "mon", "07:00", "19:00", "America/New_York"))
    await vigil.tell(told())

    assert await vigil.after(600) == ["tak/to-patrols"]


async def test_a_unit_whose_shift_ends_is_not_waited_for(coalition: dict[str, Keyring], tmp_path: Path) -> None:
    """21:07:30 in UTC is 22:07:30 in Zurich; the shift ends at 22:10."""
    vigil = Vigil(coalition, tmp_path, hours(CELL, "sat", "07:00", "22:10", "Europe/Zurich"))
    await vigil.tell(told())

    assert await vigil.after(149) == []
    assert await vigil.after(1) == ["tak/to-desk"]
    assert ("escalated", "off-duty", CELL) in vigil.said()


async def test_with_nobody_on_duty_everybody_is_given_it_and_the_origin_is_told(
    coalition: dict[str, Keyring], tmp_path: Path
) -> None:
    off = [hours(unit, "mon,tue", "07:00", "19:00") for unit in (CELL, DESK, PATROLS)]
    vigil = Vigil(coalition, tmp_path, *off)
    await vigil.tell(told())

    assert vigil.line.national.topics() == ["tak/to-cell"]
    assert await vigil.after(0) == ["tak/to-desk", "tak/to-patrols"]
    assert vigil.heard() == [Receipt(of=SUBJECT, state=ReceiptState.FAILED, reason="nobody-on-duty")]
    assert vigil.said()[-1] == ("not-acknowledged", "nobody-on-duty", CELL)
    assert len(vigil.escalation) == 0


async def test_an_alternate_that_may_not_see_it_is_skipped_and_that_is_recorded(
    coalition: dict[str, Keyring], tmp_path: Path
) -> None:
    desk = 'id = "alpha/desk"\nclearance = { policy = "MISSION", classification = "CONFIDENTIAL" }'
    lower = (desk, desk.replace("CONFIDENTIAL", "UNCLASSIFIED"))
    vigil = Vigil(coalition, tmp_path, lower)
    await vigil.tell(told(label=Label(policy="MISSION", classification="RESTRICTED")))

    assert await vigil.after(600) == ["tak/to-patrols"]
    assert vigil.said() == [
        ("withheld", "above-ceiling", DESK),
        ("delivered", "stands-in", PATROLS),
        ("escalated", "not-in-time", CELL),
    ]


async def test_what_is_no_longer_valid_is_given_to_nobody_and_the_origin_is_told(vigil: Vigil) -> None:
    await vigil.tell(told(times=Times(observed=NOW, valid_until=NOW + timedelta(seconds=300))))

    assert await vigil.after(600) == []
    assert [each for each in vigil.said() if each[0] == "withheld"] == [
        ("withheld", "expired", DESK),
        ("withheld", "expired", PATROLS),
    ]
    assert vigil.heard() == [Receipt(of=SUBJECT, state=ReceiptState.EXPIRED, reason="not-in-time")]


async def test_a_link_that_refuses_is_a_reason_to_ask_the_next(vigil: Vigil) -> None:
    vigil.refuses = {"tak/to-desk": SendRefusal.NOT_AUTHORISED}
    await vigil.tell(told())

    assert await vigil.after(600) == ["tak/to-patrols"]
    assert ("held", "not-authorised", DESK) in vigil.said()


async def test_an_alternate_whose_format_cannot_say_it_is_passed_over(vigil: Vigil) -> None:
    units = tuple(replace(unit, adapter="nffi") if unit.id == DESK else unit for unit in vigil.config.units)
    vigil.adopt_config(replace(vigil.config, units=units))
    await vigil.tell(told())

    assert await vigil.after(600) == ["tak/to-patrols"]
    assert ("withheld", "format-cannot-say", DESK) in vigil.said()


async def test_without_a_way_back_the_origin_is_not_told_and_that_is_recorded(
    coalition: dict[str, Keyring], tmp_path: Path
) -> None:
    vigil = Vigil(coalition, tmp_path, (BACK, ""), (STANDING_IN[1], DEFAULT_LABEL))
    await vigil.tell(told())
    await vigil.after(600)

    assert vigil.line.coalition.sent == []
    assert vigil.said() == [("withheld", "no-route", None), ("not-acknowledged", "not-in-time", CELL)]


async def test_receipts_are_released_as_anything_else(coalition: dict[str, Keyring], tmp_path: Path) -> None:
    agreed = 'kinds = ["track", "chat", "delete", "receipt"]'
    vigil = Vigil(
        coalition,
        tmp_path,
        (agreed, agreed.replace(', "receipt"', "")),
        (BACK, BACK.replace('kinds = ["receipt"]\n', "")),
        (STANDING_IN[1], DEFAULT_LABEL),
    )
    await vigil.tell(told())
    await vigil.after(600)

    assert vigil.line.coalition.sent == []
    assert ("withheld", "kind-not-agreed", "bravo/ops") in vigil.said()


async def test_the_console_acknowledges_for_the_unit_and_the_origin_hears_of_it(vigil: Vigil) -> None:
    await vigil.tell(told())
    (case,) = vigil.escalation.waiting()

    assert vigil.escalation.acknowledge(case.key)
    assert vigil.audit.written == len(vigil.audit.outcomes)
    assert not vigil.escalation.acknowledge(case.key)
    assert await vigil.after(0) == []
    assert vigil.heard() == [Receipt(of=SUBJECT, state=ReceiptState.ACCEPTED, reason="by-console")]
    assert vigil.said() == [("acknowledged", "by-console", CELL), ("forwarded", "by-console", "bravo/ops")]
    assert await vigil.after(6000) == []


async def test_what_waits_outlives_a_restart(vigil: Vigil) -> None:
    await vigil.tell(told(1), told(2))
    await vigil.answer("GeoChat.2")
    vigil.restart()

    assert [case.message.subject for case in vigil.escalation.waiting()] == ["GeoChat.1"]
    assert await vigil.after(599) == []
    assert await vigil.after(1) == ["tak/to-desk"]
    vigil.restart()
    assert [case.asked for case in vigil.escalation.waiting()] == [(CELL, DESK)]
    await vigil.answer("GeoChat.1", topic="desk/alpha", number=3)
    vigil.restart()
    assert len(vigil.escalation) == 0


async def test_what_was_due_while_the_gateway_was_away_is_passed_on_at_once(vigil: Vigil) -> None:
    await vigil.tell(told())
    vigil.now += timedelta(hours=5)
    vigil.restart()

    assert await vigil.after(0) == ["tak/to-desk"]


async def test_nothing_of_a_message_can_be_read_on_the_disk(vigil: Vigil) -> None:
    await vigil.tell(told())
    files = [path for path in vigil.folder.iterdir() if path.is_file()]

    assert {path.name for path in files} == {"waiting.log", "waiting.key"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in files)
    assert all(b"GeoChat" not in path.read_bytes() and b"Road" not in path.read_bytes() for path in files)


async def test_a_torn_last_entry_is_what_a_crash_leaves(vigil: Vigil) -> None:
    await vigil.tell(told(1), told(2))
    log = vigil.folder / "waiting.log"
    log.write_bytes(log.read_bytes()[:-7])
    vigil.restart()

    assert [case.message.subject for case in vigil.escalation.waiting()] == ["GeoChat.1"]


async def test_a_damaged_file_is_said_and_not_passed_over(vigil: Vigil) -> None:
    await vigil.tell(told(1), told(2))
    log = vigil.folder / "waiting.log"
    data = bytearray(log.read_bytes())
    data[40] ^= 1
    log.write_bytes(data)

    with pytest.raises(KeyringError, match="remove it"):
        vigil.restart()


async def test_when_too_many_wait_the_oldest_goes_to_everybody_at_once_and_the_origin_is_told(
    coalition: dict[str, Keyring], tmp_path: Path
) -> None:
    vigil = Vigil(coalition, tmp_path, limit=2)
    await vigil.tell(told(1), told(2), told(3))

    assert await vigil.after(0) == ["tak/to-desk", "tak/to-patrols"]
    assert vigil.heard() == [Receipt(of="GeoChat.1", state=ReceiptState.FAILED, reason="too-many-waiting")]
    assert vigil.said()[-1] == ("not-acknowledged", "too-many-waiting", CELL)
    assert [case.message.subject for case in vigil.escalation.waiting()] == ["GeoChat.2", "GeoChat.3"]


async def test_links_that_take_nothing_do_not_let_it_grow_past_twice_the_bound(
    coalition: dict[str, Keyring], tmp_path: Path
) -> None:
    vigil = Vigil(coalition, tmp_path, limit=2)
    await vigil.tell(*(told(number) for number in range(1, 8)))

    assert len(vigil.escalation) == 4
    given_up = [each for each in vigil.said() if each[0] == "not-acknowledged"]
    assert given_up == [("not-acknowledged", "too-many-waiting", CELL)] * 3
    vigil.restart(limit=2)
    assert len(vigil.escalation) == 4


async def test_a_table_that_changes_hours_or_alternates_holds_for_what_waits(vigil: Vigil) -> None:
    await vigil.tell(told())
    turned = (STANDING_IN[1], DEFAULT_LABEL + '\nalternates = ["alpha/patrols"]')
    vigil.adopt(turned)
    assert await vigil.after(0) == []

    vigil.adopt(turned, hours(CELL, "mon", "07:00", "19:00"))
    assert await vigil.after(0) == ["tak/to-patrols"]
    assert ("escalated", "off-duty", CELL) in vigil.said()


async def test_a_route_that_is_gone_leads_nobody_to_it_any_more(vigil: Vigil) -> None:
    await vigil.tell(told())
    vigil.adopt((ASKED, ""))

    assert await vigil.after(600) == []
    assert vigil.said()[-1] == ("not-acknowledged", "not-in-time", CELL)


async def test_an_agreement_that_takes_more_holds_for_what_waits(vigil: Vigil) -> None:
    await vigil.tell(told(body=Chat(text="x", thread="t-1")))
    highest = 'highest = { policy = "MISSION", classification = "CONFIDENTIAL" }'
    vigil.adopt((highest, highest + '\ntransformation = { strip = ["thread"] }'))
    await vigil.after(600)

    (parcel,) = vigil.line.national.sent
    assert b"t-1" not in parcel.data


async def test_an_agreement_that_no_longer_has_the_kind_keeps_it_back(vigil: Vigil) -> None:
    await vigil.tell(told())
    agreed = 'kinds = ["track", "chat", "delete", "receipt"]'
    nameless = 'kinds = ["track", "delete", "receipt"]\ntransformation = { drop_identities = true }'
    vigil.adopt((agreed, nameless))

    assert await vigil.after(600) == []
    assert ("withheld", "kind-not-agreed", DESK) in vigil.said()
    assert vigil.said()[-1] == ("not-acknowledged", "not-in-time", CELL)


async def test_a_receipt_that_comes_while_the_next_is_being_told_ends_it(vigil: Vigil) -> None:
    await vigil.tell(told())
    vigil.now += timedelta(seconds=600)
    links = {"national": FakeLink(), "coalition": FakeLink()}
    links["national"].taking.clear()
    async with vigil.line.sending(links["national"], links["coalition"]):
        passing_on = asyncio.create_task(vigil.escalation.once())
        await links["national"].asked.wait()
        await vigil.answer(SUBJECT)
        links["national"].taking.set()
        await passing_on

    assert await vigil.after(6000) == []
    ends = [event for event, _, _ in vigil.said() if event in {"acknowledged", "escalated", "not-acknowledged"}]
    assert ends == ["acknowledged"]


async def test_a_link_that_takes_nothing_holds_nothing_else_up(vigil: Vigil) -> None:
    """The origin cannot be told, because the coalition's broker is away; the next message still goes to the desk."""
    vigil.adopt((STANDING_IN[1], DEFAULT_LABEL))
    await vigil.tell(told(1))
    vigil.now += timedelta(seconds=600)
    links = {"national": FakeLink(), "coalition": FakeLink()}
    links["coalition"].taking.clear()
    async with vigil.line.sending(links["national"], links["coalition"]):
        stuck = asyncio.create_task(vigil.escalation.run())
        await links["coalition"].asked.wait()
        vigil.adopt()
        await vigil.tell(told(2))
        vigil.line.links.update(links)
        vigil.now += timedelta(seconds=600)
        async with asyncio.timeout(60):
            while links["national"].topics() != ["tak/to-desk"]:
                await asyncio.sleep(0.02)
        stuck.cancel()
        await asyncio.wait([stuck])
    assert [case.unit for case in vigil.escalation.waiting()] == [DESK]  # of the first its origin is told from the disk


async def test_a_table_without_the_next_who_stands_in_holds_while_a_link_takes_its_time(vigil: Vigil) -> None:
    await vigil.tell(told())
    vigil.now += timedelta(seconds=600)
    refusing = {"tak/to-desk": SendRefusal.NOT_AUTHORISED}
    links = {"national": FakeLink(refuses=refusing), "coalition": FakeLink()}
    links["national"].taking.clear()
    async with vigil.line.sending(links["national"], links["coalition"]):
        passing_on = asyncio.create_task(vigil.escalation.once())
        await links["national"].asked.wait()
        vigil.adopt_config(without_patrols(vigil))
        links["national"].taking.set()
        await passing_on

    assert vigil.said()[-1] == ("not-acknowledged", "not-in-time", CELL)
    assert "tak/to-patrols" not in links["national"].topics()


async def test_a_route_that_goes_while_a_link_takes_its_time_leads_to_nobody_else(vigil: Vigil) -> None:
    await vigil.tell(told())
    vigil.now += timedelta(seconds=600)
    refusing = {"tak/to-desk": SendRefusal.NOT_AUTHORISED}
    links = {"national": FakeLink(refuses=refusing), "coalition": FakeLink()}
    links["national"].taking.clear()
    async with vigil.line.sending(links["national"], links["coalition"]):
        passing_on = asyncio.create_task(vigil.escalation.once())
        await links["national"].asked.wait()
        vigil.adopt((ASKED, ""))
        links["national"].taking.set()
        await passing_on

    assert "tak/to-patrols" not in links["national"].topics()


def without_patrols(vigil: Vigil) -> Config:
    """The table where patrols are no unit any more."""
    config = vigil.config
    units = tuple(unit for unit in config.units if unit.id != PATROLS)
    kept = tuple(replace(unit, alternates=tuple(each for each in unit.alternates if each != PATROLS)) for unit in units)
    routes = tuple(each for each in config.routes if PATROLS not in (*each.sources, *each.to))
    return replace(config, units=kept, routes=routes)


async def test_what_ended_while_it_was_on_disk_is_not_asked_for_again_when_it_arrives(vigil: Vigil) -> None:
    await vigil.tell(told())
    given = next(each for each in vigil.audit.outcomes if each.record.event is Event.DELIVERED)
    await vigil.answer(SUBJECT)
    vigil.escalation(given._replace(record=replace(given.record, event=Event.HELD, reason="slow")))
    assert len(vigil.escalation) == 1
    await vigil.after(600)
    await vigil.answer(SUBJECT, topic="desk/alpha", number=1)
    assert len(vigil.escalation) == 0

    vigil.escalation(given)

    assert len(vigil.escalation) == 0
    vigil.escalation(given)  # a further time it is a message like any other
    assert len(vigil.escalation) == 1


async def test_a_receipt_that_reaches_somebody_else_late_acknowledges_nothing_newer(vigil: Vigil) -> None:
    await vigil.tell(told(1))
    await vigil.answer(SUBJECT)
    said = next(each for each in vigil.audit.outcomes if each.message and isinstance(each.message.body, Receipt))
    vigil.now += timedelta(seconds=1)
    await vigil.tell(replace(told(3), subject=SUBJECT))

    vigil.escalation(said)

    assert len(vigil.escalation) == 1


async def test_who_acknowledges_the_newest_of_a_subject_has_what_came_before(vigil: Vigil) -> None:
    first, other = told(1), told(2)
    await vigil.tell(first, other)
    await vigil.after(600)  # the first is with the desk by now
    vigil.now += timedelta(seconds=1)
    await vigil.tell(replace(told(3), subject=first.subject))
    await vigil.answer(first.subject)

    assert [case.message.subject for case in vigil.escalation.waiting()] == [other.subject]
    assert [each for each in vigil.said() if each[0] == "acknowledged"] == [("acknowledged", "by-receipt", CELL)] * 2


async def test_the_oldest_is_known_by_its_age(vigil: Vigil) -> None:
    assert vigil.escalation.oldest_s() == 0.0
    await vigil.tell(told(1))
    await vigil.after(20)
    await vigil.tell(told(2))
    await vigil.after(10)

    assert (len(vigil.escalation), vigil.escalation.oldest_s()) == (2, 30.0)


@pytest.mark.parametrize("state", [ReceiptState.EXPIRED, ReceiptState.FAILED])
@pytest.mark.parametrize("form", ["cot", "sedap"])
async def test_formats_that_have_receipts_can_say_what_the_origin_is_told(form: str, state: ReceiptState) -> None:
    told_back = a_receipt(state)
    (read,) = load(form).decode(load(form).encode(told_back).data)

    assert isinstance(read.body, Receipt)
    assert (read.body.of, read.body.state, read.body.reason) == (SUBJECT, state, "not-in-time")


def a_receipt(state: ReceiptState) -> Message:
    """What the origin is told."""
    moment = datetime(2026, 3, 14, tzinfo=UTC)
    return told(body=Receipt(of=SUBJECT, state=state, reason="not-in-time"), times=Times(observed=moment))
