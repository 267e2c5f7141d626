"""CAP written: valid by the schema, never public by itself, never with Z; expected elements by hand."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from lxml import etree

from adapters import DecodeError, EncodeError, cap
from protocols.body import (
    Alert,
    Area,
    Chat,
    Identity,
    Medevac,
    PatientCounts,
    Report,
    Track,
)
from protocols.label import Label
from protocols.message import Extra, Message, Mode, Source, Times, message_id
from protocols.quantity import AltitudeDatum, Position
from tests.adapters.cap_documents import AT, STANDARD, again, alert, document, lost, read, texts


def test_a_mode_is_only_ever_narrowed() -> None:
    simulated = alert(Alert(event="Fire"), mode=Mode.SIMULATION)
    unstated = cap.encode(alert(Alert(event="Fire"), mode=Mode.UNSTATED))

    assert texts(simulated, "status") == ["Exercise"]
    assert ("mode", "no-code") in lost(simulated)
    assert ("mode", "unstated-is-actual") in [(each.field, each.rule) for each in unstated.derived]


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
        ("australia", 2, {"subject"}),  # whose second block has its number in its identifier
        ("canada", 2, {"subject"}),
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
        assert {each.field for each in encoded.derived} == derived - ({"subject"} if message is messages[0] else set())
        back = read(encoded.data)
        unknown = dict.fromkeys(derived - {"subject"})
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


@pytest.mark.parametrize("text", ["a\x01b", " a", "not described"])
def test_words_of_an_area_that_do_not_come_back_are_a_loss(text: str) -> None:
    described = alert(Alert(event="Fire", area=Area(description=text, circles=((1.0, 2.0, 5.0),))))
    coded = alert(Alert(event="Fire", area=Area(geocodes=(("FIPS6", text),))))

    assert ("area.description", "charset") in lost(described)
    assert ("area.geocodes", "charset") in lost(coded)


def test_an_event_has_a_name_that_is_read() -> None:
    assert texts(alert(Alert(event=" Fire ")), "event") == ["Fire"]
    assert ("event", "charset") in lost(alert(Alert(event=" Fire ")))
    with pytest.raises(EncodeError):
        cap.encode(alert(Alert(event=" ")))
