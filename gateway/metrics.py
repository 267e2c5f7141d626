"""What operators count: a reader of Outcomes that keeps Prometheus metrics. Every name, unit and label is in this file.

Labels come from bounded sets only (events, reasons, kinds, formats, partners); message ids, subjects and callsigns
never do. A vocabulary that grows past its bound is counted as ``other``, so no input can grow the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gateway.counts import NONE, Cell, Family, Spread, Vocabulary
from gateway.links import LinkState, Statistics
from gateway.stream import Outcome
from protocols.message import Precedence
from protocols.record import Event, Record

LATENCY_BUCKETS_S = (
    *(0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
    *(30.0, 60.0, 300.0, 900.0, 3600.0),  # what waits for a destination that is away
)
AGE_BUCKETS_S = (0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)

_NONE_SAID = int(Precedence.ROUTINE)
_SERIES_MAX = 20_000  # combinations kept; a coalition of ten partners needs some hundreds


class Direction(StrEnum):
    """Which way a report went through this gateway."""

    OUTBOUND = "outbound"  # sealed for another partner
    INBOUND = "inbound"  # from another partner, to a unit of ours
    LOCAL = "local"  # between units of one partner


class Observed(Protocol):
    """The part of a Link that is counted."""

    @property
    def state(self) -> LinkState:
        """Where it stands now."""

    @property
    def statistics(self) -> Statistics:
        """Counts so far."""


class LaneFigures(NamedTuple):
    """One destination: what waits for it on disk, what is under way to it, what it had of links with a budget.

    ``used`` is the share of its limits that is taken, ``warn_at`` that from which on it is a warning; ``full``: it was
    refused more of late.
    """

    destination: str
    rows: int
    bytes: int
    oldest_s: float
    under_way: int
    sent_bytes: Mapping[str, int]
    used: float = 0.0
    warn_at: float = 1.0
    full: bool = False


def partner_of(unit: str | None) -> str:
    """The partner part of ``partner/unit``; empty when there is none."""
    return NONE if unit is None else unit.partition("/")[0]


def direction_of(record: Record) -> Direction | None:
    """Which way a delivered report went; None when it was not handed over."""
    if record.event is Event.FORWARDED:
        return Direction.OUTBOUND
    if record.event is not Event.DELIVERED:
        return None
    same = partner_of(record.source) == partner_of(record.destination)
    return Direction.LOCAL if same else Direction.INBOUND


class Metrics(Collector):
    """A reader of the Record stream, and what Prometheus collects from, beside the process's own figures.

    Counts live in plain cells and are put into families at a scrape: a third of the cost of the library's own, locked
    counters at every message, and the same text in the end.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._words = {name: Vocabulary(limit) for name, limit in _LIMITS.items()}
        self._series: dict[tuple[str | None, ...], _Series] = {}
        flow = ("kind", "format_in", "format_out", "source", "destination")
        self._records = Family(
            "comity_records", "Outcomes, one for each message and destination.", "event", "reason", *flow
        )
        self._sent = Family(
            "comity_sent_bytes",
            "Bytes handed over, as the destination takes them: partner format or sealed envelope.",
            "format_out",
            "source",
            "destination",
        )
        self._losses = Family(
            "comity_losses",
            "Fields dropped or approximated on the way into the destination's format.",
            "reason",
            "format_in",
            "format_out",
        )
        self._last = Family(
            "comity_last_delivery_timestamp_seconds",
            "Unix time of the last hand-over between two partners; for an expected pair, at first the start.",
            "source",
            "destination",
        )
        self._latency = {direction: tuple(Spread(LATENCY_BUCKETS_S) for _ in Precedence) for direction in Direction}
        self._age = {direction: Spread(AGE_BUCKETS_S) for direction in Direction}
        self._build: dict[str, str] = {}
        self._links: dict[str, Observed] = {}
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._lanes: Callable[[], Iterable[LaneFigures]] = tuple
        registry.register(self)
        ProcessCollector(registry=registry)

    def __call__(self, outcome: Outcome) -> None:
        """Count one outcome."""
        record = outcome.record
        series = self._find(record)
        series.records.value += 1
        if record.losses:
            self._count_losses(record)
        handed = series.handed
        if handed is None:
            return
        handed.last.value = record.at.timestamp()
        if record.bytes_out is not None:
            handed.sent.value += record.bytes_out
        if (latency_ms := record.latency_ms) is not None:
            precedence = record.precedence
            spread = handed.latency[_NONE_SAID if precedence is None else precedence]
            spread.add(latency_ms / 1000 if latency_ms > 0 else 0.0)  # a clock may be put back meanwhile
        if record.age_ms is not None:
            handed.age.add(max(record.age_ms, 0.0) / 1000)  # clocks of two forces differ

    def build(self, version: str, gateway: str) -> None:
        """Say which program runs for which gateway."""
        self._build = {"version": version, "gateway": gateway}

    def expect(self, source: str, destination: str, since: float) -> None:
        """Name a pair of partners between which traffic should flow, from the Unix time ``since``.

        Its silence can then be alerted on before the first message has ever come through.
        """
        self._last.cell(source, destination).value = since

    def watch(self, links: Mapping[str, Observed]) -> None:
        """Report on these links, by name, whenever somebody looks. Replaces those named before."""
        self._links = dict(links)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Report one more value, ``comity_<name>``, read whenever somebody looks."""
        self._gauges[f"comity_{name}"] = (text, read)

    def lanes(self, read: Callable[[], Iterable[LaneFigures]]) -> None:
        """Report what waits for each destination, whenever somebody looks."""
        self._lanes = read

    def collect(self) -> Iterator[Metric]:
        """Yield every family as it is now."""
        yield self._records.metric(CounterMetricFamily)
        yield self._sent.metric(CounterMetricFamily)
        yield self._losses.metric(CounterMetricFamily)
        yield self._last.metric(GaugeMetricFamily)
        yield _latencies(self._latency)
        yield _ages(self._age)
        yield from _links(self._links)
        yield from _waiting(self._lanes())
        for name, (text, read) in self._gauges.items():
            yield GaugeMetricFamily(name, text, value=read())
        if self._build:
            yield InfoMetricFamily("comity_build", "Which program runs for which gateway.", value=self._build)

    def _find(self, record: Record) -> _Series:
        key = (
            record.event,
            record.reason,
            record.subject_kind,
            record.format_in,
            record.format_out,
            record.source,
            record.destination,
        )
        series = self._series.get(key)
        if series is None:
            series = self._open(record)
            if len(self._series) < _SERIES_MAX:
                self._series[key] = series
        return series

    def _open(self, record: Record) -> _Series:
        words = self._words
        source = words["partner"](partner_of(record.source))
        destination = words["partner"](partner_of(record.destination))
        format_in, format_out = words["format"](record.format_in), words["format"](record.format_out)
        reason, kind = words["reason"](record.reason), words["kind"](record.subject_kind)
        records = self._records.cell(record.event, reason, kind, format_in, format_out, source, destination)
        direction = direction_of(record)
        if direction is None:
            return _Series(records)
        handed = _Handed(
            sent=self._sent.cell(format_out, source, destination),
            latency=self._latency[direction],
            age=self._age[direction],
            last=self._last.cell(source, destination),
        )
        return _Series(records, handed)

    def _count_losses(self, record: Record) -> None:
        formats, reasons = self._words["format"], self._words["loss"]
        format_in, format_out = formats(record.format_in), formats(record.format_out)
        for loss in record.losses:
            self._losses.cell(reasons(loss.rpartition(":")[2]), format_in, format_out).value += 1


class _Handed(NamedTuple):
    """Where a handed-over report is counted."""

    sent: Cell
    latency: tuple[Spread, ...]  # by precedence
    age: Spread
    last: Cell


class _Series(NamedTuple):
    """Where one combination of labels is counted; looked up once for each outcome."""

    records: Cell
    handed: _Handed | None = None


# How many distinct values each label may take. Codes are enums of some tens, a federation has some tens of partners.
_LIMITS = {"reason": 128, "kind": 32, "format": 64, "partner": 128, "loss": 32}


_LINK_COUNTERS = {
    "received": ("comity_link_received_frames", "Frames that arrived."),
    "acknowledged": ("comity_link_acknowledged_frames", "Frames acknowledged after delivery."),
    "refused": ("comity_link_refused_frames", "Frames refused."),
    "sent": ("comity_link_sent_parcels", "Parcels that the far side acknowledged."),
    "resent": ("comity_link_resent_parcels", "Parcels sent again after a reconnect or a missing acknowledgement."),
    "connects": ("comity_link_connects", "Connections made; more than one means that the link broke."),
    "bytes_received": ("comity_link_received_bytes", "Payload bytes that arrived."),
    "bytes_sent": ("comity_link_sent_bytes", "Payload bytes sent."),
}


def _latencies(spreads: Mapping[Direction, Sequence[Spread]]) -> Metric:
    """A precedence that was never used is left out, as a scrape is made between messages; routine never is."""
    family = HistogramMetricFamily(
        "comity_latency_seconds",
        "From the arrival of a frame at this gateway until its destination took it, what waited on disk included.",
        labels=("direction", "precedence"),
    )
    for direction, by_precedence in spreads.items():
        for precedence, spread in zip(Precedence, by_precedence, strict=True):
            buckets = spread.buckets()
            if buckets[-1][1] or precedence is Precedence.ROUTINE:
                family.add_metric((direction, precedence.name.lower()), buckets, spread.sum)
    return family


def _ages(spreads: Mapping[Direction, Spread]) -> Metric:
    text = "From the report's creation until its destination acknowledged it."
    family = HistogramMetricFamily("comity_age_seconds", text, labels=("direction",))
    for direction, spread in spreads.items():
        family.add_metric((direction,), spread.buckets(), spread.sum)
    return family


def _links(links: Mapping[str, Observed]) -> Iterator[Metric]:
    up = GaugeMetricFamily("comity_link_up", "1 while the link is connected.", labels=("link",))
    states = GaugeMetricFamily("comity_link_state", "1 for the state that the link is in.", labels=("link", "state"))
    for name, link in links.items():
        state = link.state
        up.add_metric((name,), float(state is LinkState.UP))
        for each in LinkState:
            states.add_metric((name, each), float(state is each))
    yield up
    yield states
    for field, (name, text) in _LINK_COUNTERS.items():
        family = CounterMetricFamily(name, text, labels=("link",))
        for link_name, link in links.items():
            family.add_metric((link_name,), float(getattr(link.statistics, field)))
        yield family


def _waiting(lanes: Iterable[LaneFigures]) -> Iterator[Metric]:
    rows = GaugeMetricFamily("comity_waiting_parcels", "Parcels on disk.", labels=("destination",))
    size = GaugeMetricFamily("comity_waiting_bytes", "Bytes on disk.", labels=("destination",))
    oldest = GaugeMetricFamily("comity_waiting_oldest_seconds", "Age of the oldest on disk.", labels=("destination",))
    way = GaugeMetricFamily("comity_under_way_parcels", "Sent and not yet taken.", labels=("destination",))
    used = GaugeMetricFamily("comity_waiting_limit_ratio", "Share of the limits that is used.", labels=("destination",))
    warn = GaugeMetricFamily("comity_waiting_warning_ratio", "Share from which on to warn.", labels=("destination",))
    full = GaugeMetricFamily("comity_waiting_full", "1 while the disk takes no more of it.", labels=("destination",))
    shares = CounterMetricFamily(
        "comity_budget_sent_bytes", "Bytes sent over a link with a budget.", labels=("link", "destination")
    )
    for lane in lanes:
        rows.add_metric((lane.destination,), lane.rows)
        size.add_metric((lane.destination,), lane.bytes)
        oldest.add_metric((lane.destination,), lane.oldest_s)
        way.add_metric((lane.destination,), lane.under_way)
        used.add_metric((lane.destination,), lane.used)
        warn.add_metric((lane.destination,), lane.warn_at)
        full.add_metric((lane.destination,), float(lane.full))
        for link, sent in lane.sent_bytes.items():
            shares.add_metric((link, lane.destination), sent)
    yield from (rows, size, oldest, way, used, warn, full, shares)
