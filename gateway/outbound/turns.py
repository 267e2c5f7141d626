"""Whose turn it is on a link: by precedence, then by fair shares; and when a link with a budget is free again. Pure.

Override, flash and immediate go strictly before the rest. Below, the destination that had least of its share is next
(start-time fair queueing), however long the others have waited: so that a busy partner cannot crowd out a quiet one,
nor one with a long queue get more than its share. Within a destination what waits rises: a routine message that has
waited long enough goes before a priority one that has just come, so that nothing starves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from gateway.dispatch import CONTROL
from protocols.message import Precedence

RANKS: Final = CONTROL + 1
URGENT: Final = Precedence.IMMEDIATE  # from here on precedence is strict; it bypasses windows, linger and bundles
RISE_S: Final = 60.0  # seconds of waiting that lift what is not urgent by one precedence
FRAMING: Final = 16  # bytes that a parcel costs on the wire beside topic and payload
FRAME_S: Final = 2.0  # of a budget that one frame may take: for so long something urgent waits at most
FRAME_MIN: Final = 256  # bytes; below, frames would be little but framing


class Offer(NamedTuple):
    """What one destination would send next: of which queue, how urgent it is (``rank``), and its size in bytes."""

    lane: str
    precedence: int
    size: int
    rank: float


def rank(precedence: int, waited_s: float) -> float:
    """How urgent something is now."""
    if precedence >= URGENT:
        return precedence
    return min(precedence + max(0.0, waited_s) / RISE_S, URGENT - 0.01)


class Turns:
    """The order of the destinations of one link, and what each has had."""

    def __init__(self, shares: Mapping[str, float], bytes_per_s: float | None = None) -> None:
        """``shares``: weights of destinations, 1 where none is given; ``bytes_per_s``: the budget, None is none."""
        self._shares = shares
        self._rate = bytes_per_s
        self._free_at = 0.0
        self._virtual = 0.0
        self._had: dict[str, float] = {}  # virtual time up to which a destination has been served
        self.bytes: dict[str, int] = {}  # sent so far, by destination

    @property
    def budgeted(self) -> bool:
        """Whether the link has a budget."""
        return self._rate is not None

    @property
    def frame(self) -> int | None:
        """Bytes that one frame may have, framing included; None where there is no budget."""
        return None if self._rate is None else max(FRAME_MIN, int(self._rate * FRAME_S))

    def wait_s(self, now_s: float) -> float:
        """For how long nothing more may be sent."""
        return max(0.0, self._free_at - now_s) if self._rate is not None else 0.0

    def choose(self, offers: Iterable[Offer]) -> Offer | None:
        """Who is next, or None when nobody offers anything."""
        return max(offers, key=self._claim, default=None)

    def sent(self, offer: Offer, now_s: float) -> None:
        """Charge what was sent."""
        start = self._start(offer)
        self._virtual = start
        self._had[offer.lane] = start + offer.size / self._shares.get(offer.lane, 1.0)
        self.bytes[offer.lane] = self.bytes.get(offer.lane, 0) + offer.size
        if self._rate is not None:
            self._free_at = max(self._free_at, now_s) + offer.size / self._rate

    def _claim(self, offer: Offer) -> tuple[int, float]:
        """How far an offer goes before others: by rank where that is strict, and then by what it has had."""
        return int(offer.rank) if offer.rank >= URGENT else 0, -self._start(offer)

    def _start(self, offer: Offer) -> float:
        """The virtual time at which it would be served; one that was idle has no claim on the past."""
        return max(self._virtual, self._had.get(offer.lane, 0.0))
