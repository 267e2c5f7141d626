"""One report, in its wire form and its JSON form, the same both ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.body import Chat, Track
from protocols.message import (
    MESSAGE_MAX,
    SUBJECT_MAX,
    Hop,
    Message,
    Source,
    Times,
    from_json,
    message_id,
    pack,
    to_json,
    unpack,
)
from protocols.moment import EPOCH, read_epoch
from protocols.quantity import Position
from tests.protocols.strategies import messages

AT = datetime(2026, 3, 14, 21, 7, 30, 125_000, tzinfo=UTC)
SOURCE = Source(format="cot")
NAIVE = datetime(2026, 3, 14)  # noqa: DTZ001  what is refused
ELSEWHERE = datetime(2026, 3, 14, tzinfo=timezone(timedelta(hours=2)))


def a_message(**more: object) -> Message:
    given = {"id": "0" * 32, "subject": "S-1", "body": Chat(text="x"), "source": SOURCE} | more
    return Message(**given)  # type: ignore[arg-type]


@given(messages)
def test_the_wire_form_keeps_everything(message: Message) -> None:
    assert unpack(pack(message)) == message


@given(messages)
def test_the_json_form_keeps_everything_on_one_line(message: Message) -> None:
    assert from_json(to_json(message)) == message
    assert b"\n" not in to_json(message)


@given(st.binary(max_size=200))
def test_noise_is_refused_and_nothing_worse(noise: bytes) -> None:
    for read in (unpack, from_json):
        with pytest.raises(ValueError, match=r".*"):
            read(noise)


@given(messages, st.data())
def test_a_damaged_message_is_refused_or_still_a_message(message: Message, data: st.DataObject) -> None:
    packed = bytearray(pack(message))
    packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert isinstance(unpack(bytes(packed)), Message)
    except ValueError as refusal:
        assert str(refusal)  # noqa: PT017  both outcomes are allowed


@pytest.mark.parametrize("field", ["observed", "created", "received", "valid_from", "valid_until"])
@pytest.mark.parametrize("time", [NAIVE, ELSEWHERE], ids=["naive", "another zone"])
def test_refuses_times_that_are_not_utc(field: str, time: datetime) -> None:
    with pytest.raises(ValueError, match="UTC"):
        Times(**{field: time})  # type: ignore[arg-type]
    with pytest.raises(msgspec.ValidationError, match="UTC"):
        msgspec.json.decode(msgspec.json.encode({field: time}), type=Times)


def test_refuses_a_hop_whose_time_has_no_zone() -> None:
    with pytest.raises(ValueError, match="UTC"):
        Hop(system="TAK-SERVER", at=NAIVE)


@pytest.mark.parametrize(
    "fault", [{"id": ""}, {"id": "x" * 65}, {"subject": ""}, {"subject": "x" * (SUBJECT_MAX + 1)}], ids=str
)
def test_refuses_an_id_or_subject_that_is_absent_or_endless(fault: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="bounded"):
        a_message(**fault)


@pytest.mark.parametrize("version", [(0, 9), (2, 0), (-1, 0)])
def test_refuses_another_major_version_of_the_model(version: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="major version"):
        a_message(version=version)
    packed = msgspec.msgpack.encode(msgspec.msgpack.decode(pack(a_message())) | {"version": version})
    with pytest.raises(ValueError, match="major version"):
        unpack(packed)


def test_refuses_a_field_it_does_not_know_and_says_where() -> None:
    raw = msgspec.json.decode(to_json(a_message()))
    raw["source"]["priority"] = "flash"

    with pytest.raises(ValueError, match=r"\$\.source"):
        from_json(msgspec.json.encode(raw))


def test_refuses_what_is_too_large_before_reading_it() -> None:
    with pytest.raises(ValueError, match="too large"):
        from_json(b" " * (4 * MESSAGE_MAX + 1))


def test_a_version_that_is_not_written_means_one_point_nought() -> None:
    assert b"version" not in pack(a_message())
    assert unpack(pack(a_message())).version == (1, 0)


def test_the_kind_is_that_of_the_body() -> None:
    assert a_message().kind == "chat"
    assert a_message(body=Track(position=Position(latitude=0.0, longitude=0.0))).kind == "track"


def test_the_canonical_id_is_this_one() -> None:
    # printf 'position\0S-1\0001773522450125' | sha256sum
    assert message_id("position", "S-1", AT) == "ffb5b350bd538e7feb2e99d754704881"


def test_the_canonical_id_tells_reports_apart() -> None:
    ids = {
        message_id("position", "S-1", AT),
        message_id("alert", "S-1", AT),
        message_id("position", "S-2", AT),
        message_id("position", "S-1", AT + timedelta(milliseconds=1)),
        message_id("position", "S-1", None),
        message_id("position", "S-1", AT, "cancelled"),
        message_id("position", "S-1\0", AT),
    }

    assert len(ids) == 7


@given(st.datetimes(datetime(1969, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  hypothesis wants naive bounds
def test_a_time_that_went_through_whole_milliseconds_names_the_same_report(moment: datetime) -> None:
    passed = read_epoch((moment - EPOCH) // timedelta(milliseconds=1))

    assert message_id("position", "S-1", moment) == message_id("position", "S-1", passed)
