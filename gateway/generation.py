"""Digests that were seen, and what is known of subjects, in little memory: flat tables instead of a set and a dict.

A Python set takes some 100 bytes for each digest, and stops everything while it grows. Here one takes 16, and there is
room for all from the start: the system gives a page of it only when something is put there.
"""

from __future__ import annotations

from mmap import mmap
from typing import Final

_KEY: Final = 8  # bytes of a digest that count: among 200 000, a new one is taken for another once in 10^14 times
_PLACE: Final = 4  # bytes
_SPARE: Final = 2  # slots for each entry at least


def key_of(digest: bytes) -> int:
    """What stands for a digest in a table; never 0."""
    return int.from_bytes(digest[:_KEY], "big") or 1


class Table:
    """Keys, each with so many bytes of what is known of it (``width`` 0: none), in the order in which they came.

    A slot, found by the key, has the key's place; 0 is nobody's. The search is written four times over, because to call
    it would cost more than it does.
    """

    __slots__ = ("_keys", "_mask", "_room", "_slots", "_used", "_values", "_width")
    _room: int
    _mask: int
    _used: int
    _width: int
    _slots: memoryview
    _keys: memoryview
    _values: memoryview

    def __init__(self, room: int, width: int = 0) -> None:
        """``room``: how many are expected; when there are more, the table is made anew."""
        self._width = width
        self._make(max(8, room))

    def __len__(self) -> int:
        """How many were put in."""
        return self._used

    def __contains__(self, key: int) -> bool:
        slots, keys, mask = self._slots, self._keys, self._mask
        slot = key & mask
        while (place := slots[slot]) and keys[place] != key:
            slot = (slot + 1) & mask
        return place != 0

    def get(self, key: int) -> bytes | None:
        """What is known of it; None when it is not here."""
        slots, keys, mask = self._slots, self._keys, self._mask
        slot = key & mask
        while (place := slots[slot]) and keys[place] != key:
            slot = (slot + 1) & mask
        return self._values[place * self._width : (place + 1) * self._width].tobytes() if place else None

    def put(self, key: int, value: bytes = b"") -> None:
        """Put it in, or know something else of it."""
        slots, keys, mask = self._slots, self._keys, self._mask
        slot = key & mask
        while (place := slots[slot]) and keys[place] != key:
            slot = (slot + 1) & mask
        if not place:
            if self._used == self._room:
                self._grow()
                self.put(key, value)
                return
            self._used = place = self._used + 1
            slots[slot], keys[place] = place, key
        if value:
            self._values[place * self._width : (place + 1) * self._width] = value

    def discard(self, key: int) -> None:
        """Take it out, if it is there; its place stays empty."""
        slots, keys, mask = self._slots, self._keys, self._mask
        slot = key & mask
        while (place := slots[slot]) and keys[place] != key:
            slot = (slot + 1) & mask
        if place:
            keys[place] = 0

    def _make(self, room: int) -> None:
        size = 1 << (_SPARE * room - 1).bit_length()
        self._room = room
        self._mask = size - 1
        self._used = 0
        self._slots = memoryview(mmap(-1, size * _PLACE)).cast("I")
        self._keys = memoryview(mmap(-1, (room + 1) * _KEY)).cast("Q")
        self._values = memoryview(mmap(-1, (room + 1) * self._width or 1))

    def _grow(self) -> None:
        width, keys, values = self._width, self._keys, self._values
        self._make(2 * self._room)
        for place, key in enumerate(keys):
            if key:
                self.put(key, values[place * width : (place + 1) * width].tobytes())


class Generation:
    """Ids, and subjects with whose they are: packed, in so many bytes."""

    __slots__ = ("ids", "subjects")

    def __init__(self, room: int, width: int) -> None:
        self.ids = Table(room)
        self.subjects = Table(room, width)
