"""How long to wait before the next attempt: exponential, with full jitter, reset after stable time. Pure."""

from __future__ import annotations

import random
from typing import NamedTuple


class Pace(NamedTuple):
    """Bounds of the waits, in seconds."""

    first_s: float = 0.5  # the first retry comes within this
    longest_s: float = 30.0
    refused_s: float = 60.0  # an operator must act first: hurrying only fills the other side's log
    stable_s: float = 10.0  # a connection that held this long was a good one


class Backoff:
    """The waits of one link. Full jitter spreads many links that lost the same broker over the whole interval."""

    def __init__(self, pace: Pace, source: random.Random) -> None:
        self._pace = pace
        self._source = source
        self._failures = 0

    def after_fault(self, held_s: float) -> float:
        """Seconds to wait after a connection that held ``held_s`` seconds (0 when it never was up)."""
        if held_s >= self._pace.stable_s:
            self._failures = 0
        ceiling = min(self._pace.longest_s, self._pace.first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return self._source.uniform(0.0, ceiling)

    def after_refusal(self) -> float:
        """Seconds to wait when the far side does not authorise us: long, and never at the same moment as others."""
        return self._source.uniform(self._pace.refused_s / 2, self._pace.refused_s)
