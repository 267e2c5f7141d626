"""How long a decision about a label takes: ``python -m tests.bench.labels [--json]``.

Microseconds of processor time, the median of several rounds. The label has been met before, as nearly every label has;
``first`` is one that was not.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from time import process_time

from protocols.equivalence import equivalent
from protocols.label import Clearance, Label, combine, dominates, permits
from protocols.label_xml import read_label, write_label
from protocols.marking import marking
from tests.gateway.reports import MISSION
from tests.protocols.policies import AWAY, HOME, category, home
from tests.protocols.test_label_xml import FULL

ROUNDS = 15
BARS = {"permits_table": 3.0, "permits_spif": 3.0}
LABEL = home("GUARDED", category("restrictive", "Care", "SOURCE"), category("permissive", "Release", "XAA", "XBB"))
CLEARED = Clearance(
    policy="HOME",
    classification="SECRET",
    restrictive=("SOURCE",),
    categories=(category("permissive", "Release", "XBB"),),
)
PLAIN = Label(
    policy="MISSION",
    classification="RESTRICTED",
    categories=(category("permissive", "Releasable To", "bravo", "charlie"),),
)
REACH = Clearance(policy="MISSION", classification="CONFIDENTIAL")


def first() -> object:
    """A decision about a label as if it had never been met."""
    HOME.lattice._labels.clear()
    return permits(HOME, LABEL, CLEARED, "bravo")


def median_us(decide: Callable[[], object], times: int) -> float:
    """Microseconds of one decision."""
    rounds = []
    for _ in range(ROUNDS):
        started = process_time()
        for _ in range(times):
            decide()
        rounds.append((process_time() - started) / times * 1e6)
    return round(statistics.median(rounds), 2)


def measure() -> dict[str, float]:
    """Every decision there is."""
    xml = FULL.encode()
    found = read_label(xml)
    return {
        "permits_table": median_us(lambda: permits(MISSION, PLAIN, REACH, "bravo"), 20_000),
        "permits_spif": median_us(lambda: permits(HOME, LABEL, CLEARED, "bravo"), 20_000),
        "permits_spif_first": median_us(first, 2_000),
        "dominates": median_us(lambda: dominates(HOME, LABEL, LABEL), 20_000),
        "combine_two": median_us(lambda: combine(HOME, (LABEL, LABEL)), 2_000),
        "equivalent": median_us(lambda: equivalent(LABEL, HOME, AWAY), 1_000),
        "marking": median_us(lambda: marking(HOME, LABEL), 1_000),
        "read_xml": median_us(lambda: read_label(xml), 300),
        "write_xml": median_us(lambda: write_label(found), 300),
    }


def main() -> int:
    """Measure, tell, and fail where a bar is missed."""
    if permits(MISSION, PLAIN, REACH, "bravo") or permits(HOME, LABEL, CLEARED, "bravo"):
        return 2
    found = measure()
    missed = [name for name, bar in BARS.items() if found[name] > bar]
    if "--json" in sys.argv:
        print(json.dumps({"us": found, "bars": BARS, "missed": missed}))
    else:
        for name, value in found.items():
            bar = f"  (at most {BARS[name]})" if name in BARS else ""
            print(f"{name:20} {value:9.2f} us{bar}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
