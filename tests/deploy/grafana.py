"""The provisioned dashboard, as the tests read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "comity.json"


class Query(NamedTuple):
    """One query of a panel."""

    panel: str
    expr: str
    instant: bool


def dashboard() -> dict[str, Any]:
    """The dashboard's JSON."""
    model: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return model


def queries() -> list[Query]:
    """Every query of every panel, with the variables as Grafana fills them when all is chosen."""
    return [
        Query(panel["title"], filled(target["expr"]), bool(target.get("instant")))
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    ]


def filled(expr: str) -> str:
    """A query with Grafana's variables filled in."""
    for name, value in {
        "$gateway": ".*",
        "$source": ".*",
        "$destination": ".*",
        "$__rate_interval": "10s",
        "$__range": "30s",
    }.items():
        expr = expr.replace(name, value)
    return expr
