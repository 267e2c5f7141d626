"""SEDAP-Express: units, nulls, names and traps, with values worked out by hand from the interface document."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from adapters import DecodeError, EncodeError, Fault, sedap
from protocols import form
from protocols.body import (
    Alert,
    Area,
    Chat,
    Contact,
    Delete,
    FileReference,
    Graphic,
    Identity,
    Medevac,
    Opaque,
    PatientCounts,
    Report,
    Security,
    Shape,
    Status,
    Task,
    Track,
)
from protocols.label import Label
from protocols.message import Extra, Loss, LossReason, Message, Mode, Reference, Source, Times, message_id
from protocols.quantity import Affiliation, AltitudeDatum, Kinematics, Position, Symbol

SAMPLES = Path(__file__).parents[2].parent / "shared" / "standards" / "sedap-express"
AT = datetime(2024, 9, 6, 7, 36, 48, 559_000, tzinfo=UTC)  # 0191C643A8AF milliseconds: 1 725 608 208 559
COT = Source(format="cot", version="2.0")


def read(line: str) -> Message:
    (message,) = sedap.decode(line.encode("latin-1"))
    return message


def written(message: Message) -> list[str]:
    return sedap.encode(message).data.decode("latin-1").split(";")


def again(message: Message) -> Message:
    (back,) = sedap.decode(sedap.encode(message).data)
    return back


def lost(message: Message) -> set[tuple[str, str]]:
    return {(loss.field, loss.reason.value) for loss in sedap.encode(message).loss}


def report(body: object, subject: str = "ANDROID-3f2a", **more: object) -> Message:
    ended = ("cancelled",) if isinstance(body, Alert) and body.cancelled else ()
    family = "position" if isinstance(body, Track | Contact) else type(body).__struct_config__.tag  # type: ignore[attr-defined]
    fields = {"source": COT, "times": Times(observed=AT, created=AT), **more}
    return msgspec.convert(
        {"id": message_id(str(family), subject, AT, *ended), "subject": subject, "body": body, **fields}, Message
    )


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return b64encode(stream.compress(data) + stream.flush())


TRACK = Track(position=Position(latitude=34.5, longitude=69.2), identity=Identity(callsign="ALPHA 1"))


def test_own_unit_has_every_field_in_its_unit() -> None:
    message = read(
        "OWNUNIT;11;0191C643A8AF;22AA;U;FALSE;4389F10D;77.88;-10.12;5577.0;33.44;55.66;1.1;;;Ownunit;sfgpib----h----"
    )

    assert message.body == Track(
        position=Position(latitude=77.88, longitude=-10.12, altitude_m=5577.0, altitude_datum=AltitudeDatum.MSL),
        symbol=Symbol(affiliation=Affiliation.FRIEND, sidc15="SFGPIB----H----"),
        identity=Identity(callsign="Ownunit"),
        kinematics=Kinematics(speed_mps=33.44, course_deg=55.66, heading_deg=1.1),
    )
    assert message.subject == "sedap:22AA:Ownunit"
    assert message.times == Times(observed=AT, created=AT)
    assert message.source == Source(format="sedap", version="1.0", system="22AA", label_hint="classification=U")
    assert (message.label, message.origin, message.original, message.mode) == (None, None, None, Mode.UNSTATED)
    assert message.loss == ()


def test_contact_has_every_field_in_its_unit() -> None:
    message = read(
        "CONTACT;66;0191C643A8AF;59CE;R;TRUE;;1000;FALSE;43.21;-111.22;10011.0;;;;200.0;275.0;10.0;;;33.0;22.0;11.0;"
        "Track Alpha;RE;shapmf---------;221333201;fa550c;;UG9zcyBOZXRoZXJsYW5kcw=="
    )

    assert message.body == Contact(
        position=Position(latitude=43.21, longitude=-111.22, altitude_m=10011.0, altitude_datum=AltitudeDatum.MSL),
        symbol=Symbol(affiliation=Affiliation.HOSTILE, sidc15="SHAPMF---------"),
        identity=Identity(callsign="Track Alpha"),
        kinematics=Kinematics(speed_mps=200.0, course_deg=275.0, heading_deg=10.0),
        sensors=("radar", "ew"),
        mmsi="221333201",
        icao="FA550C",
        width_m=33.0,
        length_m=22.0,
        height_m=11.0,
        remarks="Poss Netherlands",
    )
    assert message.subject == "sedap:59CE:1000"


def test_empty_fields_stay_unknown_and_zero_stays_zero() -> None:
    message = read("OWNUNIT;;;;;;;0;0;;0;0;0")

    assert isinstance(message.body, Track)
    assert message.body.position == Position(latitude=0.0, longitude=0.0)
    assert message.body.kinematics == Kinematics(speed_mps=0.0, course_deg=0.0, heading_deg=0.0)
    assert message.body.identity == Identity()
    assert message.body.symbol is None
    assert message.times == Times()
    assert message.source.label_hint is None
    assert message.subject == "sedap::own"


def test_zero_altitude_is_on_the_ground_and_not_at_sea_level() -> None:
    body = read("OWNUNIT;;0191C643A8AF;X;;;;53.3;8.1;0").body

    assert isinstance(body, Track)
    assert (body.position.altitude_m, body.position.altitude_datum) == (0.0, AltitudeDatum.AGL)


@pytest.mark.parametrize(
    ("time", "expected", "whole"),
    [
        ("0191C643A8AF", AT, False),
        ("0000000191c643a8af", None, None),  # 18 digits: more than 64 bits
        ("00000191C643A8AF", AT, False),
        ("661D4410", datetime(2024, 4, 15, 15, 13, 20, tzinfo=UTC), True),  # seconds, as the Java tests write
        ("66e2d520", datetime(2024, 9, 12, 11, 48, 48, tzinfo=UTC), True),
        ("", None, False),
        ("0", None, None),
        ("ZZ", None, None),
        ("FFFFFFFFFFFFFFFF", None, None),
    ],
)
def test_time_is_read_in_milliseconds_or_seconds_by_its_size(
    time: str, expected: datetime | None, *, whole: bool | None
) -> None:
    line = f"HEARTBEAT;;{time};A"
    if whole is None:
        with pytest.raises(DecodeError):
            read(line)
        return

    message = read(line)

    assert message.times == Times(observed=expected, created=expected, whole_seconds=whole)


def test_seconds_are_written_as_milliseconds() -> None:
    message = read("OWNUNIT;5E;661D4410;66A3;R;;;53.32;8.11")

    assert written(message) == ["OWNUNIT", "", "018EE251DE80", "66A3", "R", "", "", "53.32", "8.11"]
    assert again(message).id == message.id


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("", Fault.MALFORMED),
        ("\n\n", Fault.MALFORMED),
        ("<event/>", Fault.MALFORMED),
        ("POINT;5F;661D5420;83C5;U;;;101;FALSE;36.32;12.11", Fault.UNSUPPORTED),
        ("OWNUNIT;1;0191C643A8AF;A;X;;;53.3;8.1", Fault.MALFORMED),  # no such classification
        ("OWNUNIT;1;0191C643A8AF;A;RESTRICTED;;;53.3;8.1", Fault.MALFORMED),
        ("OWNUNIT;1;0191C643A8AF;A;R;MAYBE;;53.3;8.1", Fault.MALFORMED),
        ("OWNUNIT;1;0191C643A8AF;A;R;;zz;53.3;8.1", Fault.MALFORMED),
        ("OWNUNIT;123;0191C643A8AF;A;R;;;53.3;8.1", Fault.MALFORMED),
        ("OWNUNIT;1;0191C643A8AF;A;R", Fault.MISSING),
        ("OWNUNIT;1;0191C643A8AF;A;R;;;53.3", Fault.MISSING),
        ("OWNUNIT;1;0191C643A8AF;A;R;;;91;8.1", Fault.OUT_OF_RANGE),
        ("OWNUNIT;1;0191C643A8AF;A;R;;;53.3;181", Fault.OUT_OF_RANGE),
        ("OWNUNIT;1;0191C643A8AF;A;R;;;533000000;81000000", Fault.OUT_OF_RANGE),  # 1e-7 degrees
        ("OWNUNIT;1;0191C643A8AF;A;R;;;nan;8.1", Fault.OUT_OF_RANGE),
        ("OWNUNIT;1;0191C643A8AF;A;R;;;53.3;8.1;nan", Fault.OUT_OF_RANGE),
        ("OWNUNIT;1;0191C643A8AF;A;R;;;53.3;8.1;;inf", Fault.OUT_OF_RANGE),
        ("OWNUNIT;1;0191C643A8AF;A;R;;;53.3;8.1;;-1", Fault.OUT_OF_RANGE),
        ("OWNUNIT;1;0191C643A8AF;A;R;;;53.3;8.1;;;511", Fault.OUT_OF_RANGE),
        ("OWNUNIT;1;0191C643A8AF;A;R;;;53.3;8.1;;;;-0.1", Fault.OUT_OF_RANGE),
        ("OWNUNIT;1;0191C643A8AF;A;R;;;53,3;8,1", Fault.MALFORMED),  # a comma is not guessed to be a point
        ("OWNUNIT;1;0191C643A8AF;A;R;;;5_3;8.1", Fault.MALFORMED),
        ("OWNUNIT;1;0191C643A8AF;A\x00;R;;;53.3;8.1", Fault.MALFORMED),
        ("CONTACT;1;0191C643A8AF;A;R;;;;FALSE;53.3;8.1", Fault.MISSING),
        ("CONTACT;1;0191C643A8AF;A;R;;;7;MAYBE;53.3;8.1", Fault.MALFORMED),
        ("CONTACT;60;0191C643A8AF;66A3;S;TRUE;102;TRUE;53.32;8.11", Fault.MALFORMED),  # a header field left out
        ("CONTACT;1;0191C643A8AF;A;R;;;7;;53.3;8.1;;;;;;;;;;;;;;Q", Fault.MALFORMED),  # no such sensor
        ("CONTACT;1;0191C643A8AF;A;R;;;7;;53.3;8.1;;;;;;;;;;;;;;;;;;;=x=", Fault.MALFORMED),
        ("TEXT;1;0191C643A8AF;A;R;;;;1;NONE;", Fault.MISSING),
        ("TEXT;1;0191C643A8AF;A;R;;;;5;NONE;a", Fault.MALFORMED),
        ("TEXT;1;0191C643A8AF;A;R;;;;;1;NONE;a", Fault.MALFORMED),  # the document's sample with one ; too many
        ("TEXT;1;0191C643A8AF;A;R;;;;1;BASE64;%%%", Fault.MALFORMED),
        ("COMMAND;1;0191C643A8AF;A;R;;;ORKA;;00;10", Fault.UNSUPPORTED),
        ("COMMAND;1;0191C643A8AF;A;R;;;ORKA;;FF;00", Fault.UNSUPPORTED),
        ("COMMAND;1;0191C643A8AF;A;R;;;ORKA;;00;", Fault.MISSING),
        ("COMMAND;1;0191C643A8AF;A;R;;;;;00;05", Fault.MISSING),
        ("STATUS;1;0191C643A8AF;A;R;;;9", Fault.UNSUPPORTED),
        ("STATUS;1;0191C643A8AF;A;R;;;3;2;;;Akku#120", Fault.OUT_OF_RANGE),
        ("STATUS;1;0191C643A8AF;A;R;;;3;2;;;Akku", Fault.MALFORMED),
        ("GRAPHIC;1;0191C643A8AF;A;R;;;1;1;808080;;a;54.23", Fault.MISSING),
        ("GRAPHIC;1;0191C643A8AF;A;R;;;1;1;808080;;a;54.23,200", Fault.OUT_OF_RANGE),
        ("ACKNOWLEDGE;1;0191C643A8AF;A;R;;;B;BOGUS;01", Fault.MALFORMED),
        ("\xff\xd8\xff\xe0\x00\x10JFIF", Fault.MALFORMED),
        (";" * 100, Fault.MALFORMED),
        ("OWNUNIT" + ";" * 100, Fault.MALFORMED),
    ],
)
def test_refuses_what_cannot_be(line: str, fault: Fault) -> None:
    with pytest.raises(DecodeError) as refusal:
        sedap.decode(line.encode("latin-1"))

    assert refusal.value.fault is fault


def test_refuses_a_frame_that_is_too_large() -> None:
    line = b"HEARTBEAT;;0191C643A8AF;A\n"
    with pytest.raises(DecodeError, match="too-large"):
        sedap.decode(line * 300)
    with pytest.raises(DecodeError, match="too-large"):
        sedap.decode(b"TEXT;" + b"a" * 2_000_000)


def test_errors_never_hold_what_the_input_held() -> None:
    with pytest.raises(DecodeError) as refusal:
        read("OWNUNIT;1;0191C643A8AF;A;R;;;53.3;SECRETPLACE")

    assert "SECRETPLACE" not in str(refusal.value)


def test_one_frame_may_hold_several_lines() -> None:
    first, second = sedap.decode(b"HEARTBEAT;1;0191C643A8AF;A\r\nCONTACT;1;0191C643A8AF;B;;;;7;TRUE\n\n\n\n")

    assert first.body == Status()
    assert second.body == Delete(target="sedap:B:7")


def test_a_stream_is_cut_into_lines() -> None:
    assert sedap.split(b"HEARTBEAT;1\r\n\nMETEO;2\nOWN") == ([b"HEARTBEAT;1\r", b"METEO;2"], b"OWN")
    with pytest.raises(DecodeError):
        sedap.split(b"x" * 1_048_577)


def test_the_rest_form_holds_the_same_lines() -> None:
    first, second = sedap.decode('{"messages":[{"message":"HEARTBEAT;1;;A"},{"message":"TEXT;;;Ä;;;;;4;;ö"}]}'.encode())

    assert first.body == Status()
    assert second.body == Chat(text="ö", sender=Identity(callsign="Ä"))
    for data in (b'{"messages":[]}', b'{"messages":[{"message":"A\\nB"}]}', b'{"lines":1}', b"{", b'{"messages":[{}]}'):
        with pytest.raises(DecodeError, match="malformed"):
            sedap.decode(data)
    with pytest.raises(DecodeError, match="malformed"):
        sedap.decode(b'{"messages":[{"message":"TEXT;;;A\\u0000;;;;;4;;x"}]}')
    with pytest.raises(DecodeError, match="malformed"):
        sedap.decode(b'{"messages":[{"message":"TEXT;;;A;;;;;4;;\\u0418"}]}')


def test_a_compressed_line_is_read_and_a_bomb_is_not() -> None:
    (message,) = sedap.decode(deflated(b"TEXT;D3;0191C643A8AF;324E;S;;;;1;NONE;Fire"))

    assert message.subject == "sedap:324E:TEXT-D3-0191C643A8AF"
    with pytest.raises(DecodeError, match="unsafe"):
        sedap.decode(deflated(b"TEXT;;;;;;;;1;;" + b"a" * 10_000_000))
    for data in (deflated(b"TEXT\n;"), deflated(b"TEXT"), deflated(deflated(b"METEO;1")), deflated(b"METEO;1")[:-8]):
        with pytest.raises(DecodeError, match="malformed"):
            sedap.decode(data)


def test_the_documents_compressed_sample_is_the_line_that_is_refused_for_its_extra_field() -> None:
    with pytest.raises(DecodeError, match=r"text\.encoding"):
        sedap.decode(b"C3GNCLF2MbY2MLQ0NTK2MHQ1MnSyNjYycbUOtg4JCnW1BgJDaz9/P1drpZCMzGIFIErMU0jMSS0qUVQCAA==")


def test_a_full_turn_is_north() -> None:
    body = read("OWNUNIT;;;;;;;1;1;;;360").body

    assert isinstance(body, Track)
    assert body.kinematics.course_deg == 0.0


def test_a_symbol_that_is_none_is_set_aside_and_no_affiliation_is_guessed() -> None:
    message = read("OWNUNIT;;0191C643A8AF;A;;;;53.3;8.1;;;;;;;X;FRIENDLY")

    assert isinstance(message.body, Track)
    assert message.body.symbol is None
    assert message.loss == (Loss(field="symbol", reason=LossReason.UNREADABLE),)


def test_an_exercise_identity_marks_the_message_as_exercise_both_ways() -> None:
    message = read("OWNUNIT;;0191C643A8AF;A;;;;53.3;8.1;;;;;;;X;SDGPUC---------")

    assert message.mode is Mode.EXERCISE
    assert isinstance(message.body, Track)
    assert message.body.symbol is not None
    assert message.body.symbol.affiliation is Affiliation.FRIEND
    assert written(message)[16] == "SDGPUC---------"
    assert lost(message) == set()


@pytest.mark.parametrize(
    "line",
    [
        "OWNUNIT;;0191C643A8AF;22AA;U;;;77.88;-10.12;;;;;-2.2;3.3;Ownunit",
        "CONTACT;;0191C643A8AF;A;;;;7;FALSE;53.3;8.1;;1;2.5;-3;;;;4;5;;;;;;;;;/9j/",
        "STATUS;;0191C643A8AF;75DA;U;;;4;2;MLG#20;;Akku1#50#Akku2#40;ED32;03;MTAuMC4w;aHR0#aHR1;RnVsbHk=",
        "GRAPHIC;79;0191C643A8AF;910E;U;;;0;3;;;NONE;;54.23;12.86",
    ],
)
def test_what_no_field_holds_is_kept_for_the_way_home(line: str) -> None:
    message = read(line)

    assert message.loss == ()
    assert message.extras
    assert sedap.encode(message).data.decode() == line
    assert sedap.encode(message).loss == ()


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


def test_text_types() -> None:
    alert = read("TEXT;D3;0191C643A8AF;324E;S;;;;01;;Fire")
    chat = read("TEXT;D3;0191C643A8AF;324E;S;;;ORKA;4;;Hello")
    warning = read("TEXT;D3;0191C643A8AF;324E;S;;;;02;;Ice")

    assert alert.body == Alert(event="Alert", description="Fire", raised_by=Identity(callsign="324E"))
    assert chat.body == Chat(text="Hello", to=("ORKA",), sender=Identity(callsign="324E"))
    assert warning.body == Chat(text="Ice", sender=Identity(callsign="324E"))
    assert warning.source.dialect == "text-warning"
    assert chat.subject == "sedap:324E:TEXT-D3-0191C643A8AF"


def test_text_in_base64_is_utf8_and_else_latin1() -> None:
    utf8 = read(f"TEXT;;0191C643A8AF;A;;;;;4;BASE64;{b64encode('Київ'.encode()).decode()}").body
    latin = read(f"TEXT;;0191C643A8AF;A;;;;;4;BASE64;{b64encode('Zürich'.encode('latin-1')).decode()}").body
    plain = read("TEXT;;0191C643A8AF;A;;;;;4;;Zürich").body

    assert isinstance(utf8, Chat)
    assert isinstance(latin, Chat)
    assert isinstance(plain, Chat)
    assert (utf8.text, latin.text, plain.text) == ("Київ", "Zürich", "Zürich")


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


def test_orders_are_read_and_never_written() -> None:
    message = read("COMMAND;29;0191C643A8AF;E4B3;C;TRUE;;ORKA;0331;00;05;53.5143;8.1574;50;5;6644D570")

    assert message.body == Task(
        verb="move",
        target="ORKA",
        position=Position(latitude=53.5143, longitude=8.1574, altitude_m=50.0, altitude_datum=AltitudeDatum.MSL),
        parameters=(("flag", "add"), ("command_id", "0331"), ("tolerance_m", "5"), ("at", "6644D570")),
    )
    with pytest.raises(EncodeError):
        sedap.encode(message)


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
    ("label", "letter", "approximated"),
    [
        (Label(policy="EXAMPLE", classification="RESTRICTED"), "R", True),
        (Label(policy="EXAMPLE", classification="Top Secret"), "T", True),
        (Label(policy="EXAMPLE", classification="MOST PRIVATE"), "", False),
    ],
)
def test_a_label_gives_a_letter_only_for_the_documents_own_words(
    label: Label, letter: str, *, approximated: bool
) -> None:
    message = report(TRACK, label=label)

    assert written(message)[4] == letter
    assert Loss(field="label", reason=LossReason.NO_CODE, approximated=approximated) in sedap.encode(message).loss


def test_a_letter_of_the_input_never_stands_in_for_a_label() -> None:
    message = read("OWNUNIT;;0191C643A8AF;66A3;U;;;53.32;8.11")
    labelled = msgspec.structs.replace(message, label=Label(policy="EXAMPLE", classification="MOST PRIVATE"))

    assert written(labelled)[4] == ""
    assert (
        written(msgspec.structs.replace(message, source=Source(format="cot", label_hint="classification=U")))[4] == ""
    )


def test_graphic_shapes() -> None:
    ellipse = read("GRAPHIC;78;0191C643A8AF;910E;U;;;6;1;ff0000;BASE64;QXJlYSBBbHBoYQ==;300;800;53.4;9.4")

    assert ellipse.body == Graphic(
        shape=Shape.ELLIPSE,
        points=(Position(latitude=53.4, longitude=9.4),),
        major_m=800.0,
        minor_m=300.0,
        rotation_deg=0.0,
        title="Area Alpha",
        stroke="#ff0000ff",
    )
    sphere = read("GRAPHIC;79;0191C643A8AF;910E;U;;;8;1;FF8000;BASE64;QXJlYSBBbHBoYQ==;10000;53.43;9.45")
    assert isinstance(sphere.body, Opaque)


def test_status_words_and_levels() -> None:
    message = read(
        "STATUS;15;0191C643A8AF;75DA;U;;;4;2;MLG#20;Diesel#55.5#Reserve#90;Akku1#50#Akku2#40;;;MTAuMC4w;;RnVsbHk="
    )

    assert message.body == Status(
        technical="fault",
        operational="operational",
        ammunition=(("MLG", 20.0),),
        fuel=(("Diesel", 55.5), ("Reserve", 90.0)),
        battery_percent=40.0,
        text="Fully",
    )
    assert [extra.name for extra in message.extras] == ["battery", "host"]


def test_references_of_a_text_are_of_its_own_sender() -> None:
    message = read("TEXT;D3;0191C643A8AF;324E;S;;;;1;;Fire;1000")

    assert message.references == (Reference(relation="reference", subject="sedap:324E:1000"),)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the third-party samples are not here")
@pytest.mark.parametrize("name", ["icd_v1.0_samples.txt", "dotnet_wire_formats_part.txt"])
def test_every_sample_reads_and_goes_home_the_same_or_is_refused_for_its_known_reason(name: str) -> None:
    refused = {
        b'TEXT;D3;01952381E21B;324E;S;TRUE;;;;1;NONE;"This is an alert!"': "text.encoding",  # one ; too many
        b"COMMAND;29;0195238E35AD;E4B3;C;TRUE;;Drone1;;FF;00;OPEN_BAY": "command.flag",  # flag and type exchanged
        b"COMMAND;29;0195238F55AD;E4B3;C;TRUE;;Drone2;0000;03 (Cancel all last commands)": "command.flag",  # a remark
        b"COMMAND;01;66E2D520;SENDER;U;;;RCP;;00;10": "command.type",  # no such type
        b"CONTACT;01;66E2D52;SENDER;U;;;ID": "position",  # mandatory
    }
    count = 0
    for line in (SAMPLES / name).read_bytes().splitlines():
        if line in refused or line.startswith(b"POINT;"):  # POINT became CONTACT in 1.0
            with pytest.raises(DecodeError, match=refused.get(line, "name")):
                sedap.decode(line)
            continue
        (message,) = sedap.decode(line)
        if isinstance(message.body, Task):
            continue
        back = again(message)
        assert msgspec.structs.replace(back, loss=message.loss, times=message.times) == message
        assert back.times.observed == message.times.observed
        count += 1
    assert count > 10
