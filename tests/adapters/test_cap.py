"""CAP 1.2 and 1.1: order, units, times, cancellation and names, with values worked out by hand; written by the XSD."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from lxml import etree

from adapters import DecodeError, EncodeError, Fault, cap
from protocols.body import (
    Alert,
    Area,
    Certainty,
    Chat,
    Identity,
    Medevac,
    PatientCounts,
    Receipt,
    ReceiptState,
    Report,
    Severity,
    Track,
    Urgency,
)
from protocols.label import Label
from protocols.message import Extra, Loss, LossReason, Message, Mode, Reference, Source, Times, message_id
from protocols.quantity import AltitudeDatum, Position

STANDARD = Path(__file__).parents[2].parent / "shared" / "standards" / "cap"
AT = datetime(2026, 3, 15, 14, 22, 10, tzinfo=UTC)
COT = Source(format="cot", version="2.0")
AREA = (
    "<area><areaDesc>Valley</areaDesc>"
    "<polygon>34.5,69.1 34.6,69.1 34.6,69.2 34.5,69.1</polygon><circle>34.55,69.15 2.5</circle>"
    "<geocode><valueName>UGC</valueName><value>NVC013</value></geocode></area>"
)
INFO = (
    "<info><language>en-GB</language><category>Met</category><category>Safety</category><event>Flood</event>"
    "<urgency>Immediate</urgency><severity>Severe</severity><certainty>Likely</certainty>"
    "<onset>2026-03-15T16:00:00+01:00</onset><expires>2026-03-15T20:00:00+02:00</expires>"
    "<senderName>Civil Protection</senderName><headline>Flood</headline><description>Rising.</description>"
    f"<instruction>Go up.</instruction><contact>+1 555</contact>{AREA}</info>"
)


def document(
    info: str = INFO,
    *,
    kind: str = "Alert",
    status: str = "Actual",
    scope: str = "<scope>Public</scope>",
    more: str = "",
    sent: str = "2026-03-15T15:22:10+01:00",
    identifier: str = "A-1",
    sender: str = "cp@example.org",
    version: str = "1.2",
) -> bytes:
    return (
        f'<alert xmlns="urn:oasis:names:tc:emergency:cap:{version}"><identifier>{identifier}</identifier>'
        f"<sender>{sender}</sender><sent>{sent}</sent><status>{status}</status><msgType>{kind}</msgType>"
        f"{scope}{more}{info}</alert>"
    ).encode()


def read(data: bytes) -> Message:
    (message,) = cap.decode(data)
    return message


def again(message: Message) -> Message:
    return read(cap.encode(message).data)


def texts(message: Message, name: str) -> list[str | None]:
    root = etree.fromstring(cap.encode(message).data)
    return [element.text for element in root.iter("{urn:oasis:names:tc:emergency:cap:1.2}" + name)]


def lost(message: Message) -> set[tuple[str, str]]:
    return {(loss.field, loss.reason.value) for loss in cap.encode(message).loss}


def alert(body: Alert | Medevac | Report, subject: str = "ANDROID-3f2a", **more: object) -> Message:
    times = Times(observed=AT, created=AT)
    plain = Message(
        id=message_id(type(body).__struct_config__.tag, subject, AT),  # type: ignore[arg-type]
        subject=subject,
        body=body,
        source=COT,
        times=times,
        mode=Mode.OPERATION,
    )
    return msgspec.structs.replace(plain, **more)


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


def test_a_mode_is_only_ever_narrowed() -> None:
    simulated = alert(Alert(event="Fire"), mode=Mode.SIMULATION)
    unstated = cap.encode(alert(Alert(event="Fire"), mode=Mode.UNSTATED))

    assert texts(simulated, "status") == ["Exercise"]
    assert ("mode", "no-code") in lost(simulated)
    assert ("mode", "unstated-is-actual") in [(each.field, each.rule) for each in unstated.derived]


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


@pytest.mark.parametrize(
    ("position", "circle", "altitude", "loss"),
    [
        (Position(latitude=1.5, longitude=-2.25), "1.5,-2.25 0", [], set()),
        (
            Position(latitude=1.5, longitude=2.5, altitude_m=304.8, altitude_datum=AltitudeDatum.MSL),
            "1.5,2.5 0",
            ["1000"],
            set(),
        ),
        (
            Position(latitude=1.5, longitude=2.5, altitude_m=304.8, altitude_datum=AltitudeDatum.HAE),
            "1.5,2.5 0",
            [],
            {("position.altitude_m", "datum")},
        ),
        (
            Position(latitude=1.5, longitude=2.5, coarsened_to_m=500.0),
            "1.5,2.5 0.5",
            [],
            {("position", "structure")},
        ),
        (
            Position(latitude=1e-7, longitude=2.5, circular_error_m=10.0),
            "0.000000100000,2.5 0",
            [],
            {("position.circular_error_m", "no-field")},
        ),
    ],
)
def test_positions_are_written_latitude_first_in_kilometres_and_feet(
    position: Position, circle: str, altitude: list[str], loss: set[tuple[str, str]]
) -> None:
    message = alert(Alert(event="Fire", position=position))

    assert texts(message, "circle") == [circle]
    assert texts(message, "altitude") == altitude
    assert lost(message) == loss


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


def test_a_foreign_cancellation_reads_back_as_one() -> None:
    message = alert(Alert(event="911 Alert", cancelled=True))

    assert texts(message, "msgType") == ["Cancel"]
    assert texts(message, "identifier") == ["cancel-" + message.id]
    assert texts(message, "references") == ["comity,ANDROID-3f2a,2026-03-15T14:22:10-00:00"]
    assert ("references.sent", "time-not-known") in [(d.field, d.rule) for d in cap.encode(message).derived]
    back = again(message)
    assert (back.subject, back.references) == ("ANDROID-3f2a", ())
    assert back.id == message_id("alert", "ANDROID-3f2a", AT, "cancelled")
    assert isinstance(back.body, Alert)
    assert back.body.cancelled


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


@pytest.mark.parametrize(
    "extra",
    [
        Extra(format="cot", name="web", inner="x"),
        Extra(format="cap", name="script", inner="x"),
        Extra(format="cap", name="sender", inner="x"),
        Extra(format="cap", name="responseType", inner="Panic"),
        Extra(format="cap", name="web"),
        Extra(format="cap", name="web", inner="a\x00"),
        Extra(format="cap", name="parameter", attributes=(("value", "a"), ("valueName", "b"))),
        Extra(format="cap", name="parameter", attributes=(("valueName", "comity.kind"), ("value", "medevac"))),
        Extra(format="cap", name="resource", attributes=(("resourceDesc", "a"),)),
        Extra(format="cap", name="resource", attributes=(("resourceDesc", "a"), ("mimeType", "b"), ("size", "x"))),
    ],
)
def test_what_was_kept_is_looked_at_again_before_it_is_written(extra: Extra) -> None:
    message = alert(Alert(event="Fire"), extras=(extra,))

    assert lost(message) == {("extras", "no-field")}
    assert cap.encode(message).data == cap.encode(alert(Alert(event="Fire"))).data


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


def test_nothing_becomes_public_that_did_not_come_as_a_public_alert() -> None:
    label = Label(policy="EXAMPLE", classification="RESTRICTED")

    assert texts(alert(Alert(event="Fire")), "scope") == ["Restricted"]
    assert texts(alert(Alert(event="Fire"), label=label), "restriction") == ["EXAMPLE RESTRICTED"]
    lying = Source(format="cot", label_hint="scope=Public")
    assert texts(alert(Alert(event="Fire"), source=lying), "scope") == ["Restricted"]


@pytest.mark.parametrize(
    "subject",
    ["ANDROID-3f2a", "sedap:66A3:FGS Bayern", "a,b c<d>&e%20", "GeoChat.A.All Chat Rooms.1", "Київ", "x\ty\nz"],
)
def test_a_foreign_subject_comes_back_whatever_it_holds(subject: str) -> None:
    message = alert(Alert(event="Fire"), subject)

    assert texts(message, "sender") == ["comity"]
    back = again(message)
    assert (back.subject, back.id) == (subject, message.id)


MEDEVAC = Medevac(
    position=Position(latitude=34.517, longitude=69.183, altitude_m=1790.0, altitude_datum=AltitudeDatum.HAE),
    patients=PatientCounts(urgent=2),
    litter=2,
    remarks="<b> & more",
    requested_by=Identity(callsign="DUSTOFF 7"),
)


@pytest.mark.parametrize(
    ("body", "categories"),
    [
        (MEDEVAC, ["Rescue", "Health"]),
        (
            Report(event="IED", killed=0, injured=2, narrative="one\n two", area=Area(circles=((1.0, 2.0, 5.0),))),
            ["Safety"],
        ),
    ],
)
def test_requests_and_reports_go_as_alerts_and_read_back(body: Medevac | Report, categories: list[str]) -> None:
    message = alert(
        body, times=Times(observed=AT + timedelta(milliseconds=123), created=AT + timedelta(milliseconds=123))
    )
    message = msgspec.structs.replace(message, id=message_id(message.kind, message.subject, message.times.observed))

    assert texts(message, "category") == categories
    assert lost(message) == {("body", "structure")}
    back = again(message)
    assert back.body == body
    assert (back.id, back.times.observed) == (message.id, message.times.observed)


def test_only_a_relay_can_say_that_an_alert_is_something_else() -> None:
    data = cap.encode(alert(MEDEVAC)).data.replace(b"<sender>comity<", b"<sender>someone<")

    assert isinstance(read(data).body, Alert)


def test_a_form_that_was_touched_is_an_alert_and_nothing_is_invented() -> None:
    data = cap.encode(alert(MEDEVAC)).data.replace(b"Litter: 2", b"Litter: many")

    body = read(data).body

    assert isinstance(body, Alert)
    assert body.event == "Medical evacuation request"


def test_characters_that_xml_cannot_carry_are_replaced_and_declared() -> None:
    message = alert(Alert(event="Fire", description="a\x00b\x1b<&>\r\n"))

    assert ("description", "charset") in lost(message)
    back = again(message).body
    assert isinstance(back, Alert)
    assert back.description == "a\ufffdb\ufffd<&>\r\n"


def test_what_cap_cannot_say_is_refused() -> None:
    for body in (Track(position=Position(latitude=1.0, longitude=2.0)), Chat(text="hello")):
        with pytest.raises(EncodeError):
            cap.encode(msgspec.structs.replace(alert(Alert(event="Fire")), body=body))
    with pytest.raises(EncodeError, match="time"):
        cap.encode(alert(Alert(event="Fire"), times=Times()))


SCHEMA = STANDARD / "schema" / "CAP-v1.2.xsd"
WRITTEN = [
    alert(Alert(event="Fire", language="not a language!", categories=("Fire", "Volcano"))),
    alert(Alert(event="911 Alert", cancelled=True, position=Position(latitude=1.0, longitude=2.0))),
    alert(Alert(event="Fire", area=Area())),
    alert(MEDEVAC, times=Times(observed=AT, created=AT + timedelta(microseconds=5), valid_until=AT)),
    alert(Report(event="IED"), "a b,c", label=Label(policy="P&Q", classification="<R>")),
    *cap.decode(document(kind="Update", more="<references>x,A-0,2026-03-15T13:00:00+01:00</references>")),
    *cap.decode(document("", kind="Cancel", more="<references>x,A-0,2026-03-15T13:00:00+01:00</references>")),
]


@pytest.mark.skipif(not SCHEMA.is_file(), reason="the third-party schema is not here")
@pytest.mark.parametrize("message", WRITTEN)
def test_what_is_written_validates(message: Message) -> None:
    schema = etree.XMLSchema(etree.parse(SCHEMA))

    schema.assertValid(etree.fromstring(cap.encode(message).data))


@pytest.mark.skipif(not SCHEMA.is_file(), reason="the third-party samples are not here")
@pytest.mark.parametrize(
    ("name", "count", "derived"),
    [
        ("australia", 2, set()),
        ("canada", 2, set()),
        ("earthquake", 1, set()),
        ("no_optional_fields", 1, set()),
        ("noaa_errors", 1, {"urgency", "severity", "certainty"}),
        ("wcatwc-warning", 1, set()),
        ("weather", 1, set()),
    ],
)
def test_every_sample_reads_and_goes_home_meaning_the_same(name: str, count: int, derived: set[str]) -> None:
    schema = etree.XMLSchema(etree.parse(SCHEMA))
    messages = cap.decode((STANDARD / "samples" / f"{name}.cap.xml").read_bytes())

    assert len(messages) == count
    for message in messages:
        encoded = cap.encode(message)
        schema.assertValid(etree.fromstring(encoded.data))
        assert encoded.loss == ()
        assert {each.field for each in encoded.derived} == derived
        back = read(encoded.data)
        unknown = dict.fromkeys(derived)
        body = msgspec.structs.replace(back.body, **unknown)
        assert body == message.body
        assert (back.subject, back.times, back.mode, back.references, back.addressees) == (
            message.subject,
            message.times,
            message.mode,
            message.references,
            message.addressees,
        )
        assert back.source.label_hint == message.source.label_hint


@pytest.mark.skipif(not SCHEMA.is_file(), reason="the third-party samples are not here")
def test_the_sample_without_scope_is_refused() -> None:
    with pytest.raises(DecodeError, match="missing-field: scope"):
        cap.decode((STANDARD / "samples" / "invalid.cap.xml").read_bytes())
