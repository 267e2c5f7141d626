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
QUICK_S: Final = 0.01  # behind others
SLOW_S: Final = 0.02
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

    def answered(self, took_s: float, now_s: float, late_s: float = 0.0) -> None:
        """The destination answered after so long, before or just after it ceased to count as under way.

        ``late_s``: by how much our own work was late meanwhile, which is no destination's fault.
        """
        self.round_trip_s += (took_s - self.round_trip_s) / 8 if self.round_trip_s else took_s
        if now_s - self._shortest_since > SHORTEST_FOR_S:
            self._look_again(took_s, now_s)
        self._shortest_s = min(self._shortest_s, took_s)
        shortest_s = min(self._shortest_s, self._shortest_before_s)
        behind_s = took_s - shortest_s - late_s
        if behind_s < QUICK_S:
            if self.parcels >= self.limit / 2:
                self.limit = min(LARGEST, self.limit + 1)
        elif behind_s > SLOW_S and now_s - self._shrunk_at > took_s:
            self.limit = max(SMALLEST, self.limit * (shortest_s + SLOW_S) / (shortest_s + behind_s))
            self._shrunk_at = now_s

    def _look_again(self, took_s: float, now_s: float) -> None:
        """Only as much as stands behind nobody for a moment: else what always does would become the shortest."""
        if self._shortest_s < took_s:
            self.limit = max(SMALLEST, self.limit * self._shortest_s / took_s)
            self._shrunk_at = now_s
        self._shortest_before_s, self._shortest_s, self._shortest_since = self._shortest_s, inf, now_s
