"""Reading TakMessages with the protobuf library: what is passed over, what is refused, and at which cost."""

from __future__ import annotations

import time

import pytest

from protocols.tak_schema import UNREAD_MAX, read_tak
from protocols.wire import WireError, write_bytes, write_double, write_int, write_text

TYPE = write_text(1, "a-f-G")
GROUP = b"\x23\x24"  # field 4, begun and ended
UNKNOWN = write_text(40, "a newer server says more") + write_int(41, 7) + write_double(42, 0.5)


def event(*fields: bytes) -> bytes:
    return write_bytes(2, b"".join((TYPE, *fields)))


def test_fields_come_in_the_order_that_is_promised_whatever_the_order_on_the_wire() -> None:
    texts = {1: "a-f-G", 2: "access", 3: "qos", 4: "opex", 5: "uid", 9: "how", 16: "caveat", 17: "XAA"}
    fields = [
        *(write_text(number, text) for number, text in texts.items()),
        *(write_int(number, number * 100) for number in (6, 7, 8)),
        *(write_double(number, number + 0.5) for number in (10, 11, 12, 13, 14)),
    ]
    found = read_tak(write_bytes(2, b"".join(reversed(fields))))

    assert found is not None
    assert found[0] == (
        *("a-f-G", "access", "qos", "opex", "uid", 600, 700, 800, "how", 10.5, 11.5, 12.5, 13.5, 14.5),
        *("caveat", "XAA"),
    )


def test_parts_of_a_detail_that_are_empty_are_told_from_absent_ones() -> None:
    found = read_tak(event(write_bytes(15, write_text(1, "<a/>") + b"\x3a\x00" + write_bytes(2, b"\x0a\x01x"))))

    assert found is not None
    assert found[1] == (b"<a/>", b"\x0a\x01x", None, None, None, None, b"")


def test_a_message_without_an_event_holds_none() -> None:
    assert read_tak(b"") is None
    assert read_tak(write_bytes(1, write_int(2, 1)) + write_int(3, 5)) is None


@pytest.mark.parametrize(
    "data",
    [event() + UNKNOWN, event(UNKNOWN), event(write_bytes(15, UNKNOWN)), UNKNOWN],
    ids=["message", "event", "detail", "alone"],
)
def test_unknown_fields_are_passed_over(data: bytes) -> None:
    assert read_tak(data) == (None if data == UNKNOWN else read_tak(event()))


@pytest.mark.parametrize(
    "data",
    [
        write_int(2, 1),
        event(write_int(5, 1)),
        event(write_text(6, "then")),
        event(write_text(10, "45.2")),
        event(write_double(15, 1.0)),
        event(write_bytes(15, write_int(1, 1))),
        event(write_bytes(15, write_double(7, 1.0))),
        event() + GROUP,
        event(GROUP),
        event(write_bytes(15, b"\x4b\x4c")),
        event(b"\x00\x00"),
        event(b"\x0a\x01\xff"),
        event(b"\x30" + b"\xff" * 10 + b"\x01"),
        event()[:-1],
        b"\x13" * 300_000 + b"\x14" * 300_000,
    ],
)
def test_what_is_no_such_message_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        read_tak(data)


@pytest.mark.parametrize("piece", [b"\xf8\x7f\x00", b"\xfa\x7f\x00", b"\xfb\x7f\xfc\x7f"])
def test_unknown_fields_without_end_are_refused_at_once(piece: bytes) -> None:
    floods = [piece * (1_000_000 // len(piece)), event(piece * (1_000_000 // len(piece)))]
    floods.append(event(write_bytes(15, piece * (1_000_000 // len(piece)))))
    for flood in floods:
        started = time.process_time()
        with pytest.raises(WireError):
            read_tak(flood)
        assert time.process_time() - started < 0.05


def test_a_few_unknown_fields_pass_beside_much_that_is_known() -> None:
    much = write_text(1, "<a/>" * UNREAD_MAX)

    assert read_tak(event(write_bytes(15, much + UNKNOWN))) is not None
    assert read_tak(event(write_bytes(15, much + UNKNOWN * 100))) is not None
    with pytest.raises(WireError):
        read_tak(event(write_bytes(15, much + write_text(40, "x" * (UNREAD_MAX + 1)))))
