"""Delivery at QoS 2 without a network: what goes out, what is noted before, and what a restart makes of it."""

from __future__ import annotations

import mqtt5
import pytest

from gateway.links import Parcel, SendRefusal, Settings
from gateway.links.fault import ProtocolError
from gateway.links.ledger import Entry
from gateway.links.mqtt.inflight import Inflight, Phase, key_of
from gateway.links.mqtt.session import Credentials, Session
from tests.gateway.links.mqtt.packets import batch, connack, written

SIZE = 1_048_576
SETTINGS = Settings("mqtt://x", "gateway")
PUBCOMP, PUBREC = b"\x70\x02", b"\x50\x02"
Sent = tuple[str, int | None, bool]


def number(pid: int) -> bytes:
    return pid.to_bytes(2, "big")


def session(memory: bytearray) -> Session:
    """A session whose notes are in ``memory``: what a process that is killed leaves behind."""
    made = Session(SETTINGS)
    made.outgoing.remember(Inflight(memory))
    return made


def up(one: Session, **fields: object) -> Session:
    one.open(Credentials())
    one.out.clear()
    one.feed(connack(**fields))
    return one


def parcels(*names: str) -> list[Entry]:
    return batch(*(Parcel("out", name.encode(), id=name) for name in names))


def give(one: Session, entries: list[Entry]) -> None:
    one.outgoing.submit(entries)
    one.outgoing.pump()


def out(one: Session) -> list[Sent | tuple[str, int]]:
    """What is written: publishes as (payload, identifier, duplicate), anything else as (kind, identifier)."""
    found: list[Sent | tuple[str, int]] = []
    for packet in written(one):
        if isinstance(packet, mqtt5.PublishPacket):
            assert packet.qos is mqtt5.QoS.EXACTLY_ONCE
            found.append((packet.payload.decode(), packet.packet_id, packet.duplicate))
        else:
            found.append((type(packet).__name__, packet.packet_id))  # type: ignore[union-attr]
    return found


def slots(memory: bytearray) -> Inflight:
    return Inflight(memory)


def test_each_step_is_noted_before_it_is_taken_and_the_parcel_is_settled_at_the_end() -> None:
    memory = bytearray(SIZE)
    one = up(session(memory))
    entries = parcels("a")
    give(one, entries)
    assert slots(memory).phase(1) == Phase.SENT
    assert out(one) == [("a", 1, False)]
    one.feed(PUBREC + number(1))
    assert slots(memory).phase(1) == Phase.RELEASED
    assert out(one) == [("PubRelPacket", 1)]
    assert entries[0].batch.left == 1
    one.feed(PUBCOMP + number(1))
    assert slots(memory).phase(1) == Phase.DONE
    assert entries[0].batch.left == 0
    assert (one.outgoing.sent, one.outgoing.unanswered) == (1, 0)


def test_without_an_id_or_a_memory_or_a_broker_that_can_it_is_qos_1() -> None:
    for one, parcel in (
        (up(session(bytearray(SIZE))), Parcel("out", b"")),
        (up(Session(SETTINGS)), Parcel("out", b"", id="a")),
        (up(session(bytearray(SIZE)), max_qos=mqtt5.QoS.AT_LEAST_ONCE), Parcel("out", b"", id="a")),
    ):
        entries = batch(parcel)
        give(one, entries)
        (packet,) = written(one)
        assert isinstance(packet, mqtt5.PublishPacket)
        assert packet.qos is mqtt5.QoS.AT_LEAST_ONCE
        one.feed(b"\x40\x02" + number(packet.packet_id or 0))
        assert entries[0].batch.left == 0


def test_what_was_sent_and_not_answered_goes_again_under_its_identifier_when_it_comes_again() -> None:
    memory = bytearray(SIZE)
    give(up(session(memory)), parcels("a", "b", "c"))
    one = up(session(memory), session_present=True)
    assert out(one) == []
    give(one, parcels("b", "new", "c"))
    assert out(one) == [("b", 2, True), ("c", 3, True), ("new", 4, False)]
    for pid in (2, 3, 4):
        one.feed(PUBREC + number(pid) + PUBCOMP + number(pid))
    assert [slots(memory).phase(pid) for pid in (1, 2, 3, 4)] == [Phase.SENT, Phase.DONE, Phase.DONE, Phase.DONE]


def test_parcels_that_come_before_the_connection_are_known_too() -> None:
    memory = bytearray(SIZE)
    give(up(session(memory)), parcels("a", "b"))
    one = session(memory)
    one.outgoing.submit(parcels("x", "b"))
    assert out(up(one, session_present=True)) == [("b", 2, True), ("x", 3, False)]


def test_what_was_released_is_completed_at_once_and_settles_its_parcel_without_sending_it() -> None:
    memory = bytearray(SIZE)
    first = up(session(memory))
    give(first, parcels("a", "b", "c"))
    first.feed(PUBREC + number(1) + PUBREC + number(2))
    one = up(session(memory), session_present=True)
    assert out(one) == [("PubRelPacket", 1), ("PubRelPacket", 2)]
    entries = parcels("b")
    give(one, entries)
    assert out(one) == []
    one.feed(PUBCOMP + number(1) + PUBCOMP + number(2))
    assert entries[0].batch.left == 0
    late = parcels("a")
    give(one, late)
    assert (late[0].batch.left, out(one)) == (0, [])
    assert one.outgoing.repeated == 2


def test_an_identifier_in_doubt_is_not_used_for_anything_else() -> None:
    memory = bytearray(SIZE)
    first = up(session(memory))
    give(first, parcels("a", "b"))
    first.feed(PUBREC + number(2))
    memory[14:16] = (65_535).to_bytes(2, "little")  # the next identifier would be 1
    one = up(session(memory), session_present=True)
    assert out(one) == [("PubRelPacket", 2)]
    assert [one.outgoing.identifier() for _ in range(2)] == [3, 4]


def test_a_full_window_of_doubt_does_not_keep_its_own_parcels_out() -> None:
    memory = bytearray(SIZE)
    give(up(session(memory), receive_max=2), parcels("a", "b"))
    one = up(session(memory), session_present=True, receive_max=2)
    give(one, parcels("new", "b", "a"))
    assert out(one) == [("b", 2, True), ("a", 1, True)]
    one.feed(PUBREC + number(2) + PUBCOMP + number(2))
    assert out(one) == [("PubRelPacket", 2), ("new", 3, False)]


def test_a_repeat_within_the_process_shares_the_answer() -> None:
    one = up(session(bytearray(SIZE)))
    first, again = parcels("a", "a"), parcels("a")
    give(one, first)
    give(one, again)
    assert out(one) == [("a", 1, False)]
    one.feed(PUBREC + number(1))
    assert (first[0].batch.left, again[0].batch.left) == (2, 1)
    one.feed(PUBCOMP + number(1))
    assert (first[0].batch.left, again[0].batch.left) == (0, 0)


def test_a_refusal_settles_repeats_too_and_frees_the_identifier() -> None:
    memory = bytearray(SIZE)
    one = up(session(memory), receive_max=1)
    entries = parcels("a", "a", "b")
    give(one, entries)
    one.feed(mqtt5.PubRecPacket(1, reason_code=mqtt5.PubRecReasonCode.NOT_AUTHORIZED).write())
    assert entries[0].batch.results == [SendRefusal.NOT_AUTHORISED, None, None]
    assert slots(memory).find(key_of("a")) is not None  # the repeat is a parcel of its own once the first is refused
    assert out(one) == [("a", 1, False), ("a", 2, False)]


@pytest.mark.parametrize(
    ("parcel", "refusal"),
    [
        (Parcel("a/#", b"", id="x"), SendRefusal.BAD_TOPIC),
        (Parcel("a", bytes(200), id="x"), SendRefusal.TOO_LARGE),
        (Parcel("a", b"", expires_s=-1, id="x"), SendRefusal.REJECTED),
    ],
)
def test_what_cannot_be_sent_leaves_no_note(parcel: Parcel, refusal: SendRefusal) -> None:
    memory = bytearray(SIZE)
    one = up(session(memory), max_packet_size=100)
    entries = batch(parcel)
    give(one, entries)
    assert (entries[0].batch.results, out(one)) == ([refusal], [])
    assert list(slots(memory).pids(Phase.SENT)) == []


def test_a_reconnect_resumes_where_each_parcel_is() -> None:
    one = up(session(bytearray(SIZE)))
    entries = parcels("a", "b", "c")
    give(one, entries)
    one.feed(PUBREC + number(1))
    one.close()
    one.out.clear()
    up(one, session_present=True)
    assert out(one) == [("PubRelPacket", 1), ("b", 2, True), ("c", 3, True)]
    one.feed(b"".join(PUBCOMP + number(1) if pid == 1 else PUBREC + number(pid) for pid in (1, 2, 3)))
    one.feed(PUBCOMP + number(2) + PUBCOMP + number(3))
    assert entries[0].batch.left == 0
    assert one.outgoing.resent == 2


def test_a_broker_without_the_session_gets_what_was_not_completed_as_new_and_in_order() -> None:
    memory = bytearray(SIZE)
    one = up(session(memory))
    entries = parcels("a", "b", "c", "b")
    give(one, entries)
    one.feed(PUBREC + number(1) + PUBCOMP + number(1) + PUBREC + number(2))
    one.close()
    up(one)
    assert out(one) == [("b", 4, False), ("c", 5, False)]
    one.feed(PUBREC + number(4) + PUBCOMP + number(4) + PUBREC + number(5) + PUBCOMP + number(5))
    assert (entries[0].batch.left, len(out(one))) == (0, 2)
    again = parcels("a")
    give(one, again)
    assert (again[0].batch.left, out(one)) == (0, [])  # completed before: known whatever the broker forgot


def test_what_an_earlier_process_left_is_forgotten_with_the_session() -> None:
    memory = bytearray(SIZE)
    first = up(session(memory))
    give(first, parcels("done", "released", "sent"))
    first.feed(PUBREC + number(1) + PUBCOMP + number(1) + PUBREC + number(2))
    one = up(session(memory))
    assert out(one) == []
    give(one, parcels("done", "released", "sent"))
    assert out(one) == [("released", 4, False), ("sent", 5, False)]


def test_an_answer_of_an_earlier_connection_does_not_skip_the_repeat() -> None:
    """A broker may queue a PUBREC over a reconnect; ours goes out once more, and is answered once more."""
    one = up(session(bytearray(SIZE)), receive_max=1)
    give(one, parcels("a"))
    one.close()
    one.open(Credentials())
    one.out.clear()
    one.outgoing.blocked = True
    one.feed(connack(session_present=True) + PUBREC + number(1))
    assert out(one) == [("a", 1, True)]
    one.feed(PUBREC + number(1))
    assert out(one) == [("PubRelPacket", 1)]


def test_an_identifier_in_use_is_held_by_the_broker_when_we_asked_again_and_avoided_when_we_did_not() -> None:
    in_use = mqtt5.PubRecPacket(1, reason_code=mqtt5.PubRecReasonCode.PACKET_ID_IN_USE).write()
    memory = bytearray(SIZE)
    one = up(session(memory))
    entries = parcels("a")
    give(one, entries)
    out(one)
    one.feed(in_use)
    assert out(one) == [("PubRelPacket", 1), ("a", 2, False)]
    one.feed(PUBCOMP + number(1))
    assert entries[0].batch.left == 1
    one.close()
    up(one, session_present=True)
    assert out(one) == [("a", 2, True)]
    one.feed(mqtt5.PubRecPacket(2, reason_code=mqtt5.PubRecReasonCode.PACKET_ID_IN_USE).write())
    one.feed(PUBCOMP + number(2))
    assert entries[0].batch.left == 0


def test_answers_that_belong_to_nothing_change_nothing() -> None:
    memory = bytearray(SIZE)
    one = up(session(memory), receive_max=1)
    one.feed(PUBCOMP + number(9) + PUBREC + number(9))
    assert [(type(one).__name__, int(one.reason_code)) for one in written(one)] == [("PubRelPacket", 0x92)]  # type: ignore[union-attr]
    give(one, parcels("a", "b"))
    assert out(one) == [("a", 1, False)]
    one.feed(PUBCOMP + number(1))  # before its PUBREC
    one.feed(b"\x40\x02" + number(1))  # an answer to QoS 1
    assert out(one) == []
    assert slots(memory).phase(1) == Phase.SENT


@pytest.mark.parametrize(
    "packet", [PUBREC + number(1), PUBCOMP + number(1), mqtt5.PubRecPacket(1, reason_str="x").write()]
)
def test_without_a_memory_the_packets_of_qos_2_break_the_protocol(packet: bytes) -> None:
    with pytest.raises(ProtocolError):
        up(Session(SETTINGS)).feed(packet)


def test_a_window_of_its_own_bounds_what_a_broker_has_to_look_through() -> None:
    one = up(session(bytearray(SIZE)))
    give(one, parcels(*(str(each) for each in range(520))))
    assert len(out(one)) == 512
    one.feed(PUBREC + number(1) + PUBCOMP + number(1))
    assert out(one) == [("PubRelPacket", 1), ("512", 513, False)]


def test_what_never_comes_again_is_given_up_when_it_takes_half_of_the_window_for_long() -> None:
    memory = bytearray(SIZE)
    give(up(session(memory), receive_max=4), parcels("a", "b", "c"))
    one = up(session(memory), session_present=True, receive_max=4)
    one.outgoing.tend(0.0)
    one.outgoing.tend(599.0)
    assert out(one) == []
    one.outgoing.tend(601.0)
    assert out(one) == [("PubRelPacket", 1)]
    one.feed(PUBCOMP + number(1))
    give(one, parcels("a", "b"))  # what was given up is sent as new, what was not is still known
    assert out(one) == [("b", 2, True), ("a", 4, False)]
