"""What is on a removable medium: everything whole is taken, everything else is noticed, nothing worse happens."""

from __future__ import annotations

import os
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.carrier import (
    DAMAGED_MAX,
    CarrierError,
    Contents,
    Header,
    Kind,
    Part,
    pack,
    unpack,
)
from protocols.envelope import ENVELOPE_MAX, Reject, pack_envelope, pack_header

HEADER = Header(sender="alpha", to="bravo", made_s=1_800_000_000)
EID = bytes(range(8))
PARTS = [
    Part(Kind.KEYS, b"announcement", EID),
    Part(Kind.DATA, b"envelope one"),
    Part(Kind.DATA, b"envelope two"),
    Part(Kind.CONTROL, b"custody"),
]

parts = st.lists(
    st.builds(
        Part, st.sampled_from([Kind.DATA, Kind.CONTROL]), st.binary(max_size=60) | st.just(b"\xc1CMB" * 3), st.just(b"")
    )
    | st.builds(Part, st.just(Kind.KEYS), st.binary(min_size=1, max_size=60), st.binary(min_size=8, max_size=8)),
    max_size=8,
)


def file_of(some: list[Part], header: Header = HEADER) -> bytes:
    return b"".join(pack(header, some))


def places(some: list[Part]) -> list[tuple[int, int]]:
    """Where each part stands in the file, first and last included."""
    lengths = [len(piece) for piece in pack(HEADER, some)]
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    return list(pairwise(ends))


@given(parts)
def test_what_is_packed_is_what_is_unpacked(some: list[Part]) -> None:
    found = unpack(file_of(some))
    assert found.parts == some
    assert (found.damaged, found.missing) == (0, 0)
    assert (found.header.sender, found.header.to, found.header.parts) == ("alpha", "bravo", len(some))


def test_the_first_bytes_are_these() -> None:
    """Mark, kind 1, length 21, its CRC-32, and the header as a MessagePack array of six."""
    data = file_of([])
    assert data[:9] == b"\xc1CMB\x01\x00\x00\x00\x15"
    assert data[9:13] == zlib.crc32(b"\x01\x00\x00\x00\x15").to_bytes(4, "big")
    assert data[13:34] == b"\x96\x01\xa5alpha\xa5bravo\xce\x6b\x49\xd2\x00\x01\x00"


@given(parts, st.data())
def test_of_a_file_cut_anywhere_the_whole_parts_are_taken(some: list[Part], data: st.DataObject) -> None:
    whole = file_of(some)
    cut = data.draw(st.integers(0, len(whole) - 1))
    ends = [end for _, end in places(some)]
    if cut < ends[0]:
        with pytest.raises(CarrierError, match="not a bundle"):
            unpack(whole[:cut])
        return
    found = unpack(whole[:cut])
    assert found.parts == some[: sum(end <= cut for end in ends) - 1]
    assert found.damaged == (cut not in ends)
    assert found.missing == len(some) - len(found.parts)


@given(parts.filter(bool), st.data())
def test_one_damaged_byte_costs_at_most_the_part_that_it_is_in(some: list[Part], data: st.DataObject) -> None:
    whole = bytearray(file_of(some))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    found = unpack(bytes(whole))
    hit = next(place for place, (start, end) in enumerate(places(some)) if start <= at < end)
    expected = [part for place, part in enumerate(some, 1) if place != hit]
    assert [part for part in found.parts if part in expected] == expected
    assert found.damaged >= 1
    assert found.missing == (1 if 1 <= hit <= len(some) else 0)


def test_a_lost_sector_in_the_middle_costs_what_it_held() -> None:
    some = [Part(Kind.DATA, os.urandom(300)) for _ in range(50)]
    whole = bytearray(file_of(some))
    whole[4096:4608] = bytes(512)
    found = unpack(bytes(whole))
    assert 46 <= len(found.parts) <= 48
    assert found.missing == 50 - len(found.parts)
    assert set(found.parts) < set(some)


def test_without_its_first_part_the_last_one_says_for_whom_it_is() -> None:
    whole = file_of(PARTS)
    start = places(PARTS)[1][0]
    found = unpack(bytes(start) + whole[start:])
    assert found.parts == PARTS
    assert (found.header.to, found.damaged, found.missing) == ("bravo", 1, 0)


@given(st.binary(max_size=400))
def test_noise_is_refused_in_one_line(noise: bytes) -> None:
    with pytest.raises(CarrierError, match=r"^not a bundle[^\n]*$"):
        unpack(noise)


@given(st.lists(st.binary(max_size=30) | st.just(b"\xc1CMB\x03\0\0\0\x04"), max_size=12))
def test_noise_between_parts_is_passed_over(noise: list[bytes]) -> None:
    pieces = list(pack(HEADER, PARTS))
    data = b"".join(piece + (noise[place] if place < len(noise) else b"") for place, piece in enumerate(pieces))
    found = unpack(data)
    assert found.parts == PARTS


def test_a_file_that_is_nothing_but_marks_is_given_up() -> None:
    lures = b"\xc1CMB\x03\0\0\0\x04xxxx"
    more = list(pack(HEADER, PARTS))[1]
    taken = unpack(file_of(PARTS) + lures * (DAMAGED_MAX - 1) + more)
    given_up = unpack(file_of(PARTS) + lures * (DAMAGED_MAX + 1) + more)
    assert taken.parts == [*PARTS, PARTS[0]]
    assert given_up.parts == PARTS


def test_a_length_that_no_part_may_have_is_not_read() -> None:
    head = bytes((3,)) + (ENVELOPE_MAX + 1).to_bytes(4, "big")
    bomb = b"\xc1CMB" + head + zlib.crc32(head).to_bytes(4, "big") + bytes(ENVELOPE_MAX + 1)
    found = unpack(next(iter(pack(HEADER, []))) + bomb + bytes(4))
    assert found.parts == []
    assert found.damaged == 1


def test_two_bundles_in_one_file_are_refused() -> None:
    other = Header(sender="charlie", to="bravo", made_s=1)
    with pytest.raises(CarrierError, match="different bundles"):
        unpack(file_of(PARTS) + file_of(PARTS, other))


@pytest.mark.parametrize("name", ["", "Al pha", "a/b", "#", "x" * 200])
def test_a_header_names_partners_and_nothing_else(name: str) -> None:
    with pytest.raises(ValueError, match="partner id"):
        Header(sender=name, to="bravo", made_s=1)


def test_parts_name_the_mailboxes_of_their_envelopes() -> None:
    envelope = pack_envelope(pack_header(1, 2, b"\x2a" + EID[1:], 0, 0), bytes(40))
    assert Part(Kind.DATA, envelope).topic(HEADER) == "comity/1/bravo/alpha/d/10"
    assert Part(Kind.CONTROL, envelope).topic(HEADER) == "comity/1/bravo/alpha/c"
    assert Part(Kind.KEYS, b"x", EID).topic(HEADER) == "comity/1/bravo/alpha/k/0001020304050607"
    with pytest.raises(Reject):
        Part(Kind.DATA, b"no envelope").topic(HEADER)


def test_the_size_of_a_part_is_what_it_takes() -> None:
    assert [part.size for part in PARTS] == [end - start for start, end in places(PARTS)[1:-1]]


def test_contents_are_values() -> None:
    assert unpack(file_of(PARTS)) == Contents(
        Header(sender="alpha", to="bravo", made_s=1_800_000_000, parts=4), PARTS, 0, 0
    )
