"""CAP 1.2 and 1.1 read: order, units, times, cancellation and names, with values worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters import DecodeError, EncodeError, Fault, cap
from protocols.body import (
    Alert,
    Area,
    Certainty,
    Identity,
    Receipt,
    ReceiptState,
    Severity,
    Urgency,
)
from protocols.message import Loss, LossReason, Mode, Reference, Source, Times, message_id
from protocols.quantity import AltitudeDatum, Position
from tests.adapters.cap_documents import AREA, AT, INFO, again, document, read, texts


def test_every_field_in_its_order_and_unit() -> None:
    message = read(document())

    assert message.body == Alert(
        event="Flood",
        categories=("Met", "Safety"),
        severity=Severity.SEVERE,
        urgency=Urgency.IMMEDIATE,
        certainty=Certainty.LIKELY,
        headline="Flood",
        description="Rising.",
        instruction="Go up.",
        language="en-GB",
        area=Area(
            description="Valley",
            polygons=(((34.5, 69.1), (34.6, 69.1), (34.6, 69.2), (34.5, 69.1)),),
            circles=((34.55, 69.15, 2500.0),),
            geocodes=(("UGC", "NVC013"),),
        ),
        raised_by=Identity(callsign="Civil Protection", phone="+1 555"),
    )
    assert message.subject == "cap:cp@example.org,A-1"
    assert message.times == Times(
        observed=AT,
        created=AT,
        valid_from=datetime(2026, 3, 15, 15, 0, tzinfo=UTC),
        valid_until=datetime(2026, 3, 15, 18, 0, tzinfo=UTC),
        whole_seconds=True,
    )
    assert message.mode is Mode.OPERATION
    assert message.source == Source(format="cap", version="1.2", system="cp@example.org", label_hint="scope=Public")
    assert (message.label, message.origin, message.original, message.loss) == (None, None, None, ())
    assert message.id == message_id("alert", "cap:cp@example.org,A-1", AT)


def test_goes_home_as_it_came() -> None:
    message = read(document())

    encoded = cap.encode(message)

    assert encoded.loss == ()
    assert encoded.derived == ()
    assert again(message) == message


def test_version_1_1_is_read_and_written_as_1_2() -> None:
    message = read(document(version="1.1"))

    assert message.source.version == "1.1"
    assert again(message).body == message.body
    assert again(message).source.version == "1.2"


@pytest.mark.parametrize(
    ("status", "mode"), [("Actual", Mode.OPERATION), ("Exercise", Mode.EXERCISE), ("Test", Mode.TEST)]
)
def test_status_is_the_mode_both_ways(status: str, mode: Mode) -> None:
    message = read(document(status=status))

    assert message.mode is mode
    assert texts(message, "status") == [status]


@pytest.mark.parametrize("sent", ["2026-03-15T14:22:10Z", "2026-03-15T14:22:10-00:00", "2026-03-15T07:22:10-07:00"])
def test_sent_is_read_in_any_zone_and_written_without_z(sent: str) -> None:
    message = read(document(sent=sent))

    assert message.times.created == AT
    assert texts(message, "sent") == ["2026-03-15T14:22:10-00:00"]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", Fault.MALFORMED),
        (b"<alert/>", Fault.UNSUPPORTED),
        (document(version="1.0"), Fault.UNSUPPORTED),
        (document(version="1.2")[:-9], Fault.MALFORMED),
        (b'<!DOCTYPE a [<!ENTITY x "y">]>' + document(), Fault.UNSAFE),
        (b"<a>" * 100 + b"</a>" * 100, Fault.UNSAFE),
        (document(scope=""), Fault.MISSING),
        (document(scope="<scope>Everybody</scope>"), Fault.UNSUPPORTED),
        (document(status="Draft"), Fault.UNSUPPORTED),
        (document(status="System"), Fault.UNSUPPORTED),
        (document(kind="Rumour"), Fault.UNSUPPORTED),
        (document(sent="yesterday"), Fault.MALFORMED),
        (document(sent="2026-03-15T14:22:10"), Fault.MALFORMED),  # no zone
        (document(sent=""), Fault.MISSING),
        (document(identifier=""), Fault.MISSING),
        (document(identifier="A,1"), Fault.MALFORMED),
        (document(sender="a b"), Fault.MALFORMED),
        (document(more="<scope>Restricted</scope>"), Fault.MALFORMED),
        (document(kind="Cancel"), Fault.MISSING),
        (document(kind="Ack"), Fault.MISSING),
        (document(info="<info><event> </event></info>"), Fault.MISSING),
        (document(more=f"<restriction>{'x' * 2000}</restriction>"), Fault.TOO_LARGE),
        (document(info=INFO * 51), Fault.TOO_LARGE),
        (document(identifier="x" * 600), Fault.OUT_OF_RANGE),
        (document(info=INFO.replace("Rising.", "x" * 1_100_000)), Fault.TOO_LARGE),
        (document().decode().encode("utf-16"), Fault.MALFORMED),
    ],
)
def test_refuses_what_cannot_be(data: bytes, fault: Fault) -> None:
    with pytest.raises(DecodeError) as refusal:
        cap.decode(data)

    assert refusal.value.fault is fault


@pytest.mark.parametrize(
    ("area", "field"),
    [
        ("<polygon>34.5,69.1 34.6,69.1 34.6,69.2 34.5,69.3</polygon>", "area.polygons"),  # not closed
        ("<polygon>34.5,69.1 34.6,69.1 34.5,69.1</polygon>", "area.polygons"),
        ("<polygon>34.5,69.1 34.6,69.1, 34.6,69.2 34.5,69.1</polygon>", "area.polygons"),
        ("<polygon>34.5,69.1 34.6,69.1 34.6,69.2, 34.7,69.3 34.5,69.1</polygon>", "area.polygons"),
        ("<polygon>34.5,190 34.6,69.1 34.6,69.2 34.5,190</polygon>", "area.polygons"),
        ("<polygon></polygon>", "area.polygons"),
        ("<circle>34.5,69.1</circle>", "area.circles"),
        ("<circle>34.5,69.1 -2</circle>", "area.circles"),
        ("<circle>NaN,69.1 2</circle>", "area.circles"),
        ("<circle>34.5,69.1 1e400</circle>", "area.circles"),
        ("<circle>34.5,69.1 0</circle><altitude>high</altitude>", "area.altitude"),
        ("<geocode><valueName>a</valueName></geocode>", "area.geocodes"),
    ],
)
def test_a_malformed_shape_is_set_aside_and_the_warning_still_read(area: str, field: str) -> None:
    message = read(document(INFO.replace(AREA, f"<area><areaDesc>Valley</areaDesc>{area}</area>")))

    assert Loss(field=field, reason=LossReason.UNREADABLE) in message.loss
    assert isinstance(message.body, Alert)
    assert message.body.area == Area(description="Valley")


def test_a_circle_without_radius_is_a_point_and_its_altitude_is_in_feet() -> None:
    point = (
        "<area><areaDesc>not described</areaDesc><circle>34.5,69.1 0.0</circle><altitude>5905.511811</altitude></area>"
    )

    message = read(document(INFO.replace(AREA, point)))

    assert isinstance(message.body, Alert)
    assert message.body.position == Position(
        latitude=34.5, longitude=69.1, altitude_m=1800.0, altitude_datum=AltitudeDatum.MSL
    )
    assert message.body.area is None
    assert texts(message, "circle") == ["34.5,69.1 0"]
    assert texts(message, "altitude") == ["5905.511811"]
    assert again(message) == message


def test_cancel_ends_the_alert_that_it_references() -> None:
    message = read(
        document(
            kind="Cancel",
            identifier="C-9",
            more="<references>cp@example.org,A-1,2026-03-15T15:22:10+01:00</references>",
            sent="2026-03-15T15:30:00+01:00",
        )
    )

    assert isinstance(message.body, Alert)
    assert message.body.cancelled
    assert message.subject == "cap:cp@example.org,A-1"
    later = AT + timedelta(minutes=7, seconds=50)
    assert message.id == message_id("alert", "cap:cp@example.org,A-1", later, "cancelled")
    assert again(message) == message
    assert texts(message, "identifier") == ["C-9"]
    assert texts(message, "references") == ["cp@example.org,A-1,2026-03-15T14:22:10-00:00"]


def test_cancel_without_info_and_of_several_alerts() -> None:
    two = "<references>cp@example.org,A-1,2026-03-15T15:22:10Z\n cp@example.org,A-2,2026-03-15T15:22:10Z</references>"

    first, second = cap.decode(document("", kind="Cancel", more=two))

    assert (first.subject, second.subject) == ("cap:cp@example.org,A-1", "cap:cp@example.org,A-2")
    assert first.body == Alert(event="Cancel", cancelled=True)
    ended = cap.decode(document(INFO * 2, kind="Cancel", more="<references>x,A-1,2026-03-15T15:22:10Z</references>"))
    assert [each.subject for each in ended] == ["cap:x,A-1", "cap:x,A-1,2"]
    assert again(ended[0]) == ended[0]
    assert (again(ended[1]).subject, again(ended[1]).id) == (ended[1].subject, ended[1].id)
    assert first.derived[0].field == "event"


def test_update_keeps_what_it_updates() -> None:
    message = read(document(kind="Update", more="<references>x,A-0,2026-03-15T13:00:00+01:00</references>"))

    assert message.subject == "cap:cp@example.org,A-1"
    assert message.references == (Reference(relation="update@2026-03-15T12:00:00+00:00", subject="cap:x,A-0"),)
    assert texts(message, "msgType") == ["Update"]
    assert texts(message, "references") == ["x,A-0,2026-03-15T12:00:00-00:00"]
    assert again(message) == message


@pytest.mark.parametrize(("kind", "state"), [("Ack", ReceiptState.ACCEPTED), ("Error", ReceiptState.REFUSED)])
def test_acknowledgements_are_receipts(kind: str, state: ReceiptState) -> None:
    more = "<note>why</note><references>x,A-0,2026-03-15T13:00:00+01:00</references>"

    message = read(document("", kind=kind, more=more))

    assert message.body == Receipt(of="cap:x,A-0", state=state, reason="why")
    with pytest.raises(EncodeError):
        cap.encode(message)


def test_each_info_block_is_a_message_with_a_subject_of_its_own() -> None:
    first, second = cap.decode(document(INFO + INFO.replace("Flood", "Inondation").replace("en-GB", "fr-FR")))

    assert (first.subject, second.subject) == ("cap:cp@example.org,A-1", "cap:cp@example.org,A-1,2")
    assert second.id == message_id("alert", second.subject, AT)
    assert (again(second).subject, again(second).id) == (second.subject, second.id)
    assert isinstance(second.body, Alert)
    assert (second.body.event, second.body.language) == ("Inondation", "fr-FR")


def test_several_areas_become_one() -> None:
    message = read(document(INFO.replace(AREA, AREA + AREA.replace("Valley", "Hill"))))

    assert isinstance(message.body, Alert)
    assert message.body.area is not None
    assert message.body.area.description == "Valley; Hill"
    assert len(message.body.area.polygons) == 2
    assert Loss(field="area", reason=LossReason.STRUCTURE, approximated=True) in message.loss


def test_effective_stands_in_for_onset_and_goes_home_as_effective() -> None:
    message = read(document(INFO.replace("onset>", "effective>")))

    assert message.times.valid_from == datetime(2026, 3, 15, 15, 0, tzinfo=UTC)
    assert texts(message, "effective") == ["2026-03-15T15:00:00-00:00"]
    assert texts(message, "onset") == []


def test_code_words_that_are_none_are_not_said() -> None:
    info = INFO.replace("Immediate", "").replace("Severe", "Terrible").replace("Likely", "Very Likely")

    message = read(document(info.replace(">Met<", ">Weather<")))

    assert isinstance(message.body, Alert)
    assert (message.body.urgency, message.body.severity) == (None, None)
    assert message.body.certainty is Certainty.LIKELY
    assert message.body.categories == ("Safety",)
    assert {loss.field for loss in message.loss} == {"urgency", "severity", "certainty", "categories"}


KEPT = (
    "<responseType>Evacuate</responseType><responseType>Shelter</responseType>",
    "<audience>Everyone</audience><eventCode><valueName>SAME</valueName><value>FFA</value></eventCode>",
    "<web>https://x.example/a?b&amp;c</web>",
    "<parameter><valueName>a</valueName><value></value></parameter>",
    "<parameter><valueName>b</valueName><value>&lt;1&gt;</value></parameter>",
    "<resource><resourceDesc>map</resourceDesc><mimeType>text/html</mimeType><size>12</size><uri>https://x</uri></resource>",
)


def test_what_no_field_holds_is_kept_for_the_way_home() -> None:
    info = (
        INFO.replace("</event>", f"</event>{KEPT[0]}")
        .replace("</certainty>", f"</certainty>{KEPT[1]}")
        .replace("<contact>", f"{KEPT[2]}<contact>")
        .replace("</contact>", "</contact>" + "".join(KEPT[3:]))
    )
    message = read(document(info, more="<code>c1</code><code>c2</code><note>n</note><incidents>i</incidents>"))

    assert message.loss == ()
    assert [extra.name for extra in message.extras].count("parameter") == 2
    assert cap.encode(message).loss == ()
    assert again(message) == message
    for each in KEPT:
        assert each in cap.encode(message).data.decode()
    assert texts(message, "code") == ["c1", "c2"]


def test_what_is_neither_read_nor_kept_is_declared_once() -> None:
    pair = "<parameter><valueName>a</valueName></parameter>"
    info = INFO.replace("<area>", f"{pair}<area>", 1).replace("<info>", "<info><x>1</x><y>2</y>")
    many = "".join(f"<code>{'c' * 500}{number}</code>" for number in range(40))

    message = read(document(info, more=many))

    assert {(loss.field, loss.reason.value) for loss in message.loss} == {
        ("element", "no-field"),
        ("parameter", "unreadable"),
        ("code", "too-long"),
    }
    assert len(message.loss) == 3


def test_scope_and_restriction_are_a_hint_and_never_a_label() -> None:
    restricted = "<scope>Restricted</scope><restriction>staff only</restriction>"

    message = read(document(scope=restricted, more='<addresses>ops@x "Head Office"</addresses>'))

    assert message.label is None
    assert message.source.label_hint == "scope=Restricted;restriction=staff only"
    assert message.addressees == ("ops@x", "Head Office")
    assert texts(message, "restriction") == ["staff only"]
    assert texts(message, "addresses") == ['ops@x "Head Office"']
    assert again(message) == message


def flood(kind: str, references: int, infos: str, addresses: str = "") -> bytes:
    named = " ".join(f"a@b,I{number},2026-05-04T09:10:11-00:00" for number in range(references))
    return (
        '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>I</identifier><sender>a@b</sender>'
        "<sent>2026-05-04T09:10:11-00:00</sent><status>Actual</status>"
        f"<msgType>{kind}</msgType><scope>Public</scope>{addresses}<references>{named}</references>{infos}</alert>"
    ).encode()


def block(area: str = "") -> str:
    return (
        "<info><category>Met</category><event>Storm</event><urgency>Past</urgency><severity>Minor</severity>"
        f"<certainty>Likely</certainty>{area}</info>"
    )


def test_a_cancel_of_many_alerts_in_many_blocks_is_refused_not_multiplied() -> None:
    assert len(cap.decode(flood("Cancel", 200, block() * 2))) == 400
    with pytest.raises(DecodeError) as refused:
        cap.decode(flood("Cancel", 200, block() * 50))

    assert refused.value.fault is Fault.TOO_LARGE


def test_an_area_of_corners_without_end_is_set_aside_with_a_loss() -> None:
    ring = "<polygon>" + "1,2 " * 150_000 + "1,2</polygon><polygon>1,2 1,3 2,3 1,2</polygon>"
    (message,) = cap.decode(flood("Alert", 0, block(f"<area><areaDesc>A</areaDesc>{ring}</area>")))
    assert isinstance(message.body, Alert)

    assert ("area.polygons", LossReason.TOO_LONG) in [(loss.field, loss.reason) for loss in message.loss]


def test_addresses_without_end_are_refused() -> None:
    with pytest.raises(DecodeError) as refused:
        cap.decode(flood("Alert", 0, block(), f"<addresses>{'a ' * 50_000}</addresses>"))

    assert refused.value.fault is Fault.TOO_LARGE


def test_a_block_after_the_first_goes_out_under_its_own_sender_and_comes_back_as_itself() -> None:
    second = cap.decode(document(INFO + INFO.replace("<event>", "<event>Second ")))[1]
    encoded = cap.encode(second)

    assert texts(second, "sender") == texts(read(document()), "sender")
    assert texts(second, "identifier") == ["A-1%2C2"]  # of A-1
    assert "subject" in {each.field for each in encoded.derived}
    (back,) = cap.decode(encoded.data)
    assert (back.subject, back.id) == (second.subject, second.id)


@pytest.mark.parametrize(
    ("shape", "field"),
    [
        ("<circle>1.5,2.5 3</circle>", "area.circles"),
        ("<polygon>1,2 1,3 2,3 1,2</polygon>", "area.polygons"),
        ("<geocode><valueName>a</valueName><value>b</value></geocode>", "area.geocodes"),
    ],
)
def test_shapes_without_end_are_cut_and_that_is_declared(shape: str, field: str) -> None:
    (message,) = cap.decode(document(INFO.replace(AREA, f"<area><areaDesc>x</areaDesc>{shape * 1001}</area>")))

    assert isinstance(message.body, Alert)
    assert message.body.area is not None
    area = message.body.area
    assert len(area.circles) + len(area.polygons) + len(area.geocodes) == 1000
    assert field in {loss.field for loss in message.loss}
