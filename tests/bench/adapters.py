"""How long adapters take: ``python -m tests.bench.adapters [--json] [--seconds N]``.

Median and 90th percentile in microseconds a message, and the median as a ratio to a bare ``lxml.etree.fromstring`` of
the same CoT bytes. The cases take turns of equal length, so that a busy machine slows all alike and the ratios hold,
and what the case before left in the processor's caches weighs the same for all.

What adapters remember of a device must not flatter them, so the samples are those of a feed: a fixture as reported by
DEVICES devices REPORTS times, each time at another time and place with another movement and other flow tags. The cases
that are called ``first`` have a device's first report only, of more devices than any adapter remembers.

``pack`` and ``unpack`` are of the largest of these: a report of ATAK with all that it can say. ``mixed`` are those of
the position reports of all formats' fixtures, a turn each, so that the median is that of the median report.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, cycle
from pathlib import Path
from typing import NamedTuple, TypeVar

import takproto
from lxml import etree

from adapters import load, names
from protocols.message import Message, pack, unpack

FIXTURES = Path(__file__).parent.parent / "fixtures"
DEVICES, REPORTS = 32, 16
STRANGERS = 6000  # more than any adapter remembers
BASE = "lxml.etree.fromstring"
TARGETS_US = {
    "cot decode": 45,
    "cot encode": 20,
    "nffi encode": 20,
    "sedap decode": 15,
    "tak decode": 25,
    "pack": 2,
    "unpack": 2,
    "pack mixed": 2,
    "unpack mixed": 2,
}
T = TypeVar("T")
_TURN_S = 0.002  # between two readings of the clock


class Result(NamedTuple):
    """One case: microseconds a message."""

    median_us: float
    p90_us: float
    ratio: float
    target_us: float | None


def cases() -> dict[str, Sequence[Callable[[], object]]]:
    """What is measured: functions without arguments, which take the turns of their case one after the other."""
    cot, tak = load("cot"), load("tak")
    feed = [(device, number) for number in range(REPORTS) for device in range(DEVICES)]
    strangers = [(DEVICES + device, 0) for device in range(STRANGERS)]
    xml = [_xml(*each) for each in feed]
    messages = [cot.decode(data)[0] for data in xml]
    message = messages[0]  # nothing is remembered by these two
    mixed = _reports()
    found: dict[str, Sequence[Callable[[], object]]] = {
        BASE: [_on_each(xml, etree.fromstring)],
        "pack": [partial(pack, message)],
        "unpack": [partial(unpack, pack(message))],
        "pack mixed": [partial(pack, each) for each in mixed],
        "unpack mixed": [partial(unpack, pack(each)) for each in mixed],
        "cot decode first": [_on_each([_xml(*each) for each in strangers], cot.decode)],
        "tak decode first": [_on_each([_frame(*each) for each in strangers], tak.decode)],
    }
    for name, samples in (
        ("cot", xml),
        ("tak", [_frame(*each) for each in feed]),
        ("nffi", [(FIXTURES / "nffi" / "relayed.xml").read_bytes()]),
        ("sedap", [load("sedap").encode(each).data for each in messages]),
    ):
        adapter = load(name)
        found[f"{name} decode"] = [_on_each(samples, adapter.decode)]
        found[f"{name} encode"] = [_on_each(messages, adapter.encode)]
    return found


def run(seconds: float) -> dict[str, Result]:
    """Measure every case in turn until the time is over."""
    turns = {name: [(call, _calls_in_a_turn(call)) for call in calls] for name, calls in cases().items()}
    readings: dict[str, list[list[float]]] = {name: [[] for _ in calls] for name, calls in turns.items()}
    gc.collect()
    end, turn, fewest = time.monotonic() + seconds, 0, 2 * max(map(len, turns.values()))
    while turn < fewest or time.monotonic() < end:
        for name, calls in turns.items():
            place = turn % len(calls)
            call, count = calls[place]
            readings[name][place].append(_time_s(call, count) / count * 1e6)
        turn += 1
    base = statistics.median(readings[BASE][0])
    return {name: _result(times, base, TARGETS_US.get(name)) for name, times in readings.items()}


def _result(times: Sequence[Sequence[float]], base: float, target_us: float | None) -> Result:
    """The result of a case: the median message's median, and the slowest tenth of all readings."""
    median = statistics.median(map(statistics.median, times))
    p90 = statistics.quantiles(chain.from_iterable(times), n=10)[-1]
    return Result(round(median, 2), round(p90, 2), round(median / base, 2), target_us)


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


def _calls_in_a_turn(call: Callable[[], object]) -> int:
    _time_s(call, 50)  # which also makes it warm
    return max(1, round(50 * _TURN_S / _time_s(call, 50)))


def _time_s(call: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - start


def _reports() -> list[Message]:
    """The position reports among the fixtures of all formats that are read."""
    found: list[Message] = []
    for name in names():
        adapter = load(name)
        if "track" in adapter.READS:
            for file in sorted((FIXTURES / name).iterdir()):
                if not file.name.startswith("bad-") and file.suffix != ".json":
                    found += adapter.decode(file.read_bytes())
    return [message for message in found if message.kind in ("track", "contact")]


def _on_each(samples: Sequence[T], call: Callable[[T], object]) -> Callable[[], object]:
    """Call with one sample after the other, over and over."""
    following = cycle(samples).__next__
    return lambda: call(following())


def _xml(device: int, number: int) -> bytes:
    """The report of ATAK as that device's, so many minutes later and somewhere else."""
    text = (FIXTURES / "cot" / "track-atak.xml").read_text()
    for old, new in (
        ("7f31c2a09be41d55", f"7f31c2a0{device:08x}"),
        ("HERON 21", f"HERON {device}"),
        ("T09:10:11", f"T10:{number:02}:{device % 60:02}"),
        ("T09:16:26", f"T10:{number + 6:02}:{device % 60:02}"),
        ("45.267135", f"45.{267135 + 1000 * device + number}"),
        ("19.833550", f"19.{833550 - 1000 * (device % 800) - number}"),
        ("271.5", f"{(271.5 + 10 * number) % 360}"),
        ("8.5", f"{8.5 + number / 8}"),
    ):
        assert old in text
        text = text.replace(old, new)
    return text.encode()


def _frame(device: int, number: int) -> bytes:
    """The same in TAK Protocol."""
    data = (FIXTURES / "tak" / "track-atak.bin").read_bytes()
    message = takproto.parse_proto(bytearray(data))
    event = message.cotEvent
    detail = event.detail
    event.uid = f"ANDROID-7f31c2a0{device:08x}"
    event.sendTime = event.startTime = event.sendTime + 60_000 * number + device
    event.staleTime += 60_000 * number + device
    event.lat += (1000 * device + number) / 1e6
    event.lon -= (1000 * (device % 800) + number) / 1e6
    detail.contact.callsign = f"HERON {device}"
    detail.track.course = (271.5 + 10 * number) % 360
    detail.track.speed = 8.5 + number / 8
    detail.xmlDetail = detail.xmlDetail.replace("HERON 21", f"HERON {device}").replace(
        "09:10:11", f"10:{number:02}:{device % 60:02}"
    )
    return data[:3] + bytes(message.SerializeToString())


if __name__ == "__main__":
    main()
