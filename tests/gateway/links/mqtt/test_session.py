"""The MQTT 5 session and its hostile peers, without a network: bytes in, bytes and frames out."""

from __future__ import annotations

import random
from typing import Any

import mqtt5
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.links import Parcel, SendRefusal
from gateway.links.fault import LostError, ProtocolError, RefusedError
from gateway.links.mqtt.session import Credentials, Session
from tests.gateway.links.mqtt.packets import GRANTED, SETTINGS, acknowledged, batch, connack, publish, up, written


def test_connects_with_a_session_that_stays() -> None:
    session = Session(SETTINGS)
    session.open(Credentials("unit", b"secret"))
    (packet,) = written(session)
    assert isinstance(packet, mqtt5.ConnectPacket)
    assert (packet.client_id, packet.username, packet.password) == ("gateway", "unit", b"secret")
    assert (packet.clean_start, packet.session_expiry_interval, packet.receive_max) == (False, 86_400, 1024)
    assert packet.max_packet_size == 4096


def test_publishes_that_share_a_segment_with_connack_belong_to_the_new_connection() -> None:
    session = up()
    session.feed(publish(1))
    (frame,) = session.arrived
    session.arrived.clear()
    session.close()
    session.open(Credentials())
    session.out.clear()
    session.feed(connack(session_present=True) + publish(1, duplicate=True) + publish(2, b"y"))
    assert [one.data for one in session.arrived] == [b"y"]
    frame.ack()
    session.arrived[0].ack()
    assert acknowledged(session) == [1, 2]


def test_acknowledges_in_the_order_of_arrival() -> None:
    session = up()
    session.feed(b"".join(publish(pid, b"%d" % pid) for pid in (5, 6, 7)))
    first, second, third = session.arrived
    third.ack()
    second.refuse("malformed")
    assert acknowledged(session) == []
    first.ack()
    session.incoming.answer()
    answers = [(packet.packet_id, int(packet.reason_code)) for packet in written(session)]  # type: ignore[union-attr]
    assert answers == [(5, 0), (6, 0x99), (7, 0)]


def test_a_frame_acknowledged_while_away_is_acknowledged_when_it_comes_again() -> None:
    session = up()
    session.feed(publish(9))
    frame = session.arrived.pop()
    session.close()
    frame.ack()
    up(session, session_present=True)
    session.feed(publish(9, duplicate=True))
    assert session.arrived == []
    assert acknowledged(session) == [9]


def test_without_a_session_at_the_broker_old_frames_are_forgotten() -> None:
    session = up()
    session.feed(publish(3, b"old"))
    old = session.arrived.pop()
    session.close()
    up(session)
    session.feed(publish(3, b"new"))
    old.ack()
    assert acknowledged(session) == []
    session.arrived.pop().ack()
    assert acknowledged(session) == [3]


def test_resends_in_order_with_the_duplicate_flag_and_only_then_what_is_new() -> None:
    session = up()
    session.outgoing.submit(batch(*(Parcel("out", b"%d" % number) for number in range(3))))
    session.outgoing.pump()
    first = [packet.packet_id for packet in written(session)]  # type: ignore[union-attr]
    session.feed(mqtt5.PubAckPacket(first[1] or 0).write())
    session.close()
    session.outgoing.submit(batch(Parcel("out", b"later")))
    up(session, session_present=True)
    session.feed(b"\xd0\x00")
    again: list[mqtt5.PublishPacket] = []
    session.close()
    session.open(Credentials())
    session.out.clear()
    session.feed(connack(session_present=True))
    again = [packet for packet in written(session) if isinstance(packet, mqtt5.PublishPacket)]
    assert [(one.payload, one.duplicate) for one in again] == [(b"0", True), (b"2", True), (b"later", True)]
    assert [one.packet_id for one in again[:2]] == [first[0], first[2]]


@pytest.mark.parametrize("session_present", [False, True])
def test_what_may_be_lost_comes_back_to_a_sender_that_repeats_it_itself(session_present: bool) -> None:  # noqa: FBT001 - a parameter
    session = up(Session(SETTINGS._replace(in_custody=True)))
    entries = batch(*(Parcel("out", b"%d" % number) for number in range(3)))
    session.outgoing.submit(entries)
    session.outgoing.pump()
    first, second, _ = (packet.packet_id for packet in written(session))  # type: ignore[union-attr]
    session.feed(mqtt5.PubAckPacket(first or 0).write())
    nobody = mqtt5.PubAckReasonCode.NO_MATCHING_SUBSCRIBERS
    session.feed(mqtt5.PubAckPacket(second or 0, reason_code=nobody).write())
    assert entries[0].batch.results == [None, SendRefusal.NOBODY, None]
    session.close()
    waiting = batch(Parcel("out", b"3"))
    session.outgoing.submit(waiting)
    session.open(Credentials())
    session.out.clear()
    session.feed(connack(session_present=session_present))
    assert [one for one in written(session) if isinstance(one, mqtt5.PublishPacket)] == []
    assert entries[0].batch.results == [None, SendRefusal.NOBODY, SendRefusal.LOST]
    assert waiting[0].batch.results == [SendRefusal.LOST]
    assert session.outgoing.openings == 2


def test_keeps_to_the_brokers_receive_maximum() -> None:
    session = up(receive_max=2)
    session.outgoing.submit(batch(*(Parcel("out", b"%d" % number) for number in range(5))))
    session.outgoing.pump()
    sent = written(session)
    assert len(sent) == 2
    session.feed(mqtt5.PubAckPacket(sent[0].packet_id).write())  # type: ignore[union-attr,arg-type]
    assert len(written(session)) == 1


def test_too_large_and_not_authorised_and_bad_topics_are_told_apart() -> None:
    session = up(max_packet_size=100)
    entries = batch(Parcel("out", bytes(200)), Parcel("a/#", b""), Parcel("secret", b""), Parcel("full", b""))
    session.outgoing.submit(entries)
    session.outgoing.pump()
    denied, full = (packet.packet_id for packet in written(session))  # type: ignore[union-attr]
    session.feed(mqtt5.PubAckPacket(denied or 0, reason_code=mqtt5.PubAckReasonCode.NOT_AUTHORIZED).write())
    session.feed(mqtt5.PubAckPacket(full or 0, reason_code=mqtt5.PubAckReasonCode.QUOTA_EXCEEDED).write())
    assert entries[0].batch.results == [
        SendRefusal.TOO_LARGE,
        SendRefusal.BAD_TOPIC,
        SendRefusal.NOT_AUTHORISED,
        SendRefusal.QUOTA,
    ]


def test_the_brokers_aliases_are_used_and_forgotten_with_the_connection() -> None:
    session = up(topic_alias_max=1)
    session.outgoing.submit(batch(*(Parcel(topic, b"") for topic in ("a", "a", "b"))))
    session.outgoing.pump()
    assert [(one.topic, one.topic_alias) for one in written(session)] == [("a", 1), ("", 1), ("b", None)]  # type: ignore[union-attr]
    session.close()
    session.open(Credentials())
    session.out.clear()
    session.feed(connack(session_present=True))
    again = [one for one in written(session) if isinstance(one, mqtt5.PublishPacket)]
    assert [one.topic for one in again] == ["a", "a", "b"]


def test_an_alias_of_a_parcel_that_was_too_large_is_not_used() -> None:
    session = up(topic_alias_max=2, max_packet_size=100)
    session.outgoing.submit(batch(Parcel("a", bytes(200)), Parcel("a", b""), Parcel("a", b"")))
    session.outgoing.pump()
    assert [(one.topic, one.topic_alias) for one in written(session)] == [("a", 1), ("", 1)]  # type: ignore[union-attr]


def test_a_qos_2_message_is_yielded_once() -> None:
    session = up()
    packet = mqtt5.PublishPacket("in/a", b"once", qos=mqtt5.QoS.EXACTLY_ONCE, packet_id=4).write()
    session.feed(packet)
    session.arrived[0].ack()
    session.incoming.answer()
    assert isinstance(written(session)[0], mqtt5.PubRecPacket)
    session.feed(packet)
    session.feed(mqtt5.PubRelPacket(4).write())
    assert [type(one) for one in written(session)] == [mqtt5.PubRecPacket, mqtt5.PubCompPacket]
    assert len(session.arrived) == 1


def test_the_packet_identifiers_wrap() -> None:
    session = up()
    for _ in range(70):
        entries = batch(*(Parcel("out", b"") for _ in range(1000)))
        session.outgoing.submit(entries)
        session.outgoing.pump()
        for packet in written(session):
            session.feed(mqtt5.PubAckPacket(packet.packet_id).write())  # type: ignore[union-attr,arg-type]
        assert entries[0].batch.left == 0
    assert session.outgoing.sent == 70_000


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (mqtt5.ConnAckReasonCode.BAD_USER_NAME_OR_PASSWORD, RefusedError),
        (mqtt5.ConnAckReasonCode.NOT_AUTHORIZED, RefusedError),
        (mqtt5.ConnAckReasonCode.BANNED, RefusedError),
        (mqtt5.ConnAckReasonCode.UNSUPPORTED_PROTOCOL_VERSION, RefusedError),
        (mqtt5.ConnAckReasonCode.SERVER_BUSY, LostError),
        (mqtt5.ConnAckReasonCode.SERVER_UNAVAILABLE, LostError),
        (mqtt5.ConnAckReasonCode.QUOTA_EXCEEDED, LostError),
        (mqtt5.ConnAckReasonCode.SERVER_MOVED, LostError),
    ],
)
def test_reason_codes_say_whether_to_hurry(code: mqtt5.ConnAckReasonCode, kind: type[Exception]) -> None:
    session = Session(SETTINGS)
    session.open(Credentials())
    with pytest.raises(kind):
        session.feed(connack(reason_code=code))


def members(codes: type[Any]) -> list[Any]:
    """The codec's enumerations cannot be iterated."""
    return [getattr(codes, name) for name in dir(codes) if name.isupper()]


def test_every_reason_code_of_connack_and_disconnect_has_an_outcome() -> None:
    for code in members(mqtt5.ConnAckReasonCode):
        session = Session(SETTINGS)
        session.open(Credentials())
        if int(code):
            with pytest.raises((RefusedError, LostError)):
                session.feed(connack(reason_code=code))
    for reason in members(mqtt5.DisconnectReasonCode):
        with pytest.raises((RefusedError, LostError)):
            up().feed(mqtt5.DisconnectPacket(reason_code=reason).write())


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00",
        b"\x30\xff\xff\xff\xff\x01",
        b"\x36\x04\x00\x01a\x00",  # QoS 3
        b"\x32\xff\xff\xff\x7f",  # 256 MiB announced
        b"\x30\x05\x00\x0aab\x00",  # a topic longer than its packet
        mqtt5.ConnectPacket("x").write(),
        mqtt5.ConnAckPacket().write(),
        mqtt5.PingReqPacket().write(),
        mqtt5.SubAckPacket(999, [GRANTED]).write(),
        mqtt5.PublishPacket("", b"", topic_alias=5).write(),
        mqtt5.PublishPacket("a", b"", topic_alias=60_000).write(),
        mqtt5.AuthPacket(authentication_method="x").write(),
    ],
)
def test_a_broker_that_breaks_the_protocol_is_left(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        up().feed(data)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("field", [b"in/a", b"name"])
def test_text_that_is_not_utf_8_ends_the_connection_and_not_the_process(field: bytes) -> None:
    data = mqtt5.PublishPacket("in/a", b"x", content_type="name").write().replace(field, b"\xff\xfe\xfd\xfc")
    with pytest.raises(ProtocolError):
        up().feed(data)


def test_a_reused_identifier_is_a_fault_and_a_repeated_message_is_none() -> None:
    session = up()
    session.feed(publish(1, b"a") + publish(1, b"a", duplicate=True))
    assert len(session.arrived) == 1
    with pytest.raises(ProtocolError):
        session.feed(publish(1, b"b"))


def test_a_packet_may_come_byte_by_byte() -> None:
    session = up()
    for byte in publish(1, b"slow") + publish(2, b"ly"):
        session.feed(bytes((byte,)))
    assert [frame.data for frame in session.arrived] == [b"slow", b"ly"]


def test_an_endless_header_is_not_kept() -> None:
    session = up()
    with pytest.raises(ProtocolError):
        session.feed(b"\x32" + b"\xff" * 64)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=200), max_size=8), st.booleans())
def test_noise_ends_a_connection_and_nothing_else(pieces: list[bytes], connected: bool) -> None:  # noqa: FBT001 - drawn
    session = up() if connected else Session(SETTINGS)
    if not connected:
        session.open(Credentials())
    try:
        for piece in pieces:
            session.feed(piece)
    except (ProtocolError, RefusedError, LostError):
        return
    assert len(session._rest) <= SETTINGS.packet_max


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6))
def test_broken_packets_end_a_connection_and_nothing_else(seed: int, changes: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable choice
    good = [
        publish(1),
        mqtt5.PublishPacket("in/b", b"0" * 50, topic_alias=3, user_properties=[("a", "b")]).write(),
        mqtt5.PubAckPacket(7, reason_code=mqtt5.PubAckReasonCode.QUOTA_EXCEEDED, reason_str="no").write(),
        mqtt5.PubRelPacket(9).write(),
        mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SERVER_BUSY).write(),
        mqtt5.SubAckPacket(1, [GRANTED]).write(),
    ]
    data = bytearray(b"".join(chance.choices(good, k=3)))
    for _ in range(changes):
        data[chance.randrange(len(data))] = chance.randrange(256)
    session = up()
    try:
        session.feed(bytes(data))
    except (ProtocolError, RefusedError, LostError):
        return
    assert len(session._rest) <= SETTINGS.packet_max
