"""SEDAP-Express written: names, datums, forms, and no order ever; expected lines by hand."""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import timedelta

import msgspec
import pytest

from adapters import EncodeError, sedap
from protocols import form
from protocols.body import (
    Alert,
    Area,
    Chat,
    Contact,
    Delete,
    FileReference,
    Identity,
    Medevac,
    Opaque,
    PatientCounts,
    Report,
    Security,
    Status,
    Track,
)
from protocols.label import Label
from protocols.message import Extra, Loss, LossReason, Source, Times, message_id
from protocols.quantity import Affiliation, AltitudeDatum, Kinematics, Position, Symbol
from tests.adapters.sedap_lines import AT, TRACK, again, deflated, lost, read, report, written


def test_seconds_are_written_as_milliseconds() -> None:
    message = read("OWNUNIT;5E;661D4410;66A3;R;;;53.32;8.11")

    assert written(message) == ["OWNUNIT", "", "018EE251DE80", "66A3", "R", "", "", "53.32", "8.11"]
    assert again(message).id == message.id


@pytest.mark.parametrize("inner", ["x", "1;2", "1\n", "1e5", "9" * 20, ""])
def test_what_was_kept_is_looked_at_again_before_it_is_written(inner: str) -> None:
    message = read("OWNUNIT;;0191C643A8AF;22AA;U;;;77.88;-10.12;;;;;-2.2;;Ownunit")
    forged = msgspec.structs.replace(message, extras=(Extra(format="sedap", name="roll", inner=inner),))

    assert written(forged)[13] == ""
    assert ("extras", "no-field") in lost(forged)


def test_levels_that_were_kept_never_contradict_the_level_that_is_said() -> None:
    message = read("STATUS;;0191C643A8AF;75DA;U;;;4;2;;;Akku1#50#Akku2#40")
    body = Status(technical="fault", operational="operational", battery_percent=10.0)

    assert written(msgspec.structs.replace(message, body=body))[11] == "#10"


def test_what_was_kept_of_another_format_is_not_said() -> None:
    message = report(TRACK, extras=(Extra(format="cot", name="roll", inner="1"),))

    assert ("extras", "no-field") in lost(message)
    assert written(message)[-1] == "ALPHA 1"


def test_a_foreign_track_becomes_a_contact_of_the_relay_with_its_subject() -> None:
    body = Track(
        position=Position(
            latitude=34.5, longitude=69.25, altitude_m=1800.5, altitude_datum=AltitudeDatum.MSL, circular_error_m=9.0
        ),
        symbol=Symbol(affiliation=Affiliation.FRIEND, cot_type="a-f-G-U-C"),
        identity=Identity(callsign="ALPHA 1", team="Cyan"),
        kinematics=Kinematics(speed_mps=1.5, course_deg=271.25, heading_deg=270.0, climb_mps=0.5),
        battery_percent=80.0,
        in_distress=True,
        remarks="on foot; north",
    )
    message = report(body, times=Times(observed=AT, created=AT, valid_until=AT + timedelta(minutes=5)))

    assert ";".join(written(message)) == (
        "CONTACT;;0191C643A8AF;COMITY;;;;ANDROID-3f2a;FALSE;34.5;69.25;1800.5;;;;1.5;271.25;270;;;;;;ALPHA 1;;"
        "SFGPUC---------;;;;b24gZm9vdDsgbm9ydGg="
    )
    assert lost(message) == {
        ("kind", "structure"),
        ("position.circular_error_m", "no-field"),
        ("identity.team", "no-field"),
        ("kinematics.climb_mps", "no-field"),
        ("battery_percent", "no-field"),
        ("in_distress", "no-field"),
        ("times.valid_until", "no-field"),
    }
    back = again(message)
    assert (back.subject, back.id) == (message.subject, message.id)
    assert isinstance(back.body, Contact)
    assert back.body.remarks == "on foot; north"


@pytest.mark.parametrize(
    ("altitude", "datum", "field"),
    [
        (1800.0, AltitudeDatum.MSL, "1800"),
        (1800.0, AltitudeDatum.HAE, ""),
        (0.0, AltitudeDatum.AGL, "0"),
        (2.0, AltitudeDatum.AGL, ""),
        (0.0, AltitudeDatum.MSL, ""),  # zero would be read as on the ground
        (5.0, AltitudeDatum.UNKNOWN, ""),
        (None, AltitudeDatum.UNKNOWN, ""),
    ],
)
def test_no_altitude_changes_its_datum(altitude: float | None, datum: AltitudeDatum, field: str) -> None:
    position = Position(latitude=1.0, longitude=2.0, altitude_m=altitude, altitude_datum=datum)
    message = report(Contact(position=position))

    assert [*written(message), ""][11] == field
    assert (("position.altitude_m", "datum") in lost(message)) is (altitude is not None and not field)


@pytest.mark.parametrize(
    "subject",
    [
        "ANDROID-3f2a",
        "cap:webmaster@rfs.nsw.gov.au,tag:x",
        "nffi:DEU.SYS.A:42",
        "GeoChat.ANDROID-1.All Chat Rooms.9f",
        "with;semicolon#hash\nline%20",
        "Zürich",
        "Київ 1",
        "100%",
    ],
)
def test_a_foreign_subject_comes_back_whatever_it_holds(subject: str) -> None:
    for body in (TRACK, Chat(text="hello"), Delete(target=subject), Alert(event="Fire"), Medevac(litter=1)):
        message = report(body, subject)

        back = again(message)

        assert back.subject == subject
        assert back.id == message.id


def test_a_relayed_subject_is_written_verbatim_where_it_fits() -> None:
    assert written(report(TRACK, "nffi:DEU.SYS.A:42"))[7] == "nffi:DEU.SYS.A:42"
    assert written(report(TRACK, "Zürich"))[7] == "Zürich"


@pytest.mark.parametrize(
    "line",
    [
        "OWNUNIT;;0191C643A8AF;66A3;R;;;53.32;8.11;;5.5;21;22;;;FGS Bayern;SFSPCLFF-------",
        "OWNUNIT;;0191C643A8AF;66A3;;;;53.32;8.11",
        "OWNUNIT;;0191C643A8AF;66A3;;;;53.32;8.11;;;;;;;own",
        "CONTACT;;0191C643A8AF;83C5;U;;;101;FALSE;36.32;12.11;2000;;;;;44;;;;;;;Unknown;O;;221333201;;;UG9zcw==",
        "CONTACT;;0191C643A8AF;A:B%;U;;;id:1;FALSE;36.32;12.11",
        "CONTACT;;0191C643A8AF;4371;S;;;102;TRUE",
        'TEXT;D3;0191C643A8AF;324E;S;;;;1;NONE;"This is an alert!";1000',
        "TEXT;D4;0191C643A8AF;324E;C;;;;2;NONE;warning",
        "TEXT;D4;0191C643A8AF;324E;C;;;;3;NONE;notice",
        "TEXT;D4;0191C643A8AF;324E;C;;;;0;NONE;undefined",
        "TEXT;D6;0191C643A8AF;324E;U;;;ORKA#LASSY;4;BASE64;w7xtbGF1dA0KIzs=",
        "GRAPHIC;78;0191C643A8AF;910E;U;;;1;1;808080FF;FF000080;NONE;Transit;54.23,12.86#54.3,12.9,5#54.55,13.3",
        "GRAPHIC;78;0191C643A8AF;910E;U;;;0;1;;;NONE;;54.23;12.86;12",
        "GRAPHIC;78;0191C643A8AF;910E;U;;;5;1;;;NONE;;1500;54.23;12.86",
        "GRAPHIC;78;0191C643A8AF;910E;U;;;6;1;;;NONE;;1500;700;54.23;12.86",
        "GRAPHIC;78;0191C643A8AF;910E;U;;;6;1;;;NONE;;700;1500;54.23;12.86",
        "ACKNOWLEDGE;18;0191C643A8AF;129E;R;;;LASSY;TEXT;2B",
        "HEARTBEAT;;0191C643A8AF;89AD;U;;;ORKA",
        "METEO;AC;0191C643A8AF;74BE;U;;;15.4;15.5;;;;10.2;72;20.3;;55;1005;25;;;2500;33",
        "GENERIC;5E;0191C643A8AF;66A3;R;;;NMEA;;$RATTM,11,11.4,13.6,T,7.0",
    ],
)
def test_what_a_sender_named_goes_home_as_the_same_line(line: str) -> None:
    message = read(line)

    encoded = sedap.encode(message)

    assert encoded.data.decode("latin-1") == line
    assert encoded.loss == ()
    assert again(message) == message


@pytest.mark.parametrize(
    ("text", "author"),
    [
        ("hello", "ALPHA 1"),
        ("hello; #1\nsecond line", "ALPHA 1"),
        ("[not an author] hello", None),
        ("[x] hello", "BRAVO"),
        ("Привіт", None),
    ],
)
def test_a_relayed_chat_keeps_its_words_and_its_author(text: str, author: str | None) -> None:
    body = Chat(text=text, sender=Identity(callsign=author), to=("ORKA",))
    message = report(body)

    assert written(message)[3] == "COMITY"
    assert written(message)[8] == "4"
    assert lost(message) == set()
    assert again(message).body == body


def test_the_author_stands_before_the_words_for_people() -> None:
    message = report(Chat(text="hello", sender=Identity(callsign="ALPHA 1")))

    assert written(message)[9:] == ["NONE", "[ALPHA 1] hello", "ANDROID-3f2a"]


def test_a_long_text_is_cut_and_says_so() -> None:
    message = report(Chat(text="ä" * 5000))

    assert len(written(message)[10]) <= 2048
    assert ("text", "too-long") in lost(message)


MEDEVAC = Medevac(
    position=Position(latitude=34.517, longitude=69.183, altitude_m=1790.0, altitude_datum=AltitudeDatum.HAE),
    patients=PatientCounts(urgent=2, priority=0),
    litter=2,
    security=Security.ESCORT_REQUIRED,
    frequency_mhz=38.9,
    requested_by=Identity(callsign="DUSTOFF 7"),
    code_variant="atak",
)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (MEDEVAC, "1"),
        (Report(event="IED", killed=0, injured=3, narrative="first\n\nsecond", occurred=AT), "3"),
        (Alert(event="Troops in contact", position=Position(latitude=1.5, longitude=2.5)), "1"),
        (Alert(event="Flood", area=Area(circles=((1.0, 2.0, 300.0),)), cancelled=True), "1"),
    ],
)
def test_what_sedap_has_no_message_for_goes_as_a_form_and_reads_back(body: form.Filled, kind: str) -> None:
    message = report(body)

    assert written(message)[3:4] + written(message)[8:10] == ["COMITY", kind, "BASE64"]
    assert sedap.encode(message).loss == (Loss(field="body", reason=LossReason.STRUCTURE, approximated=True),)
    back = again(message)
    assert back.body == body
    assert (back.id, back.subject) == (message.id, message.subject)


def test_a_form_is_plain_to_people() -> None:
    text = b64decode(written(report(MEDEVAC))[10]).decode()

    assert text.split("\n") == [
        "MEDEVAC REQUEST (Comity form 1)",
        "Position / latitude: 34.517",
        "Position / longitude: 69.183",
        "Position / altitude m: 1790.0",
        "Position / altitude datum: hae",
        "Frequency mhz: 38.9",
        "Patients / urgent: 2",
        "Patients / priority: 0",
        "Litter: 2",
        "Security: X (enemy, escort required)",
        "Requested by / callsign: DUSTOFF 7",
        "Code variant: atak",
    ]


def test_a_form_that_was_cut_is_never_read_as_a_whole_one() -> None:
    equipment = tuple(f"piece {number}" for number in range(200))
    message = report(Medevac(litter=4, equipment=equipment, remarks="long " * 500))

    back = again(message)

    assert {("kind", "too-long"), ("equipment", "too-long"), ("litter", "too-long")} <= lost(message)
    assert isinstance(back.body, Alert)
    assert back.body.description is not None
    assert back.body.description.endswith("\n(cut)")


def test_long_words_are_cut_and_the_counts_stay_whole() -> None:
    ring = tuple((1.0 + step / 7, 2.0) for step in range(99))
    area = Area(polygons=((*ring, ring[0]),))
    message = report(Report(event="IED", killed=4, narrative="Größe\n" * 2000, displaced=70, area=area))

    back = again(message)

    assert lost(message) == {("body", "structure"), ("narrative", "too-long"), ("area", "too-long")}
    assert isinstance(back.body, Report)
    assert (back.body.killed, back.body.displaced, back.body.area) == (4, 70, None)
    assert back.body.narrative is not None
    assert back.body.narrative.endswith("…")
    assert back.id == message.id


def test_a_native_alert_that_is_cancelled_elsewhere_reads_back_cancelled() -> None:
    alert = read("TEXT;D3;0191C643A8AF;324E;S;;;;1;;Fire")
    later = AT + timedelta(minutes=1)
    cancelled = msgspec.structs.replace(
        alert,
        body=Alert(event="Alert", description="Fire", cancelled=True),
        times=Times(observed=later, created=later),
        id=message_id("alert", alert.subject, later, "cancelled"),
    )

    back = again(cancelled)

    assert isinstance(back.body, Alert)
    assert back.body.cancelled
    assert back.subject == alert.subject


def test_delete_names_its_target() -> None:
    assert written(report(Delete(target="ANDROID-9"), "ANDROID-9"))[3:] == ["COMITY", "", "", "", "ANDROID-9", "TRUE"]
    native = report(Delete(target="sedap:83C5:100", hard=True), "sedap:83C5:100")
    assert written(native)[3:] == ["83C5", "", "", "", "100", "TRUE"]
    assert lost(native) == {("hard", "no-field")}


@pytest.mark.parametrize(
    "data",
    [
        b"COMMAND;29;0191C643A8AF;E4B3;C;;;ORKA;;00;0C;start-engagement;gun;7",
        b"command;29;0191C643A8AF;E4B3;C;;;ORKA;;00;00",
        b"METEO;1;0191C643A8AF;A;;;;1\nCOMMAND;29;0191C643A8AF;E4B3;C;;;ORKA;;00;00",
        b"METEO;1;0191C643A8AF;A;;;;1\n",
        b"GENERIC;1;0191C643A8AF;A;;;;SEDAP;;COMMAND;29;;E4B3;C;;;ORKA;;00;00",
        b"GENERIC;1;0191C643A8AF;A;;;;SEDAP;BASE64;" + b64encode(b"COMMAND;29;;E4B3;C;;;ORKA;;00;00"),
        b"GENERIC;1;0191C643A8AF;A;;;;SEDAP;BASE64;" + deflated(b"command;29;;E4B3;C;;;ORKA;;00;00"),
        b"OWNUNIT;1;0191C643A8AF;A;;;;1;1",
        b"garbage",
    ],
)
def test_no_order_hides_in_what_is_passed_on_unread(data: bytes) -> None:
    with pytest.raises(EncodeError):
        sedap.encode(report(Opaque(format="sedap", data=data)))


def test_what_only_looks_like_data_is_passed_on() -> None:
    data = b"GENERIC;1;0191C643A8AF;A;;;;BINARY;BASE64;" + b64encode(bytes(range(200)))

    assert sedap.encode(report(Opaque(format="sedap", data=data))).data == data


def test_opaque_of_another_format_and_kinds_without_a_message_are_refused() -> None:
    for body in (
        Opaque(format="cot", data=b"<event/>"),
        FileReference(name="a"),
        Status(technical="off"),
        Chat(text=""),
    ):
        with pytest.raises(EncodeError):
            sedap.encode(report(body))


@pytest.mark.parametrize(
    ("classification", "letter"),
    [
        ("PUBLIC", "P"),
        ("UNCLASSIFIED", "U"),
        ("Restricted", "R"),
        ("CONFIDENTIAL", "C"),
        ("SECRET", "S"),
        ("Top Secret", "T"),
    ],
)
def test_a_label_gives_the_letter_of_the_documents_own_words(classification: str, letter: str) -> None:
    message = report(TRACK, label=Label(policy="EXAMPLE", classification=classification))

    assert written(message)[4] == letter
    assert ("label", "no-code") in lost(message)  # policy and categories


def test_a_label_without_a_letter_stops_the_message_also_where_the_input_had_a_letter() -> None:
    label = Label(policy="EXAMPLE", classification="MOST PRIVATE")
    native = read("OWNUNIT;;0191C643A8AF;66A3;U;;;53.32;8.11")

    for message in (report(TRACK, label=label), msgspec.structs.replace(native, label=label)):
        with pytest.raises(EncodeError):
            sedap.encode(message)


def test_a_hint_of_another_format_gives_no_letter() -> None:
    assert written(report(TRACK, source=Source(format="cot", label_hint="classification=U")))[4] == ""


def test_a_level_above_what_is_full_is_a_loss_and_not_written() -> None:
    native = read("STATUS;15;0195238E25AD;75DA;U;;;4;2;MLG#20")
    overfull = msgspec.structs.replace(native, body=Status(ammunition=(("MLG", 20.0), ("BMG", 130.0))))

    assert written(overfull)[9] == "MLG#20"
    assert ("ammunition", "no-code") in lost(overfull)
