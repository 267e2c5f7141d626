"""The Record stream: one Record for each outcome, to the audit first, then to every other reader.

Readers (audit, metrics, console, demo) are callables of one Outcome. They are quick and do not raise; only the audit
may, and then the line stops: what cannot be accounted for is not passed on.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias

from msgspec.structs import replace

from gateway.routing import Way
from protocols.message import Loss, Message
from protocols.record import Attention, Event, Record


class Outcome(NamedTuple):
    """A Record with what it is about. Message and delivered bytes are for eyes that may see them, never for a disk."""

    record: Record
    message: Message | None = None
    data: bytes | None = None


Reader: TypeAlias = Callable[[Outcome], None]


class Accountant(Protocol):
    """The first reader: takes Outcomes, and makes them durable on ``commit``."""

    def __call__(self, outcome: Outcome, /) -> None:
        """Take one Outcome."""

    def commit(self) -> None:
        """Write what was taken. Raise when that fails; it stays pending."""

    async def committed(self) -> None:
        """Return once what was taken is written; called before anything is sealed or acknowledged."""


class HandedOver(NamedTuple):
    """What a link took for one destination: in which format, how many bytes, what the format could not carry.

    ``reason`` is why it went there, where that is out of the ordinary.
    """

    form: str | None
    data: bytes
    loss: tuple[Loss, ...]
    arrived: datetime
    reason: Attention | None = None


class About(NamedTuple):
    """What a Record says that is not about a message at hand."""

    reason: str | None = None
    destination: str | None = None
    message: str | None = None
    source: str | None = None


class Stream:
    """Writes the Records of one gateway."""

    def __init__(self, partner: str, audit: Accountant, clock: Callable[[], datetime]) -> None:
        self._partner = partner
        self._audit = audit
        self._clock = clock
        self._readers: list[Reader] = [audit]

    def add(self, reader: Reader) -> None:
        """Let one more reader see every Outcome from now on."""
        self._readers.append(reader)

    def commit(self) -> None:
        """Make every Record so far durable."""
        self._audit.commit()

    async def committed(self) -> None:
        """Return once every Record so far is durable; for as long as it cannot be, nothing goes on."""
        await self._audit.committed()

    def gateway(self, event: Event, changes: tuple[str, ...] = ()) -> None:
        """The gateway itself started, stopped, or was given another table."""
        self._tell(Outcome(Record(at=self._clock(), gateway=self._partner, event=event, changes=changes)))

    def frame(self, reason: str, source: str | None, form: str | None) -> None:
        """A frame was refused before there was a message."""
        at = self._clock()
        record = Record(at=at, gateway=self._partner, event=Event.REFUSED, reason=reason, source=source, format_in=form)
        self._tell(Outcome(record))

    def kept(self, event: Event, reason: str, message: Message, way: Way | None = None) -> None:
        """A message ended here, refused or withheld: for one destination, or (no way) altogether."""
        ends = (way.destination.id, way.agreement.id) if way else (None, None)
        record = self._about(event, reason, message, *ends)
        through = way.through if way else None
        self._tell(Outcome(replace(record, through=through) if through else record, message))

    def attended(self, event: Event, reason: Attention, message: Message, unit: str, agreement: str) -> None:
        """A step of waiting for an acknowledgement ended."""
        self._tell(Outcome(self._about(event, reason, message, unit, agreement), message))

    def _about(
        self, event: Event, reason: str, message: Message, destination: str | None, agreement: str | None
    ) -> Record:
        return Record(
            at=self._clock(),
            gateway=self._partner,
            event=event,
            reason=reason,
            message=message.id,
            subject_kind=message.kind,
            source=message.origin,
            destination=destination,
            format_in=message.source.format,
            agreement=agreement,
            label=message.label,
            mode=message.mode,
            precedence=message.precedence,
        )

    def handed(self, event: Event, message: Message, way: Way, what: HandedOver) -> None:
        """A destination has taken a copy: delivered to a unit of ours, or forwarded into a partner's custody."""
        data = what.data if event is Event.DELIVERED else None
        self._tell(Outcome(self.draft(event, message, way, what), message, data))

    def draft(self, event: Event, message: Message, way: Way, what: HandedOver) -> Record:
        """The Record of a copy that its destination takes now; to be told, or kept until it does (``ended``)."""
        now, received = self._clock(), message.times.received
        return Record(
            at=now,
            gateway=self._partner,
            event=event,
            message=message.id,
            subject_kind=message.kind,
            source=message.origin,
            destination=way.destination.id,
            format_in=message.source.format,
            format_out=what.form,
            reason=what.reason,
            agreement=way.agreement.id,
            through=way.through,
            label=message.label,
            mode=message.mode,
            precedence=message.precedence,
            losses=tuple(f"{loss.field}:{loss.reason}" for loss in (*message.loss, *what.loss)),
            bytes_out=len(what.data),
            latency_ms=(now - what.arrived).total_seconds() * 1000,
            age_ms=None if received is None else (now - received).total_seconds() * 1000,
        )

    def held(self, draft: Record, reason: str, message: Message, data: bytes | None) -> None:
        """A copy is on disk until its destination takes it; ``data`` is what a unit of ours will be given."""
        record = replace(draft, event=Event.HELD, reason=reason, bytes_out=None, latency_ms=None, age_ms=None)
        self._tell(Outcome(record, message, data))

    def ended(
        self, draft: Record, event: Event, reason: str | None, message: Message | None = None, data: bytes | None = None
    ) -> None:
        """A copy that had waited came to its end; ``message`` and ``data`` where a unit of ours was given it."""
        now = self._clock()
        waited_ms = (now - draft.at).total_seconds() * 1000
        latency, age = draft.latency_ms, draft.age_ms
        record = replace(
            draft,
            at=now,
            event=event,
            reason=reason,
            latency_ms=None if latency is None else latency + waited_ms,
            age_ms=None if age is None else age + waited_ms,
        )
        self._tell(Outcome(record, message, data))

    def about(self, event: Event, what: About) -> None:
        """Something of which there is no message here: what a partner's gateway said, what works no longer."""
        record = Record(
            at=self._clock(),
            gateway=self._partner,
            event=event,
            message=what.message,
            source=what.source,
            destination=what.destination,
            reason=what.reason,
        )
        self._tell(Outcome(record))

    def _tell(self, outcome: Outcome) -> None:
        for reader in self._readers:
            reader(outcome)
