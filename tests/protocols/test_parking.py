from __future__ import annotations

from protocols.parking import PARKED_BYTES_MAX, PARKED_MAX, PARKED_S, Parking


def test_envelopes_wait_for_their_epoch_in_order() -> None:
    parking = Parking()
    for number, eid in enumerate((b"a", b"b", b"a")):
        parking.put(eid, bytes((number,)), 0)

    assert parking.epochs(0) == [b"a", b"b"]
    assert parking.take(b"a") == [b"\0", b"\2"]
    assert parking.take(b"a") == []
    assert len(parking) == 1


def test_the_oldest_goes_when_too_many_wait() -> None:
    parking = Parking()
    for number in range(PARKED_MAX + 3):
        parking.put(b"a", number.to_bytes(2, "big"), 0)

    assert len(parking) == PARKED_MAX
    assert parking.dropped == 3
    assert parking.take(b"a")[0] == b"\0\3"


def test_the_oldest_goes_when_too_much_waits() -> None:
    parking = Parking()
    for _ in range(5):
        parking.put(b"a", bytes(PARKED_BYTES_MAX // 4), 0)

    assert len(parking) == 4
    parking.take(b"a")
    parking.put(b"a", bytes(PARKED_BYTES_MAX), 0)
    assert len(parking) == 1


def test_what_waits_too_long_goes() -> None:
    parking = Parking()
    parking.put(b"a", b"one", 0)
    parking.put(b"a", b"two", 1)

    parking.sweep(PARKED_S)

    assert parking.take(b"a") == [b"two"]
    assert parking.dropped == 1


def test_an_epoch_is_waited_for_only_after_a_while() -> None:
    parking = Parking()
    parking.put(b"a", b"x", 10)

    assert parking.epochs(9.9) == []
    assert parking.epochs(10) == [b"a"]
