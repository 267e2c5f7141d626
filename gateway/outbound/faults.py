"""Destinations for which the disk holds no more: told once when it begins, and once when it is over.

What else a disk does not do is the same for all destinations; that the lookout tells.
"""

from __future__ import annotations

from typing import Final

from gateway.stream import About, Stream
from protocols.record import Event, Trouble

OVER_S: Final = 10.0  # without another refusal, after which there is room again


class Full:
    """The destinations whose limit is reached now, and when each was last refused, seconds of the loop's clock."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._refused_at: dict[str, float] = {}

    def __contains__(self, destination: object) -> bool:
        return destination in self._refused_at

    def refused(self, destination: str, now_s: float) -> None:
        """What was to wait for a destination did not fit."""
        if destination not in self._refused_at:
            self._stream.about(Event.FAULT, About(Trouble.SPOOL_FULL, destination))
        self._refused_at[destination] = now_s

    def look(self, now_s: float) -> None:
        """Tell what is over; to be called every second or so."""
        for destination, at in list(self._refused_at.items()):
            if now_s - at > OVER_S:
                del self._refused_at[destination]
                self._stream.about(Event.MENDED, About(Trouble.SPOOL_FULL, destination))
