"""Where a message goes: the routing table, compiled from the configuration. Pure; decides nothing about release."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from gateway.config import Config, LinkEntry, LocalUnit, Route
from gateway.table.entries import LingerTerms
from protocols.agreement import Agreement
from protocols.topics import matches
from protocols.unit import LiaisonUnit, partner_of

TOPICS_MAX = 50_000  # topics whose unit is remembered; past that they are looked up again


class Basis(NamedTuple):
    """An agreement by which the originator lets us pass on what it tells us, and whether it is countersigned."""

    agreement: Agreement
    signed: bool


class Way(NamedTuple):
    """One destination of a message, and the agreement that its release is judged by.

    ``signed``: every partner that the agreement names has countersigned it as it stands. ``linger``: how long a
    message may wait for company; ``receipts``: its origin is told what became of it; ``never_lose``: fields without
    which it does not go (see ``Route``). ``through``: the partner that passes the message on, ourselves or whoever gave
    it to us; where it is ourselves, ``basis`` is what allows it.
    """

    destination: LiaisonUnit
    agreement: Agreement
    signed: bool = False
    linger: LingerTerms | None = None
    receipts: bool = False
    never_lose: tuple[str, ...] = ()
    through: str | None = None
    basis: Basis | None = None

    @property
    def local(self) -> LocalUnit | None:
        """The destination as a unit of ours, or None when it is a partner's."""
        return self.destination if isinstance(self.destination, LocalUnit) else None


class Table:
    """The compiled routing table: a lookup is one dictionary access."""

    def __init__(self, config: Config, signed: Collection[str] = ()) -> None:
        """``signed``: ids of the agreements that are countersigned; under any other nothing passes."""
        self.policies = {policy.name: policy for policy in config.policies}
        self.units: dict[str, LiaisonUnit] = {unit.id: unit for unit in (*config.units, *config.peers)}
        self._links_to: dict[str, tuple[str, ...]] = {unit.id: (unit.link,) for unit in config.units}
        for partner in dict.fromkeys(partner for link in config.links for partner in link.partners):
            self._links_to[partner] = tuple(link.name for link in config.links if partner in link.partners)
        self.thin = frozenset(
            each for link in config.links if link.bytes_per_s is not None for each in _reached(config, link)
        )
        self._filters = [(unit.link, each, unit) for unit in config.units for each in unit.receive]
        self._topics: dict[tuple[str, str], LocalUnit | None] = {}
        self._kept: dict[tuple[str, str, str | None], tuple[Way, ...]] = {}
        self._us = config.gateway.partner
        self._from: dict[str, list[tuple[Route, Way]]] = {}
        agreements = {agreement.id: agreement for agreement in config.agreements}
        directions = [direction for agreement in config.agreements for direction in agreement.directions]
        self._agreed = {(each.sender, to) for each in directions for to in (each.to, None)}
        for route in config.routes:
            agreement = agreements[route.agreement]
            terms = (agreement, agreement.id in signed, route.linger, route.receipts, route.never_lose, route.through)
            ways = [Way(self.units[unit], *terms) for unit in route.to]
            for source in route.sources:
                others = [way for way in ways if way.destination.id != source]
                if route.through == self._us:
                    bases = [Basis(each, each.id in signed) for each in config.agreements]
                    others = [each for way in others for each in _passages(way, partner_of(source), bases)]
                self._from.setdefault(source, []).extend((route, way) for way in others)

        self.originals = frozenset(  # units whose frames go on as they are to others of ours with their format
            source
            for source, routed in self._from.items()
            if any(_is_home(self.units[source], way) for _, way in routed)
        )

    def links_to(self, destination: str) -> Sequence[str]:
        """The links by which a partner, or a unit of ours, is reached, the first one first. Raise KeyError."""
        return self._links_to[destination]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Every source and destination that some route connects, in the order of the routes."""
        for source, routed in self._from.items():
            for _, way in routed:
                yield source, way.destination.id

    def unit_at(self, link: str, topic: str) -> LocalUnit | None:
        """The local unit that publishes there: this, never the payload, is where a message comes from."""
        key = (link, topic)
        if key not in self._topics:
            if len(self._topics) >= TOPICS_MAX:
                self._topics.clear()
            self._topics[key] = next((u for on, f, u in self._filters if on == link and matches(f, topic)), None)
        return self._topics[key]

    def ways(self, source: str, kind: str, through: str | None = None) -> Sequence[Way]:
        """Every way of a kind of message from a unit, in the order of the routes; ``through``: who passed it on to us.

        A route without kinds takes every kind, so that what its agreement does not name is withheld with a reason.
        """
        key = (source, kind, through)
        if key not in self._kept:
            open_to = {through} if through else {None, self._us}
            routes = [each for each in self._from.get(source, ()) if each[0].through in open_to]
            self._kept[key] = tuple(way for route, way in routes if not route.kinds or kind in route.kinds)
        return self._kept[key]

    def agreed(self, source: str, to: str | None = None) -> bool:
        """Whether any agreement lets something out from the partner of a unit, to the partner of another or to any."""
        return (partner_of(source), to and partner_of(to)) in self._agreed


def _is_home(source: LiaisonUnit, way: Way) -> bool:
    to, extras = way.local, way.agreement.transformation.keep_extras
    return extras and to is not None and isinstance(source, LocalUnit) and source.adapter == to.adapter


def _reached(config: Config, link: LinkEntry) -> Iterator[str]:
    """The partners and units that a link leads to."""
    yield from link.partners
    yield from (unit.id for unit in config.units if unit.link == link.name)


def _passages(way: Way, origin: str, bases: Sequence[Basis]) -> Sequence[Way]:
    """A way by which we pass on, once for each agreement that allows it; where none does, without one, to say so."""
    us, third = way.through or "", way.destination.partner
    found = [each for each in bases if each.agreement.goes(origin, us) and third in each.agreement.onward]
    return [way._replace(basis=each) for each in found] or [way]
