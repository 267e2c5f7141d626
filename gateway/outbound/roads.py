"""The links of a gateway as ways out: which one to take, and when each began anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.links import Link, LinkState
from gateway.outbound.turns import Turns


class Roads(NamedTuple):
    """The links by name, and the order on each."""

    links: Mapping[str, Link]
    turns: Mapping[str, Turns]

    def choose(self, names: Sequence[str], tries: int = 0) -> str:
        """The link to send by: the first that is up, and the next one at every other try."""
        up = [name for name in names if self.links[name].state is LinkState.UP] or list(names)
        return up[tries % len(up)]

    def openings(self, names: Sequence[str]) -> Mapping[str, int]:
        """How often each of these links has connected, where what was sent before may then be lost."""
        return {name: count for name in names if (count := self.links[name].statistics.openings)}
