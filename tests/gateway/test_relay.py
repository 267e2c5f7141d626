"""The straight line from end to end: every outcome recorded once, nothing acknowledged before all of it is safe."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from adapters import INPUT_MAX
from gateway.config import Route
from gateway.keyring.ring import Keyring
from gateway.links import Parcel, SendRefusal
from gateway.routing import Table
from gateway.spool import Trouble
from protocols.body import Chat, Identity, Status, Track
from protocols.label import Label
from protocols.message import Message, Source, Times, from_json, pack, unpack
from protocols.record import Event, Refused, Withheld
from protocols.topics import Slot, key_topic, parse_mailbox
from tests.fakes import NOW, FakeAudit, FakeFrame, FakeLink, frames
from tests.gateway.line import Line, plain, posted, say, sealed_by
from tests.gateway.reports import HERE, OPEN, a_chat, a_delete, a_message, a_track

MARKED = Source(format="plain", label_hint="access=UNCLASSIFIED")
FROM_BRAVO: dict[str, Any] = {"origin": "bravo/ops", "source": Source(format="sedap")}
CANARY = "HAWK-1 Kowalski"
ALL_THREE = {"bravo/ops", "charlie/map", "alpha/cell"}


def a_position(seconds: float = 0, subject: str = "S-1", **more: object) -> Message:
    """A position with a name in it, marked as our field units mark."""
    body = Track(position=HERE, identity=Identity(callsign=CANARY), remarks=CANARY)
    return replace(a_track(seconds, subject), body=body, **{"source": MARKED, **more})


def received(sent: list[Parcel], partner: str, keyring: Keyring) -> list[Message]:
    """What a partner reads out of the parcels on the coalition link."""
    messages: list[Message] = []
    for parcel in sent:
        mailbox = parse_mailbox(parcel.topic)
        assert mailbox is not None
        if mailbox.to != partner:
            continue
        if mailbox.slot is Slot.KEYS:
            keyring.accept(parcel.data, NOW)
            continue
        opened = keyring.unseal(parcel.data, NOW)
        assert opened is not None
        messages += [unpack(data) for data in opened.messages]
    return messages


async def test_one_report_reaches_three_units_each_in_its_own_form(line: Line, coalition: dict[str, Keyring]) -> None:
    frame = say(a_position())
    await line.carry([frame])

    assert frame.answer == "ack"
    assert {(event, reason) for event, reason, _ in line.audit.said()} == {("forwarded", None), ("delivered", None)}
    assert {to for _, _, to in line.audit.said()} == ALL_THREE
    assert len(line.audit.outcomes) == line.audit.written == 3
    (ours,) = line.national.sent
    assert (ours.topic, from_json(ours.data).body) == ("tak/to-cell", a_position().body)
    (whole,) = received(line.coalition.sent, "bravo", coalition["bravo"])
    assert (whole.body, whole.subject, whole.origin) == (a_position().body, "S-1", "alpha/patrols")
    (nameless,) = received(line.coalition.sent, "charlie", coalition["charlie"])
    assert isinstance(nameless.body, Track)
    assert nameless.body.position.coarsened_to_m == 1000.0
    assert b"HAWK" not in pack(nameless)
    assert nameless.subject != "S-1"


async def test_what_leaves_for_partners_can_be_read_by_nobody_on_the_way(line: Line) -> None:
    await line.carry([say(a_position())])

    for parcel in line.coalition.sent:
        assert b"HAWK" not in parcel.data
        assert b"Kowalski" not in parcel.data


async def test_a_frame_is_acknowledged_only_when_every_copy_is_taken(line: Line) -> None:
    frame = say(a_position())
    national, coalition = FakeLink([frame]), FakeLink()
    coalition.taking.clear()
    async with line.sending(national, coalition) as links:
        carrying = asyncio.create_task(line.relay.run("national", links))
        await coalition.asked.wait()
        await national.asked.wait()
        for _ in range(20):
            await asyncio.sleep(0)

        assert national.topics() == ["tak/to-cell"]
        assert frame.answer is None

        coalition.taking.set()
        await carrying
    assert frame.answer == "ack"
    assert line.spool.puts == 0  # the disk was not touched


@pytest.mark.parametrize("takes", [False, True], ids=["broker away", "partner silent"])
async def test_a_frame_is_acknowledged_when_what_nobody_takes_is_on_disk(line: Line, *, takes: bool) -> None:
    frame = say(a_position())
    coalition = FakeLink()
    if not takes:
        coalition.taking.clear()
    async with line.sending(FakeLink([frame]), coalition, custody=False) as links:
        line.spool.broken = Trouble.DISK_FULL
        carrying = asyncio.create_task(line.relay.run("national", links))
        await asyncio.sleep(0.5)
        assert frame.answer is None  # neither there nor on disk

        line.spool.broken = None
        await carrying
    assert frame.answer == "ack"
    assert {(thing.lane, thing.in_hand) for thing in line.spool.rows.values()} == {("bravo", True), ("charlie", True)}
    said = line.audit.said()
    assert {to for event, reason, to in said if (event, reason) == ("held", "slow")} == {"bravo/ops", "charlie/map"}
    assert b"Kowalski" not in b"".join(thing.data + thing.facts for thing in line.spool.rows.values())


@pytest.mark.parametrize("broken", [{"full": True}, {"full_on_commit": True}], ids=["record", "commit"])
async def test_what_cannot_be_accounted_for_is_not_acknowledged(
    coalition: dict[str, Keyring], formats: None, broken: dict[str, bool]
) -> None:
    del formats
    line = Line(coalition["alpha"], plain(), FakeAudit(**broken))
    good, bad = say(a_position()), FakeFrame("tak/alpha/1", b"<event")

    for frame in (good, bad):
        with pytest.RaisesGroup(pytest.RaisesExc(OSError, match="disk full"), flatten_subgroups=True):
            await line.carry([frame])
        assert frame.answer is None


async def test_a_link_that_closes_leaves_the_frame_with_its_sender(line: Line) -> None:
    frame = say(a_position())
    line.spool.broken = Trouble.IO
    async with line.sending(FakeLink([frame]), FakeLink(closed=True)) as links:
        carrying = asyncio.create_task(line.relay.run("national", links))
        await asyncio.sleep(0.1)
        carrying.cancel()
    assert frame.answer is None


async def test_a_refused_frame_does_not_stop_the_next(line: Line) -> None:
    bad = [
        FakeFrame("tak/alpha/1", b"<event version='2.0'><point"),
        FakeFrame("tak/alpha/1", b"crash"),
        FakeFrame("tak/alpha/1", b"x" * (2 << 20)),
        FakeFrame("tak/+/1", b"{}"),
        FakeFrame("nobody/1", b"{}"),
        FakeFrame("tak/alpha/1", b"\x00\xff\x80"),
    ]
    good = say(a_position())
    await line.carry([*bad[:3], good, *bad[3:]])

    assert good.answer == "ack"
    reasons = ["malformed", "adapter-crashed", "too-large", "bad-topic", "unknown-source", "malformed"]
    assert [frame.answer for frame in bad] == [f"refused {reason}" for reason in reasons]
    assert [o.record.reason for o in line.audit.outcomes if o.record.event is Event.REFUSED] == reasons
    assert {to for event, _, to in line.audit.said() if event != "refused"} == ALL_THREE


async def test_a_frame_is_refused_only_when_that_is_in_the_audit(line: Line) -> None:
    class Watched(FakeFrame):
        committed = 0

        def refuse(self, reason: str) -> None:
            self.committed = line.audit.written
            super().refuse(reason)

    frame = Watched("tak/alpha/1", b"<event")
    await line.carry([frame])

    assert frame.committed == 1


async def test_every_reason_to_refuse_is_produced(line: Line, coalition: dict[str, Keyring]) -> None:
    sealed = sealed_by(coalition["bravo"], "bravo/ops", [a_track(0, "B-1", **FROM_BRAVO)], "alpha/cell")
    forged = sealed_by(coalition["bravo"], "bravo/ops", [a_track(1, "B-1", origin="charlie/map")], "alpha/cell")
    noise = sealed_by(coalition["bravo"], "bravo/ops", [b"\xc1"], "alpha/cell")
    key, _ = posted(sealed)
    await line.carry(
        [
            FakeFrame("tak/alpha/1", b"x" * (INPUT_MAX + 1)),
            FakeFrame("tak/#", b""),
            FakeFrame("nobody", b""),
            say(a_position(5)),
            say(a_position(5)),
            say(a_position(4)),
            FakeFrame("tak/alpha/1", b"crash"),
        ]
    )
    await line.carry(
        [key, FakeFrame("comity/1/alpha/charlie/d/0", sealed.envelope), *posted(forged), *posted(noise)],
        by="coalition",
    )

    refused = [reason for event, reason, _ in line.audit.said() if event == "refused"]
    assert sorted(filter(None, refused)) == sorted(Refused)


async def test_a_copy_that_a_broker_refuses_is_recorded_and_the_others_arrive(line: Line) -> None:
    frame = say(a_position())
    await line.carry([frame], refuses={"tak/to-cell": SendRefusal.TOO_LARGE})

    assert ("refused", "too-large", "alpha/cell") in line.audit.said()
    assert {to for event, _, to in line.audit.said() if event == "forwarded"} == {"bravo/ops", "charlie/map"}
    assert frame.answer == "ack"


async def test_a_copy_that_a_broker_may_take_later_waits_on_disk(line: Line) -> None:
    frame = say(a_position())
    await line.carry([frame], refuses={"tak/to-cell": SendRefusal.NOT_AUTHORISED})

    assert ("held", "not-authorised", "alpha/cell") in line.audit.said()
    (thing,) = line.spool.rows.values()
    assert (thing.lane, thing.in_hand) == ("alpha/cell", False)
    assert CANARY.encode() not in thing.data + thing.facts
    assert frame.answer == "ack"

    line.outbound.lanes["alpha/cell"].paused_until = 0.0
    async with line.sending(FakeLink(), FakeLink()):
        async with asyncio.timeout(60):
            while line.spool.rows:
                await asyncio.sleep(0.01)
    assert ("delivered", None, "alpha/cell") in line.audit.said()
    assert line.national.topics() == ["tak/to-cell"]
    assert not line.spool.rows


async def test_what_has_no_label_is_withheld_from_everybody(line: Line) -> None:
    frame = say(replace(a_position(), source=Source(format="plain"), label=OPEN))
    await line.carry([frame])

    assert sorted(line.audit.said(), key=str) == sorted((("withheld", "unlabelled", to) for to in ALL_THREE), key=str)
    assert (line.national.sent, line.coalition.sent) == ([], [])
    assert frame.answer == "ack"


async def test_a_marking_that_nobody_explained_is_refused_once(line: Line) -> None:
    frame = say(replace(a_position(), source=Source(format="plain", label_hint="access=OPEN")))
    await line.carry([frame])

    assert line.audit.said() == [("refused", "unknown-label", None)]
    assert (line.national.sent, line.coalition.sent) == ([], [])


async def test_each_destination_has_its_own_verdict(line: Line) -> None:
    await line.carry([say(replace(a_position(), source=Source(format="plain", label_hint="access=RESTRICTED")))])

    assert set(line.audit.said()) == {
        ("withheld", "above-ceiling", "charlie/map"),
        ("forwarded", None, "bravo/ops"),
        ("delivered", None, "alpha/cell"),
    }


async def test_a_report_without_a_route_says_so(line: Line) -> None:
    await line.carry([say(replace(a_position(), source=Source(format="plain")), topic="cell/alpha")])

    assert line.audit.said() == [("withheld", "no-route", None)]


async def test_what_the_agreement_does_not_name_is_withheld_with_that_reason(line: Line) -> None:
    await line.carry([say(a_message(Status(battery_percent=80.0), source=MARKED))])

    assert line.audit.said() == [("withheld", "kind-not-agreed", "bravo/ops")]


async def test_what_policy_kept_from_everybody_may_come_again_once_the_table_is_mended(line: Line) -> None:
    battery = a_message(Status(battery_percent=80.0), source=MARKED)
    await line.carry([say(battery)])
    mended = plain(('kinds = ["track", "chat", "delete"]', 'kinds = ["track", "chat", "delete", "status"]'))
    line.relay.adopt(Table(mended, {agreement.id for agreement in mended.agreements}))
    await line.carry([say(battery)], [say(battery)])

    assert sorted(line.audit.said(), key=str) == [
        ("forwarded", None, "bravo/ops"),
        ("refused", "duplicate", None),
        ("withheld", "kind-not-agreed", "bravo/ops"),
    ]


async def test_a_kind_goes_only_where_a_route_for_it_goes(line: Line) -> None:
    await line.carry([say(replace(a_chat(1), source=MARKED))])

    assert line.audit.said() == [("forwarded", None, "bravo/ops")]


async def test_a_report_goes_under_the_first_agreement_that_lets_it(
    coalition: dict[str, Keyring], formats: None
) -> None:
    del formats
    config = plain()
    closed = replace(config.agreements[0], id="closed", valid_until=NOW - timedelta(days=1))
    first = Route(sources=("alpha/patrols",), to=("bravo/ops",), agreement="closed")
    line = Line(
        coalition["alpha"],
        replace(config, agreements=(*config.agreements, closed), routes=(first, config.routes[0])),
    )
    await line.carry([say(a_position())])

    assert line.audit.said() == [("forwarded", None, "bravo/ops")]
    assert line.audit.outcomes[0].record.agreement == "alpha-bravo"


async def test_when_no_agreement_lets_it_the_first_reason_is_told_once(
    coalition: dict[str, Keyring], formats: None
) -> None:
    del formats
    config = plain()
    closed = replace(config.agreements[0], id="closed", valid_until=NOW - timedelta(days=1))
    later = replace(config.agreements[0], id="later", valid_from=NOW + timedelta(days=1))
    routes = tuple(Route(sources=("alpha/patrols",), to=("bravo/ops",), agreement=name) for name in ("closed", "later"))
    line = Line(coalition["alpha"], replace(config, agreements=(closed, later), routes=routes))
    await line.carry([say(a_position())])

    assert line.audit.said() == [("withheld", "agreement-expired", "bravo/ops")]


async def test_a_repeat_is_refused_once_and_goes_nowhere(line: Line) -> None:
    first, again = say(a_position()), say(a_position())
    await line.carry([first], [again])

    assert line.audit.said().count(("refused", "duplicate", None)) == 1
    assert len(line.national.sent) == 1
    assert again.answer == "ack"


async def test_a_loop_through_another_format_is_cut(line: Line, coalition: dict[str, Keyring]) -> None:
    await line.carry([say(a_position())])
    echo = a_track(0, whole=True, **FROM_BRAVO)
    await line.carry(posted(sealed_by(coalition["bravo"], "bravo/ops", [echo], "alpha/cell")), by="coalition")

    assert line.audit.said()[-1] == ("refused", "duplicate", None)
    assert line.national.sent == []


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (a_track(9, "S-1", **FROM_BRAVO), Withheld.NOT_ORIGINATOR),
        (a_delete("S-1", **FROM_BRAVO), Withheld.NOT_ORIGINATOR),
        (a_delete("B-9", **FROM_BRAVO), Withheld.NOT_ORIGINATOR),
    ],
    ids=["update", "delete", "delete of nothing"],
)
async def test_a_partner_has_no_authority_over_our_subjects(
    line: Line, coalition: dict[str, Keyring], claim: Message, reason: Withheld
) -> None:
    await line.carry([say(a_position())])
    await line.carry(posted(sealed_by(coalition["bravo"], "bravo/ops", [claim], "alpha/cell")), by="coalition")

    assert line.audit.said()[-1] == ("refused", reason, None)
    assert line.national.sent == []


async def test_a_partners_report_goes_to_the_units_it_was_sealed_for_and_no_others(
    line: Line, coalition: dict[str, Keyring]
) -> None:
    told = a_track(0, "B-1", **FROM_BRAVO)
    held = posted(sealed_by(coalition["bravo"], "bravo/ops", [told], "alpha/cell"))
    await line.carry(held, by="coalition")

    assert line.audit.said() == [("delivered", None, "alpha/cell")]
    assert line.national.topics() == ["tak/to-cell"]
    assert [frame.answer for frame in held] == ["ack", "ack"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"label": None}, Withheld.UNLABELLED),
        ({"label": Label(policy="BRAVO", classification="OPEN")}, Withheld.UNKNOWN_LABEL),
        ({"body": Chat(text="x"), "times": Times(valid_until=NOW - timedelta(seconds=1))}, Withheld.EXPIRED),
    ],
    ids=["unlabelled", "unknown label", "expired"],
)
async def test_what_arrives_is_judged_again(
    line: Line, coalition: dict[str, Keyring], change: dict[str, Any], reason: Withheld
) -> None:
    told = replace(a_track(0, "B-1", **FROM_BRAVO), **change)
    await line.carry(posted(sealed_by(coalition["bravo"], "bravo/ops", [told], "alpha/cell")), by="coalition")

    assert line.audit.said() == [("withheld", reason, "alpha/cell")]
    assert line.national.sent == []


async def test_a_partners_report_goes_to_no_third_party_even_if_a_route_says_so(
    coalition: dict[str, Keyring], formats: None
) -> None:
    del formats
    config = plain()
    through = Route(sources=("bravo/ops",), to=("charlie/map", "alpha/cell"), agreement="alpha-bravo")
    line = Line(coalition["alpha"], replace(config, routes=(through,)))
    told = a_track(0, "B-1", **FROM_BRAVO)
    await line.carry(posted(sealed_by(coalition["bravo"], "bravo/ops", [told], "alpha/cell")), by="coalition")

    assert set(line.audit.said()) == {
        ("withheld", "re-export-denied", "charlie/map"),
        ("delivered", None, "alpha/cell"),
    }
    assert line.coalition.sent == []


async def test_an_envelope_delivered_is_not_delivered_again(line: Line, coalition: dict[str, Keyring]) -> None:
    held = posted(sealed_by(coalition["bravo"], "bravo/ops", [a_track(0, "B-1", **FROM_BRAVO)], "alpha/cell"))
    await line.carry(held, by="coalition")
    (again,) = frames(held[1].topic, [held[1].data])
    await line.carry([again], by="coalition")

    assert again.answer == "refused replay"
    assert line.national.sent == []


async def test_no_record_of_anything_holds_a_name_or_a_text(line: Line, coalition: dict[str, Keyring]) -> None:
    sealed = sealed_by(coalition["bravo"], "bravo/ops", [a_position(3, CANARY, **FROM_BRAVO)], "alpha/cell")
    await line.carry(
        [
            say(a_position(1)),
            say(a_position(1)),
            say(a_position(0)),
            say(a_position(2, CANARY)),
            say(replace(a_chat(2), body=Chat(text=CANARY), source=MARKED)),
            say(replace(a_chat(3), body=Chat(text="crash"), source=MARKED)),
            FakeFrame("tak/alpha/1", CANARY.encode()),
            FakeFrame("tak/alpha/1", b"crash"),
            FakeFrame(f"nobody/{CANARY}", b""),
        ]
    )
    await line.carry(posted(sealed), by="coalition")

    assert len(line.audit.outcomes) > 12
    for outcome in line.audit.outcomes:
        written = msgspec.json.encode(outcome.record)
        assert b"HAWK" not in written
        assert b"Kowalski" not in written


async def test_there_is_one_record_for_each_report_and_destination(line: Line) -> None:
    reports = [a_position(number, f"S-{number % 7}") for number in range(300)]
    batches = [[say(report) for report in reports[start : start + 50]] for start in range(0, 300, 50)]
    await line.carry(*batches)

    ends = [o.record for o in line.audit.outcomes if o.record.event is not Event.HELD]  # a busy machine may be slow
    pairs = [(end.message, end.destination) for end in ends]
    assert len(pairs) == len(set(pairs)) == 900
    assert all(frame.answer == "ack" for batch in batches for frame in batch)
    assert len(line.national.sent) == 300
    assert [from_json(parcel.data).id for parcel in line.national.sent] == [report.id for report in reports]


async def test_an_envelope_before_its_key_is_acknowledged_with_it(line: Line, coalition: dict[str, Keyring]) -> None:
    told = a_track(0, "B-1", **FROM_BRAVO)
    key, envelope = posted(sealed_by(coalition["bravo"], "bravo/ops", [told], "alpha/cell"))
    await line.carry([envelope], by="coalition")
    assert (envelope.answer, line.national.sent) == (None, [])

    await line.carry([key], by="coalition")

    assert (key.answer, envelope.answer) == ("ack", "ack")
    assert len(line.national.sent) == 1


async def test_a_frame_whose_key_does_not_come_holds_its_link_up_for_two_seconds_only(
    line: Line, coalition: dict[str, Keyring]
) -> None:
    _, envelope = posted(sealed_by(coalition["bravo"], "bravo/ops", [a_track(0, **FROM_BRAVO)], "alpha/cell"))
    await line.carry([envelope], by="coalition")
    await tended(line, seconds=2.0)
    assert envelope.answer is None

    await tended(line, seconds=2.1)

    assert envelope.answer == "ack"


async def test_a_missing_key_is_asked_for_and_the_partner_answers(line: Line, coalition: dict[str, Keyring]) -> None:
    bravo = coalition["bravo"]
    told = a_track(0, "B-1", **FROM_BRAVO)
    _, envelope = posted(sealed_by(bravo, "bravo/ops", [told], "alpha/cell"))
    await line.carry([envelope], by="coalition")
    await tended(line, seconds=2.5)
    (request,) = [parcel for parcel in line.coalition.sent if parcel.topic == "comity/1/bravo/alpha/c"]
    answer = bravo.answer(request.data, NOW)
    assert answer is not None

    await line.carry([FakeFrame(key_topic("alpha", "bravo", answer.eid), answer.data)], by="coalition")

    assert len(line.national.sent) == 1


async def test_a_partner_that_asks_for_a_key_gets_it(line: Line, coalition: dict[str, Keyring]) -> None:
    await line.carry([say(a_position(0))])
    (data,) = [parcel for parcel in line.coalition.sent if parcel.topic.startswith("comity/1/bravo/alpha/d/")]
    bravo = coalition["bravo"]
    assert bravo.unseal(data.data, NOW, "alpha") is None
    (request,) = bravo.upkeep(NOW + timedelta(seconds=3)).requests
    await line.carry([FakeFrame("comity/1/alpha/bravo/c", request.data)], by="coalition")
    (key,) = line.coalition.sent

    assert key.retain
    assert len(bravo.accept(key.data, NOW)) == 1


async def tended(line: Line, seconds: float) -> None:
    """Let the upkeep run once, so many seconds after the tests' time."""
    rules = line.relay._rules
    line.relay._rules = rules._replace(clock=lambda: NOW + timedelta(seconds=seconds))
    async with line.sending(FakeLink(), FakeLink()):
        upkeep = asyncio.create_task(line.relay.tend())
        await asyncio.sleep(0.05)
        upkeep.cancel()
    line.relay._rules = rules


async def test_the_last_checkpoints_are_posted_when_a_gateway_stops(line: Line, coalition: dict[str, Keyring]) -> None:
    await line.carry([say(a_position(0))])
    key, data = (parcel for parcel in line.coalition.sent if parcel.topic.startswith("comity/1/bravo/alpha/"))
    bravo = coalition["bravo"]
    bravo.accept(key.data, NOW)
    opened = bravo.unseal(data.data, NOW, "alpha")
    line.coalition = FakeLink()
    line.links["coalition"] = line.coalition
    await line.relay.finish()
    (head,) = [parcel for parcel in line.coalition.sent if parcel.topic == data.topic]

    last = bravo.unseal(head.data, NOW, "alpha")

    assert opened is not None
    assert last is not None
    assert last.messages == []
    assert last.checkpoint is not None
    assert (last.eid, last.seq) == (opened.eid, opened.seq + 1)
