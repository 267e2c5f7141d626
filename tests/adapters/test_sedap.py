"""SEDAP-Express read: units, nulls, names and traps, with values worked out by hand from the interface document."""

from __future__ import annotations

import zlib
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from adapters import DecodeError, EncodeError, Fault, sedap
from protocols.body import (
    Alert,
    Chat,
    Contact,
    Delete,
    Graphic,
    Identity,
    Opaque,
    Shape,
    Status,
    Task,
    Track,
)
from protocols.message import Loss, LossReason, Mode, Reference, Source, Times
from protocols.quantity import Affiliation, AltitudeDatum, Kinematics, Position, Symbol
from tests.adapters.sedap_lines import AT, again, deflated, lost, read, written

SAMPLES = Path(__file__).parents[2].parent / "shared" / "standards" / "sedap-express"


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
    assert [loss.field for loss in message.loss] == ["mac"]  # which no field holds


@pytest.mark.parametrize("latitude", ["53.5", "+53.5", "053.5", "53.50", "5.35e1", "535E-1"])
def test_a_number_is_read_however_it_is_written(latitude: str) -> None:
    body = read(f"OWNUNIT;;0191C643A8AF;A;R;;;{latitude};-.25;;;7.;").body

    assert body == Track(position=Position(latitude=53.5, longitude=-0.25), kinematics=Kinematics(course_deg=7.0))


def test_a_negative_zero_keeps_its_sign() -> None:
    body = read("OWNUNIT;;0191C643A8AF;A;R;;;53.5;-0").body

    assert isinstance(body, Track)
    assert str(body.position.longitude) == "-0.0"  # which alone is not told by comparing


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
        ("OWNUNIT;1;0191C643A8AF;A;R;;;53.3;8.1;null", Fault.MALFORMED),  # a word of JSON is none here
        ("OWNUNIT;1;0191C643A8AF;A;R;;;53.3;8.1;true", Fault.MALFORMED),
        ('OWNUNIT;1;0191C643A8AF;A;R;;;53.3;8.1;"1"', Fault.MALFORMED),
        ("OWNUNIT;1;0191C643A8AF;A;R;;;53.3;8.1;1e999", Fault.OUT_OF_RANGE),
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


def test_many_compressed_lines_may_not_hold_more_than_a_frame() -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    line = b64encode(deflate.compress(b"TEXT;;;;;;;;;;" + b"A" * 65_000) + deflate.flush())
    with pytest.raises(DecodeError) as refused:
        sedap.decode(b"\n".join([line] * 256))

    assert refused.value.fault is Fault.UNSAFE


@pytest.mark.parametrize(
    ("content", "title", "latitude"),
    [
        ("5;1;FF8000FF;;;Area;10000;53.43;9.45", "Area", 53.43),  # fill and encoding left empty, as the table allows
        ("5;1;FF8000FF;;;;10000;53.43;9.45", None, 53.43),
        ("0;1;FF8000FF;;;;53.43;9.45;0", None, 53.43),
        ("0;1;FF8000FF;;;53.43;9.45;0", None, 53.43),  # without the fill, as in the samples
        ("1;1;808080;;Transit;54.23,12.86#54.30,12.9", "Transit", 54.23),
    ],
)
def test_a_drawing_is_read_with_and_without_fill_and_encoding(content: str, title: str | None, latitude: float) -> None:
    (message,) = sedap.decode(f"GRAPHIC;79;0195238E25AD;910E;U;;;{content}".encode())
    assert isinstance(message.body, Graphic)

    assert (message.body.title, message.body.points[0].latitude) == (title, latitude)
