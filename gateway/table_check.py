"""What is wrong between the entries of a table: unknown names, topics claimed twice, leaks. Pure.

Every fault is one line: path, what is wrong, what to do. A gateway starts with none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from adapters import names as formats
from gateway.entries import Config, LocalUnit
from protocols.label import Clearance, Policy
from protocols.topics import is_filter, is_topic, overlap
from protocols.unit import LiaisonUnit, partner_of


def faults(config: Config) -> Iterator[str]:
    """Everything that is wrong between entries: path, what is wrong, what to do."""
    yield from _unique("partners", (partner.id for partner in config.partners))
    yield from _unique("links", (link.name for link in config.links))
    yield from _unique("units", (unit.id for unit in (*config.units, *config.peers)))
    yield from _unique("agreements", (agreement.id for agreement in config.agreements))
    yield from _policy_faults(config.policies)
    yield from _gateway_faults(config)
    yield from _unit_faults(config)
    yield from _topic_faults(config)
    yield from _agreement_faults(config)
    yield from _route_faults(config)


def _policy_faults(policies: Sequence[Policy]) -> Iterator[str]:
    yield from _unique("policies", (policy.name for policy in policies))
    yield from _unique("policies", (policy.id or policy.name for policy in policies))
    for index, policy in enumerate(policies):
        if any(other.is_called(policy.name) for other in policies if other.name != policy.name):
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
            elif partner in reached:
                yield f"$.links[{index}].partners: {_quoted(partner)} is already reached over another link"
            reached.add(partner)
        if link.embedded and link.partners:
            yield f"$.links[{index}].url: a link to partners needs the coalition broker's address"
    if sum(link.embedded for link in config.links) > 1:
        yield "$.links: only one link may be the embedded broker; give the others a url"
    for index, peer in enumerate(config.peers):
        if peer.partner not in reached:
            yield f"$.peers[{index}].id: no link reaches its partner; name it in $.links[..].partners"


def _unit_faults(config: Config) -> Iterator[str]:
    links = {link.name for link in config.links if not link.partners}
    known = formats()
    for index, unit in enumerate(config.units):
        at = f"$.units[{index}]"
        if unit.partner != config.gateway.partner:
            yield f"{at}.id: a unit of another partner belongs into $.peers"
        if unit.adapter not in known:
            yield f"{at}.adapter: no such format; have {', '.join(known)}"
        if unit.link not in links:
            yield f"{at}.link: not one of $.links that serve local units"
        if unit.deliver is not None and not is_topic(unit.deliver):
            yield f"{at}.deliver: not a topic to publish to (no wildcards)"
        for label in (unit.default_label, *(rule.label for rule in unit.labels)):
            if label is not None and not any(
                policy.name == label.policy and policy.knows(label) for policy in config.policies
            ):
                yield f"{at}: a label that no policy of $.policies knows ({label})"
        yield from _unique(f"units[{index}].labels", (rule.hint for rule in unit.labels))
        yield from _clearance_faults(f"{at}.clearance", unit.clearance, config.policies)
    for index, peer in enumerate(config.peers):
        yield from _clearance_faults(f"$.peers[{index}].clearance", peer.clearance, config.policies)


def _topic_faults(config: Config) -> Iterator[str]:
    claimed: list[tuple[str, str, str]] = []
    for index, unit in enumerate(config.units):
        for topic_filter in unit.receive:
            at = f"$.units[{index}].receive"
            if not is_filter(topic_filter):
                yield f"{at}: {_quoted(topic_filter)} is not a topic filter"
                continue
            for link, theirs, owner in claimed:
                if link == unit.link and overlap(theirs, topic_filter):
                    yield f"{at}: {_quoted(topic_filter)} overlaps {owner}; one topic has one unit"
            claimed.append((unit.link, topic_filter, at))
    for index, unit in enumerate(config.units):
        for link, theirs, owner in claimed:
            if unit.deliver is not None and link == unit.link and overlap(theirs, unit.deliver):
                yield f"$.units[{index}].deliver: is also received by {owner}; what we send would come back"


def _agreement_faults(config: Config) -> Iterator[str]:
    partners = {partner.id for partner in config.partners}
    for index, agreement in enumerate(config.agreements):
        at = f"$.agreements[{index}]"
        for partner in agreement.partners:
            if partner not in partners:
                yield f"{at}.partners: {_quoted(partner)} is not one of $.partners"
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
        for source, to in product(route.sources, route.to):
            if config.gateway.partner not in {partner_of(source), partner_of(to)}:
                yield f"{at}: {_quoted(source)} to {_quoted(to)} is between others; partners' messages go no further"
            elif not agreement.goes(partner_of(source), partner_of(to)):
                yield f"{at}: {_quoted(agreement.id)} has no direction for {_quoted(source)} to {_quoted(to)}"


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
