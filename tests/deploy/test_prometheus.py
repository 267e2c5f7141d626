"""The real Prometheus: its own checks of our files, and our dashboard's queries over a real gateway's metrics."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from gateway.console.server import serve_metrics
from gateway.links import LinkState, Statistics
from gateway.metrics import LaneFigures, Metrics
from gateway.stream import Outcome
from protocols.message import Precedence
from protocols.record import Event, Record, Trouble
from tests.deploy.grafana import DEPLOY, queries
from tests.servers import Server, free_port, running

RULES = DEPLOY / "prometheus"
PACE = "200ms"


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"no {name} on this machine (Debian package prometheus)")
    return path


def promtool(*arguments: str) -> str:
    done = subprocess.run([tool("promtool"), *arguments], cwd=RULES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_configuration_and_alerts_are_valid() -> None:
    assert "is valid prometheus config file" in promtool("check", "config", "prometheus.yml")


def test_alerts_fire_when_they_should_and_only_then() -> None:
    assert "SUCCESS" in promtool("test", "rules", "comity.rules.test.yml")


class Watched:
    """A link that is busy."""

    state = LinkState.UP

    def __init__(self) -> None:
        self.frames = 0

    @property
    def statistics(self) -> Statistics:
        return Statistics(self.frames + 3, self.frames, 0, self.frames, 1, 1, self.frames * 900, self.frames * 700)


def outcomes() -> Iterator[Record]:
    """What a gateway says in one round: each of the four verdicts, and a fault."""
    common = {"at": datetime.now(UTC), "gateway": "alpha", "format_in": "cot", "subject_kind": "track"}
    there = {"source": "alpha/patrols", "destination": "bravo/ops"}
    back = {"source": "bravo/ops", "destination": "alpha/patrols"}
    spent = {"latency_ms": 2.5, "age_ms": 40.0, "bytes_out": 900, "losses": ("detail:no-field",)}
    yield Record(event=Event.FORWARDED, format_out="sealed", precedence=Precedence.FLASH, **there, **spent, **common)  # type: ignore[arg-type]
    yield Record(event=Event.DELIVERED, format_out="cot", **back, **spent, **common)  # type: ignore[arg-type]
    yield Record(event=Event.WITHHELD, reason="no-agreement", **there, **common)  # type: ignore[arg-type]
    yield Record(event=Event.REFUSED, reason="malformed", source="alpha/patrols", **common)  # type: ignore[arg-type]
    yield Record(event=Event.FAULT, reason=Trouble.LINK_AWAY, destination="coalition", at=common["at"], gateway="alpha")  # type: ignore[arg-type]


@asynccontextmanager
async def traffic(metrics: Metrics, link: Watched) -> AsyncIterator[None]:
    """A round of outcomes twenty times a second."""

    async def flow() -> None:
        while True:
            for record in outcomes():
                metrics(Outcome(record))
            link.frames += 2
            await asyncio.sleep(0.05)

    task = asyncio.create_task(flow())
    try:
        yield
    finally:
        task.cancel()


def prometheus(folder: Path, target: str) -> Server:
    """Our own configuration with its targets and paces changed, and nothing else."""
    configuration = yaml.safe_load((RULES / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": PACE, "evaluation_interval": PACE}
    configuration["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    shutil.copy(RULES / "comity.rules.yml", folder)
    port = free_port()
    command = [tool("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"]
    return Server([*command, f"--web.listen-address=127.0.0.1:{port}"], [port], folder)


async def ask(server: Server, path: str, **query: str) -> Any:
    url = f"http://127.0.0.1:{server.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"

    def get() -> Any:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)

    answer = await asyncio.to_thread(get)
    assert answer["status"] == "success"
    return answer["data"]


async def ready(server: Server) -> None:
    """Wait until Prometheus has read its storage; before that it answers 503."""

    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/-/ready", timeout=10) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False

    while not await asyncio.to_thread(is_ready):
        await asyncio.sleep(0.1)


async def test_a_real_prometheus_scrapes_a_gateway_and_answers_every_query_of_the_dashboard(tmp_path: Path) -> None:
    registry, link = CollectorRegistry(), Watched()
    metrics = Metrics(registry)
    metrics.build("0.1.0", "alpha")
    metrics.watch({"coalition": link})
    metrics.lanes(lambda: [LaneFigures("bravo", 3, 900, 2.0, 1, {"coalition": link.frames}, used=0.5, warn_at=0.8)])
    async with asyncio.timeout(90), serve_metrics(registry, "127.0.0.1", 0) as address, traffic(metrics, link):
        with running(prometheus(tmp_path, f"127.0.0.1:{address.port}")) as server:
            await ready(server)
            while not (await ask(server, "query", query="comity_latency_seconds_count offset 2s"))["result"]:
                await asyncio.sleep(0.1)
            (target,) = (await ask(server, "targets"))["activeTargets"]
            assert (target["health"], target["lastError"]) == ("up", "")
            empty = []
            for query in queries():
                result = await ask(server, "query", query=query.expr)
                if not result["result"] and "resent" not in query.expr:
                    empty.append(f"{query.panel}: {query.expr}")
            assert empty == []
            per_second = await ask(server, "query", query='sum(rate(comity_records_total{event="forwarded"}[5s]))')
            assert 0 < float(per_second["result"][0]["value"][1]) < 25  # twenty at most
            by_precedence = "sum by (precedence, le) (rate(comity_latency_seconds_bucket[5s]))"
            took = (await ask(server, "query", query=f"histogram_quantile(0.99, {by_precedence})"))["result"]
            longest = {each["metric"]["precedence"]: float(each["value"][1]) for each in took}
            assert longest.keys() == {"flash", "routine"}
            assert 0.002 < longest["flash"] <= 0.003
            rules = (await ask(server, "rules"))["groups"][0]["rules"]
            assert {rule["health"] for rule in rules} == {"ok"}
            assert [rule["name"] for rule in rules if rule["alerts"]] == []
