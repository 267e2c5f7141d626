"""A gateway in full flow is given another table fifty times: nothing is lost, nothing goes by a table not in force."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiomqtt

from gateway.audit import read
from gateway.demo.layout import prepare
from protocols.record import Event, Record
from tests.e2e.pair import LIMIT_S, until
from tests.e2e.stage import mosquitto_everywhere
from tests.e2e.test_bad_input import track
from tests.e2e.test_run import comity_run, ready

RELOADS = 50
WINDOW = 100  # publications at once
RATE = float(os.environ.get("COMITY_RELOAD_RATE", "600"))  # messages a second; 2000 on a machine of its own
WITH_OPS = 'to = ["bravo/ops"]\nkinds = ["track"]'
WITHOUT_OPS = 'to = ["bravo/ops"]\nkinds = ["medevac"]'


async def test_fifty_reloads_in_full_flow_lose_nothing_and_each_message_goes_by_the_table_of_its_arrival(
    tmp_path: Path,
) -> None:
    layout = prepare(tmp_path, datetime.now(UTC), usual_ports=False)
    file, audit = layout.files["alpha"], tmp_path / "state" / "alpha" / "audit.log"
    with mosquitto_everywhere(layout) as (ports, _, _):
        async with comity_run(file) as gateway, comity_run(layout.files["bravo"]):
            await ready(layout, "alpha")
            await ready(layout, "bravo")
            stop = asyncio.Event()
            flow = asyncio.create_task(publish_until(stop, ports["alpha"]))
            text, log = file.read_text(), Log(audit)
            for number in range(RELOADS):
                file.write_text(text if number % 2 else text.replace(WITH_OPS, WITHOUT_OPS))
                await until(lambda: log.look().tables > number)  # noqa: B023 - over before the next number
            stop.set()
            published = await flow
            await until(lambda: log.look().forwarded >= published)
            gateway.terminate()
            await asyncio.wait_for(gateway.wait(), LIMIT_S)

    records = [entry.record for entry in read(audit)]
    sent = [record for record in records if record.event is Event.FORWARDED]
    to_cell = [record.message for record in sent if record.destination == "bravo/cell"]
    assert published > 1000
    assert len(set(to_cell)) == len(to_cell) == published
    assert not [record.reason for record in records if record.event is Event.REFUSED]
    judge(records)


class Log:
    """What the audit says so far: other tables, and copies that bravo's gateway has taken for its cell."""

    def __init__(self, audit: Path) -> None:
        self._audit = audit
        self._read = 0
        self.tables = 0
        self.forwarded = 0

    def look(self) -> Log:
        """Take in what it says beyond what was read before."""
        with self._audit.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if line.endswith(b"\n"):
                    self._read += len(line)
                    self.tables += b'"table-changed"' in line
                    self.forwarded += b'"event":"forwarded"' in line and b'"destination":"bravo/cell"' in line
        return self


def judge(records: list[Record]) -> None:
    """Whether each message went to bravo/ops exactly when the table in force at its arrival sent it there."""
    changes = [record.at for record in records if record.event is Event.TABLE_CHANGED]
    assert len(changes) == RELOADS
    there = {record.message for record in records if record.destination == "bravo/ops"}
    seen = [0, 0]
    for record in records:
        if record.event is not Event.FORWARDED or record.destination != "bravo/cell" or record.latency_ms is None:
            continue
        arrived = record.at - timedelta(milliseconds=record.latency_ms)
        if any(abs(change - arrived) < timedelta(milliseconds=2) for change in changes):
            continue  # too close to call by the clock's resolution
        wanted = sum(change <= arrived for change in changes) % 2 == 0
        assert (record.message in there) == wanted, record
        seen[wanted] += 1
    assert min(seen) > 100  # both tables were in force under load


async def publish_until(stop: asyncio.Event, port: int) -> int:
    """Publish positions at QoS 1, so many a second; how many the broker took."""
    count, loop = 0, asyncio.get_running_loop()
    started = loop.time()
    async with aiomqtt.Client("127.0.0.1", port, max_inflight_messages=WINDOW) as client:
        while not stop.is_set():
            window = [client.publish("tak/alpha/flow", track(f"flow-{count + n}"), qos=1) for n in range(WINDOW)]
            await asyncio.gather(*window)
            count += WINDOW
            await asyncio.sleep(started + count / RATE - loop.time())
    return count
