"""What a unit calls a message in its own format's receipt is what it was given, in whatever form that was."""

from __future__ import annotations

import re
from datetime import timedelta

from adapters import load
from gateway.escalation.waiting import Book, Waiting, names_of
from protocols.agreement import Transformation
from protocols.body import Alert, Receipt
from protocols.message import Message
from tests.fakes import NOW
from tests.gateway.reports import a_chat, a_message

ACK = (
    '<?xml version="1.0" encoding="UTF-8"?><alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>ack-1'
    "</identifier><sender>desk@charlie</sender><sent>2026-03-14T21:10:00+00:00</sent><status>Actual</status>"
    "<msgType>Ack</msgType><scope>Public</scope><references>{}</references></alert>"
)
READ = (
    '<event version="2.0" uid="r-1" type="b-t-f-r" how="h-g-i-g-o" time="2026-03-14T21:10:00Z" '
    'start="2026-03-14T21:10:00Z" stale="2026-03-14T22:10:00Z"><point lat="0" lon="0" hae="9999999" ce="9999999" '
    'le="9999999"/><detail><link uid="{}" relation="p-p" type="b-t-f"/></detail></event>'
)


def given(form: str, message: Message) -> tuple[bytes, tuple[str, ...]]:
    """What a unit with this format is given, and what it may call that."""
    data = load(form).encode(message).data
    return data, names_of((message.subject, *(each.subject for each in load(form).decode(data))), str.upper)


def called(form: str, receipt: bytes) -> str:
    """Which message a receipt names."""
    (read,) = load(form).decode(receipt)
    assert isinstance(read.body, Receipt)
    return read.body.of


def test_a_cap_acknowledgement_names_the_alert_that_was_given() -> None:
    data, names = given("cap", a_message(Alert(event="Flood", headline="Flood at the mill"), subject="cot-uid-7"))
    sender, identifier, sent = (
        re.search(f"<{name}>(.*?)</{name}>", data.decode()) for name in ("sender", "identifier", "sent")
    )
    assert sender is not None
    assert identifier is not None
    assert sent is not None

    assert called("cap", ACK.format(f"{sender[1]},{identifier[1]},{sent[1]}").encode()) in names


def test_a_sedap_acknowledgement_names_a_line_by_type_and_number_only() -> None:
    (text,) = load("sedap").decode(b"TEXT;D6;019DF244FB1A;324E;U;;;ORKA#LASSY;4;NONE;Road is clear\n")
    _, names = given("sedap", text)

    assert called("sedap", b"ACKNOWLEDGE;18;019DF244FB1A;129E;R;;;324E;TEXT;D6\n") in names
    assert called("sedap", b"ACKNOWLEDGE;18;019DF244FB1A;129E;R;;;324E;TEXT;D7\n") not in names


def test_a_cot_receipt_names_a_text_also_of_another_format() -> None:
    for subject in ("GeoChat.HAWK-1.Ops.17", "sedap:324E:TEXT-D6-019DF244FB1A"):
        message = a_message(a_chat(1).body, subject=subject)
        data, names = given("cot", message)
        uid = re.search('uid="(.*?)"', data.decode())
        assert uid is not None

        assert called("cot", READ.format(uid[1]).encode()) in names


def test_names_hold_in_the_form_without_identities_too() -> None:
    assert names_of(("a", "a", "s-0123456789AB"), lambda name: f"~{name}") == (
        "a",
        "s-0123456789AB",
        "s",
        "~a",
        "~s-0123456789AB",
        "~s",
    )


def test_of_several_with_one_name_the_newest_is_meant() -> None:
    book = Book()
    old, new = (waits(number, "shared") for number in (1, 2))
    book.open(old)
    book.open(new)

    assert book.called("alpha/cell", "shared") == new
    assert book.close(new.key) == new
    assert book.called("alpha/cell", "shared") == old
    assert book.close(old.key) == old
    assert book.called("alpha/cell", "shared") is None
    assert book.close(old.key) is None
    assert book._named == {}


def waits(number: int, *names: str) -> Waiting:
    return Waiting(
        message=a_chat(number),
        agreement="alpha-bravo",
        transformation=Transformation(),
        asked=("alpha/cell",),
        names=names,
        within_s=60,
        since=NOW,
        due=NOW + timedelta(seconds=60),
    )
