"""``comity run``: starts, serves, stops when told, leaves nothing behind; and a crash loses nothing acknowledged."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.audit import read
from gateway.cli.main import app
from gateway.demo.coalition import mqtt_port
from gateway.demo.layout import Layout, coalition_broker, prepare
from protocols.record import Event
from tests.e2e.pair import LIMIT_S, until
from tests.e2e.stage import connected, fetch, listening, mosquitto_everywhere, publish
from tests.e2e.test_bad_input import track
from tests.servers import wait_for_port


@asynccontextmanager
async def comity_run(file: Path, *options: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A gateway as an operator starts it."""
    command = [sys.executable, "-m", "gateway.cli", "run", str(file), *options]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ready(layout: Layout, partner: str) -> None:
    """Wait until a gateway says that it is connected everywhere."""
    await connected(layout.configs[partner].http.console or "")


def children(pid: int) -> list[int]:
    """Process ids of a process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_a_gateway_starts_serves_and_stops_when_told(tmp_path: Path) -> None:
    layout = prepare(tmp_path, datetime.now(UTC), usual_ports=False)
    async with coalition_broker(layout), comity_run(layout.files["alpha"]) as process:
        await ready(layout, "alpha")
        await publish(mqtt_port(layout.configs["alpha"]), "tak/alpha/one", track("one"))
        metrics = f"http://{layout.configs['alpha'].http.metrics}/metrics"
        await until(lambda: 'event="held"' in fetch(metrics)[0])
        (lasts,) = re.findall(r"^comity_keys_last_seconds (\S+)$", fetch(metrics)[0], re.MULTILINE)
        assert 29 * 86_400 < float(lasts) < 30 * 86_400
        _, headers = await asyncio.to_thread(fetch, f"http://{layout.configs['alpha'].http.console}/")
        assert "default-src 'self'" in headers["content-security-policy"]
        brokers = children(process.pid)
        process.send_signal(signal.SIGTERM)
        said = (await asyncio.wait_for(process.communicate(), LIMIT_S))[1].decode()

    assert process.returncode == 0
    assert "Traceback" not in said
    assert "mqtt://127.0.0.1:" in said
    assert len(brokers) == 1
    assert not alive(brokers[0])
    entries = list(read(tmp_path / "state" / "alpha" / "audit.log"))
    assert (entries[0].record.event, entries[-1].record.event) == (Event.STARTED, Event.STOPPED)
    assert {entry.record.destination for entry in entries if entry.record.event is Event.HELD} == {
        "bravo/ops",
        "bravo/cell",
        "charlie/map",
    }


async def test_no_broker_outlives_a_gateway_that_was_killed(tmp_path: Path) -> None:
    layout = prepare(tmp_path, datetime.now(UTC), usual_ports=False)
    async with coalition_broker(layout), comity_run(layout.files["alpha"]) as process:
        await ready(layout, "alpha")
        (broker,) = children(process.pid)
        process.kill()
        await process.wait()
        await until(lambda: not alive(broker))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (('agreement = "alpha-bravo"', 'agreement = "handshake"'), '$.routes[0].agreement: "handshake" is not one of'),
        (('adapter = "cot"', 'adapter = "cott"'), "$.units[0].adapter: no such format"),
        (('kind = "ngo"', 'kind = "club"'), "$.partners[2].kind: Invalid enum value"),
        (("[gateway]", "[gatewy]"), "$: Object contains unknown field `gatewy`"),
        (("[gateway]", "[gateway"), "not TOML:"),
    ],
)
def test_a_faulty_configuration_is_one_line_with_its_path(tmp_path: Path, change: tuple[str, str], line: str) -> None:
    layout = prepare(tmp_path, datetime.now(UTC), usual_ports=False)
    file = layout.files["alpha"]
    file.write_text(file.read_text().replace(*change, 1))
    done = CliRunner().invoke(app, ["run", str(file)])

    assert done.exit_code == 2
    assert done.stderr.startswith(line)
    assert "Traceback" not in done.stderr


async def test_a_gateway_without_keys_says_what_to_do(tmp_path: Path) -> None:
    layout = prepare(tmp_path, datetime.now(UTC), usual_ports=False)
    (tmp_path / "state" / "alpha" / "secret.key").unlink()
    async with comity_run(layout.files["alpha"]) as process:
        said = (await asyncio.wait_for(process.communicate(), LIMIT_S))[1].decode()

    assert process.returncode == 2
    assert len(said.splitlines()) == 1
    assert "no secret for" in said


async def test_what_was_acknowledged_survives_a_receiving_gateway_killed_in_full_flow(tmp_path: Path) -> None:
    layout = prepare(tmp_path, datetime.now(UTC), usual_ports=False)
    with mosquitto_everywhere(layout) as (ports, _, _):
        async with (
            comity_run(layout.files["alpha"]),
            listening(ports["bravo"], "nffi/to-ops") as heard,
            comity_run(layout.files["bravo"]) as victim,
        ):
            await asyncio.gather(ready(layout, "alpha"), ready(layout, "bravo"))
            sending = asyncio.create_task(_send_many(ports["alpha"], 120))
            await asyncio.sleep(0.6)
            os.kill(victim.pid, signal.SIGKILL)
            await victim.wait()
            async with comity_run(layout.files["bravo"]):
                await sending
                await until(lambda: len({data.partition(b"transponderId>")[2][:9] for _, data in heard}) == 120)


async def _send_many(port: int, count: int) -> None:
    wait_for_port(port)
    for number in range(count):
        await publish(port, "tak/alpha/many", track(f"many-{number:04}"))
