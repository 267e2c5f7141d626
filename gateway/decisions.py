"""What becomes of a message at every destination: routes and release rules, compiled once for messages alike. Pure.

A decision of the standing rules holds for every message with the same facts until an agreement begins or ends; only
what depends on one message's content is looked at each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from gateway.release import AHEAD, Facts, content, facts, standing
from gateway.routing import Table, Way
from protocols.message import Message
from protocols.record import Withheld

KEPT_MAX = 50_000  # compiled decisions; past that they are made again
_ALWAYS = datetime.min.replace(tzinfo=UTC)
_NEVER = datetime.max.replace(tzinfo=UTC)


class Decided(NamedTuple):
    """One destination: the way there, and why the message is kept back from it (None: it may go)."""

    way: Way
    reason: Withheld | None


class _Compiled(NamedTuple):
    """Decisions for messages with the same facts, in [since, until); ``choices`` holds every way by destination.

    ``bounded``: a way asks where a message is, or whether it can go as it is. ``oldest``: what is not older than this
    is too old on no way.
    """

    since: datetime
    until: datetime
    choices: tuple[tuple[Decided, ...], ...]
    chosen: tuple[Decided, ...]
    bounded: bool
    oldest: timedelta


class Decisions:
    """The decisions of one table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._kept: dict[Facts, _Compiled] = {}

    def decide(self, message: Message, now: datetime, through: str | None = None) -> Sequence[Decided]:
        """One decision for each destination that a route leads to, in the order of the routes.

        ``through``: the partner that passed the message on to us, when it did not come from its originator.
        """
        compiled, times = self._compiled(facts(message, through), now), message.times
        moment = times.observed or times.created
        timely = moment is None or now - compiled.oldest <= moment <= now + AHEAD
        if times.valid_until is None and timely and not compiled.bounded:
            return compiled.chosen
        return [_choose([_looked_at(each, message, now) for each in ways]) for ways in compiled.choices]

    def foresee(self, known: Facts, now: datetime) -> Sequence[Decided]:
        """The same for a message of which only the facts are known: what the rules about content would say is open."""
        return self._compiled(known, now).chosen

    def without_way(self, origin: str, to: str | None = None, through: str | None = None) -> Withheld:
        """Why a message that no route takes up goes nowhere, or not to one unit."""
        if through is not None:
            return Withheld.REEXPORT_DENIED
        return Withheld.NO_ROUTE if self.table.agreed(origin, to) else Withheld.NO_AGREEMENT

    def _compiled(self, known: Facts, now: datetime) -> _Compiled:
        compiled = self._kept.get(known)
        if compiled is None or not compiled.since <= now < compiled.until:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            compiled = self._kept[known] = self._compile(known, now)
        return compiled

    def _compile(self, known: Facts, now: datetime) -> _Compiled:
        ways = self.table.ways(known.origin, known.kind, known.through)
        found: dict[str, list[Decided]] = {}
        for way in ways:
            reason = standing(known, way, self.table.policies, now)
            found.setdefault(way.destination.id, []).append(Decided(way, reason))
        terms = [each for way in ways for each in (way.agreement, way.basis and way.basis.agreement) if each]
        turns = [turn for each in terms for turn in (each.valid_from, each.valid_until)]
        return _Compiled(
            max((turn for turn in turns if turn <= now), default=_ALWAYS),
            min((turn for turn in turns if turn > now), default=_NEVER),
            tuple(tuple(each) for each in found.values()),
            tuple(_choose(each) for each in found.values()),
            any(way.agreement.area is not None or way.basis is not None for way in ways),
            min((way.agreement.oldest for way in ways), default=timedelta()),
        )


def _looked_at(decided: Decided, message: Message, now: datetime) -> Decided:
    return decided if decided.reason else Decided(decided.way, content(message, decided.way, now))


def _choose(decided: Sequence[Decided]) -> Decided:
    """The first way that releases, else what keeps the message back on the first."""
    return next((each for each in decided if each.reason is None), decided[0])
