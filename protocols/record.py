"""The Record: one fact about what became of one message, written exactly once. Audit, metrics, console read these.

A Record never holds payload, keys or names of people: ids of units, a message id, and reasons from bounded sets.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from protocols.label import Label
from protocols.message import Mode, Precedence
from protocols.quantity import Value, in_utc


class Event(StrEnum):
    """What happened."""

    DELIVERED = "delivered"  # handed to a local unit's link and acknowledged by it
    FORWARDED = "forwarded"  # sealed for a remote unit, and taken into custody by its partner's gateway
    WITHHELD = "withheld"  # policy keeps it from this destination
    REFUSED = "refused"  # the input is not accepted at all
    ACKNOWLEDGED = "acknowledged"  # a unit, ``destination``, has acknowledged what it was asked to
    ESCALATED = "escalated"  # it has not, so that somebody who stands in for it was given the message
    NOT_ACKNOWLEDGED = "not-acknowledged"  # and nobody is left to stand in, so that the origin is told
    HELD = "held"  # it waits on disk, because its destination does not take it now; not the end of its way
    RECEIPT = "receipt"  # the partner's gateway says what became of it at a destination; ``reason`` is its word
    FAULT = "fault"  # something that the gateway needs does not work; ``reason`` says what, ``destination`` with whom
    MENDED = "mended"  # and now it does again
    STARTED = "started"
    STOPPED = "stopped"
    TABLE_CHANGED = "table-changed"  # another routing table is in force; ``changes`` says who gains and loses what
    TABLE_REFUSED = "table-refused"  # a new table has faults, so the old one stays


class Record(Value, frozen=True):
    """One outcome.

    ``reason`` is a bounded code: of ``Withheld``, ``Refused``, ``Attention``, ``Holding``, ``Fault``, a link's or a
    sealing refusal.
    ``source`` and ``destination`` are liaison units, ``partner/unit``. ``latency_ms`` runs from the frame's arrival at
    this gateway; ``age_ms`` from the report's own creation at the first gateway where that is known.
    ``through`` is the partner that passed it on, ourselves or whoever gave it to us. ``losses`` are ``field:reason``
    pairs.
    """

    at: datetime
    gateway: str
    event: Event
    message: str | None = None
    subject_kind: str | None = None
    source: str | None = None
    destination: str | None = None
    format_in: str | None = None
    format_out: str | None = None
    reason: str | None = None
    agreement: str | None = None
    through: str | None = None
    label: Label | None = None
    mode: Mode | None = None
    precedence: Precedence | None = None
    losses: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    bytes_out: int | None = None
    latency_ms: float | None = None
    age_ms: float | None = None

    def __post_init__(self) -> None:
        in_utc(self.at)


class Withheld(StrEnum):
    """Why policy keeps a message from a destination."""

    UNLABELLED = "unlabelled"
    UNKNOWN_LABEL = "unknown-label"
    ABOVE_CEILING = "above-ceiling"
    CATEGORY_NOT_HELD = "category-not-held"
    NOT_RELEASABLE_TO = "not-releasable-to"
    NO_ROUTE = "no-route"
    NO_AGREEMENT = "no-agreement"
    AGREEMENT_UNSIGNED = "agreement-unsigned"
    AGREEMENT_EXPIRED = "agreement-expired"
    AGREEMENT_NOT_YET = "agreement-not-yet-valid"
    KIND_NOT_AGREED = "kind-not-agreed"
    DIRECTION_NOT_AGREED = "direction-not-agreed"
    OUTSIDE_AREA = "outside-area"
    PRECEDENCE_TOO_HIGH = "precedence-too-high"
    MODE_MISMATCH = "mode-mismatch"
    NOT_ORIGINATOR = "not-originator"
    TASK_DENIED = "task-denied"
    REEXPORT_DENIED = "re-export-denied"
    PROOF_LOST = "proof-lost"  # what is passed on cannot carry its originator's proof
    EXPIRED = "expired"
    TOO_OLD = "too-old"
    IN_THE_FUTURE = "in-the-future"
    FORMAT_CANNOT_SAY = "format-cannot-say"
    WOULD_LOSE = "would-lose"  # the format cannot carry something without which the route lets nothing go


class Refused(StrEnum):
    """Why input is not accepted, beyond an adapter's ``Fault`` and the sealing layer's codes."""

    TOO_LARGE = "too-large"
    BAD_TOPIC = "bad-topic"
    UNKNOWN_SOURCE = "unknown-source"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    ADAPTER_CRASHED = "adapter-crashed"
    TOPIC_SIGNER_MISMATCH = "topic-signer-mismatch"
    ORIGIN_MISMATCH = "origin-mismatch"
    BAD_MESSAGE = "bad-message"


class Attention(StrEnum):
    """How an acknowledgement came about, or why it did not."""

    BY_RECEIPT = "by-receipt"
    BY_CONSOLE = "by-console"
    STANDS_IN = "stands-in"  # delivered to a unit that stands in for another
    NOT_IN_TIME = "not-in-time"
    OFF_DUTY = "off-duty"
    DECLINED = "declined"  # the unit itself said that it could not take it
    NOBODY_ON_DUTY = "nobody-on-duty"
    TOO_MANY_WAITING = "too-many-waiting"


class Holding(StrEnum):
    """Why a copy waits on disk, beside what a link or broker answered."""

    SLOW = "slow"  # its destination has not answered in time
    BEHIND = "behind"  # others wait there before it
    NOT_DUE = "not-due"  # its agreement asks for a delay


class Trouble(StrEnum):
    """What does not work, beside what a disk or a link answered."""

    PARTNER_SILENT = "partner-silent"  # nothing is heard from its gateway although something should be
    SPOOL_FULL = "spool-full"  # a destination's limit is reached, so that its sources are not read
    SPOOL_NEARLY_FULL = "spool-nearly-full"  # its warning level is passed
    SPOOL_DISK_FULL = "spool-disk-full"  # what would wait finds no room, so that sources are not read; as the next four
    SPOOL_READ_ONLY = "spool-read-only"
    SPOOL_DAMAGED = "spool-damaged"  # beyond what can be put right by itself
    SPOOL_IO = "spool-io"
    SPOOL_IN_USE = "spool-in-use"  # another process has its folder
    AUDIT_NOT_WRITABLE = "audit-not-writable"  # so that nothing is sealed or acknowledged
    SPOOL_PAGE_DAMAGED = "spool-page-damaged"  # a copy on disk, which was put right from the other one
    SPOOL_PAGE_LOST = "spool-page-lost"  # both copies were damaged; what was lost has Records of its own
    CLOCK_JUMPED = "clock-jumped"
    LINK_AWAY = "link-away"  # ``destination`` is the link
    LINK_SILENT = "link-silent"  # it is up, and what goes by it does not arrive; partners are heard by another one
    LINK_REFUSED = "link-refused"  # its far side, or its certificate, does not let us in; an operator must act
    AUDIT_TORN = "audit-torn"  # a power cut spoilt the last lines of the audit, which were put aside
    WITNESS_NOT_KEPT = "witness-not-kept"  # a partner's checkpoint could not be written down
    DAMAGED = "damaged"  # it waited on a disk that has lost it
    SEAL_EXPIRED = "seal-expired"  # it waited since before a restart, longer than its seal lives: nobody could open it
    NOT_OPENED = "not-opened"  # a partner's gateway cannot open what was sealed for it: its clock or ours is wrong
