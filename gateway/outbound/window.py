"""How much may be under way to one destination: as much as it takes without making what is urgent wait. Pure.

The window grows by one for each answer that came quickly, and shrinks by a tenth, at most once a round trip, when
answers take longer: what a destination cannot take yet waits here, where a flash message can still go before it.
"""

from __future__ import annotations

from typing import Final

SMALLEST: Final = 4
LARGEST: Final = 1024
FIRST: Final = 64
BYTES_MAX: Final = 4 << 20
QUICK_S: Final = 0.02
SLOW_S: Final = 0.05


class Window:
    """Parcels and bytes under way to one destination."""

    def __init__(self) -> None:
        self.limit = float(FIRST)
        self.parcels = 0
        self.bytes = 0
        self.round_trip_s = 0.0  # smoothed
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
        """The destination answered after so long."""
        self.round_trip_s += (took_s - self.round_trip_s) / 8 if self.round_trip_s else took_s
        if took_s < QUICK_S:
            self.limit = min(LARGEST, self.limit + 1)
        elif took_s > SLOW_S and now_s - self._shrunk_at > max(took_s, SLOW_S):
            self.limit = max(SMALLEST, self.limit * 0.9)
            self._shrunk_at = now_s
