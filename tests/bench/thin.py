"""What a message weighs on a thin link, and what that costs: ``python -m tests.bench.thin [--json]``.

Bytes of a packed Message before and after, microseconds of processor time (the best of several rounds), and bytes of
sealed envelopes a report: alone, and in bundles of 8 and 32, SIGNED and PAIRWISE. An envelope is counted whole as it is
handed to a link; topic, MQTT or radio headers are not in these figures.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import fmean
from time import process_time
from typing import NamedTuple

import msgspec

from adapters import load
from gateway.demo.field import positions
from protocols.envelope import Mode
from protocols.identity import HYBRID
from protocols.label import Category, CategoryType, Label
from protocols.message import Authenticity, Message, pack, unpack
from protocols.roster import Roster
from protocols.sealing import Epoch, Profile, Signer
from protocols.thin import grow, shrink
from protocols.thin_dictionary import DICTIONARY
from tests.protocols.cast import ALPHA, BRAVO, NOW, bundle, keys, unit
from tests.protocols.synthesis import synthesised

ROUNDS = 15
FIXTURES = Path(__file__).parents[1] / "fixtures"
FORMATS = {"alpha": "cot", "bravo/1": "sedap", "bravo/2": "sedap", "bravo/ops": "nffi"}
LABEL = Label(
    policy="XLAND",  # unlike the origin, what no dictionary can know
    classification="RESTRICTED",
    categories=(Category(type=CategoryType.PERMISSIVE, tag="Releasable To", values=("XLA", "norland")),),
)
FRAME = 250  # bytes of a LoRa frame
REPORT = 100  # bytes of a position report
BARS = {"SIGNED, alone (longest)": FRAME, "SIGNED, bundles of 32, a report": REPORT}


class Weights(NamedTuple):
    """Bytes of one sort of message: means, and the longest record."""

    packed: float
    record: float
    longest: int


def stamped(message: Message, now: datetime) -> Message:
    """A report as the gateway has it when it seals, with everything that it vouches for."""
    received = now + timedelta(microseconds=312_345)
    return msgspec.structs.replace(
        message,
        origin=ALPHA,
        authenticity=Authenticity.ASSERTED,
        label=LABEL,
        times=msgspec.structs.replace(message.times, received=received),
    )


def patrols() -> Iterator[Message]:
    """Positions as the demonstration's units write them in CoT, SEDAP-Express and NFFI, read by our adapters."""
    for second in range(40):
        now = datetime(2026, 11, 5, 8, 30, second, 217_000, tzinfo=UTC)
        for said in positions(now, second * 7.3):
            form = next(form for place, form in FORMATS.items() if place in f"{said.topic} {said.partner}")
            for message in load(form).decode(said.data):
                yield stamped(message, now)


def handsets() -> Iterator[Message]:
    """Positions as an ATAK handset writes them, with every detail that one can have: tests/fixtures/cot/track-atak."""
    message = load("cot").decode((FIXTURES / "cot" / "track-atak.xml").read_bytes())[0]
    yield stamped(message, datetime(2026, 5, 4, 9, 10, 11, tzinfo=UTC))


def weigh(found: Sequence[Message]) -> Weights:
    """How long messages are before and after; each must come back as it was."""
    before, after = [], []
    for message in found:
        packed = pack(message)
        record = shrink(packed, message.origin or "")
        if unpack(grow(record, message.origin or "")) != message:
            raise RuntimeError("a message did not come back as it was")
        before.append(len(packed))
        after.append(len(record))
    return Weights(round(fmean(before), 1), round(fmean(after), 1), max(after))


def sealed(records: Sequence[bytes], size: int, mode: Mode) -> float:
    """Bytes of an envelope a record, in bundles of this size; the longest where each goes alone."""
    known = Roster([bundle("bravo", [unit(keys(BRAVO))])])
    signer, profile = Signer(ALPHA, keys(ALPHA).signing), Profile(HYBRID, mode)
    epoch = Epoch(signer, known.recipients([BRAVO], HYBRID, NOW), profile, NOW, os.urandom)
    epoch.seq = epoch.generation = 1000  # in the middle of a day, where header numbers take three bytes each
    lengths = []
    for at in range(0, max(len(records), size), size):
        together = [records[(at + each) % len(records)] for each in range(size)]
        lengths.append(len(epoch.seal(together, NOW + 43_200)))
    return max(lengths) if size == 1 else round(fmean(lengths) / size, 1)


def microseconds(runs: Sequence[Callable[[], object]]) -> float:
    """Processor time of one run, in the best round."""

    def once() -> float:
        started = process_time()
        for run in runs:
            run()
        return (process_time() - started) / len(runs)

    return round(min(once() for _ in range(ROUNDS)) * 1e6, 1)


def costs(found: Sequence[Message]) -> dict[str, float]:
    """Microseconds a message, beside one Ed25519 signature on this machine now."""
    packed = [pack(message) for message in found]
    records = [shrink(each, ALPHA) for each in packed]
    key = keys(ALPHA).signing
    return {
        "shrink_us": microseconds([partial(shrink, each, ALPHA) for each in packed]),
        "grow_us": microseconds([partial(grow, each, ALPHA) for each in records]),
        "grow_of_what_is_not_thin_us": microseconds([partial(grow, each, ALPHA) for each in packed]),
        "ed25519_sign_us": microseconds([partial(key.sign, packed[0])] * 50),
    }


def main() -> int:
    """Measure, print, and fail when a bar is missed."""
    made_up = list(synthesised(2_000, 7))  # other ones than the dictionary was trained on
    sorts = {"CoT, SEDAP and NFFI positions": list(patrols()), "ATAK position, every detail": list(handsets())}
    sorts |= {
        f"made up: {kind}": [each for each in made_up if each.kind == kind]
        for kind in sorted({m.kind for m in made_up})
    }
    reports = [message for sort in list(sorts.values())[:2] for message in sort]
    records = [shrink(pack(message), ALPHA) for message in reports]
    on_wire = {
        f"{mode.name}, {'alone (longest)' if size == 1 else f'bundles of {size}, a report'}": sealed(
            records, size, mode
        )
        for mode in (Mode.SIGNED, Mode.PAIRWISE)
        for size in (1, 8, 32)
    }
    weights = {name: weigh(found) for name, found in sorts.items()}
    cost = costs(reports)
    missed = [f"{name}: {on_wire[name]} of at most {most}" for name, most in BARS.items() if on_wire[name] > most]
    if "--json" in sys.argv:
        result = {"bytes": {name: each._asdict() for name, each in weights.items()}, "sealed_position_bytes": on_wire}
        print(json.dumps(result | {"cost": cost, "dictionary_bytes": len(DICTIONARY), "missed": missed}, indent=1))
    else:
        for name, each in weights.items():
            print(f"{name:34} {each.packed:7} -> {each.record:6}, longest {each.longest}")
        for name, value in (on_wire | cost).items():
            print(f"{name:34} {value:7}")
        print("\n".join(f"MISSED {line}" for line in missed) or "every bar is kept")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
