"""Copies become parcels: in the unit's format here, sealed for a whole audience abroad."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway import dispatch
from gateway.dispatch import BUNDLE_MAX, Copy
from gateway.keyring.ring import Keyring
from gateway.routing import Way
from protocols.body import Chat, Delete, Track
from protocols.message import MESSAGE_MAX, Loss, LossReason, Message, Original, from_json, unpack
from protocols.record import Event, Refused, Withheld
from protocols.topics import parse_mailbox
from tests.fakes import NOW
from tests.gateway.line import Line
from tests.gateway.reports import HERE, a_chat, a_local_way, a_message, a_track, a_way, an_agreement

BRAVO, CHARLIE = a_way(to="bravo/ops"), a_way(to="charlie/map")


def home(deliver: str | None = "tak/to-cell") -> Way:
    way = a_local_way(to="alpha/cell", deliver=deliver)
    assert way.local is not None
    return Way(replace(way.local, adapter="plain"), an_agreement())


def test_a_unit_of_ours_is_written_to_in_its_own_format(line: Line) -> None:
    message = a_track(0)

    ((parcel,), unsent) = line.dispatch.pack([Copy(message, home())], NOW)

    assert unsent == []
    assert (parcel.to, parcel.parcel.topic, parcel.event, parcel.form) == (
        "alpha/cell",
        "tak/to-cell",
        Event.DELIVERED,
        "plain",
    )
    assert from_json(parcel.parcel.data) == message
    assert parcel.parcel.media_type == "application/json"
    assert not parcel.parcel.retain


@pytest.mark.parametrize(
    ("text", "reason"), [("unsayable", Withheld.FORMAT_CANNOT_SAY), ("crash", Refused.ADAPTER_CRASHED)]
)
def test_what_a_format_cannot_say_is_withheld_and_the_rest_goes(line: Line, text: str, reason: str) -> None:
    bad = Copy(a_message(Chat(text=text)), home())

    ready, unsent = line.dispatch.pack([bad, Copy(a_track(0), home())], NOW)

    assert unsent == [(bad, reason)]
    assert len(ready) == 1


def test_a_unit_without_a_mailbox_gets_nothing(line: Line) -> None:
    copy = Copy(a_track(0), home(deliver=None))

    assert line.dispatch.pack([copy], NOW) == ([], [(copy, Withheld.NO_ROUTE)])


def test_a_message_for_two_partners_is_sealed_once(line: Line, coalition: dict[str, Keyring]) -> None:
    message = a_track(0)
    copies = [Copy(message, BRAVO), Copy(message, CHARLIE)]

    ready, unsent = line.dispatch.pack(copies, NOW)

    assert unsent == []
    keys, envelopes = ready[:2], ready[2:]
    assert [parse_mailbox(each.parcel.topic)[:3] for each in ready] == [  # type: ignore[index]
        ("bravo", "alpha", "k"),
        ("charlie", "alpha", "k"),
        ("bravo", "alpha", "d"),
        ("charlie", "alpha", "d"),
    ]
    assert all(each.parcel.retain and not each.copies for each in keys)
    assert all(0 < (each.parcel.expires_s or 0) <= 86_400 for each in keys)
    assert envelopes[0].parcel.data == envelopes[1].parcel.data
    assert [each.copies for each in envelopes] == [(copies[0],), (copies[1],)]
    assert {each.form for each in envelopes} == {"cse1"}
    for (partner, keyring), key in zip(((name, coalition[name]) for name in ("bravo", "charlie")), keys, strict=True):
        keyring.accept(key.parcel.data, NOW)
        opened = keyring.unseal(envelopes[0].parcel.data, NOW)
        assert opened is not None, partner
        assert opened.sender == "alpha/patrols"
        assert opened.audience == ("bravo/ops", "charlie/map")
        assert [unpack(each) for each in opened.messages] == [message]


def test_the_key_is_announced_once_and_before_anything_sealed_with_it(line: Line) -> None:
    first, _ = line.dispatch.pack([Copy(a_chat(1), BRAVO)], NOW)
    second, _ = line.dispatch.pack([Copy(a_chat(2), BRAVO)], NOW + timedelta(seconds=1))

    assert ["/k/" in each.parcel.topic for each in first + second] == [True, False, False]


def test_messages_of_one_audience_share_an_envelope_up_to_the_bound(line: Line) -> None:
    copies = [Copy(a_chat(number), BRAVO) for number in range(BUNDLE_MAX + 1)]

    ready, _ = line.dispatch.pack(copies, NOW)

    assert [each.copies for each in ready[1:]] == [tuple(copies[:BUNDLE_MAX]), tuple(copies[BUNDLE_MAX:])]


def test_an_envelope_is_bounded_in_bytes(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "BUNDLE_BYTES", 1_000)
    copies = [Copy(a_message(Chat(text="x" * 600), id=f"{number:032x}"), BRAVO) for number in range(3)]

    ready, _ = line.dispatch.pack(copies, NOW)

    assert [each.copies for each in ready[1:]] == [(copy,) for copy in copies]


def test_full_envelopes_are_frames_that_a_gateway_takes(line: Line) -> None:
    copies = [Copy(a_message(Chat(text="x" * 65_000), id=f"{number:032x}"), BRAVO) for number in range(40)]

    ready, unsent = line.dispatch.pack(copies, NOW)

    assert unsent == []
    assert max(len(each.parcel.data) for each in ready) < 1_048_576
    assert sum(len(each.copies) for each in ready) == 40


def test_a_message_that_is_too_large_does_not_take_others_with_it(line: Line) -> None:
    huge = Copy(a_message(Track(position=HERE, remarks="x" * MESSAGE_MAX)), BRAVO)
    small = Copy(a_track(0), BRAVO)

    ready, unsent = line.dispatch.pack([huge, small], NOW)

    assert unsent == [(huge, Refused.TOO_LARGE)]
    assert [each.copies for each in ready[1:]] == [(small,)]


def test_what_cannot_be_sealed_is_told_with_a_bounded_reason(line: Line) -> None:
    stranger = Copy(a_track(0), a_way(to="bravo/nobody"))
    forged = Copy(a_message(Delete(target="S-1"), origin="bravo/ops"), CHARLIE)

    ready, unsent = line.dispatch.pack([stranger, forged, Copy(a_track(1), BRAVO)], NOW)

    assert [copy for copy, _ in unsent] == [stranger, forged]
    assert all(reason.replace("-", "").isalpha() for _, reason in unsent)
    assert len([each for each in ready if each.copies]) == 1


def test_two_forms_of_one_report_are_never_put_together(line: Line, coalition: dict[str, Keyring]) -> None:
    exact = a_track(0)
    coarse = replace(exact, subject="pseudonym")
    ready, _ = line.dispatch.pack([Copy(exact, BRAVO), Copy(coarse, CHARLIE)], NOW)

    held: dict[str, list[Message]] = {}
    for each in ready:
        mailbox = parse_mailbox(each.parcel.topic)
        assert mailbox is not None
        if not each.copies:
            coalition[mailbox.to].accept(each.parcel.data, NOW)
            continue
        opened = coalition[mailbox.to].unseal(each.parcel.data, NOW)
        assert opened is not None
        held[mailbox.to] = [unpack(data) for data in opened.messages]

    assert held == {"bravo": [exact], "charlie": [coarse]}


def test_nothing_to_send_is_nothing_sent(line: Line) -> None:
    assert line.dispatch.pack([], NOW) == ([], [])


@given(st.lists(st.sets(st.sampled_from(["bravo/ops", "charlie/map"]), min_size=1), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_no_unit_hears_a_sender_out_of_order(line: Line, audiences: list[set[str]]) -> None:
    copies = [
        Copy(a_chat(number), a_way(to=unit)) for number, audience in enumerate(audiences) for unit in sorted(audience)
    ]

    ready, unsent = line.dispatch.pack(copies, NOW)

    assert unsent == []
    for unit in ("bravo/ops", "charlie/map"):
        told = [c.message.subject for each in ready for c in each.copies if c.way.destination.id == unit]
        assert told == [a_chat(number).subject for number, audience in enumerate(audiences) if unit in audience]


def test_what_one_audience_hears_is_together_though_another_hears_between(line: Line) -> None:
    copies = [Copy(a_chat(number), (BRAVO, CHARLIE)[number % 2]) for number in range(6)]

    ready, _ = line.dispatch.pack(copies, NOW)

    assert [len(each.copies) for each in ready if each.copies] == [3, 3]


@pytest.mark.parametrize(
    ("dear", "lost", "goes"),
    [
        ((), ("label",), True),
        (("label",), ("label",), False),
        (("label",), ("position.altitude_m",), True),
        (("position",), ("position.altitude_m",), False),
        (("position.altitude_m",), ("position",), False),
        (("label",), ("labels",), True),
    ],
)
def test_a_route_may_let_nothing_go_without_what_is_dear_to_it(
    line: Line, dear: tuple[str, ...], lost: tuple[str, ...], *, goes: bool
) -> None:
    losses = tuple(Loss(field=field, reason=LossReason.NO_FIELD) for field in lost)
    copy = Copy(replace(a_track(0), loss=losses), home()._replace(never_lose=dear))

    ready, unsent = line.dispatch.pack([copy], NOW)

    assert (len(ready), [each.reason for each in unsent]) == ((1, []) if goes else (0, [Withheld.WOULD_LOSE]))


def test_what_an_agreement_takes_away_is_not_dear(line: Line) -> None:
    taken = Loss(field="label", reason=LossReason.POLICY)
    copy = Copy(replace(a_track(0), loss=(taken,)), home()._replace(never_lose=("label",)))

    assert len(line.dispatch.pack([copy], NOW)[0]) == 1


def test_a_report_goes_home_as_the_bytes_that_it_was(line: Line) -> None:
    original = Original(format="plain", data=b'{ "as": "it was" }')
    (home_parcel,), _ = line.dispatch.pack([Copy(replace(a_track(0), original=original), home())], NOW)
    (other_parcel,), _ = line.dispatch.pack(
        [Copy(replace(a_track(0), original=replace(original, format="cot")), home())], NOW
    )

    assert home_parcel.parcel.data == original.data
    assert from_json(other_parcel.parcel.data).subject == "S-1"


def test_no_original_leaves_for_a_partner(line: Line) -> None:
    original = Original(format="plain", data=b"HAWK-1 Kowalski")
    copy = Copy(replace(a_track(0), original=original), a_way())

    (_, parcel), unsent = line.dispatch.pack([copy], NOW)

    assert unsent == []
    (message,) = [unpack(data) for data in line.keyring._outgoing.recall(parcel.parcel.data)[1]]
    assert message.original is None
