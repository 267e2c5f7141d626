"""A parcel that is longer than a frame goes in several, and what is urgent goes between them."""

from __future__ import annotations

from gateway.dispatch import CONTROL
from gateway.links import Parcel
from gateway.outbound.item import Item, State
from gateway.outbound.lane import Lane
from gateway.outbound.parts import Parts, parts_of, size_of
from gateway.outbound.turns import URGENT
from protocols.fragment import Fragments
from protocols.message import Precedence
from protocols.record import Holding
from tests.gateway.outbound.test_lane import FLASH, ROUTINE, item, lane

FRAME = 256


def whole(parcels: list[Parcel]) -> list[bytes]:
    """What the far side puts together."""
    fragments = Fragments()
    found = [fragments.put("alpha", parcel.data) for parcel in parcels]
    return [each for each in found if each is not None]


def every(parts: Parts) -> list[Parcel]:
    found = [parts.next()]
    while not parts.given:
        found.append(parts.next())
    return found


def test_what_fits_a_frame_goes_whole() -> None:
    parcel = Parcel("comity/1/bravo/alpha/d/1", b"x" * (FRAME - 16 - 24))
    assert size_of(parcel) == FRAME
    assert parts_of(parcel, FRAME) is None
    assert parts_of(parcel._replace(data=parcel.data + b"x"), FRAME) is not None


def test_no_part_is_longer_than_a_frame_and_together_they_are_the_whole() -> None:
    parcel = Parcel("comity/1/bravo/alpha/d/1", bytes(range(256)) * 4)
    parts = every(Parts(parcel, FRAME))
    assert max(map(size_of, parts)) == FRAME
    assert {part.topic for part in parts} == {parcel.topic}
    assert whole(parts) == [parcel.data]


def test_each_part_of_what_stands_retained_has_a_place_of_its_own() -> None:
    parcel = Parcel("comity/1/bravo/alpha/k/00ff", b"k" * 500, retain=True, expires_s=60)
    parts = every(Parts(parcel, FRAME))
    assert [part.topic for part in parts] == [f"comity/1/bravo/alpha/k/00ff-{number}" for number in range(3)]
    assert {(part.retain, part.expires_s) for part in parts} == {(True, 60)}
    assert max(map(size_of, parts)) <= FRAME


def long(number: int, precedence: int = ROUTINE) -> Item:
    made = item(number, precedence)
    made.replace(made.consignment._replace(parcel=Parcel("t", bytes([number]) * 700)))
    return made


def thin(*items: Item) -> Lane:
    made = lane(*items)
    made.thin = True
    return made


def frames(made: Lane, count: int) -> list[tuple[Item, Parcel]]:
    """So many frames, each of whose turn it is."""
    found = []
    for _ in range(count):
        level = made.next_level(0.0)
        assert level is not None
        found.append(made.part(level, FRAME))
    return found


def test_what_is_urgent_goes_between_two_frames_and_the_rest_goes_on() -> None:
    first = long(0)
    made = thin(first, long(1))
    begun = frames(made, 1)
    flash = item(2, FLASH)
    made.put(flash)
    went = [*begun, *frames(made, 4)]

    assert [each for each, _ in went] == [first, flash, first, first, first]
    assert whole([parcel for each, parcel in went if each is first]) == [b"\0" * 700]
    assert not made.cut


def test_what_has_begun_begins_again_when_what_was_sent_may_be_lost() -> None:
    first = long(0)
    made = thin(first)
    ((_, part),) = frames(made, 1)
    made.cut_anew()
    assert whole([parcel for _, parcel in frames(made, 4)]) == [b"\0" * 700]
    assert part.data[:13] == Parts(first.consignment.parcel, FRAME).next().data[:13]


def test_what_a_link_gives_back_begins_again_in_its_turn() -> None:
    first, second = long(0), long(1)
    made = thin(first, second)
    frames(made, 2)
    made.given_back([first])
    assert (first.parts, made.cut, first.state) == (None, {}, State.READY)
    assert made.window.parcels == 0
    assert [each for each, _ in frames(made, 4)] == [first] * 4


def test_what_has_begun_is_put_on_disk_as_what_is_under_way() -> None:
    first = long(0)
    made = thin(first)
    frames(made, 1)
    assert made.to_disk(0.0) == [first]
    assert [each for each, _ in frames(made, 3)] == [first] * 3


def test_urgent_ones_wait_in_memory_where_the_next_frame_is_theirs_and_not_for_ever() -> None:
    flash, routine = item(0, FLASH), item(1)
    made = thin(flash, routine)
    assert made.oldest(5.0) is routine
    assert made.to_disk(5.0) == [routine]
    assert made.oldest(9.9) is None
    assert list(made.fresh[FLASH]) == [flash]
    assert made.oldest(10.0) is flash
    assert made.to_disk(10.0) == [flash]
    assert not made.fresh[FLASH]
    fast = lane(item(0, FLASH))
    assert len(fast.to_disk(0.0)) == 1


def test_urgent_ones_pass_what_is_put_on_disk_unless_it_is_like_them() -> None:
    made = lane()
    made.spilling, made.storing = True, frozenset({ROUTINE})
    assert made.put(item(0, FLASH)) is None
    assert made.put(item(1)) is Holding.BEHIND
    made.spill = [(item(2, FLASH), Holding.SLOW)]
    assert made.put(item(3, FLASH)) is Holding.BEHIND


def keys(eid: bytes) -> Item:
    made = item(0, CONTROL)
    made.replace(made.consignment._replace(note=eid, parcel=Parcel("k", b"k" * 10)))
    return made


def test_keys_wait_for_what_is_urgent_and_is_not_sealed_by_them() -> None:
    made = thin(keys(b"another1"), item(1, FLASH), item(2, int(Precedence.PRIORITY)))
    assert [each.precedence for each, _ in frames(made, 3)] == [FLASH, CONTROL, int(Precedence.PRIORITY)]


def test_keys_that_something_urgent_needs_go_first() -> None:
    made = thin(item(1, FLASH), keys(b"epoch-01"))
    assert made.offer(CONTROL, 0.0).rank >= URGENT
    assert [each.precedence for each, _ in frames(made, 2)] == [CONTROL, FLASH]


def test_over_a_thin_link_the_next_goes_when_a_broker_has_the_one_that_went_alone() -> None:
    made = thin(item(0), item(1))
    made.doubt = {ROUTINE: None}
    ((alone, _),) = frames(made, 1)
    assert made.next_level(0.0) is None
    made.at_broker(alone, 1.0)
    assert (alone.state, alone.sent_at) == (State.SENT, 1.0)
    assert made.next_level(0.0) == ROUTINE
