"""What is wrong between the entries of a table: unknown names, topics claimed twice, leaks. Pure.

Every fault is one line: path, what is wrong, what to do. A gateway starts with none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product

from adapters import UnknownFormatError, load
from adapters import names as formats
from gateway.table.duty import duty_faults
from gateway.table.entries import Config, LocalUnit, Route
from gateway.table.linking import link_faults
from protocols.agreement import KINDS, Agreement
from protocols.label import Clearance, Policy
from protocols.topics import is_filter, is_topic, overlap
from protocols.unit import LiaisonUnit, partner_of

MAILBOXES = "comity/#"


def faults(config: Config) -> Iterator[str]:
    """Everything that is wrong between entries: path, what is wrong, what to do."""
    for check in CHECKS:
        yield from check(config)


def _name_faults(config: Config) -> Iterator[str]:
    yield from _unique("partners", (partner.id for partner in config.partners))
    yield from _unique("links", (link.name for link in config.links))
    yield from _unique("units", (unit.id for unit in (*config.units, *config.peers)))
    yield from _unique("agreements", (agreement.id for agreement in config.agreements))


def _policy_faults(config: Config) -> Iterator[str]:
    yield from _unique("policies", (policy.name for policy in config.policies))
    yield from _unique("policies", (policy.id or f"no id {index}" for index, policy in enumerate(config.policies)))
    for index, policy in enumerate(config.policies):
        if any(other.is_called(policy.name) for other in config.policies if other.name != policy.name):
            yield f"$.policies[{index}].name: another policy, which ignores case, answers to it too; rename one"


def _gateway_faults(config: Config) -> Iterator[str]:
    if config.gateway.partner not in {partner.id for partner in config.partners}:
        yield "$.gateway.partner: not one of $.partners; add it there"
    partners = {partner.id for partner in config.partners}
    reached: set[str] = set()
    for index, link in enumerate(config.links):
        for partner in link.partners:
            if partner not in partners or partner == config.gateway.partner:
                yield f"$.links[{index}].partners: {_quoted(partner)} is not another partner of $.partners"
            reached.add(partner)
        if link.embedded and link.partners:
            yield f"$.links[{index}].url: a link to partners needs the coalition broker's address"
    if sum(link.embedded for link in config.links) > 1:
        yield "$.links: only one link may be the embedded broker; give the others a url"
    for index, peer in enumerate(config.peers):
        if peer.partner not in reached:
            yield f"$.peers[{index}].id: no link reaches its partner; name it in $.links[..].partners"


def _waiting_faults(config: Config) -> Iterator[str]:
    known = {partner for link in config.links for partner in link.partners} | {unit.id for unit in config.units}
    for name in sorted(set(config.waiting.destinations) - known):
        yield f"$.waiting.destinations.{_quoted(name)}: neither a partner that a link reaches nor one of $.units"


def _unit_faults(config: Config) -> Iterator[str]:
    links = {link.name for link in config.links if not link.partners}
    known = formats()
    for index, unit in enumerate(config.units):
        at = f"$.units[{index}]"
        if unit.partner != config.gateway.partner:
            yield f"{at}.id: a unit of another partner belongs into $.peers"
        yield from _format_faults(at, unit, known)
        if unit.link not in links:
            yield f"{at}.link: not one of $.links that serve local units"
        if unit.deliver is not None and not is_topic(unit.deliver):
            yield f"{at}.deliver: not a topic to publish to (no wildcards)"
        for kind in sorted(set(unit.precedence) - set(KINDS)):
            yield f"{at}.precedence.{kind}: no such kind of message; have {', '.join(sorted(KINDS))}"
        yield from _label_faults(at, unit, config.policies)
        yield from _unique(f"units[{index}].labels", (rule.hint for rule in unit.labels))
        yield from _clearance_faults(f"{at}.clearance", unit.clearance, config.policies)
    for index, peer in enumerate(config.peers):
        yield from _clearance_faults(f"$.peers[{index}].clearance", peer.clearance, config.policies)


def _format_faults(at: str, unit: LocalUnit, known: Sequence[str]) -> Iterator[str]:
    if unit.adapter not in known:
        yield f"{at}.adapter: no such format; have {', '.join(known)}"
        return
    try:
        reads = load(unit.adapter).READS
    except UnknownFormatError as error:
        yield f"{at}.adapter: {error}; mend its package or choose another format"
        return
    if unit.receive and not reads:
        yield f"{at}.receive: {unit.adapter} only writes; take the topics away or choose another format"


def _label_faults(at: str, unit: LocalUnit, policies: Iterable[Policy]) -> Iterator[str]:
    known = {policy.name: policy for policy in policies}
    for label in (unit.default_label, *(rule.label for rule in unit.labels)):
        if label is not None and not (label.policy in known and known[label.policy].knows(label)):
            yield f"{at}: a label that no policy of $.policies knows ({label})"


def _source_faults(config: Config) -> Iterator[str]:
    """One topic has one unit, on whatever link of a broker, so that what arrives has one origin."""
    claimed: list[tuple[str, str, str]] = []
    for at, on, topic_filter in _received(config):
        if not is_filter(topic_filter):
            yield f"{at}: {_quoted(topic_filter)} is not a topic filter"
            continue
        if overlap(MAILBOXES, topic_filter):
            yield f"{at}: {_quoted(topic_filter)} reaches into the partners' mailboxes; name another topic"
        for broker, theirs, owner in claimed:
            if broker == on and overlap(theirs, topic_filter):
                yield f"{at}: {_quoted(topic_filter)} overlaps {owner}; one topic has one unit"
        claimed.append((on, topic_filter, at))


def _answer_faults(config: Config) -> Iterator[str]:
    """What we send reaches the unit that it is for and nobody else, and does not come back as our own report."""
    claimed = [each for each in _received(config) if is_filter(each[2])]
    delivered: dict[tuple[str, str], str] = {}
    for at, on, topic in _delivered(config):
        if overlap(MAILBOXES, topic):
            yield f"{at}: lies in the partners' mailboxes, where it would go out unsealed; name another topic"
        if (owner := delivered.setdefault((on, topic), at)) != at:
            yield f"{at}: is also {owner}, so each would read what is for the other; give it a topic of its own"
        for owner, broker, theirs in claimed:
            if broker == on and overlap(theirs, topic):
                yield f"{at}: is also received by {owner}; what we send would come back as our own report"


def _received(config: Config) -> Iterator[tuple[str, str, str]]:
    """Where a topic filter of a unit stands, its broker's address, and the filter."""
    broker = {link.name: link.url for link in config.links}
    for index, unit in enumerate(config.units):
        yield from ((f"$.units[{index}].receive", broker.get(unit.link, ""), each) for each in unit.receive)


def _delivered(config: Config) -> Iterator[tuple[str, str, str]]:
    """Where the topic stands that a unit is answered on, its broker's address, and the topic."""
    broker = {link.name: link.url for link in config.links}
    for index, unit in enumerate(config.units):
        if unit.deliver is not None:
            yield f"$.units[{index}].deliver", broker.get(unit.link, ""), unit.deliver


def _agreement_faults(config: Config) -> Iterator[str]:
    """What an agreement names has to be there."""
    partners = {partner.id for partner in config.partners}
    for index, agreement in enumerate(config.agreements):
        at = f"$.agreements[{index}]"
        for partner in agreement.partners:
            if partner not in partners:
                yield f"{at}.partners: {_quoted(partner)} is not one of $.partners"
        for partner in agreement.onward:
            if partner not in partners:
                yield f"{at}.onward: {_quoted(partner)} is not one of $.partners"
        yield from _clearance_faults(f"{at}.highest", agreement.highest, config.policies)


def _route_faults(config: Config) -> Iterator[str]:
    units = {unit.id: unit for unit in (*config.units, *config.peers)}
    agreements = {agreement.id: agreement for agreement in config.agreements}
    for index, route in enumerate(config.routes):
        at = f"$.routes[{index}]"
        yield from _end_faults(f"{at}.from", route.sources, units, "receive")
        yield from _end_faults(f"{at}.to", route.to, units, "deliver")
        agreement = agreements.get(route.agreement)
        if agreement is None:
            yield f"{at}.agreement: {_quoted(route.agreement)} is not one of $.agreements; without one nothing passes"
            continue
        if extra := set(route.kinds) - set(agreement.kinds):
            yield f"{at}.kinds: {', '.join(sorted(extra))} not agreed in {_quoted(agreement.id)}"
        if route.through is not None:
            yield from _passage_faults(at, route, agreement, config)
            continue
        for source, to in product(route.sources, route.to):
            if config.gateway.partner not in {partner_of(source), partner_of(to)}:
                yield f"{at}: {_quoted(source)} to {_quoted(to)} is between others; partners' messages go no further"
            elif not agreement.goes(partner_of(source), partner_of(to)):
                yield f"{at}: {_quoted(agreement.id)} has no direction for {_quoted(source)} to {_quoted(to)}"


def _passage_faults(at: str, route: Route, agreement: Agreement, config: Config) -> Iterator[str]:
    """A route by which somebody passes on what another partner said: by us to a third, or by another to us."""
    us, by = config.gateway.partner, route.through or ""
    if by not in {partner.id for partner in config.partners}:
        yield f"{at}.through: {_quoted(by)} is not one of $.partners"
        return
    if route.acknowledge is not None:
        yield f"{at}.acknowledge: only the originator is told; leave it out where another passes on"
    if by == us and agreement.transformation.alters:
        yield f"{at}.agreement: {_quoted(agreement.id)} changes what it lets out, and then no proof holds; use another"
    for source, to in product(route.sources, route.to):
        origin, third = partner_of(source), partner_of(to)
        if origin in {us, by} or third in {origin, by} or us not in {by, third}:
            yield f"{at}.through: {_quoted(by)} does not pass on from {_quoted(source)} to {_quoted(to)}"
        elif not agreement.goes(by, third):
            yield f"{at}: {_quoted(agreement.id)} has no direction for {_quoted(by)} to {_quoted(third)}"
        elif by == us and not any(each.goes(origin, us) and third in each.onward for each in config.agreements):
            yield f"{at}: {_quoted(third)} is onward in no agreement by which {_quoted(origin)} tells us; agree on it"


def _end_faults(at: str, ends: Sequence[str], units: Mapping[str, LiaisonUnit], topic: str) -> Iterator[str]:
    """What is wrong with one side of a route; ``topic`` is the field that a unit of ours needs to be there."""
    if not ends:
        yield f"{at}: names no unit"
    for place, name in enumerate(ends):
        unit = units.get(name)
        if unit is None:
            yield f"{at}[{place}]: {_quoted(name)} is not one of $.units or $.peers"
        elif isinstance(unit, LocalUnit) and not getattr(unit, topic):
            yield f"{at}[{place}]: {_quoted(name)} has no topic in its {topic}"


def _clearance_faults(at: str, clearance: Clearance, policies: Iterable[Policy]) -> Iterator[str]:
    policy = next((policy for policy in policies if policy.name == clearance.policy), None)
    if policy is None:
        yield f"{at}.policy: not one of $.policies"
    elif policy.rank(clearance.classification) is None:
        yield f"{at}.classification: not one of {', '.join(policy.classifications)}"
    elif policy.lattice.hold(clearance) is None:
        yield f"{at}: a category or value that the policy does not have, or has in two tags; name it under categories"


def _unique(table: str, values: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield f"$.{table}[{index}]: {_quoted(value)} is already taken; names are unique"
        seen.add(value)


def _quoted(text: str) -> str:
    return '"' + text.encode("unicode_escape").decode()[:80] + '"'


CHECKS: tuple[Callable[[Config], Iterator[str]], ...] = (
    _name_faults,
    _policy_faults,
    _gateway_faults,
    link_faults,
    _waiting_faults,
    _unit_faults,
    _source_faults,
    _answer_faults,
    _agreement_faults,
    _route_faults,
    duty_faults,
)
