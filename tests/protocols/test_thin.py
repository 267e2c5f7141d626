"""What shrinks grows again to the same message; what was tampered with is refused, and nothing grows without bound."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.formats.specimens import FULL, SPARSE, sparse, specimen
from protocols import thin
from protocols.body import Chat, Identity, Opaque, Track
from protocols.label import Label
from protocols.message import (
    MESSAGE_MAX,
    Authenticity,
    Message,
    Source,
    Times,
    message_id,
    pack,
    unpack,
)
from protocols.quantity import Kinematics, Position
from protocols.thin import RATIO_MAX, SMALL, ThinError, ThinRefusal, grow, shrink
from protocols.thin_dictionary import DICTIONARY, STRUCTS, VERSION
from tests.protocols import generate_thin
from tests.protocols.strategies import messages
from tests.protocols.synthesis import synthesised

AT = datetime(2026, 3, 14, 21, 7, 30, 125_000, tzinfo=UTC)
FIXTURES = Path(__file__).parent.parent / "fixtures"
FIELDS, WHOLE = 0xA0 | VERSION << 1, 0xA1 | VERSION << 1


def a_track(**more: object) -> Message:
    body = Track(
        position=Position(latitude=45.267135, longitude=19.83355),
        identity=Identity(callsign="HERON 21", team="Cyan"),
        kinematics=Kinematics(course_deg=271.5, speed_mps=8.5),
    )
    given = {
        "id": message_id("position", "ANDROID-7f31c2a09be41d55", AT),
        "subject": "ANDROID-7f31c2a09be41d55",
        "body": body,
        "source": Source(format="cot", version="2.0"),
        "times": Times(observed=AT, created=AT, valid_until=AT + timedelta(minutes=5)),
        "origin": "alpha/patrols",
        "label": Label(policy="MISSION", classification="RESTRICTED"),
    }
    return Message(**given | more)  # type: ignore[arg-type]  # fields of Message by name


def of_fixtures() -> Iterator[Message]:
    """What the fixtures of every format mean."""
    for file in sorted(FIXTURES.glob("*/*.json")):
        meant = json.loads(file.read_text())
        for each in meant if isinstance(meant, list) else [meant]:
            yield msgspec.convert({"id": "0" * 32} | each, Message)


def kept(message: Message, sender: str = "") -> bool:
    return unpack(grow(shrink(pack(message), sender), sender)) == message


@given(messages, st.sampled_from(["", "alpha/patrols", "ж"]))
def test_nothing_of_any_message_is_lost(message: Message, sender: str) -> None:
    assert kept(message, sender)
    assert kept(msgspec.structs.replace(message, origin=sender), sender)


def test_nothing_of_fixtures_and_specimens_is_lost() -> None:
    found = [*of_fixtures(), *map(specimen, FULL), *map(sparse, SPARSE)]
    assert len(found) > 60
    assert all(kept(message) for message in found)


def test_nothing_of_messages_like_those_of_a_mission_is_lost() -> None:
    for message in synthesised(500, 3):
        assert kept(message, message.origin or "")
        assert len(shrink(pack(message), message.origin or "")) * 3 < len(pack(message))


@given(messages)
def test_a_record_is_never_longer_and_never_grows_beyond_its_bounds(message: Message) -> None:
    packed = pack(message)
    record = shrink(packed)
    assert len(record) <= len(packed)
    assert len(packed) <= max(SMALL, RATIO_MAX * len(record))


def test_the_first_byte_tells_a_record_from_a_message_and_from_a_control_record() -> None:
    assert shrink(pack(a_track()))[0] == FIELDS == 0xA2
    assert pack(a_track())[0] in {*range(0x80, 0x90), 0xDE}
    assert grow(pack(a_track())) == pack(a_track())
    for other in (b"", b"\x93\x01\x90\xc0", b"\xdc\x00\x01\xc0", b"\xc1"):
        assert grow(other) == other


def test_a_position_report_takes_less_than_a_fifth() -> None:
    packed = pack(a_track())
    assert len(shrink(packed, "alpha/patrols")) <= min(70, len(packed) // 5)


def test_an_id_that_follows_and_an_origin_that_is_the_sender_take_no_room() -> None:
    plain = a_track()
    assert len(shrink(pack(a_track(id="0" * 32)), "alpha/patrols")) >= len(shrink(pack(plain), "alpha/patrols")) + 16
    assert len(shrink(pack(plain))) >= len(shrink(pack(plain), "alpha/patrols")) + 4


def test_the_origin_that_was_left_out_is_whoever_signed_the_envelope() -> None:
    record = shrink(pack(a_track()), "alpha/patrols")
    assert unpack(grow(record, "bravo/ops")).origin == "bravo/ops"
    told = shrink(pack(a_track()), "alpha/other")
    assert unpack(grow(told, "bravo/ops")).origin == "alpha/patrols"


@pytest.mark.parametrize(
    "number",
    [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.1,
        1e-7,
        1e-5,
        123456.789,
        5e-324,
        1.7976931348623157e308,
        2.0**53,
        2.0**53 + 2,
        1e22,
        45.267135,
        -179.99999999,
        0.30000000000000004,
        99.999999999999,
        1 / 3,
    ],
)
def test_a_number_comes_back_as_it_was(number: float) -> None:
    body = Track(position=Position(latitude=0.0, longitude=0.0), kinematics=Kinematics(climb_mps=number))
    back = unpack(grow(shrink(pack(a_track(body=body))))).body
    assert isinstance(back, Track)
    assert repr(back.kinematics.climb_mps) == repr(number)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "ab", "0" * 7, "0" * 8, "+15550000021", "d" * 127, "x" + "ab" * 100),
        *("0123456789abcdef", "0123456789ABCDEF", "0123456789abCDEF", "١٢٣٤٥٦٧٨", "Долазимо", "مرحبا"),
        *("00000000-0000-4000-8000-000000000000", "ABCDEF01-0000-4000-8000-00000000000A"),
        *("abcdef01-0000-4000-8000-00000000000A", "ends in \x02", "\0", "\x01"),
    ],
)
def test_a_text_comes_back_as_it_was(text: str) -> None:
    message = a_track(body=Chat(text=text, room=text, to=(text, text)))
    assert kept(message)


@pytest.mark.parametrize(
    "moment",
    [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), AT.replace(microsecond=1)],
)
def test_a_time_comes_back_as_it_was(moment: datetime) -> None:
    assert kept(a_track(times=Times(observed=AT, created=moment, valid_until=AT)))
    assert kept(a_track(times=Times(observed=moment, created=AT, received=moment)))


def test_a_field_of_a_later_model_travels_whole() -> None:
    raw = msgspec.msgpack.decode(pack(a_track(origin=None)))
    for later in (raw | {"urgent": True}, raw | {"body": raw["body"] | {"fuel": 3}}, raw | {"authenticity": "proven"}):
        packed = msgspec.msgpack.encode(later)
        assert shrink(packed)[0] == WHOLE
        assert len(shrink(packed)) < len(packed)
        assert grow(shrink(packed)) == packed


@pytest.mark.parametrize("version", [each for each in range(16) if each != VERSION])
@pytest.mark.parametrize("whole", [0, 1])
def test_another_dictionary_is_refused(version: int, whole: int) -> None:
    record = bytes((0xA0 | version << 1 | whole,)) + shrink(pack(a_track()))[1:]
    with pytest.raises(ThinError, match=r"^unknown-dictionary$") as refusal:
        grow(record)
    assert refusal.value.reason is ThinRefusal.UNKNOWN_DICTIONARY


@pytest.mark.parametrize("fault", ["cut", "longer", "empty"])
@pytest.mark.parametrize("kind", [FIELDS, WHOLE])
def test_a_record_that_is_cut_or_goes_on_is_refused(kind: int, fault: str) -> None:
    packed = pack(a_track())
    if kind == WHOLE:
        packed = msgspec.msgpack.encode(msgspec.msgpack.decode(packed) | {"urgent": True})
    record = shrink(packed)
    assert record[0] == kind
    data = {"cut": record[:-1], "longer": record + b"\0", "empty": record[:1]}[fault]
    with pytest.raises(ThinError, match="damaged"):
        grow(data)


@given(messages, st.data())
def test_a_damaged_record_is_refused_or_still_grows_within_bounds(message: Message, data: st.DataObject) -> None:
    record = bytearray(shrink(pack(message)))
    for _ in range(data.draw(st.integers(1, 3))):
        record[data.draw(st.integers(1, len(record) - 1))] = data.draw(st.integers(0, 255))
    grows_or_is_refused(bytes(record))


@given(st.binary(max_size=300), st.sampled_from([FIELDS, WHOLE]))
def test_noise_is_refused_and_nothing_worse(noise: bytes, first: int) -> None:
    grows_or_is_refused(bytes((first,)) + noise)


def grows_or_is_refused(record: bytes) -> None:
    try:
        packed = grow(record, "alpha/patrols")
    except ThinError as refusal:
        assert refusal.reason in ThinRefusal  # noqa: PT017 - both outcomes are allowed
        return
    assert len(packed) <= max(SMALL, RATIO_MAX * len(record))


def test_what_would_grow_beyond_the_ratio_goes_as_it_is() -> None:
    packed = pack(a_track(body=Chat(text="a" * 60_000)))
    assert shrink(packed) == packed
    packed = pack(a_track(body=Chat(text="The road is clear. " * 40)))
    assert len(packed) / len(shrink(packed)) <= RATIO_MAX
    assert len(shrink(packed)) < 200


def test_the_largest_message_travels() -> None:
    data = bytes(range(256)) * 900
    packed = pack(a_track(body=Opaque(format="x", data=data)))
    assert MESSAGE_MAX // 2 < len(packed) <= MESSAGE_MAX
    assert grow(shrink(packed)) == packed


BOMB_SIZES = [SMALL + 1, 1 << 20, 1 << 31, (1 << 62) - 1]


@pytest.mark.parametrize("size", BOMB_SIZES)
@pytest.mark.parametrize("framed", [0, 1])
def test_a_size_beyond_the_bounds_is_refused_before_anything_is_read(size: int, framed: int) -> None:
    shape = bytearray()
    value = size << 1 | framed
    while value > 0x7F:
        shape.append(value & 0x7F | 0x80)
        value >>= 7
    shape.append(value)
    for head in (bytes((WHOLE,)), bytes((FIELDS, 0))):
        with pytest.raises(ThinError, match="too-large"):
            grow(head + shape + b"\x4b\x00\x00")


def test_references_to_one_long_text_do_not_multiply_without_bound() -> None:
    many = a_track(body=Chat(text="b" * 1500, to=("b" * 1500,) * 200))
    assert len(pack(many)) > MESSAGE_MAX
    streams = thin._form().spread(msgspec.msgpack.decode(pack(many)), "")
    assert len(streams.words) < SMALL
    record = bytes((FIELDS, len(streams.numbers))) + streams.numbers + thin._squeeze(bytes(streams.words))
    with pytest.raises(ThinError, match="damaged"):
        grow(record)


def test_every_field_of_the_model_has_a_place() -> None:
    assert generate_thin.structs() == STRUCTS, "run python -m tests.protocols.generate_thin, see there about VERSION"


def test_the_dictionary_is_small_enough_to_keep() -> None:
    assert 8_192 < len(DICTIONARY) <= 32_768


def test_two_runs_make_the_same_messages() -> None:
    assert [pack(m) for m in synthesised(50, 1)] == [pack(m) for m in synthesised(50, 1)]
    assert [pack(m) for m in synthesised(50, 1)] != [pack(m) for m in synthesised(50, 2)]


def test_authenticity_is_kept_whatever_it_is() -> None:
    for each in Authenticity:
        assert kept(a_track(authenticity=each))
