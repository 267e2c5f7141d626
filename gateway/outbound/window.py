"""How much may be under way to one destination: as much as it takes without making what is urgent wait. Pure.

What counts is for how long a parcel stands behind others: its round trip less the shortest that was seen of late.
While that is short the window grows, by one for each answer and only when it is in use; when it is long the window
shrinks, once a round trip, to the part that would have made it bearable. What a destination cannot take yet waits here,
where a flash message can still go before it, and not there.
"""

from __future__ import annotations

from math import inf
from typing import Final

SMALLEST: Final = 2
LARGEST: Final = 1024
FIRST: Final = 16
BYTES_MAX: Final = 4 << 20
QUICK_S: Final = 0.015  # behind others
SLOW_S: Final = 0.03
SHORTEST_FOR_S: Final = 30.0  # after which the shortest round trip has to be seen again


class Window:
    """Parcels and bytes under way to one destination."""

    def __init__(self) -> None:
        self.limit = float(FIRST)
        self.parcels = 0
        self.bytes = 0
        self.round_trip_s = 0.0  # smoothed
        self._shortest_s = inf
        self._shortest_before_s = inf
        self._shortest_since = 0.0
        self._shrunk_at = 0.0

    @property
    def room(self) -> int:
        """Parcels that may still be sent."""
        return max(0, int(self.limit) - self.parcels) if self.bytes < BYTES_MAX else 0

    def sent(self, size: int) -> None:
        """One more is under way."""
        self.parcels += 1
        self.bytes += size

    def ended(self, size: int) -> None:
        """One less is under way, whatever came of it."""
        self.parcels -= 1
        self.bytes -= size

    def answered(self, took_s: float, now_s: float) -> None:
        """The destination answered after so long, before or just after it ceased to count as under way."""
        took_s = max(0.0, took_s)
        self.round_trip_s += (took_s - self.round_trip_s) / 8 if self.round_trip_s else took_s
        behind_s = took_s - self._shortest(took_s, now_s)
        if behind_s < QUICK_S:
            if self.parcels >= self.limit / 2:
                self.limit = min(LARGEST, self.limit + 1)
        elif behind_s > SLOW_S and now_s - self._shrunk_at > took_s:
            self.limit = max(SMALLEST, self.limit * SLOW_S / behind_s)
            self._shrunk_at = now_s

    def _shortest(self, took_s: float, now_s: float) -> float:
        """The shortest round trip of this half minute or the one before."""
        if now_s - self._shortest_since > SHORTEST_FOR_S:
            self._shortest_before_s, self._shortest_s, self._shortest_since = self._shortest_s, inf, now_s
        self._shortest_s = min(self._shortest_s, took_s)
        return min(self._shortest_s, self._shortest_before_s)
