"""Over mosquitto: what a cell acknowledges goes no further; else another unit gets it, and the origin a receipt."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters import load
from gateway.audit import read
from gateway.demo.layout import Layout, prepare
from protocols.body import Receipt, ReceiptState
from protocols.record import Event, Record
from tests.e2e.pair import until
from tests.e2e.stage import listening, mosquitto_everywhere, publish
from tests.e2e.test_run import comity_run, ready

PATIENT_S, SHORT_S = 120, 1  # that a cell has for its acknowledgement
CELL = 'adapter = "sedap"\nlink = "national"\nreceive = ["sedap/from-cell"]\ndeliver = "sedap/to-cell"\n'
CELL_WITH_TAK = 'adapter = "cot"\nlink = "national"\nreceive = ["tak/bravo/cell"]\ndeliver = "tak/to-cell"\n'
STANDS_IN = 'alternates = ["bravo/convoys"]\nlabels = ['
LABELLED = STANDS_IN + (
    '\n  { hint = "access=UNCLASSIFIED", label = { policy = "MISSION", classification = "UNCLASSIFIED" } },'
)
ASKED = 'kinds = ["medevac"]\nagreement = "alpha-bravo"\nacknowledge = { flash = 2, routine = 4 }\n'


def vigilant(layout: Layout, within_s: int) -> None:
    """Bravo's cell, now with TAK, must acknowledge every text within some time; its convoys stand in for it."""
    text = replaced(layout.files["bravo"].read_text(), CELL, CELL_WITH_TAK)
    text = replaced(text, STANDS_IN, LABELLED)
    text = replaced(
        text, ASKED, f'kinds = ["chat"]\nagreement = "alpha-bravo"\nacknowledge = {{ routine = {within_s} }}\n'
    )
    layout.files["bravo"].write_text(text)


def replaced(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def event(uid: str, kind: str, detail: str) -> bytes:
    now = datetime.now(UTC)
    moment, stale = (f"{t:%Y-%m-%dT%H:%M:%S}.{t.microsecond // 1000:03}Z" for t in (now, now + timedelta(minutes=5)))
    return (
        f'<event version="2.0" uid="{uid}" type="{kind}" how="h-g-i-g-o" access="UNCLASSIFIED" time="{moment}" '
        f'start="{moment}" stale="{stale}"><point lat="0" lon="0" hae="9999999" ce="9999999" le="9999999"/>'
        f"<detail>{detail}</detail></event>"
    ).encode()


def chat(uid: str) -> bytes:
    """A line of GeoChat, as ATAK writes one."""
    return event(
        uid,
        "b-t-f",
        '<__chat parent="RootContactGroup" chatroom="Ops" id="Ops" senderCallsign="HAWK-1" messageId="1">'
        '<chatgrp uid0="HAWK-1" uid1="Ops" id="Ops"/></__chat><link uid="HAWK-1" relation="p-p" type="a-f-G-U-C"/>'
        '<remarks source="BAO.F.ATAK.HAWK-1" to="Ops">Casualty at checkpoint 4.</remarks>',
    )


def was_read(uid: str) -> bytes:
    """What ATAK sends when somebody opens a line."""
    link = f'<link uid="{uid}" relation="p-p" type="a-f-G-U-C"/>'
    return event(f"{uid}.r", "b-t-f-r", f'<__chatreceipt messageId="{uid}" chatroom="Ops"/>{link}')


def receipts(heard: Sequence[tuple[str, bytes]]) -> list[Receipt]:
    """The receipts among what TAK clients were sent."""
    bodies = [message.body for _, data in heard for message in load("cot").decode(data)]
    return [body for body in bodies if isinstance(body, Receipt)]


async def shortened(layout: Layout) -> None:
    """From now on there is hardly any time for an acknowledgement."""
    file, audit = layout.files["bravo"], layout.folder / "state" / "bravo" / "audit.log"
    file.write_text(replaced(file.read_text(), f"routine = {PATIENT_S} ", f"routine = {SHORT_S} "))
    await until(lambda: any(entry.record.event is Event.TABLE_CHANGED for entry in read(audit)))


def steps(folder: Path) -> list[tuple[Event, str | None, str | None]]:
    """What bravo's audit says of acknowledgements and of those who stood in, in order."""
    records: list[Record] = [entry.record for entry in read(folder / "state" / "bravo" / "audit.log")]
    ends = {Event.ACKNOWLEDGED, Event.ESCALATED, Event.NOT_ACKNOWLEDGED}
    wanted = [record for record in records if record.event in ends or record.reason == "stands-in"]
    return [(record.event, record.reason, record.destination) for record in wanted]


async def test_acknowledged_in_time_is_the_end_of_it_and_otherwise_another_unit_is_asked_and_the_origin_told(
    tmp_path: Path,
) -> None:
    layout = prepare(tmp_path, datetime.now(UTC), usual_ports=False)
    with mosquitto_everywhere(layout) as (ports, _, _):
        vigilant(layout, PATIENT_S)
        async with (
            comity_run(layout.files["alpha"]),
            comity_run(layout.files["bravo"]),
            listening(ports["bravo"], "tak/to-cell") as cell,
            listening(ports["bravo"], "sedap/to-convoys") as convoys,
            listening(ports["alpha"], "tak/to-patrols") as patrols,
        ):
            await asyncio.gather(ready(layout, "alpha"), ready(layout, "bravo"))
            await publish(ports["alpha"], "tak/alpha/one", chat("GeoChat.HAWK-1.Ops.seen"))
            await until(lambda: len(cell) >= 1)
            await publish(ports["bravo"], "tak/bravo/cell", was_read("GeoChat.HAWK-1.Ops.seen"))
            await until(lambda: len(receipts(patrols)) >= 1)
            await shortened(layout)
            await publish(ports["alpha"], "tak/alpha/one", chat("GeoChat.HAWK-1.Ops.missed"))
            await until(lambda: len(convoys) >= 1)
            await until(lambda: len(receipts(patrols)) >= 2)
            await until(lambda: len(steps(tmp_path)) >= 4)  # the origin is told before the step ends

    read_it, missed = receipts(patrols)
    assert (read_it.of, read_it.state) == ("GeoChat.HAWK-1.Ops.seen", ReceiptState.READ)
    assert missed == Receipt(of="GeoChat.HAWK-1.Ops.missed", state=ReceiptState.EXPIRED, reason="not-in-time")
    assert b"Casualty at checkpoint 4." in convoys[0][1]
    assert b"missed" in convoys[0][1]
    assert steps(tmp_path) == [
        (Event.ACKNOWLEDGED, "by-receipt", "bravo/cell"),
        (Event.DELIVERED, "stands-in", "bravo/convoys"),
        (Event.ESCALATED, "not-in-time", "bravo/cell"),
        (Event.NOT_ACKNOWLEDGED, "not-in-time", "bravo/convoys"),
    ]


async def test_a_gateway_killed_while_something_waits_still_passes_it_on(tmp_path: Path) -> None:
    layout = prepare(tmp_path, datetime.now(UTC), usual_ports=False)
    with mosquitto_everywhere(layout) as (ports, _, _):
        vigilant(layout, 3 * SHORT_S)
        async with (
            comity_run(layout.files["alpha"]),
            listening(ports["bravo"], "tak/to-cell") as cell,
            listening(ports["bravo"], "sedap/to-convoys") as convoys,
        ):
            async with comity_run(layout.files["bravo"]) as victim:
                await asyncio.gather(ready(layout, "alpha"), ready(layout, "bravo"))
                await publish(ports["alpha"], "tak/alpha/one", chat("GeoChat.HAWK-1.Ops.held"))
                await until(lambda: len(cell) >= 1)
                os.kill(victim.pid, signal.SIGKILL)
                await victim.wait()
            await asyncio.sleep(0.2)
            assert convoys == []
            async with comity_run(layout.files["bravo"]):
                await until(lambda: len(convoys) >= 1)
                await until(lambda: len(steps(tmp_path)) >= 2)

    assert b"Casualty at checkpoint 4." in convoys[0][1]
    assert steps(tmp_path)[:2] == [
        (Event.DELIVERED, "stands-in", "bravo/convoys"),
        (Event.ESCALATED, "not-in-time", "bravo/cell"),
    ]
