"""What ``comity check`` finds beyond faults: what has lapsed, is not signed, can never pass, or is never reached. Pure.

A gateway starts with these; what is marked as fatal makes the check fail, because the table does not do what it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import NamedTuple

from adapters import load
from gateway.release import Facts, standing
from gateway.review.proof import prove
from gateway.routing import Table, Way
from gateway.table.duty import duty_warnings
from gateway.table.entries import Config, LocalUnit, Route
from protocols.agreement import KINDS, Agreement
from protocols.countersign import canonical
from protocols.label import Label
from protocols.labelling import Labelling
from protocols.message import Mode
from protocols.unit import partner_of

SOON = timedelta(days=14)


class Finding(NamedTuple):
    """Where, and what to do about it; ``fatal`` when the table must not be used as it is."""

    line: str
    fatal: bool = False


def review(config: Config, now: datetime, missing: Mapping[str, Sequence[str]] | None = None) -> Iterator[Finding]:
    """Everything that should be looked at. ``missing``: who has not signed, by agreement; None where nobody knows."""
    yield from _agreements(config, now, missing or {})
    yield from _units(config)
    yield from (Finding(line) for line in duty_warnings(config))
    yield from _shadows(config)
    yield from _dead_routes(config)
    for leak in prove(config).leaks:
        line = f"$.agreements: {leak.source} to {leak.way.destination.id} lets out {leak.what}"
        yield Finding(f'{line}, which "{leak.way.agreement.id}" does not allow; do not run this table', fatal=True)


def differences(tables: Mapping[str, Config]) -> Iterator[Finding]:
    """Agreements that partners' tables word differently: nobody's signature would hold at the other."""
    first: dict[str, tuple[str, Agreement]] = {}
    for name, config in tables.items():
        for index, agreement in enumerate(config.agreements):
            where, same = first.setdefault(agreement.id, (name, agreement))
            if canonical(same) != canonical(agreement):
                line = f'{name}: $.agreements[{index}]: "{agreement.id}" reads otherwise in {where}; word both alike'
                yield Finding(line, fatal=True)


def _agreements(config: Config, now: datetime, missing: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    for index, agreement in enumerate(config.agreements):
        at = f"$.agreements[{index}]"
        if agreement.valid_until <= now:
            yield Finding(f"{at}: expired, so nothing passes under it; renew it or remove it", fatal=True)
        elif agreement.valid_until <= now + SOON:
            yield Finding(f"{at}: expires within 14 days; renew it")
        if now < agreement.valid_from:
            yield Finding(f"{at}: begins {agreement.valid_from:%Y-%m-%d}; nothing passes under it before")
        if agreement.review is not None and agreement.review <= now:
            yield Finding(f"{at}: its review date has passed")
        if who := missing.get(agreement.id):
            yield Finding(f"{at}: not signed by {', '.join(who)}, so closed; comity agreement sign, import", fatal=True)
        if not any(route.agreement == agreement.id for route in config.routes):
            yield Finding(f"{at}: no route uses it")


def _units(config: Config) -> Iterator[Finding]:
    sources = {unit for route in config.routes for unit in route.sources}
    reached = {unit for route in config.routes for unit in route.to}
    reached |= {name for unit in config.units for name in unit.alternates}
    for index, unit in enumerate(config.units):
        at = f"$.units[{index}]"
        if unit.id not in sources | reached:
            yield Finding(f"{at}: no route names it, so it neither sends nor receives")
            continue
        if unit.deliver is not None and unit.id not in reached:
            yield Finding(f"{at}.deliver: no route leads to it, so it receives nothing")
        if unit.receive and unit.id not in sources:
            yield Finding(f"{at}.receive: no route leads from it, so nothing that it says goes anywhere")
    for index, peer in enumerate(config.peers):
        if peer.id not in sources | reached:
            yield Finding(f"$.peers[{index}]: no route names it, so it cannot be reached")


def _shadows(config: Config) -> Iterator[Finding]:
    """Routes of which nothing is left: earlier ones take every kind on every way, under terms at least as wide."""
    agreements = {agreement.id: agreement for agreement in config.agreements}
    taken: dict[tuple[str, str, str | None], list[tuple[int, Route]]] = {}
    for index, route in enumerate(config.routes):
        here, over = agreements[route.agreement], set()
        for pair in product(route.sources, route.to, [route.through]):
            earlier = taken.setdefault(pair, [])
            left = set(route.kinds or here.kinds)
            for number, other in earlier:
                if _as_wide(agreements[other.agreement], here):
                    left -= set(other.kinds or agreements[other.agreement].kinds)
                    over.add(number)
            if left:
                over.clear()
                break
        if over:
            before = ", ".join(f"$.routes[{number}]" for number in sorted(over))
            yield Finding(f"$.routes[{index}]: shadowed by {before}, which takes all of it first; remove one")
        for pair in product(route.sources, route.to, [route.through]):
            taken.setdefault(pair, []).append((index, route))


def _as_wide(one: Agreement, other: Agreement) -> bool:
    """Whether one agreement releases whatever another does, in whatever form."""
    return one.id == other.id or (
        one.highest == other.highest
        and set(one.modes) >= set(other.modes)
        and one.precedence.precedence >= other.precedence.precedence
        and one.valid_from <= other.valid_from
        and one.valid_until >= other.valid_until
        and one.area in {None, other.area}
        and one.oldest_s >= other.oldest_s
    )


def _dead_routes(config: Config) -> Iterator[Finding]:
    """Ways on which nothing can ever pass: no label, or no kind, that both ends and the agreement have in common."""
    table = Table(config, [agreement.id for agreement in config.agreements])
    agreements = {agreement.id: agreement for agreement in config.agreements}
    for index, route in enumerate(config.routes):
        agreement = agreements[route.agreement]
        for source, to in product(route.sources, route.to):
            ways = _along(config, table, route, source, to)
            labels = _labels(table, source, agreement)
            reasons = [_reason(config, table, source, way, label) for way in ways for label in labels]
            if not reasons:
                yield Finding(
                    f"$.routes[{index}]: {source} has no label for anything; give it labels or a default", True
                )
            elif None not in reasons:
                line = (
                    f"$.routes[{index}]: nothing can pass from {source} to {to}: {reasons[0]}; mend that or remove it"
                )
                yield Finding(line, fatal=True)
            elif not _said(table, source, to, set(route.kinds or agreement.kinds)):
                yield Finding(f"$.routes[{index}]: the formats of {source} and {to} have no kind of it in common")


def _along(config: Config, table: Table, route: Route, source: str, to: str) -> Sequence[Way]:
    """The ways of one route from a unit to another."""
    us, agreement = config.gateway.partner, route.agreement
    if route.through is None:
        terms = next(each for each in config.agreements if each.id == agreement)
        return [Way(table.units[to], terms, signed=True)]
    through = route.through if route.through != us else None
    kinds = route.kinds or KINDS
    found = (way for kind in kinds for way in table.ways(source, kind, through) if way.through == route.through)
    return list(
        {
            way.basis and way.basis.agreement.id: way
            for way in found
            if way.destination.id == to and way.agreement.id == agreement
        }.values()
    )


def _labels(table: Table, source: str, agreement: Agreement) -> Sequence[Label]:
    """Labels that a unit's messages can have: of ours those in the table; of others any, so the lowest."""
    unit = table.units[source]
    if isinstance(unit, LocalUnit) and not unit.label_xml:
        default = [unit.default_label] if unit.default_label is not None else []
        return [*default, *(rule.label for rule in unit.labels)]
    policy = table.policies.get(agreement.highest.policy)
    return [Label(policy=policy.name, classification=policy.classifications[0])] if policy else []


def _reason(config: Config, table: Table, source: str, way: Way, label: Label) -> str | None:
    agreement = way.agreement
    mode = agreement.modes[0] if agreement.modes else Mode.UNSTATED
    verified = partner_of(source) != config.gateway.partner
    beside = Labelling(table.policies).alternatives(label) if verified else ()
    for kind in agreement.kinds or ("",):
        known = Facts(source, kind, mode, verified, label, None, beside, way.through if way.local else None)
        reason = standing(known, way, table.policies, agreement.valid_from)
        if reason is None:
            return None
    return str(reason)


def _said(table: Table, source: str, to: str, kinds: set[str]) -> bool:
    """Whether the formats at both ends know one of these kinds; a partner's format is its own affair."""
    sender, receiver = table.units[source], table.units[to]
    if isinstance(sender, LocalUnit):
        kinds = kinds & load(sender.adapter).READS
    if isinstance(receiver, LocalUnit):
        kinds = kinds & load(receiver.adapter).WRITES
    return bool(kinds)
