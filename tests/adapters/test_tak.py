"""TAK Protocol version 1, against takproto as an independent encoder and decoder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import takproto
from lxml import etree
from msgspec.structs import replace
from takproto.constants import TAKProtoVer

from adapters import DecodeError, EncodeError, Fault, cot, tak
from gateway.formats.specimens import FULL, SPARSE, sparse, specimen
from protocols.body import Opaque, Track
from protocols.cot.event import CotError
from protocols.cot.markup import Element
from protocols.message import Message, Source, Times
from protocols.quantity import Position
from protocols.tak import FRAME_MAX, Control, read_control
from protocols.tak_handshake import Offer, Request, Response, answer, read_step, write_step
from protocols.wire import read_fields, write_bytes, write_double, write_int, write_text
from tests.adapters.oracles import STANDARDS, standards

AT = datetime(2026, 5, 4, 9, 10, 11, 120_000, tzinfo=UTC)
VECTORS = STANDARDS / "tak-protocol"
SAMPLES = [p for p in standards("cot/samples/*.xml") if p.name != "takpkt_task_engage.cot.xml"]
MESSAGES = [specimen(body) for body in FULL] + [sparse(body) for body in SPARSE]


def frame(*fields: bytes, detail: bytes = b"") -> bytes:
    given = (
        write_text(1, "a-f-G-U-C"),
        write_text(5, "u-1"),
        write_int(6, 1_777_885_811_120),
        write_text(9, "m-g"),
        write_double(10, 45.25),
        write_double(11, 19.875),
        *(write_double(number, 999_999.0) for number in (12, 13, 14)),
    )
    return b"\xbf\x01\xbf" + write_bytes(2, b"".join((*given, *fields, write_bytes(15, detail))))


def read(data: bytes) -> Message:
    (message,) = tak.decode(data)
    return message


def track_of(data: bytes) -> Track:
    body = read(data).body
    assert isinstance(body, Track)
    return body


def test_the_published_vector_and_its_xml_twin_say_the_same() -> None:
    if not VECTORS.exists():
        pytest.skip("the vectors are not at hand")
    binary = read((VECTORS / "eliopoli.mesh.bin").read_bytes())
    (twin,) = cot.decode((VECTORS / "eliopoli.cot.xml").read_bytes())

    assert binary.body == twin.body
    assert binary.times == twin.times
    assert binary.id == twin.id


@pytest.mark.parametrize("path", standards("tak-protocol/*.bin"), ids=lambda p: p.name)
def test_every_third_party_frame_is_read_and_goes_home(path: Path) -> None:
    message = read(path.read_bytes())

    assert read(tak.encode(message).data) == message


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.name)
def test_what_is_written_is_what_an_independent_decoder_reads(path: Path) -> None:
    (message,) = cot.decode(path.read_bytes())
    event = takproto.parse_proto(tak.encode(message).data).cotEvent

    assert (event.type, event.uid, event.how) == _event_of(cot.encode(message).data)
    assert event.sendTime == round(message.times.observed.timestamp() * 1000) if message.times.observed else False
    body = message.body
    if isinstance(body, Track):
        assert (event.lat, event.lon) == (body.position.latitude, body.position.longitude)
        assert event.hae == (999_999 if body.position.altitude_m is None else body.position.altitude_m)
        assert event.detail.contact.callsign == (body.identity.callsign or "") or "<contact" in event.detail.xmlDetail
        assert event.detail.track.speed == (body.kinematics.speed_mps or 0)
        assert event.detail.group.name == (body.identity.team or "")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.name)
@pytest.mark.parametrize("version", [TAKProtoVer.MESH, TAKProtoVer.STREAM])
def test_what_an_independent_encoder_writes_is_read(path: Path, version: TAKProtoVer) -> None:
    (expected,) = cot.decode(path.read_bytes())
    if expected.kind == "chat":
        pytest.skip("takproto 3.0.1 leaves the detail of these events out")
    message = read(bytes(takproto.xml2proto(path.read_text(), version)))

    assert (message.subject, message.kind, message.id) == (expected.subject, expected.kind, expected.id)
    if isinstance(expected.body, Track):
        assert isinstance(message.body, Track)
        assert message.body.position == replace(expected.body.position, fix_source=message.body.position.fix_source)
        assert message.body.kinematics == expected.body.kinematics
        assert message.body.identity.callsign == expected.body.identity.callsign


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.kind)
def test_what_is_written_says_the_same_as_cot_in_xml(message: Message) -> None:
    try:
        xml = cot.encode(message)
    except EncodeError:
        with pytest.raises(EncodeError):
            tak.encode(message)
        return
    (from_xml,) = cot.decode(xml.data)
    from_frame = read(tak.encode(message).data)

    assert from_frame.body == from_xml.body
    assert from_frame.subject == from_xml.subject
    assert tak.encode(message).loss == xml.loss


def test_an_element_that_the_message_cannot_hold_whole_stays_xml() -> None:
    if not SAMPLES:
        pytest.skip("the samples are not at hand")
    (message,) = cot.decode((STANDARDS / "cot/samples/takpkt_pli_full.cot.xml").read_bytes())
    event = takproto.parse_proto(tak.encode(message).data).cotEvent

    assert 'phone="+15550000001"' in event.detail.xmlDetail  # contact has a phone, the message has no field for it
    assert not event.detail.HasField("contact")
    assert event.detail.status.battery == 88
    assert event.detail.takv.platform == "ATAK-CIV"


def test_where_both_have_an_element_the_xml_counts() -> None:
    typed = write_bytes(2, write_text(2, "TYPED"))

    assert track_of(frame(detail=typed)).identity.callsign == "TYPED"
    assert track_of(frame(detail=typed + write_text(1, "<contact callsign='XML'/>"))).identity.callsign == "XML"


@pytest.mark.parametrize(
    ("value", "expected"),
    [(999_999.0, None), (9_999_999.0, None), (0.0, 0.0), (-22.5, -22.5), (35_786_000.0, 35_786_000.0)],
)
def test_marks_of_unknown_height(value: float, expected: float | None) -> None:
    data = frame(b"".join((write_double(12, 1.0), b"\x61" + _packed(value))))

    assert track_of(data).position.altitude_m == expected


def test_zero_that_proto3_does_not_send_is_zero() -> None:
    message = track_of(frame(detail=write_bytes(7, write_double(1, 8.5))))

    assert (message.kinematics.course_deg, message.kinematics.speed_mps) == (0.0, 8.5)


def test_fractions_of_a_millisecond_are_cut_and_declared() -> None:
    message = Message(
        id="1",
        subject="u",
        body=Track(position=Position(latitude=1, longitude=2)),
        source=Source(format="test"),
        times=Times(observed=AT.replace(microsecond=120_400)),
    )
    encoded = tak.encode(message)

    assert read(encoded.data).times.observed == AT
    assert ("times.observed", "precision") in {(loss.field, str(loss.reason)) for loss in encoded.loss}


def test_a_frame_with_only_control_information_holds_no_message() -> None:
    control = b"\xbf\x01\xbf" + write_bytes(1, write_int(2, 3) + write_text(3, "u-1"))

    assert tuple(tak.decode(control)) == ()
    assert read_control(control) == Control(1, 3, "u-1")
    assert read_control(frame()) is None
    with pytest.raises(CotError):
        read_control(b"\xbf\x01\xbf\x08\x01\x0a")


def test_bare_xml_of_version_0_is_read() -> None:
    xml = (Path(__file__).parent.parent / "fixtures/cot/track-atak.xml").read_bytes()
    (expected,) = cot.decode(xml)

    assert read(xml).body == expected.body


def test_drawings_and_the_like_pass_between_xml_and_protobuf_whole() -> None:
    for path in SAMPLES:
        (message,) = cot.decode(path.read_bytes())
        if isinstance(message.body, Opaque):
            again = read(tak.encode(message).data)
            assert isinstance(again.body, Opaque)
            assert read(tak.encode(again).data).body == again.body


def test_a_stream_is_cut_into_frames_wherever_it_is_torn() -> None:
    first = bytes(takproto.xml2proto(_xml("a"), TAKProtoVer.STREAM))
    parts = [_xml("x").encode(), first, first, _xml("y").encode()]
    whole = parts[0] + b"\n" + b"".join(parts[1:])
    for at in range(len(whole)):
        frames, rest = tak.split(whole[:at])
        more, left = tak.split(rest + whole[at:])
        assert frames + more == parts
        assert left == b""


@pytest.mark.parametrize("data", [b"hello", b"\x00", b"\xbf" + b"\xff" * 20, b"\xbf\xff\xff\xff\x7f"])
def test_what_is_no_stream_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        tak.split(data)


def test_a_stream_that_never_ends_its_event_is_bounded() -> None:
    with pytest.raises(DecodeError) as refused:
        tak.split(b"<event>" + b" " * FRAME_MAX)
    assert refused.value.fault is Fault.TOO_LARGE


def test_both_sides_agree_on_version_1() -> None:
    offer = read_step(write_step(Offer((1, 2)), "server", AT))
    assert offer == Offer((1, 2))
    request = answer(offer)
    assert request == Request(1)
    assert read_step(write_step(request, "client", AT)) == request
    response = answer(request)
    assert response == Response(accepted=True)
    assert read_step(write_step(response, "server", AT)) == response
    assert answer(response) is None


def test_a_version_that_is_not_shared_is_not_asked_for() -> None:
    assert answer(Offer((7,))) is None
    assert answer(Request(7)) == Response(accepted=False)
    assert read_step(_xml("x").encode()) is None


def test_the_wire_reads_what_it_writes_and_the_last_of_a_repeated_field() -> None:
    data = write_int(1, 300) + write_double(2, 1.5) + write_text(3, "ä") + write_int(1, 2**40)

    assert read_fields(data) == {1: 2**40, 2: 1.5, 3: "ä".encode()}
    assert Element("a", {"b": "<"}, "c").xml() == '<a b="&lt;">c</a>'


def _packed(value: float) -> bytes:
    return write_double(1, value)[1:] or bytes(8)


def _xml(uid: str) -> str:
    at = "2026-05-04T09:10:11Z"
    return (
        f"<event version='2.0' uid='{uid}' type='a-f-G' time='{at}' start='{at}' stale='{at}' how='m-g'>"
        "<point lat='1' lon='2' hae='0' ce='1' le='1'/><detail/></event>"
    )


def _event_of(xml: bytes) -> tuple[str, str, str]:
    event = etree.fromstring(xml)
    return event.get("type", ""), event.get("uid", ""), event.get("how", "")
