"""How old a row is: by time that was lived, not by a clock that somebody sets.

A row's time runs with the monotonic clock, and over a restart with the wall clock's difference. The wall clock is
otherwise only asked how long something has yet to live when it comes. So a clock that jumps ages nothing: neither does
everything expire, nor does it live for ever.
"""

from __future__ import annotations

from typing import Final

from gateway.spool import Clock

JUMP_S: Final = 30.0  # a wall clock that goes otherwise than the monotonic one by more was set
CONFIRM_S: Final = 300.0  # it is believed when it has gone evenly for so long
HOLD_MAX_S: Final = 3600.0  # a clock that is set again and again holds expiry up no longer than this


class Ageing:
    """Spool time, in seconds: of any use only in differences, kept across restarts by ``stamp``."""

    def __init__(self, clock: Clock, lived_s: float = 0.0, wall_s: float | None = None) -> None:
        """Go on from what was stamped last; without it a spool begins, and there is nothing to be careful of."""
        self._clock = clock
        self._began = self._even_since = clock.monotonic()
        self._trusted = self._seen = clock.wall() - self._began
        self._away = 0.0 if wall_s is None else max(0.0, clock.wall() - wall_s)
        self._base = lived_s
        self._held = wall_s is not None

    @property
    def held(self) -> bool:
        """Whether nothing may expire: the time between stop and start is believed only after ``CONFIRM_S``."""
        self._look()
        return self._held

    def now_s(self) -> float:
        """Spool time."""
        return self._base + self._away + self._clock.monotonic() - self._began

    def at_s(self, wall_s: float) -> float:
        """The spool time at which the wall clock shows this, by the wall clock as it was last believed."""
        self._look()
        return self.now_s() + wall_s - (self._clock.monotonic() + self._trusted)

    def stamp(self) -> tuple[float, float]:
        """What to begin with the next time: spool time and wall clock."""
        return self.now_s(), self._clock.monotonic() + self._trusted

    def _look(self) -> None:
        mono = self._clock.monotonic()
        drift = self._clock.wall() - mono
        if abs(drift - self._seen) > JUMP_S:
            self._even_since = mono
        self._seen = drift
        if mono - self._even_since >= CONFIRM_S:
            if self._held:  # what the first look made too long is put right; what is waiting never gets older by it
                self._away = max(0.0, self._away + min(0.0, drift - self._trusted))
            self._trusted = drift
            self._held = False
        elif mono - self._began >= HOLD_MAX_S:
            self._held = False
