"""Two clocks that a test moves, together or one alone."""

from __future__ import annotations

from gateway.spool import Clock

START_S = 1_800_000_000.0


class Hands:
    """A wall clock and a monotonic one."""

    def __init__(self, wall_s: float = START_S) -> None:
        self.wall_s = wall_s
        self.monotonic_s = 50.0

    def pass_s(self, seconds: float) -> None:
        """Time goes by."""
        self.wall_s += seconds
        self.monotonic_s += seconds

    def clock(self) -> Clock:
        """As the spool wants them."""
        return Clock(lambda: self.wall_s, lambda: self.monotonic_s)
