"""What stands in a gateway's TOML file, entry by entry; types and single values are checked while decoding."""

from __future__ import annotations

from typing import Annotated

import msgspec

from protocols.agreement import Agreement, Ceiling
from protocols.label import Label, Policy
from protocols.message import Precedence
from protocols.quantity import Value
from protocols.unit import LiaisonUnit, Partner

EMBEDDED = "embedded"
BY_HAND = "bundles:"
ACKNOWLEDGE_MAX_S = 604_800  # a week
STATE = "state"  # folder of the state, where a table names none


class Gateway(Value, frozen=True):
    """Whose gateway this is, and where its state lives: keys, partner bundles, audit, the embedded broker."""

    partner: str
    state: str = STATE
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
    """A broker, or another transport: ``TRANSPORTS`` has the schemes of ``url``, and what may be set for each.

    Without ``url`` it is the embedded broker, whose listeners are ``mqtt`` and ``nats`` (``host:port``).
    ``partners`` are those whose mailboxes are reached over it; a link without partners serves local units. A partner
    may stand at several links: the first that is up is taken. ``bytes_per_s`` is a budget for what leaves, ``shares``
    the weights by which partners and units share it (1 where none is given). Every ``heartbeat_s`` seconds partners'
    gateways are told that we are there, and are reported when they are silent for three times as long; 0 is never.
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
    crl_file: str | None = None
    server_name: str | None = None
    credentials_file: str | None = None
    keep_alive_s: Annotated[int, msgspec.Meta(ge=0, le=65_535)] | None = None
    receive_maximum: Annotated[int, msgspec.Meta(ge=1, le=65_535)] | None = None
    interface: str | None = None
    session_expiry_s: Annotated[int, msgspec.Meta(ge=0, le=31_536_000)] | None = None
    bytes_per_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    shares: dict[str, Annotated[float, msgspec.Meta(gt=0, le=1000)]] = msgspec.field(default_factory=dict)
    heartbeat_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 30.0

    def __post_init__(self) -> None:
        host_and_port(self.mqtt)
        host_and_port(self.nats)

    @property
    def embedded(self) -> bool:
        """Whether the gateway itself runs this broker."""
        return self.url == EMBEDDED

    @property
    def by_hand(self) -> bool:
        """Whether a courier carries bundles, so that nothing answers while the gateway waits."""
        return self.url.startswith(BY_HAND)


class LabelRule(Value, frozen=True):
    """One line of a unit's explicit label table: this hint of its format means that label."""

    hint: str
    label: Label


class LocalUnit(LiaisonUnit, frozen=True):
    """A unit of ours: what it speaks, where it publishes (``receive``, topic filters), where we answer (``deliver``).

    A message's own marking is looked up in ``labels``; a marking that is not there is refused, unless ``label_xml``
    and it is an ADatP-4774 label that one of the policies admits. ``default_label`` is for messages without any
    marking; without it they are withheld as unlabelled. ``precedence`` is that of each kind of message, for formats
    that say none; a kind that is not named is routine.
    """

    adapter: str = ""
    link: str = ""
    receive: tuple[str, ...] = ()
    deliver: str | None = None
    default_label: Label | None = None
    labels: tuple[LabelRule, ...] = ()
    label_xml: bool = False
    precedence: dict[str, Ceiling] = msgspec.field(default_factory=dict)


class Acknowledge(Value, frozen=True):
    """Within how many seconds a unit acknowledges, by precedence (STANAG 4406).

    A precedence that is not named has the time of the nearest lower one that is, so that what is more urgent never
    waits longer; below the lowest one named, nothing is asked.
    """

    deferred: float | None = None
    routine: float | None = None
    priority: float | None = None
    immediate: float | None = None
    flash: float | None = None
    override: float | None = None

    def __post_init__(self) -> None:
        given = [seconds for seconds in self._by_precedence if seconds is not None]
        if not given or not all(0 < seconds <= ACKNOWLEDGE_MAX_S for seconds in given):
            raise ValueError("acknowledge names a precedence and its seconds, more than 0 and at most a week")
        if sorted(given, reverse=True) != given:
            raise ValueError("acknowledge: a higher precedence has no longer time than a lower one")

    @property
    def _by_precedence(self) -> tuple[float | None, ...]:
        return (self.deferred, self.routine, self.priority, self.immediate, self.flash, self.override)

    def within_s(self, precedence: Precedence | None) -> float | None:
        """The seconds for a message, or None when it asks for no acknowledgement; without a precedence: routine."""
        highest = Precedence.ROUTINE if precedence is None else precedence
        named = [seconds for seconds in self._by_precedence[: highest + 1] if seconds is not None]
        return named[-1] if named else None


class LingerTerms(Value, frozen=True):
    """How long a message may wait for others of its sender, and how many go together at most."""

    seconds: Annotated[float, msgspec.Meta(gt=0, le=600)]
    messages: Annotated[int, msgspec.Meta(ge=2, le=32)] = 32


class Route(Value, frozen=True, rename={"sources": "from"}):
    """Where traffic goes, under which agreement. ``kinds`` empty means all that the agreement names.

    ``through``: the partner that passes on what another partner's unit said, with its proof, under its own agreement
    with whoever receives it. The same line stands in the table of the one who passes on and of the one who receives.
    ``acknowledge``: the units it leads to, ours, must acknowledge, or their alternates are given the message.
    ``linger``: messages below immediate wait a moment for company, so that they share an envelope. ``receipts``: the
    origin, a unit of ours, is sent a receipt when the partner's gateway says what became of its message.
    ``never_lose``: fields (``label``, ``body.triage``, or ``body`` with all below it) that the destination's format
    must carry whole, or the message is withheld; what an agreement takes away on purpose is not counted.
    """

    sources: tuple[str, ...]
    to: tuple[str, ...]
    agreement: str
    kinds: tuple[str, ...] = ()
    through: str | None = None
    acknowledge: Acknowledge | None = None
    linger: LingerTerms | None = None
    receipts: bool = False
    never_lose: tuple[str, ...] = ()


class WaitingTerms(Value, frozen=True):
    """How much may wait on disk for one destination, for how long, and from which share of it on operators are warned.

    ``bytes_max`` counts one copy; on disk there are two.
    """

    parcels_max: Annotated[int, msgspec.Meta(ge=1)] | None = None
    bytes_max: Annotated[int, msgspec.Meta(ge=1)] | None = None
    age_max_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    warn_at: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None


class Waiting(WaitingTerms, frozen=True):
    """The same for every destination; ``destinations``, partners and units of ours, may have terms of their own."""

    destinations: dict[str, WaitingTerms] = msgspec.field(default_factory=dict)


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
    waiting: Waiting = msgspec.field(default_factory=Waiting)


def host_and_port(address: str) -> tuple[str, int]:
    """Split ``host:port``. Raise ValueError when it is not one."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError("an address is host:port")
    return host.strip("[]"), int(port)
