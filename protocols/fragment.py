"""A long parcel in several frames, for a link on which one would take many seconds; and together again. Pure.

What is urgent passes between two frames. A fragment says of which parcel it is by the parcel's digest, so that the
fragments of what is sent again are the same, and a parcel that was put together wrongly is seen. It is no part of the
seal: whoever may publish in a mailbox can spoil a parcel there, as they could keep it back.

    fragment   C1, 8 bytes of the SHA-256 of the whole, number and count of fragments (u16 each), its bytes

C1 begins nothing in MessagePack, so that the first byte tells a fragment from everything else in a mailbox.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from protocols.envelope import ENVELOPE_MAX

FIRST: Final = b"\xc1"
OPEN_MAX: Final = 16  # parcels of one source that are incomplete
SOURCES_MAX: Final = 64
COST: Final = 128  # bytes of memory that a fragment takes beside its own
COST_MAX: Final = 3 * ENVELOPE_MAX  # of one source's incomplete parcels
COUNT_MAX: Final = 0xFFFF
_DIGEST: Final = 8
HEAD: Final = len(FIRST) + _DIGEST + 4  # bytes of a fragment beside its part of the parcel


def is_fragment(data: bytes) -> bool:
    """Whether a frame is part of a parcel."""
    return data[:1] == FIRST


def cut(whole: bytes, size: int) -> Sequence[bytes]:
    """The fragments of a parcel, none longer than so many bytes. Raise ValueError when that cannot be."""
    room = size - HEAD
    count = -(-len(whole) // room) if room > 0 else 0
    if not 0 < count <= COUNT_MAX:
        raise ValueError("not so many fragments")
    name = FIRST + _digest(whole)
    return [
        name + number.to_bytes(2, "big") + count.to_bytes(2, "big") + whole[number * room : (number + 1) * room]
        for number in range(count)
    ]


class _Parcel:
    """The fragments of one parcel so far."""

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self.cost = 0

    def put(self, number: int, part: bytes) -> None:
        if number not in self.parts:
            self.parts[number] = part
            self.cost += COST + len(part)


class Fragments:
    """What is incomplete, by source; bounded, the oldest is forgotten."""

    def __init__(self) -> None:
        self._open: dict[str, dict[tuple[bytes, int], _Parcel]] = {}

    def put(self, source: str, fragment: bytes) -> bytes | None:
        """Add one; gives the parcel that it completes. Raise ValueError for what is none, or spoils a parcel.

        ``source``: whose mailbox it came by; what is incomplete is bounded for each.
        """
        if len(fragment) <= HEAD or not is_fragment(fragment):
            raise ValueError("not a fragment")
        digest = fragment[1 : 1 + _DIGEST]
        number, count = (int.from_bytes(fragment[at : at + 2], "big") for at in (HEAD - 4, HEAD - 2))
        if number >= count:
            raise ValueError("not a fragment")
        if source not in self._open and len(self._open) >= SOURCES_MAX:
            del self._open[next(iter(self._open))]
        parcels = self._open.setdefault(source, {})
        parcel = parcels.pop((digest, count), None) or _Parcel()
        parcel.put(number, fragment[HEAD:])
        if len(parcel.parts) < count:
            parcels[digest, count] = parcel  # the newest
            while len(parcels) > OPEN_MAX or sum(each.cost for each in parcels.values()) > COST_MAX:
                del parcels[next(iter(parcels))]
            return None
        whole = b"".join(parcel.parts[at] for at in range(count))
        if _digest(whole) != digest:
            raise ValueError("not what was cut")
        return whole


def _digest(whole: bytes) -> bytes:
    return hashlib.sha256(whole).digest()[:_DIGEST]
