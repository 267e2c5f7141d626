"""Decisions and reload of a large table: 10 000 routes, 200 units, 95 agreements, all of them signed.

``python -m tests.bench.routing [--json]``. A decision is everything that becomes of one message: every destination that
a route leads to, with its verdict. Reload is what the gateway does with a changed file: read, check, verify the
signatures (unchanged ones are remembered), compile.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from gateway.app import settle_memory
from gateway.config import Config, load
from gateway.countersigned import Countersigned
from gateway.decisions import Decisions
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import key_file
from gateway.routing import Table
from protocols.body import Alert, Body, Chat, Track
from protocols.label import Label
from protocols.message import Authenticity, Message, Precedence, Source, message_id
from protocols.quantity import Position

PARTNERS, UNITS, AGREEMENTS, ROUTES = 20, 200, 5, 10_000  # agreements with each partner
MESSAGES = 20_000
NOW = datetime(2026, 6, 1, tzinfo=UTC)
CLASSES = ("UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL")
BARS = {"decision_us_median": 15.0, "reload_s": 1.0}


def chance(seed: int) -> random.Random:
    """The same choices in every run."""
    return random.Random(seed)  # noqa: S311  nothing secret


def units(rng: random.Random) -> tuple[list[str], list[str]]:
    """Ids of our units and of the partners'."""
    ours = [f"p00/u{number}" for number in range(UNITS // 2)]
    theirs = [f"p{1 + number % (PARTNERS - 1):02}/u{number}" for number in range(UNITS // 2)]
    rng.shuffle(theirs)
    return ours, theirs


def table(rng: random.Random) -> str:
    """The table in TOML, as an operator's tool would write it."""
    ours, theirs = units(rng)
    partners = [f"p{number:02}" for number in range(PARTNERS)]
    others = ", ".join(f'"{partner}"' for partner in partners[1:])
    clear = '{ policy = "MISSION", classification = "%s" }'
    parts = [
        '[gateway]\npartner = "p00"\n',
        f'[[policies]]\nname = "MISSION"\nclassifications = {json.dumps(CLASSES)}\nrestrictive = ["Sensitivity"]\n',
        *(f'[[partners]]\nid = "{partner}"\nkind = "nation"\n' for partner in partners),
        '[[links]]\nname = "national"\n',
        f'[[links]]\nname = "coalition"\nurl = "nats://127.0.0.1:4222"\npartners = [{others}]\n',
    ]
    for unit in ours:
        topic = unit.partition("/")[2]
        labels = ", ".join(f'{{ hint = "{each}", label = {clear % each} }}' for each in CLASSES)
        parts.append(
            f'[[units]]\nid = "{unit}"\nclearance = {clear % rng.choice(CLASSES)}\nadapter = "cot"\nlink = "national"\n'
            f'receive = ["in/{topic}/#"]\ndeliver = "out/{topic}"\nlabels = [{labels}]\n'
        )
    parts += [f'[[peers]]\nid = "{unit}"\nclearance = {clear % rng.choice(CLASSES)}\n' for unit in theirs]
    for partner in partners[1:]:
        for number in range(AGREEMENTS):
            kinds = json.dumps(rng.sample(["track", "chat", "alert", "report", "delete"], 3))
            parts.append(
                f'[[agreements]]\nid = "{partner}-{number}"\npartners = ["p00", "{partner}"]\nkinds = {kinds}\n'
                f'directions = [{{ from = "p00", to = "{partner}" }}, {{ from = "{partner}", to = "p00" }}]\n'
                f"highest = {clear % rng.choice(CLASSES)}\nvalid_from = 2026-01-01T00:00:00Z\n"
                f"valid_until = 2027-01-01T00:00:00Z\ntransformation = {{ coarsen_m = 1000.0 }}\n"
            )
    for _ in range(ROUTES):
        ends = [rng.choice(ours), rng.choice(theirs)]
        agreement = f"{ends[1].partition('/')[0]}-{rng.randrange(AGREEMENTS)}"
        rng.shuffle(ends)
        parts.append(f'[[routes]]\nfrom = ["{ends[0]}"]\nto = ["{ends[1]}"]\nagreement = "{agreement}"\n')
    return "\n".join(parts)


def messages(rng: random.Random) -> list[Message]:
    """Messages of every unit, of kinds, labels and precedences that differ."""
    ours, theirs = units(chance(1))
    bodies: Sequence[Body] = (
        Track(position=Position(latitude=47.0, longitude=8.0)),
        Chat(text="Road is clear."),
        Alert(event="Flood"),
    )
    made = []
    for number in range(MESSAGES):
        origin = rng.choice((*ours, *theirs))
        made.append(
            Message(
                id=message_id("track", str(number), NOW),
                subject=str(number),
                body=rng.choice(bodies),
                source=Source(format="cot"),
                origin=origin,
                authenticity=Authenticity.ASSERTED if origin in ours else Authenticity.VERIFIED,
                label=Label(policy="MISSION", classification=rng.choice(CLASSES)),
                precedence=rng.choice((None, Precedence.ROUTINE, Precedence.FLASH)),
            )
        )
    return made


def sign(folder: Path, config: Config) -> Countersigned:
    """Every agreement signed by both of its partners."""
    now_s = int(NOW.timestamp())
    held = {
        partner.id: Holdings.create(
            folder / partner.id, [f"{partner.id}/u0"], key_file(folder / partner.id / "secret.key"), now_s
        )
        for partner in config.partners
    }
    pins = [pin for each in held.values() for pin in each.pins()]
    kept = Countersigned(folder / "p00", pins)
    for agreement in config.agreements:
        for partner in agreement.partners:
            kept.keep(agreement, held[partner].countersign(agreement))
    return Countersigned(folder / "p00", pins)


def seconds(work: Callable[[], object]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def decide(decisions: Decisions, traffic: Sequence[Message]) -> tuple[float, int]:
    """Median microseconds of a decision, and how many destinations were decided on."""
    took, destinations = [], 0
    for message in traffic:
        start = time.perf_counter_ns()
        decided = decisions.decide(message, NOW)
        took.append(time.perf_counter_ns() - start)
        destinations += len(decided)
    return statistics.median(took) / 1000, destinations


def run() -> dict[str, float]:
    """Every figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "table.toml"
        file.write_text(table(chance(1)))
        kept = sign(folder, load(file).config)

        def reload() -> Table:
            config = load(file).config
            return Table(config, kept.in_force(config.agreements))

        settle_memory()
        first, compiled = seconds(reload), reload()
        begin = time.process_time()
        reloads = sorted(seconds(reload) for _ in range(5))
        cpu = (time.process_time() - begin) / 5
        traffic = messages(chance(2))
        decisions = Decisions(compiled)
        first_us, _ = decide(decisions, traffic[:1000])
        median_us, destinations = decide(decisions, traffic)
        return {
            "routes": ROUTES,
            "units": UNITS,
            "agreements": AGREEMENTS * (PARTNERS - 1),
            "destinations_per_decision": round(destinations / MESSAGES, 1),
            "decision_us_median": round(median_us, 2),
            "decision_us_median_not_yet_compiled": round(first_us, 2),
            "reload_s": round(reloads[2], 3),
            "reload_cpu_s": round(cpu, 3),
            "reload_s_first_with_190_signatures": round(first, 3),
        }


def main() -> int:
    """Print the figures; status 1 when a bar is missed."""
    figures = run()
    if "--json" in sys.argv:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:40} {value}")
    return int(any(figures[name] > bar for name, bar in BARS.items()))


if __name__ == "__main__":
    sys.exit(main())
