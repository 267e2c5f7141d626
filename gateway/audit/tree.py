"""The tree of a log while it grows, in some hashes: the past, up to the last checkpoint, and what came since."""

from __future__ import annotations

from collections.abc import Sequence

from protocols.log_checkpoint import Growth
from protocols.transparency import Range


class Tree:
    """Grows by a leaf a line."""

    def __init__(self, past: Range | None = None, recent: Range | None = None) -> None:
        """A tree as it was left; an empty one without arguments. Raise ValueError when the two do not adjoin."""
        self._past = Range() if past is None else past
        self._ranges = [Range(self._past.end) if recent is None else recent]
        if self._ranges[0].begin != self._past.end or self._past.begin:
            raise ValueError("the ranges do not adjoin")

    @property
    def size(self) -> int:
        """How many leaves it has."""
        return self._ranges[-1].end

    def push(self, leaf: bytes) -> None:
        """One more line."""
        self._ranges[-1].push(leaf)

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Several more lines."""
        self._ranges[-1].extend(leaves)

    def growth(self) -> Growth:
        """How it grew since the last checkpoint."""
        first, *rest = self._ranges
        recent = Range(first.begin, first.end, first.hashes)
        for later in rest:
            recent = recent.joined(later)
        return Growth(self._past, recent)

    def split(self) -> Growth:
        """As ``growth``; what comes from now on is counted apart, until ``settle`` or the next call."""
        growth = self.growth()
        self._ranges = [growth.recent, Range(growth.recent.end)]
        return growth

    def settle(self, size: int) -> None:
        """A checkpoint over so many lines was made, the ones of the last ``split``: the past ends there now."""
        first, *rest = self._ranges
        if rest and first.end == size:
            self._past, self._ranges = self._past.joined(first), rest
