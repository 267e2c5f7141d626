from __future__ import annotations

import msgpack
import pytest

from protocols.envelope import (
    ANNOUNCEMENT_MAX,
    ENVELOPE_MAX,
    RECORD_MAX,
    Announcement,
    Attested,
    Entry,
    Header,
    Mode,
    Refusal,
    Terms,
    pack_announcement,
    pack_attested,
    pack_body,
    pack_envelope,
    pack_header,
    pack_terms,
    unpack_announcement,
    unpack_attested,
    unpack_body,
    unpack_envelope,
    unpack_header,
    unpack_strict,
    unpack_terms,
)
from tests.protocols.cast import refuses

EID = bytes.fromhex("58379367069 9ec09".replace(" ", ""))
HEADER = bytes.fromhex("950102c40858379367 06 99ec090000")
SLOTS = {1: 1168, 2: 80}
TERMS = Terms(
    2,
    bytes(16),
    0,
    "alpha/hq",
    b"sig-kid.",
    100,
    200,
    9,
    Mode.SIGNED,
    bytes(32),
    (Entry("bravo/x", b"kem-kid."),),
    None,
)


def terms(place: int, value: object) -> bytes:
    """The packed terms with one field changed."""
    fields = msgpack.unpackb(pack_terms(TERMS))
    fields[place] = value
    return bytes(msgpack.packb(fields))


def announcement(place: int, value: object) -> bytes:
    fields: list[object] = [2, 1, bytes(16), [bytes(80), bytes(32)], bytes(12), b"box"]
    fields[place] = value
    return bytes(msgpack.packb(fields))


def test_a_header_is_the_bytes_of_the_specification() -> None:
    assert pack_header(1, 2, EID, 0, 0) == HEADER


@pytest.mark.parametrize(
    ("number", "form"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "cc80"),
        (255, "ccff"),
        (256, "cd0100"),
        (65535, "cdffff"),
        (65536, "ce00010000"),
        (2**32 - 1, "ceffffffff"),
    ],
)
def test_numbers_of_a_header_have_their_shortest_form(number: int, form: str) -> None:
    raw = pack_header(1, 2, EID, number, number)

    assert raw == HEADER[:13] + bytes.fromhex(form) * 2
    assert unpack_header(raw) == Header(raw, 1, 2, EID, number, number)


@pytest.mark.parametrize("form", ["cc7f", "cd00ff", "ce0000ffff", "cf00000000ffffffff", "cd00", "d000", "ff", "c0", ""])
def test_a_longer_or_broken_number_is_malformed(form: str) -> None:
    with refuses(Refusal.MALFORMED):
        unpack_header(HEADER[:14] + bytes.fromhex(form))
    with refuses(Refusal.MALFORMED):
        unpack_header(HEADER[:13] + bytes.fromhex(form) + HEADER[14:])


def test_a_number_of_64_bits_is_read() -> None:
    assert unpack_header(HEADER[:14] + bytes.fromhex("cf0000000100000000")).seq == 2**32


@pytest.mark.parametrize("at", [0, 3, 4])
def test_a_header_of_another_shape_is_malformed(at: int) -> None:
    raw = bytearray(HEADER)
    raw[at] ^= 1

    with refuses(Refusal.MALFORMED):
        unpack_header(bytes(raw))


@pytest.mark.parametrize("raw", [HEADER[:-1], HEADER + bytes(1), HEADER[:13] + b"\xcf" + b"\xff" * 8 + b"\xcf" * 10])
def test_a_header_of_another_length_is_malformed(raw: bytes) -> None:
    with refuses(Refusal.MALFORMED):
        unpack_header(raw)


@pytest.mark.parametrize("at", [1, 2])
def test_suite_and_type_are_single_bytes(at: int) -> None:
    raw = bytearray(HEADER)
    raw[at] = 0x80

    with refuses(Refusal.MALFORMED):
        unpack_header(bytes(raw))


@pytest.mark.parametrize("kind", [0, 1, 4, 127])
def test_only_data_and_head_are_known_types(kind: int) -> None:
    with refuses(Refusal.UNKNOWN_TYPE):
        unpack_header(HEADER[:2] + bytes((kind,)) + HEADER[3:])


@pytest.mark.parametrize(("size", "prefix"), [(16, "c410"), (255, "c4ff"), (256, "c50100"), (65536, "c600010000")])
def test_an_envelope_is_read_as_it_was_written(size: int, prefix: str) -> None:
    envelope = pack_envelope(HEADER, bytes(size))

    assert envelope == b"\x92\xc4\x0f" + HEADER + bytes.fromhex(prefix) + bytes(size)
    assert unpack_envelope(envelope) == (Header(HEADER, 1, 2, EID, 0, 0), bytes(size))
    assert msgpack.unpackb(envelope) == [HEADER, bytes(size)]


@pytest.mark.parametrize(
    "tail",
    [
        "c40f" + "00" * 15,  # shorter than a tag
        "c410" + "00" * 15,  # cut
        "c410" + "00" * 17,  # something follows
        "c50010" + "00" * 16,  # longer forms
        "c600000010" + "00" * 16,
        "b0" + "00" * 18,  # another type
        "dc0010" + "00" * 16,
        "",
        "c4",
        "c500",
    ],
)
def test_a_ciphertext_of_another_form_is_malformed(tail: str) -> None:
    for padding in (b"", bytes(32)):
        with refuses(Refusal.MALFORMED):
            unpack_envelope(b"\x92\xc4\x0f" + HEADER + bytes.fromhex(tail) + padding)


@pytest.mark.parametrize("start", ["93c40f", "92c50f", "92c4ff", "92c400"])
def test_an_envelope_of_another_shape_is_malformed(start: str) -> None:
    with refuses(Refusal.MALFORMED):
        unpack_envelope(bytes.fromhex(start) + HEADER + b"\xc4\x10" + bytes(16))


def test_an_envelope_beyond_the_limit_is_too_large_both_ways() -> None:
    with refuses(Refusal.TOO_LARGE):
        unpack_envelope(bytes(ENVELOPE_MAX + 1))
    with refuses(Refusal.TOO_LARGE):
        pack_envelope(HEADER, bytes(ENVELOPE_MAX))
    assert len(pack_envelope(HEADER, bytes(ENVELOPE_MAX - 23))) == ENVELOPE_MAX


def test_a_body_is_the_bytes_of_the_specification() -> None:
    assert pack_body(5000, [b"abc", b""]) == bytes.fromhex("92cd138892c403616263c400")
    assert unpack_body(bytes.fromhex("92cd138892c403616263c400")) == (5000, [b"abc", b""])


def test_a_body_holds_1_to_256_messages_of_256_kib() -> None:
    assert len(unpack_body(pack_body(0, [b""] * 256))[1]) == 256
    assert len(unpack_body(pack_body(0, [bytes(RECORD_MAX)]))[1][0]) == RECORD_MAX
    with refuses(Refusal.TOO_LARGE):
        pack_body(0, [b""] * 257)
    with refuses(Refusal.TOO_LARGE):
        pack_body(0, [bytes(RECORD_MAX + 1)])
    with refuses(Refusal.MALFORMED_BODY):
        pack_body(0, [])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgpack.packb({}),
        msgpack.packb([0]),
        msgpack.packb([0, [b"x"], 0]),
        msgpack.packb([-1, [b"x"]]),
        msgpack.packb([True, [b"x"]]),
        msgpack.packb([0.0, [b"x"]]),
        msgpack.packb([0, b"x"]),
        msgpack.packb([0, []]),
        msgpack.packb([0, ["x"]]),
        msgpack.packb([0, [b"x", None]]),
        msgpack.packb([0, [b""] * 257]),
        msgpack.packb([0, [bytes(RECORD_MAX + 1)]]),
        msgpack.packb([0, [b"x"]]) + b"\0",
        bytes.fromhex("92cc0091c40178"),  # longer number
        bytes.fromhex("920091c5000178"),  # longer byte string
        bytes.fromhex("9200dc0001c40178"),  # longer array
    ],
)
def test_anything_else_is_a_malformed_body(body: bytes) -> None:
    with refuses(Refusal.MALFORMED_BODY):
        unpack_body(body)


def test_an_announcement_is_read_as_it_was_written() -> None:
    told = Announcement(2, bytes(16), (bytes(80), bytes(32)), bytes(12), b"box")

    data = pack_announcement(told)

    assert data == announcement(0, 2)
    assert unpack_announcement(data, SLOTS) == told


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        (0, "2", Refusal.MALFORMED),
        (0, True, Refusal.MALFORMED),
        (0, 3, Refusal.SUITE_MISMATCH),
        (0, 1, Refusal.MALFORMED),  # its slots are not of that suite
        (1, None, Refusal.MALFORMED),
        (1, 2, Refusal.UNKNOWN_TYPE),
        (2, bytes(15), Refusal.MALFORMED),
        (2, "x" * 16, Refusal.MALFORMED),
        (3, [], Refusal.MALFORMED),
        (3, {}, Refusal.MALFORMED),
        (3, [bytes(32)] * 65, Refusal.MALFORMED),
        (3, [bytes(33)], Refusal.MALFORMED),
        (3, ["x" * 32], Refusal.MALFORMED),
        (4, bytes(11), Refusal.MALFORMED),
        (5, "box", Refusal.MALFORMED),
    ],
)
def test_an_announcement_of_another_form_is_refused(place: int, value: object, code: Refusal) -> None:
    with refuses(code):
        unpack_announcement(announcement(place, value), SLOTS)


@pytest.mark.parametrize("data", [b"", b"\x90", msgpack.packb([2, 1, b"", [], b""]), msgpack.packb({"a": 1})])
def test_what_is_no_announcement_is_malformed(data: bytes) -> None:
    with refuses(Refusal.MALFORMED):
        unpack_announcement(data, SLOTS)


def test_an_announcement_beyond_the_limit_is_too_large() -> None:
    with refuses(Refusal.TOO_LARGE):
        unpack_announcement(bytes(ANNOUNCEMENT_MAX + 1), SLOTS)


def test_the_box_holds_three_byte_strings() -> None:
    told = Attested(b"terms", b"ed", b"")

    assert unpack_attested(pack_attested(told)) == told
    for other in (b"\x92\xc4\0\xc4\0", b"\x93\xc4\0\xc4\0\xa0", b"\x80", b"\x94" + b"\xc4\0" * 4):
        with refuses(Refusal.MALFORMED):
            unpack_attested(other)


def test_terms_are_read_as_they_were_written() -> None:
    data = pack_terms(TERMS)

    assert unpack_terms(data) == TERMS
    assert unpack_terms(terms(12, "policy-1")).policy == "policy-1"
    assert data[0] == 0x9E
    assert data[-2:] == b"\xc0\x80"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, -1),
        (0, "2"),
        (1, 2),
        (2, bytes(15)),
        (3, 2**32),
        (3, True),
        (4, ""),
        (4, "x" * 129),
        (4, "a\nb"),
        (4, b"alpha/hq"),
        (5, bytes(9)),
        (6, None),
        (7, 1.5),
        (8, 0),
        (8, 2**20 + 1),
        (9, 3),
        (10, bytes(31)),
        (11, []),
        (11, {}),
        (11, [["bravo/x", b"kem-kid."]] * 65),
        (11, [["bravo/x"]]),
        (11, [["bravo/x", b"short"]]),
        (11, [["", b"kem-kid."]]),
        (11, ["bravo/x"]),
        (11, [["b/y", b"kem-kid."], ["b/x", b"kem-kid."]]),
        (11, [["b/x", b"kem-kid."], ["b/x", b"kem-kid."]]),
        (12, ""),
        (12, 5),
        (13, []),
        (13, None),
    ],
)
def test_terms_of_another_form_are_malformed(place: int, value: object) -> None:
    with refuses(Refusal.MALFORMED):
        unpack_terms(terms(place, value))


def test_terms_of_another_length_are_malformed() -> None:
    for data in (b"\x90", msgpack.packb([0] * 13), msgpack.packb("x")):
        with refuses(Refusal.MALFORMED):
            unpack_terms(data)


def test_an_unknown_extension_is_refused_and_never_ignored() -> None:
    with refuses(Refusal.CRITICAL_EXTENSION):
        unpack_terms(terms(13, {"new": 1}))


@pytest.mark.parametrize(
    "data",
    [
        b"\xdd\xff\xff\xff\xff",  # an array of 2^32 - 1
        b"\xdf\xff\xff\xff\xff",  # a map of as many
        b"\xc6\xff\xff\xff\xff",  # a byte string of 4 GiB
        b"\xdb\xff\xff\xff\xff",
        b"\xdc\x01\x01" + b"\x00" * 257,
        b"\x91" * 100_000 + b"\xc0",  # depth
        b"\xdc\x00\xff" + b"\x80" * 255 + b"\x00",  # something follows
        b"\xd6\xff\x00\x00\x00\x01",  # a timestamp
        b"\xc7\x00\x05",  # an extension of no bytes
        b"\x82\xa1a\x01\xa1a\x02",  # a repeated key
        b"\x81\x90\x01",  # an array as a key
        b"\x81\x01\x01",  # a number as a key
        b"\xa1\xff",  # not UTF-8
        b"\xc1",
        b"\xca\x00\x00\x00\x00",  # a short float comes back long
        b"",
    ],
)
def test_msgpack_bombs_and_second_forms_are_refused(data: bytes) -> None:
    with refuses(Refusal.MALFORMED):
        unpack_strict(data, Refusal.MALFORMED)
