"""One Record for each outcome, to the audit first; none of them says what a message said."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from gateway.stream import HandedOver, Outcome, Stream
from protocols.body import Chat, Identity
from protocols.message import Loss, LossReason, Times
from protocols.record import Event, Refused, Withheld
from tests.fakes import NOW, FakeAudit, clock
from tests.gateway.reports import OPEN, a_message, a_track, a_way

CANARY = "HAWK-1 Kowalski"


@pytest.fixture
def audit() -> FakeAudit:
    return FakeAudit()


@pytest.fixture
def stream(audit: FakeAudit) -> Stream:
    return Stream("alpha", audit, clock)


def test_what_was_delivered_is_recorded_whole(stream: Stream, audit: FakeAudit) -> None:
    received = NOW - timedelta(milliseconds=900)
    message = a_message(
        times=Times(observed=NOW, received=received),
        loss=(Loss(field="body.remarks", reason=LossReason.POLICY),),
    )
    loss = (Loss(field="body.battery_percent", reason=LossReason.NO_FIELD),)
    arrived = NOW - timedelta(milliseconds=12)

    stream.handed(Event.DELIVERED, message, a_way(), HandedOver("nffi", b"<x/>", loss, arrived))

    ((record, about, data),) = audit.outcomes
    assert (about, data) == (message, b"<x/>")
    assert msgspec.to_builtins(record) == {
        "at": "2026-03-14T21:07:30.125000Z",
        "gateway": "alpha",
        "event": "delivered",
        "message": "0" * 32,
        "subject_kind": "track",
        "source": "alpha/patrols",
        "destination": "bravo/ops",
        "format_in": "cot",
        "format_out": "nffi",
        "agreement": "alpha-bravo",
        "label": {"policy": "MISSION", "classification": "UNCLASSIFIED"},
        "mode": "unstated",
        "losses": ("body.remarks:policy", "body.battery_percent:no-field"),
        "bytes_out": 4,
        "latency_ms": 12.0,
        "age_ms": 900.0,
    }


def test_what_was_sealed_is_shown_to_nobody(stream: Stream, audit: FakeAudit) -> None:
    stream.handed(Event.FORWARDED, a_message(), a_way(), HandedOver("cse1", b"sealed", (), NOW))

    assert audit.outcomes[0].data is None


def test_what_ends_here_says_for_whom_and_why(stream: Stream, audit: FakeAudit) -> None:
    stream.kept(Event.WITHHELD, Withheld.UNLABELLED, a_message(label=None), a_way())
    stream.kept(Event.REFUSED, Refused.DUPLICATE, a_message())

    first, second = (outcome.record for outcome in audit.outcomes)
    assert (first.reason, first.destination, first.agreement) == ("unlabelled", "bravo/ops", "alpha-bravo")
    assert (second.reason, second.destination, second.agreement) == ("duplicate", None, None)
    assert (first.label, second.label) == (None, OPEN)


def test_a_frame_that_is_no_message_is_recorded_too(stream: Stream, audit: FakeAudit) -> None:
    stream.frame("malformed", "alpha/patrols", "cot")
    stream.frame("unknown-source", None, None)

    assert audit.said() == [("refused", "malformed", None), ("refused", "unknown-source", None)]
    assert audit.outcomes[0].message is None


def test_the_gateway_itself_starts_and_stops(stream: Stream, audit: FakeAudit) -> None:
    stream.gateway(Event.STARTED)
    stream.gateway(Event.STOPPED)

    assert audit.said() == [("started", None, None), ("stopped", None, None)]


def test_the_audit_hears_first_and_the_others_hear_the_same(stream: Stream, audit: FakeAudit) -> None:
    heard: list[tuple[int, Outcome]] = []
    stream.frame("malformed", None, None)
    stream.add(lambda outcome: heard.append((len(audit.outcomes), outcome)))
    stream.frame("unsafe", None, None)

    assert heard == [(2, audit.outcomes[1])]


def test_what_cannot_be_accounted_for_is_told_to_nobody() -> None:
    heard: list[Outcome] = []

    stream = Stream("alpha", FakeAudit(full=True), clock)
    stream.add(heard.append)

    with pytest.raises(OSError, match="disk full"):
        stream.frame("malformed", None, None)
    assert heard == []


def test_commit_reaches_the_audit(stream: Stream, audit: FakeAudit) -> None:
    stream.frame("malformed", None, None)
    assert audit.written == 0

    stream.commit()

    assert audit.written == 1


def test_no_record_says_what_a_message_said(stream: Stream, audit: FakeAudit) -> None:
    message = a_message(
        Chat(text=CANARY, room=CANARY, to=(CANARY,), sender=Identity(callsign=CANARY)),
        subject=CANARY,
        addressees=(CANARY,),
        exercise=CANARY,
    )
    stream.kept(Event.WITHHELD, Withheld.NO_ROUTE, message)
    stream.kept(Event.REFUSED, Refused.DUPLICATE, message, a_way())
    stream.handed(Event.DELIVERED, message, a_way(), HandedOver("cot", CANARY.encode(), (), NOW))

    for outcome in audit.outcomes:
        assert b"HAWK" not in msgspec.json.encode(outcome.record)
        assert b"Kowalski" not in msgspec.json.encode(outcome.record)


def test_an_age_that_nobody_knows_is_not_nought(stream: Stream, audit: FakeAudit) -> None:
    stream.handed(Event.DELIVERED, a_track(0), a_way(), HandedOver("cot", b"", (), NOW))

    assert audit.outcomes[0].record.age_ms is None
