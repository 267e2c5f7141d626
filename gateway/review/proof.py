"""No route releases above its agreement: shown for a whole table, by trying what each agreement does not allow. Pure.

The release rules are a conjunction, so it is enough to try, on every way, each value that its agreement or its
destination's clearance does not allow, with everything else allowed: each of these has to be kept back. What is
allowed is worked out here a second time, from the agreement's words, and the rules that run are asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import NamedTuple

from gateway.release import Facts, standing
from gateway.routing import Table, Way
from gateway.table.entries import Config
from protocols.agreement import KINDS, Agreement
from protocols.label import Category, CategoryType, Clearance, Label, Policy
from protocols.message import Mode, Precedence
from protocols.unit import partner_of

_NOBODY = "nobody-holds-this"
_MOMENT = timedelta(microseconds=1)


class Leak(NamedTuple):
    """Something that a way lets out and its agreement does not."""

    source: str
    way: Way
    what: str


class Proof(NamedTuple):
    """How many forbidden cases were tried, and those that were let out."""

    tried: int
    leaks: tuple[Leak, ...]


class _Case(NamedTuple):
    """What must not pass on a way: in words, the facts, the way, and when."""

    what: str
    known: Facts
    way: Way
    when: datetime


def prove(config: Config) -> Proof:
    """Try every forbidden value on every way of a table, as if all of its agreements were signed."""
    table = Table(config, [agreement.id for agreement in config.agreements])
    tried, leaks = 0, []
    for source, way in _ways(config, table):
        for case in _forbidden(config, source, way):
            tried += 1
            if standing(case.known, case.way, table.policies, case.when) is None:
                leaks.append(Leak(source, way, case.what))
    return Proof(tried, tuple(leaks))


def _ways(config: Config, table: Table) -> Iterator[tuple[str, Way]]:
    """Each way once, whatever number of routes leads along it."""
    seen: set[tuple[str | None, ...]] = set()
    passers = {None, *(route.through for route in config.routes if route.through != config.gateway.partner)}
    for source in table.units:
        for kind, through in product(KINDS, passers):
            for way in table.ways(source, kind, through):
                basis = way.basis.agreement.id if way.basis else None
                key = (source, way.destination.id, way.agreement.id, way.through, basis)
                if key not in seen:
                    seen.add(key)
                    yield source, way


def _forbidden(config: Config, source: str, way: Way) -> Iterator[_Case]:
    """Each value that is not allowed, in turn, with everything else allowed."""
    best = _best(config, source, way)
    terms = [way.agreement, *([way.basis.agreement] if way.basis else ())]
    begin = max(each.valid_from for each in terms)
    yield _Case("what is under an agreement that is not signed", best, way._replace(signed=False), begin)
    yield from _passed_on(config, best, way, begin)
    if way.through is None:
        for partner in config.partners:
            if not way.agreement.goes(partner.id, way.destination.partner):
                yield _Case(f"what {partner.id} reports", best._replace(origin=f"{partner.id}/any"), way, begin)
    for agreement in terms:
        yield from _beyond(config, agreement, best, way, begin)
    yield _Case("what has no label", best._replace(label=None), way, begin)
    for what, label in _labels_above(config, way.destination.clearance, way.destination.partner):
        yield _Case(what, best._replace(label=label), way, begin)


def _passed_on(config: Config, best: Facts, way: Way, begin: datetime) -> Iterator[_Case]:
    """What comes through others than the way says, or goes on without its originator's leave."""
    for through in sorted({None, *(partner.id for partner in config.partners)} - {best.through}, key=str):
        what = f"what {through} passes on" if through else "what its originator sends itself"
        yield _Case(what, best._replace(through=through), way, begin)
    if way.local is None and way.through is None:
        yield _Case("what a partner sealed for others", best._replace(verified=True), way, begin)
    if way.local is None and way.through is not None:
        yield _Case("what no originator lets us pass on", best, way._replace(basis=None), begin)
    if way.basis is not None:
        unsigned = way._replace(basis=way.basis._replace(signed=False))
        yield _Case("what its originator has not signed for", best, unsigned, begin)
        for partner in config.partners:
            if not way.basis.agreement.goes(partner.id, config.gateway.partner):
                yield _Case(f"what {partner.id} reports", best._replace(origin=f"{partner.id}/any"), way, begin)


def _beyond(config: Config, agreement: Agreement, best: Facts, way: Way, begin: datetime) -> Iterator[_Case]:
    """Each value that one agreement does not allow."""
    yield _Case("what comes too early", best, way, agreement.valid_from - _MOMENT)
    yield _Case("what comes too late", best, way, agreement.valid_until)
    for kind in sorted(set(KINDS) - set(agreement.kinds)):
        yield _Case(f"the kind {kind}", best._replace(kind=kind), way, begin)
    for mode in sorted(set(Mode) - set(agreement.modes)):
        yield _Case(f"the mode {mode}", best._replace(mode=mode), way, begin)
    for precedence in Precedence:
        if precedence > agreement.precedence.precedence:
            yield _Case(f"the precedence {precedence.name.lower()}", best._replace(precedence=precedence), way, begin)
    for what, label in _labels_above(config, agreement.highest, way.destination.partner):
        yield _Case(what, best._replace(label=label), way, begin)


def _best(config: Config, source: str, way: Way) -> Facts:
    """Facts that the agreement allows, and the originator's where it is passed on, with the lowest label there is."""
    agreement, basis = way.agreement, way.basis.agreement if way.basis else way.agreement
    policy = next((each for each in config.policies if each.name == agreement.highest.policy), None)
    label = Label(policy=policy.name, classification=policy.classifications[0]) if policy else None
    kind = next((each for each in agreement.kinds if each in basis.kinds), "")
    mode = next((each for each in agreement.modes if each in basis.modes), Mode.UNSTATED)
    verified = partner_of(source) != config.gateway.partner
    through = way.through if way.local is not None else None
    return Facts(source, kind, mode, verified, label, Precedence.DEFERRED, through=through)


def _labels_above(config: Config, clearance: Clearance, holder: str) -> Iterator[tuple[str, Label]]:
    """Labels that a clearance does not reach."""
    policy = next((each for each in config.policies if each.name == clearance.policy), None)
    ceiling = policy.rank(clearance.classification) if policy else None
    if policy is None or ceiling is None:
        return
    lowest = policy.classifications[0]
    for classification in policy.classifications[ceiling + 1 :]:
        yield f"the label {classification}", Label(policy=policy.name, classification=classification)
    for type_, tag, value in _marks(policy):
        held = value in clearance.restrictive or any(value in each.values for each in clearance.categories)
        if not held and value != holder:
            category = Category(type=type_, tag=tag, values=(value,))
            yield f"the mark {tag} {value}", Label(policy=policy.name, classification=lowest, categories=(category,))


def _marks(policy: Policy) -> Iterator[tuple[CategoryType, str, str]]:
    """Every restrictive and permissive value that a policy lists; one that nobody holds where it lists none."""
    named = {CategoryType.RESTRICTIVE: policy.restrictive, CategoryType.PERMISSIVE: policy.permissive}
    for type_, tags in named.items():
        for tag in tags:
            yield type_, tag, _NOBODY
    for listed in policy.tags:
        if listed.type is not CategoryType.INFORMATIVE:
            for value in listed.values:
                yield listed.type, listed.set, value.name
