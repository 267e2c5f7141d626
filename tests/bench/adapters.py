"""How long adapters take: ``python -m tests.bench.adapters [--json] [--seconds N]``.

Median and 90th percentile in microseconds a message, and the median as a ratio to a bare ``lxml.etree.fromstring`` of
the same CoT bytes. The cases take turns, so that a busy machine slows all alike and the ratios hold.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lxml import etree

from adapters import Adapter, load
from protocols.message import Message, pack, unpack

FIXTURES = Path(__file__).parent.parent / "fixtures"
BASE = "lxml.etree.fromstring"
TARGETS_US = {
    "cot decode": 45,
    "cot encode": 20,
    "nffi encode": 20,
    "sedap decode": 15,
    "tak decode": 25,
    "pack": 2,
    "unpack": 2,
}
_ROUND = 50  # calls between two readings of the clock


class Result(NamedTuple):
    """One case: microseconds a message."""

    median_us: float
    p90_us: float
    ratio: float
    target_us: float | None


def cases() -> dict[str, Callable[[], object]]:
    """What is measured: each a function without arguments."""
    xml = (FIXTURES / "cot" / "track-atak.xml").read_bytes()
    (message,) = load("cot").decode(xml)
    packed = pack(message)
    found: dict[str, Callable[[], object]] = {
        BASE: lambda: etree.fromstring(xml),
        "pack": lambda: pack(message),
        "unpack": lambda: unpack(packed),
    }
    for name, sample in (
        ("cot", xml),
        ("tak", (FIXTURES / "tak" / "track-atak.bin").read_bytes()),
        ("nffi", (FIXTURES / "nffi" / "relayed.xml").read_bytes()),
        ("sedap", load("sedap").encode(message).data),
    ):
        found |= _both_ways(name, load(name), sample, message)
    return found


def run(seconds: float) -> dict[str, Result]:
    """Measure every case in turn until the time is over."""
    calls = cases()
    readings: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    gc.collect()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(_ROUND):
                call()
            readings[name].append((time.perf_counter() - start) / _ROUND * 1e6)
    base = statistics.median(readings[BASE])
    return {
        name: Result(
            round(statistics.median(times), 2),
            round(statistics.quantiles(times, n=10)[-1], 2),
            round(statistics.median(times) / base, 2),
            TARGETS_US.get(name),
        )
        for name, times in readings.items()
    }


def main() -> None:
    """Print the results as a table, or as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    results = run(arguments.seconds)
    if arguments.json:
        sys.stdout.write(json.dumps({name: result._asdict() for name, result in results.items()}) + "\n")
        return
    sys.stdout.write(f"{'case':<24}{'median us':>10}{'p90 us':>10}{'x lxml':>8}{'target':>8}\n")
    for name, result in results.items():
        target = "" if result.target_us is None else f"{result.target_us:g}"
        sys.stdout.write(f"{name:<24}{result.median_us:>10}{result.p90_us:>10}{result.ratio:>8}{target:>8}\n")


def _both_ways(name: str, adapter: Adapter, sample: bytes, message: Message) -> dict[str, Callable[[], object]]:
    return {
        f"{name} decode": lambda: adapter.decode(sample),
        f"{name} encode": lambda: adapter.encode(message),
    }


if __name__ == "__main__":
    main()
