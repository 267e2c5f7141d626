"""Which rows the caller has in hand, and from where on each queue is looked through. In memory only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from gateway.spool.index import queue_of


class Hand:
    """Rows that were given out and not yet given back or done."""

    def __init__(self) -> None:
        self._rows: set[int] = set()
        self._after: dict[int, int] = {}
        self.counts: Counter[int] = Counter()

    def __contains__(self, row: int) -> bool:
        return row in self._rows

    def after(self, queue: int) -> int:
        """Every row up to here is in hand."""
        return self._after.get(queue, 0)

    def hold(self, rows: Iterable[int]) -> None:
        """They are given out."""
        new = set(rows) - self._rows
        self._rows |= new
        self.counts.update(map(queue_of, new))

    def seen(self, queue: int, row: int) -> None:
        """Up to here every row is given out."""
        self._after[queue] = row

    def release(self, rows: Iterable[int]) -> None:
        """They are given back."""
        for row in self.drop(rows):
            queue = queue_of(row)
            self._after[queue] = min(self.after(queue), row - 1)

    def drop(self, rows: Iterable[int]) -> set[int]:
        """They wait no longer. Those that were in hand."""
        held = self._rows.intersection(rows)
        self._rows -= held
        self.counts.subtract(map(queue_of, held))
        return held

    def look_again(self, queues: Iterable[int] | None = None) -> None:
        """Look through these queues, or all, from their beginning."""
        if queues is None:
            self._after.clear()
            return
        for queue in queues:
            self._after.pop(queue, None)
