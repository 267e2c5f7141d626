from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import yaml
from prometheus_client import CollectorRegistry

from gateway.links import LinkState, Statistics
from gateway.metrics import LaneFigures, Metrics
from gateway.stream import Outcome
from protocols.record import Event, Record
from tests.deploy.grafana import DEPLOY, dashboard, queries

RULES = DEPLOY / "prometheus" / "comity.rules.yml"
BY_PROMETHEUS = {"up": {"job", "instance"}}
TARGET_LABELS = {"job", "instance"}


class Watched:
    """A link as far as it is counted."""

    state = LinkState.UP
    statistics = Statistics()


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """Every series that a gateway exposes, and its labels."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.build("0", "alpha")
    metrics.watch({"national": Watched()})
    metrics.lanes(lambda: [LaneFigures("bravo", 1, 2, 3.0, 4, {"coalition": 5})])
    for name in ("audit_writable", "spool_writable", "partners_silent", "keys_last_seconds"):
        metrics.gauge(name, name, float)
    record = Record(
        at=datetime.now(UTC),
        gateway="alpha",
        event=Event.FORWARDED,
        source="alpha/a",
        destination="bravo/b",
        losses=("a:no-field",),
        bytes_out=1,
        latency_ms=1.0,
        age_ms=1.0,
    )
    metrics(Outcome(record))
    series = {name: set(labels) for name, labels in BY_PROMETHEUS.items()}
    for family in registry.collect():
        for sample in family.samples:
            series.setdefault(sample.name, set()).update(sample.labels, TARGET_LABELS)
    return series


def named(expr: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics that a query names, each with the labels that it selects by."""
    for name, selector in re.findall(r"\b((?:comity|process)_[a-z_]+|up(?=\{))(?:\{([^}]*)\})?", expr):
        yield name, set(re.findall(r"([a-z_]+)\s*[=!]~?", selector))


def test_every_query_names_series_and_labels_that_exist(known: dict[str, set[str]]) -> None:
    checked = 0
    for query in queries():
        for name, labels in named(query.expr):
            assert name in known, f"{query.panel}: {name}"
            assert labels <= known[name], f"{query.panel}: {name} has no {labels - known[name]}"
            checked += 1
    assert checked > 30


def test_every_alert_names_series_and_labels_that_exist(known: dict[str, set[str]]) -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]

    assert len(rules) > 8
    for rule in rules:
        found = list(named(rule["expr"]))
        assert found, rule["alert"]
        for name, labels in found:
            assert name in known, f"{rule['alert']}: {name}"
            assert labels <= known[name], f"{rule['alert']}: {name} has no {labels - known[name]}"
        assert rule["annotations"].keys() == {"summary", "action"}
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_grouping_labels_exist(known: dict[str, set[str]]) -> None:
    labels = set().union(*known.values())
    for query in queries():
        for group in re.findall(r"\bby \(([^)]*)\)", query.expr):
            assert {label.strip() for label in group.split(",")} <= labels, query.panel


def test_the_data_source_is_a_variable_everywhere() -> None:
    board = dashboard()
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    targets = [target for panel in panels for target in panel["targets"]]
    variables = [each for each in board["templating"]["list"] if each["type"] == "query"]

    for thing in (*panels, *targets, *variables, *board["annotations"]["list"]):
        assert thing["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert board["templating"]["list"][0]["name"] == "datasource"


def test_every_variable_that_is_used_is_defined() -> None:
    board = dashboard()
    defined = {each["name"] for each in board["templating"]["list"]} | {"__rate_interval", "__range"}
    used = {
        name
        for panel in board["panels"]
        for t in panel.get("targets", ())
        for name in re.findall(r"\$(\w+)", t["expr"])
    }

    assert {"gateway", "source", "destination"} <= used <= defined


def test_panels_have_ids_of_their_own_fit_the_grid_and_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_provisioning_and_dashboard_agree() -> None:
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    default = dashboard()["templating"]["list"][0]["current"]["value"]

    assert [source["uid"] for source in sources] == [default]
