"""Envelopes that came before their announcement, for a while and within bounds. Pure; the clock is an argument."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

PARKED_MAX: Final = 1024  # envelopes of one source
PARKED_BYTES_MAX: Final = 4 << 20  # bytes of one source
PARKED_S: Final = 600  # seconds an envelope waits


class _Parked(NamedTuple):
    until_s: float
    eid: bytes
    envelope: bytes


class Parking:
    """Where envelopes of one source wait; when it is full the oldest goes."""

    def __init__(self) -> None:
        self._waiting: deque[_Parked] = deque()
        self._bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, eid: bytes, envelope: bytes, now_s: float) -> None:
        """Let an envelope wait for the announcement of its epoch."""
        self.sweep(now_s)
        self._waiting.append(_Parked(now_s + PARKED_S, eid, envelope))
        self._bytes += len(envelope)
        while len(self._waiting) > PARKED_MAX or self._bytes > PARKED_BYTES_MAX:
            self._drop()

    def take(self, eid: bytes) -> list[bytes]:
        """The envelopes that waited for this epoch, in the order of arrival."""
        taken = [parked.envelope for parked in self._waiting if parked.eid == eid]
        if taken:
            self._waiting = deque(parked for parked in self._waiting if parked.eid != eid)
            self._bytes -= sum(map(len, taken))
        return taken

    def epochs(self, before_s: float) -> list[bytes]:
        """The epochs whose announcement is waited for since before this moment, those of longest wait first."""
        return list(dict.fromkeys(parked.eid for parked in self._waiting if parked.until_s - PARKED_S <= before_s))

    def sweep(self, now_s: float) -> None:
        """Let go of what waited too long."""
        while self._waiting and self._waiting[0].until_s <= now_s:
            self._drop()

    def _drop(self) -> None:
        self._bytes -= len(self._waiting.popleft().envelope)
        self.dropped += 1
