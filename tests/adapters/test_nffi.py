"""NFFI 1.3: valid by its schema whatever is written, exact in units, honest about its alphabet and its silence."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from lxml import etree
from msgspec.structs import replace

from adapters import DecodeError, EncodeError, Fault, cot, nffi
from adapters.nffi.names import TrackSource, source_of, subject_of
from gateway.formats.specimens import FULL, SPARSE, sparse, specimen
from protocols.body import Chat, Contact, Identity, Track
from protocols.label import Category, CategoryType, Label
from protocols.message import Extra, Message, Mode, Quality, Source, Times
from protocols.quantity import Affiliation, AltitudeDatum, Kinematics, Position, Symbol
from protocols.xml import attributes_of
from tests.adapters.oracles import schema, standards

AT = datetime(2026, 5, 4, 9, 10, 11, tzinfo=UTC)
NS = "{urn:nato:fft:protocols:nffi13}"
HERE = Position(latitude=45.25, longitude=19.875)
FRIEND = Symbol(affiliation=Affiliation.FRIEND, sidc15="SFGPUCI--------")


def report(body: Track | Contact, **fields: Any) -> Message:
    given: dict[str, Any] = {"subject": "u-1", "times": Times(observed=AT)} | fields
    return Message(id="1", body=body, source=Source(format="test"), **given)


def track(**fields: Any) -> Message:
    return report(Track(**({"position": HERE, "symbol": FRIEND} | fields)))


def said(message: Message, path: str) -> list[str]:
    """The texts of an element in what is written."""
    root = etree.fromstring(nffi.encode(message).data)
    return [element.text or "" for element in root.iter(f"{NS}{path}")]


def again(message: Message) -> Message:
    (read,) = nffi.decode(nffi.encode(message).data)
    return read


def lost(message: Message) -> set[tuple[str, str]]:
    return {(loss.field, str(loss.reason)) for loss in nffi.encode(message).loss}


def positional(inner: str, source: str = "<system>S</system>") -> bytes:
    return (
        '<NFFIMessage xmlns="urn:nato:fft:protocols:nffi13"><track><positionalData><trackSource><sourceSystem>'
        f"{source}</sourceSystem><transponderId>t</transponderId></trackSource><dateTime>20260504091011</dateTime>"
        f"<coordinates><latitude>45.25</latitude><longitude>19.875</longitude></coordinates>{inner}"
        "</positionalData></track></NFFIMessage>"
    ).encode()


@pytest.fixture(scope="module")
def nffi_13() -> etree.XMLSchema:
    return schema("nffi/schema/nffi_13.xsd")


@pytest.mark.parametrize("message", [specimen(b) for b in FULL] + [sparse(b) for b in SPARSE], ids=lambda m: m.kind)
def test_whatever_is_written_is_valid(message: Message, nffi_13: etree.XMLSchema) -> None:
    try:
        encoded = nffi.encode(message)
    except EncodeError:
        return
    nffi_13.assertValid(etree.fromstring(encoded.data))


@pytest.mark.parametrize("path", standards("cot/samples/*.xml"), ids=lambda p: p.name)
def test_positions_of_tak_clients_become_valid_nffi(path: Any, nffi_13: etree.XMLSchema) -> None:
    try:
        (message,) = cot.decode(path.read_bytes())
        encoded = nffi.encode(message)
    except (DecodeError, EncodeError):
        return
    nffi_13.assertValid(etree.fromstring(encoded.data))
    (read,) = nffi.decode(encoded.data)

    assert read.subject == message.subject
    assert isinstance(read.body, Track | Contact)
    assert isinstance(message.body, Track | Contact)
    assert read.body.kinematics.speed_mps == message.body.kinematics.speed_mps


@pytest.mark.parametrize(
    "text",
    ["Ж", "ß", "a b", "x" * 400, "<&>\"'", "\x00\x1b", "\ud800", "ÅÄÖ", "", "--", "١٢", "👍", "line\nline\n" * 9],
)
def test_any_text_ends_in_a_valid_message(text: str, nffi_13: etree.XMLSchema) -> None:
    identity = Identity(callsign=text, phone=text, device=text)
    message = report(Track(position=HERE, symbol=FRIEND, identity=identity, remarks=text), subject=text[:500] or "s")
    encoded = nffi.encode(message)

    nffi_13.assertValid(etree.fromstring(encoded.data))
    if text not in ("", "--"):
        assert {loss.field for loss in encoded.loss} & {"identity.callsign", "remarks"}


def test_the_synthetic_14_sample_is_read_and_written_as_13(nffi_13: etree.XMLSchema) -> None:
    for path in standards("nffi/samples/*.xml"):
        (message,) = nffi.decode(path.read_bytes())
        nffi_13.assertValid(etree.fromstring(nffi.encode(message).data))

        assert message.source.version == "1.4"
        assert message.source.label_hint == "secPolicyName=NATO;secClassification=NATO RESTRICTED"
        assert isinstance(message.body, Track)
        assert message.body.kinematics == Kinematics(course_deg=271.2, speed_mps=8.5)
        assert message.body.in_distress is False


@pytest.mark.parametrize(
    ("kmh", "mps"),
    [("0", 0.0), ("3.6", 1.0), ("30.6", 8.5), ("36", 10.0), ("120.0", 120 / 3.6), ("1E1", 10 / 3.6)],
)
def test_speed_is_kilometres_an_hour_and_comes_back_exactly(kmh: str, mps: float) -> None:
    (message,) = nffi.decode(positional(f"<speed>{kmh}</speed>"))

    assert isinstance(message.body, Track)
    assert message.body.kinematics.speed_mps == mps
    assert float(said(message, "speed")[0]) == float(kmh)


def test_height_is_above_mean_sea_level_only() -> None:
    above_sea = track(position=Position(latitude=1, longitude=2, altitude_m=80.5, altitude_datum=AltitudeDatum.MSL))
    above_ellipsoid = track(
        position=Position(latitude=1, longitude=2, altitude_m=80.5, altitude_datum=AltitudeDatum.HAE)
    )

    assert said(above_sea, "altitude") == ["80.5"]
    assert said(above_ellipsoid, "altitude") == []
    assert ("position.altitude_m", "datum") in lost(above_ellipsoid)


def test_a_fraction_of_a_second_is_cut_and_declared() -> None:
    message = report(Track(position=HERE, symbol=FRIEND), times=Times(observed=AT.replace(microsecond=999_000)))

    assert said(message, "dateTime") == ["20260504091011"]
    assert ("times.observed", "precision") in lost(message)
    assert again(message).times == Times(observed=AT, whole_seconds=True)


def test_the_meridian_that_the_schema_leaves_out_is_written_from_the_other_side() -> None:
    assert said(track(position=Position(latitude=1, longitude=-180)), "longitude") == ["180.0"]


@pytest.mark.parametrize(
    "subject",
    [
        "ANDROID-7f31c2a09be41d55",
        "pytak_vm-pytak",
        "sedap:OWN UNIT č:7F",
        "a*b*2A",
        "nffi:XNB.BFT-2.north%2E1:V:117",
        "nffi:.ALPHA-C2.:blue-17",
        "x",
    ],
)
def test_a_subject_survives_the_way_there_and_back(subject: str) -> None:
    message = report(Track(position=HERE, symbol=FRIEND), subject=subject)

    assert again(message).subject == subject
    assert not any(field == "subject" for field, _ in lost(message))


def test_a_subject_that_does_not_fit_is_shortened_the_same_way_each_time() -> None:
    message = report(Track(position=HERE, symbol=FRIEND), subject="urn:uuid:" + "9" * 80)
    first, second = again(message), again(message)

    assert first.subject == second.subject != message.subject
    assert ("subject", "too-long") in lost(message)
    assert again(first).subject == first.subject
    other = report(Track(position=HERE, symbol=FRIEND), subject="urn:uuid:" + "9" * 81)
    assert again(other).subject != first.subject


def test_track_sources_never_share_a_subject() -> None:
    sources = [
        TrackSource(None, "a.b", None, "c"),
        TrackSource(None, "a", "b", "c"),
        TrackSource(None, "a:b", None, "c"),
        TrackSource(None, "a", None, "b:c"),
        TrackSource("XNA", "a", "b", "c"),
    ]

    assert len({subject_of(source) for source in sources}) == len(sources)
    assert [source_of(subject_of(source)) for source in sources] == sources


def test_a_forged_relay_mark_gives_no_more_than_a_subject() -> None:
    data = positional("", source="<system>COMITY</system>").replace(b">t<", b">ANDROID-1<")

    (message,) = nffi.decode(data)
    assert message.subject == "ANDROID-1"
    assert message.origin is None


@pytest.mark.parametrize(
    "affiliation", [Affiliation.HOSTILE, Affiliation.SUSPECT, Affiliation.JOKER, Affiliation.FAKER]
)
def test_an_enemy_is_never_put_on_a_friendly_force_picture(affiliation: Affiliation) -> None:
    with pytest.raises(EncodeError):
        nffi.encode(report(Contact(position=HERE, symbol=Symbol(affiliation=affiliation, cot_type="a-h-G"))))


def test_a_contact_of_unknown_affiliation_is_not_shown_as_a_friend() -> None:
    with pytest.raises(EncodeError):
        nffi.encode(report(Contact(position=HERE)))
    unknown = Symbol(affiliation=Affiliation.UNKNOWN, cot_type="a-f-G-E-V")  # the code contradicts: the field counts
    assert said(report(Contact(position=HERE, symbol=unknown)), "unitSymbol") == ["SUGPEV---------"]


@pytest.mark.parametrize("mode", [Mode.SIMULATION, Mode.TEST])
def test_what_is_not_live_is_never_written_as_if_it_were(mode: Mode) -> None:
    with pytest.raises(EncodeError):
        nffi.encode(replace(track(), mode=mode))


def test_an_exercise_is_marked_in_the_symbol() -> None:
    message = replace(track(), mode=Mode.EXERCISE)

    assert said(message, "unitSymbol") == ["SDGPUCI--------"]
    assert again(message).mode is Mode.EXERCISE
    with pytest.raises(EncodeError):
        nffi.encode(replace(track(symbol=None), mode=Mode.EXERCISE))


def test_only_positions_can_be_said() -> None:
    with pytest.raises(EncodeError):
        nffi.encode(sparse(Chat(text="hello")))


def test_a_message_without_any_time_is_not_given_one() -> None:
    with pytest.raises(EncodeError):
        nffi.encode(report(Track(position=HERE), times=Times()))


def test_the_label_stands_on_every_section() -> None:
    label = Label(
        policy="XMN",
        classification="RESTRICTED",
        categories=(Category(type=CategoryType.PERMISSIVE, tag="Releasable To", values=("XNA", "XNB")),),
    )
    message = replace(track(ready=True, in_distress=True), label=label)
    (sections,) = etree.fromstring(nffi.encode(message).data)

    assert len(sections) == 4
    for section in sections:
        assert attributes_of(section) == {
            "secPolicyName": "XMN",
            "secClassification": "RESTRICTED",
            "secCategory": "Releasable To=XNA,XNB",
        }


def test_a_label_that_does_not_fit_stops_the_message() -> None:
    with pytest.raises(EncodeError):
        nffi.encode(replace(track(), label=Label(policy="X", classification="C" * 31)))


def test_sections_marked_differently_match_no_single_marking() -> None:
    data = positional("").replace(b"<positionalData>", b'<positionalData secClassification="U">')
    data = data.replace(
        b"</positionalData>",
        b'</positionalData><operStatusData secClassification="S"><statusCode>NOT KNOWN</statusCode></operStatusData>',
    )

    (message,) = nffi.decode(data)
    assert message.source.label_hint == "secClassification=U|secClassification=S"


@pytest.mark.parametrize(
    ("inner", "reliability", "credibility"),
    [
        ("<reliability>COMPLETELY RELIABLE</reliability>", "A", None),
        ("<reliability>RELIABILITY CANNOT BE JUDGED</reliability>", "F", None),
        ("<credibility>CONFIRMED BY OTHER SOURCES</credibility>", None, "1"),
        ("<credibility>TRUTH CANNOT BE JUDGED</credibility>", None, "6"),
        ("<reliability>VERY</reliability>", None, None),
    ],
)
def test_grades_both_ways(inner: str, reliability: str | None, credibility: str | None) -> None:
    (message,) = nffi.decode(positional(inner))

    assert message.quality == Quality(reliability=reliability, credibility=credibility)
    assert again(message).quality == message.quality


@pytest.mark.parametrize("text", ["1_0", "0x10", "", "ten", "NaN", "-INF"])
def test_what_is_no_number_is_refused(text: str) -> None:
    data = positional("").replace(b"45.25", text.encode())

    with pytest.raises(DecodeError) as refused:
        nffi.decode(data)
    assert refused.value.fault in (Fault.MALFORMED, Fault.OUT_OF_RANGE, Fault.MISSING)


def test_many_tracks_are_bounded() -> None:
    data = positional("").replace(b"</track>", b"</track>" + b"<track/>" * 5000)

    with pytest.raises(DecodeError) as refused:
        nffi.decode(data)
    assert refused.value.fault is Fault.TOO_LARGE


def test_what_no_field_holds_comes_home_and_is_valid(nffi_13: etree.XMLSchema) -> None:
    inner = "<inclination>3</inclination>"
    more = (
        "</positionalData><operStatusData><footprint>40.5</footprint><strength>9</strength>"
        "<statusCode>MARGINALLY OPERATIONAL</statusCode></operStatusData><deviceSpecificData>"
        "<additionalId>a-1</additionalId><serialNumber>77</serialNumber><terminalId>T5</terminalId>"
        "<specialUserDefined>x:y</specialUserDefined></deviceSpecificData>"
        '<detailData><w xmlns="urn:example" a="1"><v>2</v></w></detailData>'
    )
    data = positional(inner).replace(b"</positionalData>", more.encode())
    (message,) = nffi.decode(data)
    written = nffi.encode(message).data

    nffi_13.assertValid(etree.fromstring(written))
    assert message.loss == ()
    for text in (b">3</inc", b"40.5", b"<strength>9<", b"MARGINALLY", b"a-1", b"77", b"T5", b"x:y", b'a="1"'):
        assert text in written
    assert again(message) == message


def test_what_was_kept_is_held_to_the_schema_and_never_replaces_a_field(nffi_13: etree.XMLSchema) -> None:
    forged = tuple(
        Extra(format="nffi", name=name, inner=inner)
        for name, inner in (
            ("operStatusData/strength", "70000"),
            ("operStatusData/statusCode", "FULLY OPERATIONAL"),
            ("deviceSpecificData/serialNumber", "a b"),
            ("deviceSpecificData/alert", "true"),
            ("deviceSpecificData/additionalId", "<x/>"),
            ("positionalData/dateTime", "20200101000000"),
            ("detailData", "</detailData></track><track>"),
        )
    )
    message = replace(track(ready=True), extras=(*forged, Extra(format="cot", name="uid", inner="")))
    encoded = nffi.encode(message)

    nffi_13.assertValid(etree.fromstring(encoded.data))
    assert encoded.data.count(b"<track>") == 1
    assert b"20200101" not in encoded.data
    assert b"<alert>" not in encoded.data
    assert b"<statusCode>OPERATIONAL<" in encoded.data
    assert "extras" in {loss.field for loss in encoded.loss}


def test_a_symbol_that_cannot_be_read_makes_nobody_a_friend() -> None:
    data = positional("").replace(
        b"</positionalData>",
        b"</positionalData><identificationData><unitSymbol>S?GP-----------</unitSymbol>"
        b"<unitShortName>X</unitShortName></identificationData>",
    )
    (message,) = nffi.decode(data)

    assert isinstance(message.body, Contact)
    assert message.body.symbol is None
    assert [loss.field for loss in message.loss] == ["symbol"]


def test_remarks_without_end_cost_little() -> None:
    lines = f"<remarks>{'x' * 40}</remarks>" * 9_000
    data = (
        '<NFFIMessage xmlns="urn:nato:fft:protocols:nffi13"><track><positionalData><trackSource><sourceSystem>'
        "<system>S</system></sourceSystem><transponderId>T</transponderId></trackSource>"
        "<dateTime>20260504091011</dateTime><coordinates><latitude>1</latitude><longitude>2</longitude></coordinates>"
        f"</positionalData><deviceSpecificData>{lines}</deviceSpecificData></track></NFFIMessage>"
    ).encode()
    before = process_time()
    (message,) = nffi.decode(data)

    assert process_time() - before < 1  # a text made longer at each takes seven seconds
    assert isinstance(message.body, Track)
    assert message.body.remarks == "\n".join(["x" * 40] * 9_000)


@pytest.mark.parametrize(
    ("speeds", "sections"),
    [("<speed>36</speed><speed>360</speed>", ""), ("", "<operStatusData/><operStatusData/>")],
)
def test_what_the_schema_has_once_is_refused_twice(speeds: str, sections: str) -> None:
    data = (
        '<NFFIMessage xmlns="urn:nato:fft:protocols:nffi13"><track><positionalData><trackSource><sourceSystem>'
        "<system>S</system></sourceSystem><transponderId>T</transponderId></trackSource>"
        "<dateTime>20260504091011</dateTime><coordinates><latitude>1</latitude><longitude>2</longitude></coordinates>"
        f"{speeds}</positionalData>{sections}</track></NFFIMessage>"
    ).encode()
    with pytest.raises(DecodeError) as refused:
        nffi.decode(data)

    assert refused.value.fault is Fault.MALFORMED


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("<track>", "<track heard='x'>", "attributes"),
        ("<system>", "<system heard='x'>", "attributes"),
        ("</track>", "<detailData heard='x'><y z='1'/></detailData></track>", "attributes"),
        ("<positionalData>", "<positionalData><remarks>x</remarks>", "positionalData"),
        ("</track>", "<newData>x</newData></track>", "track"),
    ],
)
def test_what_no_field_holds_is_a_loss(old: str, new: str, field: str) -> None:
    data = (Path(__file__).parent.parent / "fixtures" / "nffi" / "lenient-14.xml").read_text()
    plain, more = (nffi.decode(text.encode())[0] for text in (data, data.replace(old, new, 1)))

    assert {loss.field for loss in more.loss} - {loss.field for loss in plain.loss} == {field}


def test_attributes_inside_details_are_kept_not_lost() -> None:
    data = (Path(__file__).parent.parent / "fixtures" / "nffi" / "lenient-14.xml").read_text()
    (message,) = nffi.decode(data.replace("</track>", "<detailData><y z='1'/></detailData></track>").encode())

    assert "attributes" not in {loss.field for loss in message.loss}
    assert b'z="1"' in nffi.encode(message).data
