"""What the audit costs: ``python -m tests.bench.audit [--json] [--records N]``.

A log of a million records of real size is written, verified with its checkpoints and a witness, opened again with and
without the place that was kept, and one message of it is proved and the proof checked. Seconds of wall clock, and
microseconds of processor time a record. ``sync``: what waiting for the disk once a second, beside the traffic, costs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time

from msgspec.structs import replace

from gateway.audit import Audit
from gateway.audit.checkpoints import Checkpoints, Rhythm
from gateway.audit.lines import Salts
from gateway.audit.place import place_file
from gateway.audit.proof import check_proof, prove, read_proof, write_proof
from gateway.audit.resume import checkpoint_file
from gateway.audit.statements import statements
from gateway.audit.verification import claims, verify
from gateway.audit.vouchers import Vouchers
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import key_file
from gateway.keyring.ring import Keyring
from gateway.stream import Outcome
from protocols.label import Label
from protocols.message import Mode, Precedence
from protocols.record import Event, Record

RECORDS = 1_000_000
BATCH = 64
EVERY = 10_000  # lines between two checkpoints
BARS_S = {"verify_s": 30.0, "start_s": 1.0}
NOW = datetime.now(UTC)
RECORD = Record(
    at=NOW,
    gateway="alpha",
    event=Event.FORWARDED,
    message="0" * 32,
    subject_kind="track",
    source="alpha/patrols",
    destination="bravo/ops",
    format_in="cot",
    format_out="cse1",
    agreement="alpha-bravo",
    label=Label(policy="MISSION", classification="RESTRICTED"),
    mode=Mode.OPERATION,
    precedence=Precedence.ROUTINE,
    bytes_out=412,
    latency_ms=1.234,
    age_ms=234.5,
)


def keyring(state: Path) -> Keyring:
    """The keys of a partner with two units."""
    Holdings.create(state, ["alpha/ops", "alpha/patrols"], key_file(state / "secret.key"), int(NOW.timestamp()))
    return Keyring.open(state, NOW)


async def write(audit: Audit, ring: Keyring, count: int) -> dict[str, float]:
    """Fill a log, with a checkpoint every so often; the time of the writer alone, and with the disk."""
    keeping = asyncio.create_task(audit.keep())
    checkpoints = Checkpoints(audit, ring, Rhythm(lines=EVERY))
    outcomes = [Outcome(replace(RECORD, message=f"{number:032x}")) for number in range(BATCH)]
    writer_s = checkpoint_s = 0.0
    started = perf_counter()
    for start in range(0, count, BATCH):
        outcomes = [Outcome(replace(RECORD, message=f"{start + number:032x}")) for number in range(BATCH)]
        before = process_time()
        for outcome in outcomes:
            audit(outcome)
        audit.commit()
        writer_s += process_time() - before
        if start % EVERY < BATCH:
            before = perf_counter()
            await checkpoints.due(NOW + timedelta(seconds=start))
            checkpoint_s += perf_counter() - before
            await asyncio.sleep(0)
    await checkpoints.last(NOW)
    total_s = perf_counter() - started
    keeping.cancel()
    return {
        "write_us": writer_s / count * 1e6,
        "write_total_s": total_s,
        "checkpoint_ms": checkpoint_s / max(1, count // EVERY) * 1e3,
    }


def opened(file: Path) -> float:
    """Seconds until a log can be written again."""
    started = perf_counter()
    with Audit(file):
        return perf_counter() - started


def offline(file: Path, count: int) -> dict[str, float]:
    """Verification with every checkpoint, once beside the log and once as a witness's; proof of one message."""
    vouchers = Vouchers.read((file.parent / "bundles").glob("*.bundle"))
    kept = checkpoint_file(file)
    started, cpu = perf_counter(), process_time()
    held = verify(file, [*claims(kept, vouchers, own=True), *claims(kept, vouchers, own=False)])
    found = {"verify_s": perf_counter() - started, "verify_cpu_s": process_time() - cpu}
    if held.lines != count or held.own != held.witnesses or held.witnessed != count:
        raise SystemExit(f"{held.lines} lines, {held.own} checkpoints")
    started = perf_counter()
    signed = [statement for _, statement in statements(kept)]
    data = write_proof(prove(file, signed, f"{count // 3:032x}"))
    found |= {"prove_s": perf_counter() - started, "proof_bytes": float(len(data)), "checkpoints": float(held.own)}
    started = perf_counter()
    check_proof(read_proof(data), vouchers)
    return found | {"check_proof_ms": (perf_counter() - started) * 1e3}


def bare_us(count: int = 50_000) -> float:
    """Microseconds that drawing salts takes, of the time above."""
    salts = Salts()
    before = process_time()
    for _ in range(count):
        salts.draw()
    return (process_time() - before) / count * 1e6


def measure(count: int) -> dict[str, float]:
    """Everything, in a folder that is removed."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        file = state / "audit.log"
        ring = keyring(state)
        with Audit(file) as audit:
            found = asyncio.run(write(audit, ring, count))
        ring.close()
        found |= {"salt_us": bare_us(), "bytes": float(sum(each.stat().st_size for each in state.glob("audit*.log")))}
        found["start_s"] = min(opened(file) for _ in range(3))
        place_file(file).unlink()
        found["start_without_place_s"] = opened(file)
        return found | offline(file, count)


def main() -> int:
    """Measure, tell, and fail where a bar is missed."""
    words = argparse.ArgumentParser()
    words.add_argument("--json", action="store_true")
    words.add_argument("--records", type=int, default=RECORDS)
    given = words.parse_args()
    found = {name: round(value, 3) for name, value in measure(given.records // BATCH * BATCH).items()}
    missed = [name for name, bar in BARS_S.items() if found[name] > bar]
    if given.json:
        print(json.dumps({"records": given.records, "figures": found, "bars": BARS_S, "missed": missed}))
    else:
        for name, value in found.items():
            bar = f"  (at most {BARS_S[name]})" if name in BARS_S else ""
            print(f"{name:24} {value:14.3f}{bar}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
