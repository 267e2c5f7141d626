from __future__ import annotations

from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families

from gateway.links import LinkState, Statistics
from gateway.metrics import Direction, LaneFigures, Metrics, direction_of
from gateway.stream import Outcome
from protocols.message import Precedence
from protocols.record import Event, Record

AT = datetime(2026, 3, 14, 21, 7, 30, 500_000, tzinfo=UTC)


class Watched:
    """A link as far as it is counted."""

    def __init__(self) -> None:
        self.state = LinkState.UP
        self.statistics = Statistics(received=12, acknowledged=9, refused=1, connects=2, bytes_received=4096)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry)


def record(event: Event = Event.FORWARDED, **more: object) -> Outcome:
    given = {
        "at": AT,
        "gateway": "alpha",
        "subject_kind": "track",
        "source": "alpha/patrol-1",
        "destination": "bravo/hq",
        "format_in": "cot",
        "format_out": "nffi",
        **more,
    }
    return Outcome(Record(event=event, **given))  # type: ignore[arg-type]


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


FLOW = {"kind": "track", "format_in": "cot", "format_out": "nffi", "source": "alpha", "destination": "bravo"}


def test_counts_outcomes_by_partner_and_never_by_unit(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics(record())
    metrics(record(source="alpha/patrol-2"))

    assert value(registry, "comity_records_total", event="forwarded", reason="", **FLOW) == 2


def test_counts_a_withheld_message_with_its_reason_and_no_latency(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    metrics(record(Event.WITHHELD, reason="above-ceiling", latency_ms=3.0))

    assert value(registry, "comity_records_total", event="withheld", reason="above-ceiling", **FLOW) == 1
    assert value(registry, "comity_latency_seconds_count", direction="outbound", precedence="routine") == 0
    assert value(registry, "comity_last_delivery_timestamp_seconds", source="alpha", destination="bravo") is None


def test_measures_latency_age_bytes_and_the_last_delivery(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics(record(latency_ms=4.0, age_ms=250.0, bytes_out=800))
    metrics(record(latency_ms=40.0, age_ms=-3.0, bytes_out=200))

    way = {"direction": "outbound", "precedence": "routine"}
    assert value(registry, "comity_latency_seconds_bucket", **way, le="0.005") == 1
    assert value(registry, "comity_latency_seconds_bucket", **way, le="0.05") == 2
    assert value(registry, "comity_latency_seconds_sum", **way) == pytest.approx(0.044)
    assert value(registry, "comity_age_seconds_sum", direction="outbound") == pytest.approx(0.25)
    assert value(registry, "comity_sent_bytes_total", format_out="nffi", source="alpha", destination="bravo") == 1000
    last = value(registry, "comity_last_delivery_timestamp_seconds", source="alpha", destination="bravo")
    assert last == 1773522450.5


def test_measures_how_long_each_precedence_took(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics(record(latency_ms=2.0, precedence=Precedence.FLASH))
    metrics(record(latency_ms=1_200_000.0, precedence=Precedence.DEFERRED))
    metrics(record(latency_ms=900.0))  # says none
    metrics(record(latency_ms=-5.0, precedence=Precedence.ROUTINE))  # the clock was put back

    def took(precedence: str, le: str) -> float | None:
        return value(registry, "comity_latency_seconds_bucket", direction="outbound", precedence=precedence, le=le)

    assert (took("flash", "0.001"), took("flash", "0.002")) == (0, 1)
    assert (took("deferred", "900.0"), took("deferred", "3600.0")) == (0, 1)
    assert (took("routine", "0.001"), took("routine", "1.0")) == (1, 2)
    assert took("override", "+Inf") is None  # nothing of it was ever handed over
    sums = [s for f in registry.collect() for s in f.samples if s.name == "comity_latency_seconds_sum"]
    assert sum(sample.value for sample in sums) == pytest.approx(1200.902)
    assert {s.labels["precedence"] for s in sums if s.labels["direction"] == "inbound"} == {"routine"}


def test_reads_what_waits_for_each_destination(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.lanes(lambda: [LaneFigures("bravo", 3, 900, 2.0, 1, {}, used=0.9, warn_at=0.8, full=True)])

    figures = ("parcels", "bytes", "oldest_seconds", "limit_ratio", "warning_ratio", "full")
    read = [value(registry, f"comity_waiting_{name}", destination="bravo") for name in figures]
    assert read == [3, 900, 2.0, 0.9, 0.8, 1]


def test_counts_losses_by_reason_without_their_fields(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics(record(losses=("detail/takv/os:no-field", "detail:with:colons:no-field", "position.altitude_m:datum")))

    assert value(registry, "comity_losses_total", reason="no-field", format_in="cot", format_out="nffi") == 2
    assert value(registry, "comity_losses_total", reason="datum", format_in="cot", format_out="nffi") == 1
    assert b"takv" not in generate_latest(registry)


def test_an_expected_pair_is_there_before_its_first_message(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.expect("alpha", "charlie", since=100.0)

    assert value(registry, "comity_last_delivery_timestamp_seconds", source="alpha", destination="charlie") == 100


def test_reads_links_at_the_moment_of_the_scrape(metrics: Metrics, registry: CollectorRegistry) -> None:
    link = Watched()
    metrics.watch({"coalition": link})

    assert value(registry, "comity_link_up", link="coalition") == 1
    assert value(registry, "comity_link_received_frames_total", link="coalition") == 12
    assert value(registry, "comity_link_connects_total", link="coalition") == 2
    assert value(registry, "comity_link_received_bytes_total", link="coalition") == 4096
    link.state = LinkState.REFUSED
    assert value(registry, "comity_link_up", link="coalition") == 0
    assert value(registry, "comity_link_state", link="coalition", state="refused") == 1
    assert value(registry, "comity_link_state", link="coalition", state="up") == 0


def test_reads_further_gauges_at_the_moment_of_the_scrape(metrics: Metrics, registry: CollectorRegistry) -> None:
    held = [3.0]
    metrics.gauge("spool_frames", "Frames that wait on disk.", lambda: held[0])

    assert value(registry, "comity_spool_frames") == 3
    held[0] = 5.0
    assert value(registry, "comity_spool_frames") == 5


def test_says_which_program_runs_for_which_gateway(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.build("0.1.0", "alpha")

    assert value(registry, "comity_build_info", version="0.1.0", gateway="alpha") == 1


def test_a_vocabulary_that_grows_without_bound_is_counted_as_other(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    for number in range(1000):
        metrics(record(Event.REFUSED, reason=f"made-up-{number}"))

    samples = [s for family in registry.collect() for s in family.samples if s.name == "comity_records_total"]
    assert len(samples) == 129  # 128 reasons and other
    assert sum(sample.value for sample in samples) == 1000


def test_a_value_that_is_no_plain_word_never_becomes_a_label(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics(record(Event.REFUSED, reason='EAGLE 21"}\n', source="Ünit/1"))

    text = generate_latest(registry)
    assert b"EAGLE" not in text
    assert b"nit" not in text.replace(b"units", b"")
    assert b'reason="other"' in text


def test_directions() -> None:
    def way(event: Event, source: str, destination: str) -> Direction | None:
        return direction_of(Record(at=AT, gateway="alpha", event=event, source=source, destination=destination))

    assert way(Event.FORWARDED, "alpha/patrol-1", "bravo/hq") is Direction.OUTBOUND
    assert way(Event.DELIVERED, "bravo/hq", "alpha/patrol-1") is Direction.INBOUND
    assert way(Event.DELIVERED, "alpha/patrol-1", "alpha/hq") is Direction.LOCAL
    assert way(Event.WITHHELD, "alpha/patrol-1", "bravo/hq") is None


def test_both_expositions_are_well_formed(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics(record(latency_ms=1.0, losses=("a:no-field",)))
    metrics.watch({"national": Watched()})
    metrics.build("0.1.0", "alpha")

    families = {family.name for family in text_string_to_metric_families(generate_latest(registry).decode())}
    assert {"comity_records", "comity_latency_seconds", "comity_link_up", "comity_build_info"} <= families
    write, media_type = choose_encoder("application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert write(registry).endswith(b"# EOF\n")


def test_every_family_has_the_prefix_a_help_text_and_bounded_label_names(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    metrics(record(latency_ms=1.0, age_ms=1.0, bytes_out=1, losses=("a:no-field",)))
    metrics.watch({"national": Watched()})
    allowed = {"event", "reason", "kind", "format_in", "format_out", "source", "destination", "direction"}
    allowed |= {"link", "state", "le", "version", "gateway", "precedence"}

    for family in registry.collect():
        if family.name.startswith("process_"):
            continue
        assert family.name.startswith("comity_")
        assert family.documentation.endswith(".")
        assert {label for sample in family.samples for label in sample.labels} <= allowed
