"""The audit of running gateways: witnessed by partners, traced and proved from outside, and a disk that refuses it."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError

from gateway.audit import read
from gateway.demo.layout import Layout, prepare
from protocols.record import Event, Record, Trouble
from tests.e2e.pair import until
from tests.e2e.stage import ROOT, fetch, listening, mosquitto_everywhere, publish
from tests.e2e.test_bad_input import track
from tests.e2e.test_run import comity_run, ready

NOBODY = 1 << 62  # bytes; no limit that a file of a test reaches


def comity(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """A command as an auditor gives it."""
    command = [sys.executable, "-m", "gateway.cli", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def state(layout: Layout, partner: str) -> Path:
    return layout.folder / "state" / partner


def records(layout: Layout, partner: str) -> list[Record]:
    return [entry.record for entry in read(state(layout, partner) / "audit.log")]


@asynccontextmanager
async def two_gateways(layout: Layout, ports: dict[str, int]) -> AsyncIterator[tuple[int, list[tuple[str, bytes]]]]:
    """Alpha and bravo; alpha's process id, and what bravo's cell hears."""
    async with (
        comity_run(layout.files["alpha"]) as alpha,
        comity_run(layout.files["bravo"]) as bravo,
        listening(ports["bravo"], "nffi/to-ops") as heard,
    ):
        await asyncio.gather(ready(layout, "alpha"), ready(layout, "bravo"))
        yield alpha.pid, heard
        for process in (alpha, bravo):
            process.terminate()
        await asyncio.gather(alpha.wait(), bravo.wait())


async def test_a_message_is_traced_and_proved_and_partners_are_witnesses(tmp_path: Path) -> None:
    layout = prepare(tmp_path, datetime.now(UTC), usual_ports=False)
    with mosquitto_everywhere(layout) as (ports, _, _):
        async with two_gateways(layout, ports) as (_, heard):
            await publish(ports["alpha"], "tak/alpha/one", track("one"))
            await until(lambda: heard)
            await until(lambda: any(each.event is Event.RECEIPT for each in records(layout, "alpha")))
            await until((state(layout, "bravo") / "witness" / "alpha.checkpoints").exists)
            await until((state(layout, "alpha") / "witness" / "bravo.checkpoints").exists)
    message = next(each.message for each in records(layout, "alpha") if each.event is Event.RECEIPT) or ""
    assert_traced(layout, message)
    assert_witnessed(layout)
    assert_proved(layout, message)  # a gateway that stops signs what it has recorded


def assert_traced(layout: Layout, message: str) -> None:
    told = comity("trace", "--json", message, layout.files["alpha"], layout.files["bravo"]).stdout.splitlines()
    steps = [json.loads(line) for line in told]
    found = {(step["gateway"], step["event"], step["destination"]) for step in steps}
    assert {
        ("alpha", "forwarded", "bravo/ops"),
        ("bravo", "delivered", "bravo/ops"),
        ("alpha", "receipt", "bravo/ops"),
    } <= found
    assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
    assert message in comity("trace", message, layout.files["alpha"]).stdout


def assert_witnessed(layout: Layout) -> None:
    for partner, other in (("alpha", "bravo"), ("bravo", "alpha")):
        witness = state(layout, other) / "witness" / f"{partner}.checkpoints"
        done = comity("audit", "verify", layout.files[partner], "--witness", witness)
        assert done.returncode == 0, done.stderr
        assert "witnessed up to line" in done.stdout
    log = state(layout, "bravo") / "audit.log"
    whole = log.read_bytes()
    log.write_bytes(whole.replace(b"delivered", b"withheld", 1))
    assert comity("audit", "verify", layout.files["bravo"]).returncode == 3
    log.write_bytes(whole)


def assert_proved(layout: Layout, message: str) -> None:
    proof = layout.folder / "proof.json"
    (bundle,) = (state(layout, "bravo") / "bundles").glob("alpha.*")
    assert comity("audit", "prove", message, layout.files["alpha"], "--out", proof).returncode == 0
    done = comity("audit", "verify", "--proof", proof, "--bundle", bundle)
    assert done.returncode == 0, done.stderr
    assert f"records of message {message} hold: alpha/" in done.stdout


def refused_why(layout: Layout) -> str:
    """What alpha says to whoever asks whether it is ready; empty when it is."""
    try:
        fetch(f"http://{layout.configs['alpha'].http.console}/readyz")
    except HTTPError as error:
        with error:
            return error.read().decode()
    return ""


async def test_a_gateway_whose_audit_cannot_be_written_waits_says_so_and_goes_on(tmp_path: Path) -> None:
    """The size of the process's files is limited to what the log has: to the gateway the disk is full."""
    layout = prepare(tmp_path, datetime.now(UTC), usual_ports=False)
    log = state(layout, "alpha") / "audit.log"
    with mosquitto_everywhere(layout) as (ports, _, _):
        async with two_gateways(layout, ports) as (alpha, heard):
            await publish(ports["alpha"], "tak/alpha/one", track("one"))
            await until(lambda: heard)
            resource.prlimit(alpha, resource.RLIMIT_FSIZE, (size(log), NOBODY))
            for number in range(20):
                await publish(ports["alpha"], "tak/alpha/many", track(f"many-{number:02}"))
            await until(lambda: "audit" in refused_why(layout))
            written = size(log)
            await until(lambda: 'reason="audit-not-writable"' in scraped(layout))
            assert "comity_audit_writable 0.0" in scraped(layout)
            assert size(log) == written
            resource.prlimit(alpha, resource.RLIMIT_FSIZE, (NOBODY, NOBODY))
            await until(lambda: len({data.partition(b"transponderId>")[2][:7] for _, data in heard}) >= 21)
            await until(lambda: not refused_why(layout))
            await until(lambda: len(forwarded(layout)) == 21)
            await until(lambda: told_of_the_audit(layout) == [Event.FAULT, Event.MENDED])
    assert comity("audit", "verify", layout.files["alpha"]).returncode == 0


def scraped(layout: Layout) -> str:
    return fetch(f"http://{layout.configs['alpha'].http.metrics}/metrics")[0]


def told_of_the_audit(layout: Layout) -> list[Event]:
    return [each.event for each in records(layout, "alpha") if each.reason == Trouble.AUDIT_NOT_WRITABLE]


def forwarded(layout: Layout) -> set[str | None]:
    return {each.message for each in records(layout, "alpha") if each.event is Event.FORWARDED}


def size(log: Path) -> int:
    with suppress(FileNotFoundError):
        return log.stat().st_size
    return 0
