"""What falls to which worker, and what cannot be shared."""

from __future__ import annotations

import pytest

from gateway.config import parse
from gateway.table.sharing import ALL, Part, obstacles
from tests.gateway.table.test_linking import field
from tests.gateway.tables import TABLE

OVER_MQTT = TABLE.replace("nats://127.0.0.1:4222", "mqtt://127.0.0.1:1884")
HTTP = '[http]\nconsole = "127.0.0.1:{}"\nmetrics = "127.0.0.1:{}"\n'


@pytest.mark.parametrize("workers", range(1, 9))
def test_everything_is_exactly_one_workers(workers: int) -> None:
    parts = [Part(number, workers) for number in range(workers)]

    assert sorted(shard for part in parts for shard in part.shards()) == list(range(16))
    for name in ("alpha/patrols", "bravo/cell", "", "\ud800"):
        assert sum(part.holds(name) for part in parts) == 1


def test_names_fall_where_their_digest_says() -> None:
    # printf alpha/patrols | sha256sum begins cc36195a35c37a69, which is odd.
    assert ALL.holds("alpha/patrols")
    held = [Part(number, 2).holds("alpha/patrols") for number in range(2)]
    assert held == [False, True]


def test_a_table_whose_links_are_brokers_can_be_shared() -> None:
    assert list(obstacles(parse(OVER_MQTT.encode()), 2)) == []
    assert list(obstacles(parse(TABLE.encode()), 8)) == []


@pytest.mark.parametrize(
    ("text", "workers", "line"),
    [
        (OVER_MQTT, 9, "--workers: at most 8"),
        (
            OVER_MQTT.replace('name = "national"', 'name = "national"\nmqtt = "127.0.0.1:0"', 1),
            2,
            "$.links[0]: workers",
        ),
        (HTTP.format(8080, 8080) + OVER_MQTT, 2, "$.http.metrics: port 8080 is also for the console"),
        (HTTP.format(8081, 8080) + OVER_MQTT, 2, "$.http.metrics: port 8081 is also for the console"),
        (HTTP.format(65535, 8080) + OVER_MQTT, 2, "$.http.console: each worker has the next port"),
        (OVER_MQTT + "acknowledge = { routine = 60 }\n", 2, "$.routes[3].acknowledge: the worker that waits"),
    ],
)
def test_what_workers_cannot_share_is_told_with_its_path(text: str, workers: int, line: str) -> None:
    found = list(obstacles(parse(text.encode()), workers))

    assert [each for each in found if each.startswith(line)], found
    assert list(obstacles(parse(text.encode()), 1)) == []


@pytest.mark.parametrize("url", ["tcp+listen://0.0.0.0:8087", "udp://239.2.3.1:6969", "file:///drop"])
def test_a_link_without_topics_is_not_shared(url: str) -> None:
    assert any(line.startswith("$.links[2].url: one process") for line in obstacles(field(url), 2))
