"""The Link contract: a live transport that understands no content.

``async with link`` connects and stays connected (back-off with full jitter) until it exits. ``async for frames in
link.batches()`` yields what has arrived, in order; no frame is acknowledged by default. ``send`` returns when the far
side has acknowledged, and survives reconnects in between. Topics are MQTT topics on every transport.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from gateway.errors import OperatorError


class LinkState(StrEnum):
    """Where a link stands."""

    CLOSED = "closed"
    CONNECTING = "connecting"
    UP = "up"
    REFUSED = "refused"  # the far side does not authorise us: an operator must act, retries are slow


class SendRefusal(StrEnum):
    """Why the far side will never take a parcel. Bounded. Faults of the wire are retried and never end here."""

    NOT_AUTHORISED = "not-authorised"
    TOO_LARGE = "too-large"
    BAD_TOPIC = "bad-topic"
    QUOTA = "quota"
    REJECTED = "rejected"
    BY_HAND = "by-hand"  # nothing takes it there but an export on a medium
    LOST = "lost"  # ``in_custody`` only: the connection ended before the broker answered
    NOBODY = "nobody"  # ``in_custody`` only: the broker has nobody to give it to, and has dropped it


class LinkError(OperatorError):
    """A link cannot be opened at all: the URL, a certificate or a password file is wrong. One line, for operators."""


class SendError(Exception):
    """The far side refused one parcel for good."""

    def __init__(self, refusal: SendRefusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


class Frame(Protocol):
    """What arrived: bytes and the topic they came by. Exactly one of ``ack`` and ``refuse`` is called, once."""

    @property
    def topic(self) -> str:
        """The MQTT topic (slashes), whatever the transport."""

    @property
    def data(self) -> bytes:
        """The payload."""

    def ack(self) -> None:
        """Say that every copy is delivered or safe on disk: the far side may forget the frame."""

    def refuse(self, reason: str) -> None:
        """Say that the frame is not wanted and must not come again; ``reason`` is bounded. Recorded by the caller."""


class Parcel(NamedTuple):
    """What to send. ``expires_s`` after which nobody needs it.

    ``id``: what makes it the same parcel after a restart, so that a broker drops a repeat; 1 to 200 printable ASCII
    characters, another for each message and destination. All parcels of a topic have one, or none has.

    ``properties`` go beside the payload where the transport has a place for them (MQTT 5, NATS), see ``properties``.
    """

    topic: str
    data: bytes
    retain: bool = False
    expires_s: int | None = None
    media_type: str | None = None
    properties: tuple[tuple[str, str], ...] = ()
    id: str | None = None


class Subscription(NamedTuple):
    """A topic filter to receive. ``retained``: first what the broker keeps for each topic, at every connection.

    ``everyone``: where workers share a link, each of them is to have it, though it may miss some while it is away.
    """

    filter: str
    retained: bool = False
    everyone: bool = False


class Authenticator(Protocol):
    """An exchange beyond a password (MQTT 5, 4.12): what ``method`` names, computed where the secret is kept."""

    @property
    def method(self) -> str:
        """The name that CONNECT carries."""

    def first(self) -> bytes:
        """What CONNECT carries; begins the exchange anew."""

    def answer(self, challenge: bytes) -> bytes:
        """The answer to what the broker sent. Raise ValueError when the broker is not the one we trust."""


class Share(NamedTuple):
    """A worker's part of a link's work: number ``worker`` of ``workers``, from 0. Order within a topic is kept."""

    worker: int
    workers: int


class Settings(NamedTuple):
    """How to reach a broker. Secrets are read from files, never from a URL or the environment."""

    url: str
    client_id: str
    subscriptions: tuple[Subscription, ...] = ()
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    certificate_file: str | None = None
    key_file: str | None = None
    keep_alive_s: int = 30
    receive_maximum: int = 1024  # frames that may wait for our acknowledgement
    session_expiry_s: int = 86_400  # how long the broker keeps our queue while we are away
    packet_max: int = 4_194_304  # bytes; more than a frame may have, so that too big a frame is refused with a Record
    crl_file: str | None = None  # revoked certificates; a far side that is on it, or that it does not cover, is refused
    server_name: str | None = None  # whom the certificate must name, when that is not the URL's host
    credentials_file: str | None = None  # NATS: a user's JWT and seed
    will: Parcel | None = None  # MQTT: what the broker says for us when we are gone without a word
    authenticator: Authenticator | None = None
    share: Share | None = None  # NATS: read only this worker's partitions
    interface: str | None = None  # multicast: our address (IPv4) or the interface's name (IPv6) on the group's network
    in_custody: bool = False  # MQTT 5: the sender itself repeats what may be lost, and is told, see SendRefusal
    inflight_file: str | None = None  # MQTT 5: remembers parcels with an id over a restart; they go at QoS 2


class Statistics(NamedTuple):
    """Counts since the link was opened."""

    received: int = 0
    acknowledged: int = 0
    refused: int = 0
    sent: int = 0
    resent: int = 0
    connects: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    dropped: int = 0  # what needs no acknowledgement (QoS 0, datagrams) and came faster than it was taken
    unmatched: int = 0  # taken by a broker that has nobody to give it to (PUBACK 0x10): it may have lost its sessions
    openings: int = 0  # ``in_custody`` only: connections, each counted before anything is sent on it
    repeated: int = 0  # not sent, since their id says that the broker has them, or is being sent them


class Link(Protocol):
    """A live transport, see the module's first lines."""

    @property
    def state(self) -> LinkState:
        """Where it stands now."""

    @property
    def statistics(self) -> Statistics:
        """Counts so far."""

    async def __aenter__(self) -> Self:
        """Start connecting; returns once the link is up, or after two seconds. Raise LinkError when it never can be."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop reading, finish what is being acknowledged (bounded), and close."""

    def batches(self, limit: int = 256) -> AsyncIterator[Sequence[Frame]]:
        """Yield every frame that has arrived, at most ``limit`` at once, oldest first."""

    def __aiter__(self) -> AsyncIterator[Frame]:
        """Yield the same frames one by one."""

    async def send(self, parcel: Parcel) -> None:
        """Hand one parcel over; returns when the far side has acknowledged it. Raise SendError when refused."""

    async def send_all(self, parcels: Sequence[Parcel]) -> Sequence[SendRefusal | None]:
        """Hand several over, in order; returns when each is acknowledged (None) or refused for good."""
