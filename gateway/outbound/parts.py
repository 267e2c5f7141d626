"""A parcel that is longer than a frame of its link may be, in several. Pure.

Where the whole would stand retained, each part does, in a place of its own: whoever comes back finds the whole there.
"""

from __future__ import annotations

from gateway.links import Parcel
from gateway.outbound.turns import FRAMING
from protocols.fragment import cut


class Parts:
    """The parts of one parcel, and how far they are."""

    def __init__(self, parcel: Parcel, frame: int) -> None:
        """``frame``: bytes that a part may have on the wire. Raise ValueError when it cannot be cut so small."""
        longest = len(f"{parcel.topic}-65535") if parcel.retain else len(parcel.topic)
        self._parcels = [
            parcel._replace(topic=f"{parcel.topic}-{number}" if parcel.retain else parcel.topic, data=data)
            for number, data in enumerate(cut(parcel.data, frame - FRAMING - longest))
        ]
        self._given = 0
        self._answered = 0

    def next(self) -> Parcel:
        """The part that goes next."""
        self._given += 1
        return self._parcels[self._given - 1]

    @property
    def given(self) -> bool:
        """Whether all of them were given to the link."""
        return self._given == len(self._parcels)

    def answered(self) -> bool:
        """One more was taken; whether all were."""
        self._answered += 1
        return self._answered == len(self._parcels)


def parts_of(parcel: Parcel, frame: int) -> Parts | None:
    """The parts of a parcel that is longer than a frame; None for one that goes whole."""
    return Parts(parcel, frame) if size_of(parcel) > frame else None


def size_of(parcel: Parcel) -> int:
    """Bytes that a parcel takes on the wire."""
    return len(parcel.topic) + len(parcel.data) + FRAMING
