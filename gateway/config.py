"""The gateway's one TOML file: parsed once, at the edge, into one frozen struct; every fault has its path.

Types and single values are checked while decoding; what concerns several entries (an unknown unit in a route, two
units that claim one topic) is checked by ``faults``. Relative paths are relative to the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import NamedTuple

import msgspec

from adapters import names as formats
from protocols.agreement import Agreement
from protocols.label import Clearance, Label, Policy
from protocols.quantity import Value
from protocols.topics import is_filter, is_topic, overlap
from protocols.unit import LiaisonUnit, Partner, partner_of

CONFIG_MAX = 8_388_608  # bytes
EMBEDDED = "embedded"


class ConfigError(Exception):
    """The configuration cannot be used; ``faults`` has one line for each reason."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class Gateway(Value, frozen=True):
    """Whose gateway this is, and where its state lives: keys, partner bundles, audit, the embedded broker."""

    partner: str
    state: str = "state"
    passphrase_file: str | None = None


class Http(Value, frozen=True):
    """Addresses, ``host:port``, of the liaison console and of ``/metrics``; absent is off.

    ``metrics_hosts`` are names by which scrapers call this gateway, beside its addresses.
    """

    console: str | None = None
    metrics: str | None = None
    metrics_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for address in (self.console, self.metrics):
            if address is not None:
                host_and_port(address)


class LinkEntry(Value, frozen=True):
    """A broker. Without ``url`` it is the embedded one, whose listeners are ``mqtt`` and ``nats`` (``host:port``).

    ``partners`` are those whose mailboxes are reached over it; a link without partners serves local units.
    """

    name: str
    url: str = EMBEDDED
    mqtt: str = "127.0.0.1:1883"
    nats: str = "127.0.0.1:4222"
    partners: tuple[str, ...] = ()
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None

    def __post_init__(self) -> None:
        host_and_port(self.mqtt)
        host_and_port(self.nats)

    @property
    def embedded(self) -> bool:
        """Whether the gateway itself runs this broker."""
        return self.url == EMBEDDED


class LabelRule(Value, frozen=True):
    """One line of a unit's explicit label table: this hint of its format means that label."""

    hint: str
    label: Label


class LocalUnit(LiaisonUnit, frozen=True):
    """A unit of ours: what it speaks, where it publishes (``receive``, topic filters), where we answer (``deliver``).

    A message's own marking is looked up in ``labels``; a marking that is not there is refused, unless ``label_xml``
    and it is an ADatP-4774 label that one of the policies admits. ``default_label`` is for messages without any
    marking; without it they are withheld as unlabelled.
    """

    adapter: str = ""
    link: str = ""
    receive: tuple[str, ...] = ()
    deliver: str | None = None
    default_label: Label | None = None
    labels: tuple[LabelRule, ...] = ()
    label_xml: bool = False


class Route(Value, frozen=True, rename={"sources": "from"}):
    """Where traffic goes, under which agreement. ``kinds`` empty means all that the agreement names."""

    sources: tuple[str, ...]
    to: tuple[str, ...]
    agreement: str
    kinds: tuple[str, ...] = ()


class Config(Value, frozen=True):
    """Everything a gateway is told."""

    gateway: Gateway
    policies: tuple[Policy, ...]
    partners: tuple[Partner, ...]
    links: tuple[LinkEntry, ...]
    units: tuple[LocalUnit, ...]
    peers: tuple[LiaisonUnit, ...] = ()
    agreements: tuple[Agreement, ...] = ()
    routes: tuple[Route, ...] = ()
    http: Http = msgspec.field(default_factory=Http)


class Loaded(NamedTuple):
    """A configuration that passed every check, and its file: relative paths are relative to that."""

    config: Config
    file: Path

    @property
    def state(self) -> Path:
        """The folder of the gateway's state."""
        return self.path(self.config.gateway.state)

    def path(self, name: str) -> Path:
        """A path of the configuration, absolute."""
        return self.file.parent / name


def host_and_port(address: str) -> tuple[str, int]:
    """Split ``host:port``. Raise ValueError when it is not one."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError("an address is host:port")
    return host.strip("[]"), int(port)


def load(file: Path) -> Loaded:
    """Read and check a configuration file. Raise ConfigError with a line for each fault."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise ConfigError([f"{file}: {error.strerror or 'cannot be read'}"]) from None
    config = parse(text)
    if found := list(faults(config)):
        raise ConfigError(found)
    return Loaded(config, file.resolve())


def parse(text: bytes) -> Config:
    """Decode a configuration, types and single values only. Raise ConfigError with the path of the first fault."""
    if len(text) > CONFIG_MAX:
        raise ConfigError(["the file is larger than 8 MiB"])
    try:
        return msgspec.toml.decode(text, type=Config)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at ")
        raise ConfigError([f"{path.strip('`') or '$'}: {message}"]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError([f"not TOML: {str(error).splitlines()[0]}"]) from None


def faults(config: Config) -> Iterator[str]:
    """Everything that is wrong between entries: path, what is wrong, what to do."""
    yield from _unique("partners", (partner.id for partner in config.partners))
    yield from _unique("links", (link.name for link in config.links))
    yield from _unique("units", (unit.id for unit in (*config.units, *config.peers)))
    yield from _unique("agreements", (agreement.id for agreement in config.agreements))
    yield from _unique("policies", (policy.name for policy in config.policies))
    yield from _gateway_faults(config)
    yield from _unit_faults(config)
    yield from _topic_faults(config)
    yield from _agreement_faults(config)
    yield from _route_faults(config)


def warnings(config: Config, now: datetime) -> Iterator[str]:
    """What is allowed but should be looked at: agreements that end or want review, units without a route."""
    for index, agreement in enumerate(config.agreements):
        at = f"$.agreements[{index}]"
        if agreement.valid_until <= now:
            yield f"{at}: expired, so nothing passes under it; renew it or remove it"
        elif agreement.valid_until <= now + timedelta(days=14):
            yield f"{at}: expires within 14 days; renew it"
        if agreement.review is not None and agreement.review <= now:
            yield f"{at}: its review date has passed"
    named = {unit for route in config.routes for unit in (*route.sources, *route.to)}
    for index, unit in enumerate(config.units):
        if unit.id not in named:
            yield f"$.units[{index}]: no route names it, so it neither sends nor receives"


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
            if label is not None and not any(policy.knows(label) for policy in config.policies):
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


def _unique(table: str, values: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield f"$.{table}[{index}]: {_quoted(value)} is already taken; names are unique"
        seen.add(value)


def _quoted(text: str) -> str:
    return '"' + text.encode("unicode_escape").decode()[:80] + '"'
