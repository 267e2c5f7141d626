"""Numbers that are counted by bounded labels, and put into Prometheus's families when somebody looks."""

from __future__ import annotations

import re
from bisect import bisect_left
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

OTHER = "other"  # stands for every label value past the bound of its vocabulary
NONE = ""  # Prometheus treats an empty label as absent

_WORD = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")


class Vocabulary:
    """The values that one label has taken so far: plain words, and not too many of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def __call__(self, word: str | None) -> str:
        """The value to count a word under."""
        if not word:
            return NONE
        if word in self._known:
            return word
        if len(self._known) >= self._limit or not _WORD.fullmatch(word):
            return OTHER
        self._known.add(word)
        return word


class Family:
    """The cells of one metric, by the values of its labels. Bounded by the vocabularies that those come from."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self._name, self._text, self._labels = name, text, labels
        self._cells: dict[tuple[str, ...], Cell] = {}

    def cell(self, *labels: str) -> Cell:
        """The cell for these values."""
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = Cell()
        return cell

    def metric(self, kind: type[CounterMetricFamily | GaugeMetricFamily]) -> Metric:
        """The family as it is now."""
        family = kind(self._name, self._text, labels=self._labels)
        for labels, cell in self._cells.items():
            family.add_metric(labels, cell.value)
        return family


class Cell:
    """One number."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0


class Spread:
    """How values are spread over buckets, each of which counts what is not above its bound."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound, as the exposition wants them."""
        bounds = (*(str(bound) for bound in self._bounds), "+Inf")
        return list(zip(bounds, map(float, accumulate(self._counts)), strict=True))

    @property
    def sum(self) -> float:
        """Of all values."""
        return self._sum
