"""What may break between two gateways is a Record and a metric, loses nothing acknowledged, and mends by itself.

Every fault, and its end, is a Record of a bounded reason in the audit, and is counted in ``comity_records_total``.

| breaks | reason | besides, in the metrics | mends |
|---|---|---|---|
| the broker refuses us; its certificate is expired, or another's | link-refused | comity_link_state | by itself |
| the disk is full | spool-disk-full | comity_spool_writable | by itself |
| the disk is read-only at the start | spool-read-only, in the audit | the gateway is not up | when started anew |
| a page is damaged, while the gateway is down or runs | spool-page-damaged | comity_spool_repaired | by itself |
| the clock jumps by three days | clock-jumped | | nothing to mend |
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from protocols.record import Event
from tests.e2e.pair import TOGETHER, Gateway, Pair, pair, started, until
from tests.gateway.links.certificates import Authority
from tests.servers import Server, mosquitto, mosquitto_passwords

PAGE = 4096
BEFORE, WHILE, AFTER = range(60), range(60, 460), range(460, 500)
ALL = range(500)
REFUSED = 'comity_link_state{link="coalition",state="refused"}'
TAKEN = 'comity_link_acknowledged_frames_total{link="national"}'
WAITING, UNDER_WAY = (f'comity_{name}_parcels{{destination="bravo"}}' for name in ("waiting", "under_way"))


@pytest.fixture
def namespace() -> tuple[str, ...]:
    """The command that gives another one mounts of its own."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-rm", "true"], check=False).returncode:
        pytest.skip("needs a mount namespace")
    return unshare, "-rm"


def recorded(gateway: Gateway, event: Event, reason: str) -> bool:
    """Whether its audit says so."""
    return any(record.event is event and record.reason == reason for record in gateway.records())


def told(gateway: Gateway, event: Event, reason: str) -> bool:
    """Whether its audit and its metrics say so."""
    if not recorded(gateway, event, reason):
        return False
    wanted = (f'event="{event}"', f'reason="{reason}"')
    return any(all(word in name for word in wanted) for name in gateway.metrics())


@asynccontextmanager
async def flowing(
    folder: Path, courier: Server | None = None, links: Callable[[str, int], str] | None = None
) -> AsyncIterator[Pair]:
    """Both gateways, and messages have passed."""
    async with pair(folder, courier, links) as what:
        await started(what.alpha, what.bravo)
        await what.field.publish(BEFORE)
        await what.cell.has(BEFORE, 30)
        yield what


async def piled_up(what: Pair, numbers: range = WHILE) -> None:
    """Messages are sent that cannot be delivered now, and all wait on disk: the gateway has acknowledged them."""
    await what.field.publish(numbers)
    await until(lambda: what.alpha.metrics().get(TAKEN, 0.0) == what.field.acknowledged, 40)


async def arrived(what: Pair) -> None:
    """Everything that was sent so far and is sent now is heard, once."""
    await what.field.publish(AFTER)
    await what.cell.has(ALL, 60)
    assert what.cell.repeats == 0


async def refused_and_mended(what: Pair, mend: Callable[[], None]) -> None:
    """The courier lets nobody in, says the gateway; then it does again."""
    await piled_up(what)
    await until(lambda: told(what.alpha, Event.FAULT, "link-refused"), 40)
    assert what.alpha.metrics()[REFUSED] == 1.0
    await asyncio.to_thread(what.courier.stop)
    mend()
    await asyncio.to_thread(what.courier.start)
    await arrived(what)
    await until(lambda: told(what.alpha, Event.MENDED, "link-refused"))
    assert what.alpha.metrics()[REFUSED] == 0.0


async def test_a_broker_that_refuses_us(tmp_path: Path) -> None:
    place = tmp_path / "courier"
    right = {name: f"right of {name}" for name in ("alpha", "bravo")}
    users = mosquitto_passwords(place, right)

    def links(partner: str, port: int) -> str:
        password = tmp_path / f"{partner}.password"
        password.write_text(right[partner])
        password.chmod(0o600)
        return f'url = "mqtt://127.0.0.1:{port}"\nusername = "{partner}"\npassword_file = "{password}"'

    async with flowing(tmp_path, mosquitto(place, f"password_file {users}"), links) as what:
        await asyncio.to_thread(what.courier.stop)
        mosquitto_passwords(place, right | {"alpha": "another"})
        await asyncio.to_thread(what.courier.start)

        def mend() -> None:
            mosquitto_passwords(place, right)

        await refused_and_mended(what, mend)


@pytest.mark.parametrize("fault", ["expired", "of another authority"])
async def test_a_broker_whose_certificate_does_not_hold(tmp_path: Path, fault: str) -> None:
    authority = Authority(tmp_path / "authority")
    good = authority.issue("courier", "127.0.0.1")
    keep = tmp_path / "kept"
    keep.mkdir()
    for file in (good.certificate, good.key):
        shutil.copy(file, keep)
    lines = f"certfile {good.certificate}\nkeyfile {good.key}"

    def links(_: str, port: int) -> str:
        return f'url = "mqtts://127.0.0.1:{port}"\nca_file = "{authority.file}"'

    def mend() -> None:
        for file in (good.certificate, good.key):
            shutil.copy(keep / Path(file).name, file)

    async with flowing(tmp_path, mosquitto(tmp_path / "courier", listener=lines), links) as what:
        await asyncio.to_thread(what.courier.stop)
        if fault == "expired":
            authority._now -= timedelta(hours=3)
            authority.issue("courier", "127.0.0.1")
        else:
            other = Authority(tmp_path / "other").issue("courier", "127.0.0.1")
            shutil.copy(other.certificate, good.certificate)
            shutil.copy(other.key, good.key)
        await asyncio.to_thread(what.courier.start)
        await refused_and_mended(what, mend)


async def test_a_disk_that_is_full(tmp_path: Path, namespace: tuple[str, ...]) -> None:
    async with pair(tmp_path) as what:
        spool = what.alpha.state / "spool"
        spool.mkdir()
        mount = f'mount -t tmpfs -o size=10m none {spool} && exec "$@"'
        what.alpha.inside = (*namespace, "sh", "-c", mount, "sh")
        await started(what.alpha, what.bravo)
        await what.bravo.end()
        publishing = asyncio.create_task(what.field.publish(range(8000)))
        await until(lambda: told(what.alpha, Event.FAULT, "spool-disk-full"), 60)
        await until(lambda: what.alpha.metrics()["comity_spool_writable"] == 0.0, 20)

        await started(what.bravo)
        await publishing
        await what.cell.has(range(8000), 100)
        await until(lambda: what.alpha.metrics()["comity_spool_writable"] == 1.0, 30)
        await until(lambda: told(what.alpha, Event.MENDED, "spool-disk-full"))


async def test_a_disk_that_is_read_only_is_said_at_the_start(tmp_path: Path, namespace: tuple[str, ...]) -> None:
    async with flowing(tmp_path) as what:
        await what.bravo.end()
        await piled_up(what)
        await what.alpha.end()
        spool = what.alpha.state / "spool"
        mount = f'mount --bind {spool} {spool} && mount -o remount,ro,bind {spool} && exec "$@"'
        what.alpha.inside = (*namespace, "sh", "-c", mount, "sh")
        await what.alpha.start()
        status = await what.alpha.ended()

        assert status == 2
        assert "spool: read-only" in what.alpha.said.splitlines()[-1]
        assert recorded(what.alpha, Event.FAULT, "spool-read-only")
        assert not what.alpha.metrics()
        what.alpha.inside = ()
        await started(what.alpha, what.bravo)
        await arrived(what)


@pytest.mark.parametrize(
    ("file", "end"),
    [
        ("index.db", signal.SIGTERM),  # after a kill it is in the write-ahead log, which is applied again
        ("log/0000000001.a", signal.SIGKILL),
        ("log/0000000001.b", signal.SIGKILL),
    ],
)
async def test_a_page_that_is_damaged_while_the_gateway_is_down(tmp_path: Path, file: str, end: signal.Signals) -> None:
    async with flowing(tmp_path) as what:
        await what.bravo.end()
        await piled_up(what)
        await what.alpha.end(end)
        damaged(what.alpha.state / "spool" / file)
        await started(what.alpha, what.bravo)
        await arrived(what)
        await repaired(what.alpha)


async def test_a_page_that_is_damaged_while_the_gateway_runs(tmp_path: Path) -> None:
    async with flowing(tmp_path) as what:
        await what.bravo.end()
        await piled_up_beyond_memory(what)
        damaged(what.alpha.state / "spool" / "log/0000000001.a", last=True)
        await started(what.bravo)
        await arrived(what)
        await repaired(what.alpha)


async def piled_up_beyond_memory(what: Pair) -> None:
    """The same, and the newest of it is on disk alone: what was given to the courier is in memory too."""
    await piled_up(what, WHILE[:-100])
    for start in WHILE[-100::TOGETHER]:  # one by one, since what comes together shares an envelope
        figures = await asyncio.to_thread(what.alpha.metrics)
        if figures[WAITING] - figures[UNDER_WAY] >= 8:
            break
        await piled_up(what, range(start, start + TOGETHER))
    await what.field.publish(range(start, WHILE.stop))


async def repaired(gateway: Gateway) -> None:
    """What was damaged is told, and that it was put right; nothing was lost by it."""
    for event in (Event.FAULT, Event.MENDED):
        await until(lambda event=event: told(gateway, event, "spool-page-damaged"))  # type: ignore[misc]
    figures = gateway.metrics()
    assert figures["comity_spool_repaired"] > 0
    assert figures["comity_spool_lost"] == 0


def damaged(file: Path, *, last: bool = False) -> None:
    """Overwrite a page in its middle, or its last whole one."""
    pages = file.stat().st_size // PAGE
    with file.open("r+b") as opened:
        opened.seek((pages - 1 if last else pages // 2) * PAGE)
        opened.write(b"\xa5" * PAGE)


async def test_a_clock_that_jumps_by_three_days(tmp_path: Path) -> None:
    async with flowing(tmp_path) as what:
        await what.bravo.end()
        await piled_up(what)
        waiting = what.alpha.waiting("bravo")
        os.kill(what.alpha.pid, signal.SIGUSR1)
        await until(lambda: told(what.alpha, Event.FAULT, "clock-jumped"))
        await asyncio.sleep(3.0)  # what looks for what has expired looks every second
        assert what.alpha.waiting("bravo") >= waiting
        os.kill(what.alpha.pid, signal.SIGUSR2)
        await asyncio.sleep(2.0)
        await started(what.bravo)
        await arrived(what)
        assert not any(record.reason == "expired" for record in what.alpha.records())
