"""What the demonstration tells and counts: lines of JSON, and the summary. Pure."""

from __future__ import annotations

import base64
from collections import Counter
from datetime import datetime
from statistics import quantiles

import msgspec

from protocols.quantity import Value
from protocols.record import Event, Record

LATENCIES_MAX = 100_000  # kept for the percentiles; a longer demonstration keeps the newest


class Told(Value, frozen=True):
    """What a gateway's process tells the demonstration: an outcome, with the bytes that a unit was given."""

    record: Record
    data: bytes | None = None


class Line(msgspec.Struct, frozen=True, kw_only=True, rename={"source": "from"}):
    """One line of ``comity demo --json``. Every key is always there; ``encoding`` says when payload is base64."""

    event: str
    at: datetime
    id: str | None = None
    source: str | None = None
    to: str | None = None
    kind: str | None = None
    format: str | None = None
    reason: str | None = None
    payload: str | None = None
    encoding: str | None = None
    latency_ms: float | None = None


class Pair(Value, frozen=True, rename={"source": "from"}):
    """How much one unit got from another, in which format."""

    source: str
    to: str
    format: str
    delivered: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The last line: what was delivered, what was not and why, how long it took, what translation lost."""

    event: str
    at: datetime
    seconds: float
    published: int
    delivered: int
    received_by_units: int
    pairs: list[Pair]
    formats: dict[str, int]
    withheld: dict[str, int]
    refused: dict[str, int]
    latency_ms_p50: float | None
    latency_ms_p99: float | None
    losses: dict[str, int]


def line(told: Told) -> Line | None:
    """The line that an outcome makes, or None for outcomes that are no end of a message's way."""
    record = told.record
    if record.event not in {Event.DELIVERED, Event.WITHHELD, Event.REFUSED}:
        return None
    text, encoding = _text(told.data)
    return Line(
        event=record.event,
        at=record.at,
        id=record.message,
        source=record.source,
        to=record.destination,
        kind=record.subject_kind,
        format=record.format_out or record.format_in,
        reason=record.reason,
        payload=text,
        encoding=encoding,
        latency_ms=None if record.age_ms is None else round(record.age_ms, 3),
    )


def _text(data: bytes | None) -> tuple[str | None, str | None]:
    if data is None:
        return None, None
    try:
        return data.decode(), None
    except UnicodeDecodeError:
        return base64.b64encode(data).decode(), "base64"


class Tally:
    """Counts outcomes as they are told."""

    def __init__(self) -> None:
        self.pairs: Counter[tuple[str, str, str]] = Counter()
        self.kinds: Counter[str] = Counter()
        self.withheld: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.losses: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.published = 0
        self.received = 0

    def count(self, record: Record) -> None:
        """Take one outcome."""
        match record.event:
            case Event.DELIVERED:
                self.pairs[record.source or "?", record.destination or "?", record.format_out or "?"] += 1
                self.kinds[record.subject_kind or "?"] += 1
                self.losses.update(f"{record.format_in} -> {record.format_out}: {loss}" for loss in record.losses)
                if record.age_ms is not None and record.reason is None:  # who stands in was given it late on purpose
                    self.latencies.append(record.age_ms)
                    del self.latencies[:-LATENCIES_MAX]
            case Event.WITHHELD:
                self.withheld[record.reason or "?"] += 1
            case Event.REFUSED:
                self.refused[record.reason or "?"] += 1
            case _:
                pass

    def percentile(self, hundredth: int) -> float | None:
        """A percentile of the latency from the first gateway to the unit, in milliseconds."""
        if len(self.latencies) < 2:
            return self.latencies[0] if self.latencies else None
        return round(quantiles(self.latencies, n=100, method="inclusive")[hundredth - 1], 3)

    def summary(self, now: datetime, seconds: float) -> Summary:
        """Everything so far."""
        formats: Counter[str] = Counter()
        for (_, _, form), count in self.pairs.items():
            formats[form] += count
        return Summary(
            event="summary",
            at=now,
            seconds=round(seconds, 1),
            published=self.published,
            delivered=self.pairs.total(),
            received_by_units=self.received,
            pairs=[Pair(source=s, to=t, format=f, delivered=n) for (s, t, f), n in sorted(self.pairs.items())],
            formats=dict(sorted(formats.items())),
            withheld=dict(self.withheld.most_common()),
            refused=dict(self.refused.most_common()),
            latency_ms_p50=self.percentile(50),
            latency_ms_p99=self.percentile(99),
            losses=dict(self.losses.most_common()),
        )
