"""The links of a gateway as ways out: which one to take, and when each began anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.links import Link, LinkState
from gateway.outbound.turns import Turns

DETOUR_S: Final = 600.0  # after which the first link is tried again


class Detour:
    """Where the first link leads nowhere although it is up: the one by which the far side speaks goes before it."""

    def __init__(self) -> None:
        self.leads_nowhere = False  # the first link, as far as we know
        self._heard_by: str | None = None
        self._by_first = False
        self._taken: tuple[str, float] | None = None  # and until when

    def order(self, links: Sequence[str], now: float) -> Sequence[str]:
        """The links that lead there, the one to be taken first."""
        if self._taken is None:
            return links
        first, until = self._taken
        if first not in links or now >= until:
            self._taken = None
            return links
        return (first, *(name for name in links if name != first))

    def follow(self, now: float) -> None:
        """What was sent did not arrive, or what was to be heard of it."""
        if self._heard_by is not None:
            self._taken = self._heard_by, now + DETOUR_S
            self.leads_nowhere = not self._by_first

    def heard(self, link: str, links: Sequence[str]) -> None:
        """The far side spoke by this link; if that is the first one, it leads there again."""
        self._heard_by, self._by_first = link, link == links[0]
        if self._by_first:
            self._taken, self.leads_nowhere = None, False


class Roads(NamedTuple):
    """The links by name, and the order on each; those by hand bring no answer soon."""

    links: Mapping[str, Link]
    turns: Mapping[str, Turns]
    by_hand: Collection[str] = frozenset()

    def choose(self, names: Sequence[str]) -> str:
        """The link for envelopes: the first that is up; by hand only where there is no other, they wait on disk."""
        return self.for_word([name for name in names if name not in self.by_hand] or names)

    def is_up(self, name: str) -> bool:
        """Whether a link is connected."""
        return self.links[name].state is LinkState.UP

    def for_word(self, names: Sequence[str]) -> str:
        """The link for keys and word of custody: the first that is up, so that a courier has them too."""
        return next(filter(self.is_up, names), names[0])

    def again(self, names: Sequence[str], last: str | None, *, silent: bool) -> str:
        """The link by which to send what went in vain by ``last``: the one after it that is up.

        One with a budget does not stand in for one without, unless nothing at all is heard (``silent``).
        """
        first = self.choose(names)
        others = [name for name in names if name == first or self._stands_in(name, first, silent=silent)]
        return others[(others.index(last) + 1) % len(others)] if last in others else first

    def _stands_in(self, name: str, first: str, *, silent: bool) -> bool:
        alike = silent or self.turns[name].budgeted is self.turns[first].budgeted
        return alike and name not in self.by_hand and self.is_up(name)

    def openings(self, names: Sequence[str]) -> Mapping[str, int]:
        """How often each of these links has connected, where what was sent before may then be lost."""
        return {name: count for name in names if (count := self.links[name].statistics.openings)}
