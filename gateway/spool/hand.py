"""Which rows the caller has in hand, and from where on each queue is looked through. In memory only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


class Hand:
    """Rows that were given out and not yet given back or done."""

    def __init__(self) -> None:
        self._queues: dict[int, int] = {}
        self._after: dict[int, int] = {}
        self.counts: Counter[int] = Counter()

    def __contains__(self, row: int) -> bool:
        return row in self._queues

    def after(self, queue: int) -> int:
        """Every row up to here is in hand."""
        return self._after.get(queue, 0)

    def hold(self, row: int, queue: int) -> None:
        """It is given out."""
        if row not in self._queues:
            self._queues[row] = queue
            self.counts[queue] += 1

    def seen(self, queue: int, row: int) -> None:
        """Up to here every row is given out."""
        self._after[queue] = row

    def release(self, rows: Iterable[int]) -> None:
        """They are given back."""
        for row in rows:
            queue = self._queues.pop(row, None)
            if queue is not None:
                self.counts[queue] -= 1
                self._after[queue] = min(self.after(queue), row - 1)

    def drop(self, rows: Iterable[int]) -> None:
        """They wait no longer."""
        for row in rows:
            queue = self._queues.pop(row, None)
            if queue is not None:
                self.counts[queue] -= 1

    def look_again(self, queues: Iterable[int] | None = None) -> None:
        """Look through these queues, or all, from their beginning."""
        if queues is None:
            self._after.clear()
            return
        for queue in queues:
            self._after.pop(queue, None)
