"""A receiver's keys of one epoch, generation by generation. Pure; the clock is an argument.

Chain keys ahead of what was authenticated are a cache (they follow from what is held); only an envelope whose tag and
signature held moves the chain on. The keys of generations passed over stay until the late horizon: that is the bound
of forward secrecy.
"""

from __future__ import annotations

from collections import deque
from math import inf

from protocols.envelope import Refusal, Reject
from protocols.schedule import Generation, generation_keys, load_generation, next_chain

AHEAD_MAX = 2048  # generations a header may lie ahead of the last authenticated one
KEPT_MAX = 6144  # passed generations kept; an honest epoch has no more: one a minute, and one for 256 envelopes
_READY = 4  # of these kept ready for use, which takes 3 kB each


class Chain:
    """The generations of one epoch from ``base`` on. ``horizon_s``: seconds that passed generations are kept."""

    def __init__(self, eid: bytes, base: int, key: bytes, horizon_s: float) -> None:
        self._eid = eid
        self._horizon_s = horizon_s
        self._ahead = [key]  # chain keys of generations ``_next``, ``_next`` + 1, ..
        self._next = base  # the first generation that no envelope was authenticated in
        self._kept: dict[int, bytes] = {}  # as they are derived
        self._ready: dict[int, Generation] = {}
        self._tried: tuple[int, Generation] | None = None  # not authenticated yet
        self._ends: deque[tuple[float, int]] = deque()
        self.sweep_at_s = inf  # when the next late horizon passes

    def generation(self, number: int) -> Generation:
        """The keys of a generation. Raise Reject (generation-too-old, generation-too-far)."""
        ready = self._ready.get(number)
        if ready is not None:
            return ready
        kept = self._kept.get(number)
        if kept is not None:
            return self._load(number, kept)
        if number < self._next:
            raise Reject(Refusal.GENERATION_TOO_OLD)
        if number - self._next > AHEAD_MAX:
            raise Reject(Refusal.GENERATION_TOO_FAR)
        if self._tried is None or self._tried[0] != number:
            self._tried = number, load_generation(generation_keys(self._chain(number), self._eid, number))
        return self._tried[1]

    def commit(self, number: int, now_s: float) -> None:
        """An envelope of this generation held: keep its keys and those passed over, forget their chain keys.

        Of more than ``KEPT_MAX`` the oldest go, so that a sender that skips generations cannot fill our memory.
        """
        if number < self._next:
            return
        after, self._tried = self._chain(number + 1), None
        end = now_s + self._horizon_s
        if self._next - 1 in self._kept:
            self._ends.append((end, self._next - 1))
        for passed in range(self._next, number + 1):
            self._kept[passed] = generation_keys(self._chain(passed), self._eid, passed)
            if passed < number:
                self._ends.append((end, passed))
        self._load(number, self._kept[number])
        while len(self._ends) > KEPT_MAX:
            self._forget(self._ends.popleft()[1])
        self._note_next()
        self._ahead = [after, *self._ahead[number + 2 - self._next :]]
        self._next = number + 1

    def sweep(self, now_s: float) -> None:
        """Forget the generations whose late horizon has passed."""
        while self._ends and self._ends[0][0] <= now_s:
            self._forget(self._ends.popleft()[1])
        self._note_next()

    def _load(self, number: int, keys: bytes) -> Generation:
        """Keys made ready for use, those of few generations at a time."""
        while len(self._ready) >= _READY:
            del self._ready[next(iter(self._ready))]
        self._ready[number] = ready = load_generation(keys)
        return ready

    def _forget(self, number: int) -> None:
        self._kept.pop(number, None)
        self._ready.pop(number, None)

    def _note_next(self) -> None:
        self.sweep_at_s = self._ends[0][0] if self._ends else inf

    def agrees(self, base: int, key: bytes) -> bool:
        """Whether a chain key told later is the one this chain leads to; generations already passed cannot be told."""
        if base < self._next:
            return True
        return base - self._next <= AHEAD_MAX and self._chain(base) == key

    def _chain(self, number: int) -> bytes:
        """The chain key of a generation not yet passed; derived once."""
        at = number - self._next
        while len(self._ahead) <= at:
            last = len(self._ahead) - 1
            self._ahead.append(next_chain(self._ahead[last], self._eid, self._next + last))
        return self._ahead[at]
