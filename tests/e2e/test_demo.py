"""``comity demo --json``: what a stranger sees who types the first command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

KEYS = {"event", "at", "id", "from", "to", "kind", "format", "reason", "payload", "encoding", "latency_ms"}


def test_ten_seconds_of_the_demonstration_deliver_withhold_refuse_and_sum_up() -> None:
    command = [sys.executable, "-m", "gateway.cli", "demo", "--seconds", "10", "--json"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    *events, summary = lines
    delivered = [line for line in events if line["event"] == "delivered"]

    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    assert all(set(line) == KEYS for line in events)
    assert len(delivered) > 100
    assert {line["format"] for line in delivered} == {"cot", "nffi", "sedap", "geojson", "cap"}
    assert len({(line["from"], line["to"]) for line in delivered}) >= 6
    assert {line["kind"] for line in delivered} >= {"track", "chat", "alert", "medevac"}
    reasons = Counter((line["event"], line["reason"]) for line in events if line["reason"])
    for expected in (
        ("withheld", "unlabelled"),
        ("withheld", "above-ceiling"),
        ("refused", "malformed"),
        ("refused", "duplicate"),
    ):
        assert reasons[expected] >= 1, expected
    assert not any("crash" in reason for _, reason in reasons)
    assert all(line["latency_ms"] > 0 and line["payload"] for line in delivered)

    assert summary["event"] == "summary"
    assert summary["delivered"] == len(delivered) == sum(pair["delivered"] for pair in summary["pairs"])
    assert summary["received_by_units"] == len(delivered)
    assert summary["withheld"]["unlabelled"] == reasons["withheld", "unlabelled"]
    assert 0 < summary["latency_ms_p50"] <= summary["latency_ms_p99"]
