from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from gateway.broker import BrokerError, EmbeddedBroker, find_program
from gateway.broker_config import Access, BrokerSpec, Certificates, Sync
from gateway.links import Link, LinkState, Parcel, SendRefusal, Settings, Subscription
from gateway.links.urls import open_link
from tests.gateway.links.certificates import Authority

ROOT = Path(__file__).parents[2]


def coalition(folder: Path) -> BrokerSpec:
    return BrokerSpec(name="coalition", state=str(folder / "broker"), mailboxes=("xaa", "xbb", "xcc"))


def national(folder: Path) -> BrokerSpec:
    access = (Access(publish=("field/#",), subscribe=("out/#",)),)
    return BrokerSpec(name="xaa", state=str(folder / "broker"), mqtt="127.0.0.1:0", access=access)


def partner(broker: EmbeddedBroker, name: str, *filters: str) -> Link:
    addresses = broker.addresses
    subscriptions = (
        Subscription(f"comity/1/{name}/+/k/#", retained=True),
        Subscription(f"comity/1/{name}/+/d/#"),
        *(Subscription(one) for one in filters),
    )
    settings = Settings(addresses.nats, f"comity-{name}", subscriptions)
    return open_link(name, settings._replace(username=name, password_file=addresses.partners[name]))


def gateway(broker: EmbeddedBroker, *filters: str) -> Link:
    addresses = broker.addresses
    settings = Settings(addresses.nats, "gateway", tuple(Subscription(one) for one in filters))
    return open_link("gateway", settings._replace(username=addresses.username, password_file=addresses.password_file))


async def first(link: Link) -> tuple[str, bytes]:
    async with asyncio.timeout(60):
        async for frame in link:
            frame.ack()
            return frame.topic, frame.data
    raise AssertionError("the link ended")


def read(file: str) -> str:
    return Path(file).read_text()


async def test_partners_write_to_each_other_and_read_only_their_own_box(tmp_path: Path) -> None:
    async with EmbeddedBroker(coalition(tmp_path)) as broker, partner(broker, "xaa") as xaa:
        answers = await xaa.send_all(
            [
                Parcel("comity/1/xbb/xaa/k/00", b"announcement", retain=True, expires_s=600),
                Parcel("comity/1/xbb/xaa/d/3", b"envelope"),
                Parcel("comity/1/xcc/xaa/d/3", b"for xcc"),
                Parcel("comity/1/xbb/xcc/d/3", b"forged"),
                Parcel("comity/1/xbb/xcc/k/01", b"forged", retain=True),
                Parcel("anything/else", b"x"),
            ]
        )
        denied = SendRefusal.NOT_AUTHORISED
        assert answers == [None, None, None, denied, denied, denied]
        async with partner(broker, "xbb") as xbb:
            assert await first(xbb) == ("comity/1/xbb/xaa/k/00", b"announcement")
            assert await first(xbb) == ("comity/1/xbb/xaa/d/3", b"envelope")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await first(xbb)


async def test_a_partner_cannot_subscribe_to_another_ones_box(tmp_path: Path) -> None:
    async with EmbeddedBroker(coalition(tmp_path)) as broker:
        for foreign in (Subscription("comity/1/xbb/#", retained=True), Subscription("comity/1/xbb/+/d/#")):
            settings = Settings(broker.addresses.nats, "spy", (foreign,), username="xaa")
            link = open_link("spy", settings._replace(password_file=broker.addresses.partners["xaa"]))
            entering = asyncio.create_task(link.__aenter__())
            for _ in range(500):
                if link.state is LinkState.REFUSED:
                    break
                await asyncio.sleep(0.01)
            assert link.state is LinkState.REFUSED
            entering.cancel()
            await asyncio.wait((entering,))


async def test_a_wrong_password_is_refused_and_not_retried_in_a_hurry(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not it\n")
    async with EmbeddedBroker(coalition(tmp_path)) as broker:
        settings = Settings(broker.addresses.nats, "x", username="xaa", password_file=str(wrong))
        link = open_link("x", settings)
        entering = asyncio.create_task(link.__aenter__())
        await asyncio.sleep(1)
        assert link.state is LinkState.REFUSED
        log = (tmp_path / "broker" / "nats-server.log").read_text()
        assert log.count("authentication error") == 1
        entering.cancel()
        await asyncio.wait((entering,))


def _tell(loop: asyncio.AbstractEventLoop, heard: asyncio.Queue[tuple[str, bytes]], one: paho.MQTTMessage) -> None:
    loop.call_soon_threadsafe(heard.put_nowait, (one.topic, bytes(one.payload)))


async def test_field_units_reach_the_gateway_and_are_answered_and_may_do_nothing_else(tmp_path: Path) -> None:
    async with EmbeddedBroker(national(tmp_path)) as broker, gateway(broker, "field/#") as link:
        assert broker.addresses.mqtt is not None
        host, port = broker.addresses.mqtt.removeprefix("mqtt://").split(":")
        heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        granted: list[int] = []
        unit = paho.Client(CallbackAPIVersion.VERSION2, "unit", protocol=paho.MQTTv311)
        unit.on_message = lambda _c, _u, one: _tell(loop, heard, one)
        unit.on_subscribe = lambda _c, _u, _m, codes, _p: granted.extend(code.value for code in codes)
        unit.connect(host, int(port))
        unit.loop_start()
        unit.publish("secret/orders", b"not allowed", 1).wait_for_publish(5)
        unit.publish("field/alpha/patrol-2", b"<event/>", 1).wait_for_publish(5)
        assert await first(link) == ("field/alpha/patrol-2", b"<event/>")
        unit.publish("field/big", bytes(2_097_152), 1).wait_for_publish(5)
        assert await first(link) == ("field/big", bytes(2_097_152))
        unit.subscribe([("out/alpha", 1), ("field/#", 1)])
        for _ in range(100):
            await asyncio.sleep(0.02)
            if len(granted) == 2:
                break
        assert granted == [1, 0x80]
        await link.send(Parcel("out/alpha", b"track"))
        assert await asyncio.wait_for(heard.get(), 60) == ("out/alpha", b"track")
        unit.disconnect()
        unit.loop_stop()


async def test_what_field_units_said_waits_while_the_gateway_is_away_and_over_a_kill(tmp_path: Path) -> None:
    async with EmbeddedBroker(national(tmp_path)) as broker:
        async with gateway(broker, "field/#"):
            pass
        assert broker.addresses.mqtt is not None
        unit = paho.Client(CallbackAPIVersion.VERSION2, "unit", protocol=paho.MQTTv311)
        unit.connect("127.0.0.1", int(broker.addresses.mqtt.rsplit(":", 1)[1]))
        unit.loop_start()
        for number in range(50):
            unit.publish("field/alpha", str(number), 1).wait_for_publish(5)
        unit.disconnect()
        unit.loop_stop()
        await asyncio.sleep(0.3)  # sync_interval is 100 ms
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        async with gateway(broker, "field/#") as link:
            got = [await first(link) for _ in range(50)]
    assert [data for _, data in got] == [str(number).encode() for number in range(50)]


async def test_a_killed_broker_comes_back_on_the_same_addresses(tmp_path: Path) -> None:
    async with EmbeddedBroker(coalition(tmp_path)) as broker, partner(broker, "xbb") as xbb:
        before = broker.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        async with partner(broker, "xaa") as xaa:
            async with asyncio.timeout(60):
                await xaa.send(Parcel("comity/1/xbb/xaa/d/0", b"after"))
            assert await first(xbb) == ("comity/1/xbb/xaa/d/0", b"after")
        assert broker.restarts == 1
        assert broker.pid not in {None, before}


async def test_its_folder_and_secrets_are_for_us_alone(tmp_path: Path) -> None:
    async with EmbeddedBroker(coalition(tmp_path)) as broker:
        folder = tmp_path / "broker"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for name in ("nats-server.conf", "passwords/xaa", "passwords/comity"):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
        secrets = {read(file) for file in broker.addresses.partners.values()}
        assert len(secrets) == 3


async def test_a_second_start_keeps_passwords_and_mail(tmp_path: Path) -> None:
    async with EmbeddedBroker(coalition(tmp_path)) as broker, partner(broker, "xaa") as xaa:
        await xaa.send(Parcel("comity/1/xbb/xaa/d/0", b"kept"))
        password = read(broker.addresses.partners["xbb"])
    async with EmbeddedBroker(coalition(tmp_path)) as broker, partner(broker, "xbb") as xbb:
        assert read(broker.addresses.partners["xbb"]) == password
        assert await first(xbb) == ("comity/1/xbb/xaa/d/0", b"kept")


async def test_no_process_is_left_when_it_is_closed(tmp_path: Path) -> None:
    async with EmbeddedBroker(coalition(tmp_path)) as broker:
        pid = broker.pid
        assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


OWNER_PROGRAM = """
import asyncio, sys
from gateway.broker import EmbeddedBroker
from gateway.broker_config import BrokerSpec
async def main():
    async with EmbeddedBroker(BrokerSpec(name="x", state=sys.argv[1])) as broker:
        print(broker.pid, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_no_orphan_stays_when_the_gateway_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER_PROGRAM, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    os.kill(pid, 0)
    owner.kill()
    owner.wait(5)
    owner.stdout.close()
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":  # ended; whoever adopted it has not yet looked
            return
        signal.sigtimedwait([], 0.02)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the broker outlived its gateway")


async def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        spec = BrokerSpec(name="x", state=str(tmp_path), nats=f"127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(BrokerError) as caught:
            await EmbeddedBroker(spec).__aenter__()
    assert "\n" not in str(caught.value)


def test_access_without_credentials_is_for_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        BrokerSpec(name="x", state="s", mqtt="0.0.0.0:1883", access=(Access(publish=("#",)),))


def test_users_are_distinct() -> None:
    with pytest.raises(ValueError, match="distinct"):
        BrokerSpec(name="x", state="s", mailboxes=("xaa", "xaa"))


async def test_the_sync_interval_is_as_asked(tmp_path: Path) -> None:
    async with EmbeddedBroker(BrokerSpec(name="x", state=str(tmp_path), sync=Sync.ALWAYS)) as broker:
        assert broker.pid is not None
    assert json.loads((tmp_path / "nats-server.conf").read_text())["jetstream"]["sync_interval"] == "always"


def test_the_installed_program_is_found_without_a_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program = find_program()
    assert program.name == "nats-server"
    assert str(program).startswith(str(Path(sys.executable).parent.parent))


async def test_named_units_with_certificates_have_their_own_topics_and_others_none(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    server, unit = authority.issue("server", "127.0.0.1"), authority.issue("unit")
    password = tmp_path / "p2"
    password.write_text("patrol two\n")
    spec = BrokerSpec(
        name="xaa",
        state=str(tmp_path / "broker"),
        mqtt="127.0.0.1:0",
        access=(Access(user="p2", password_file=str(password), publish=("field/p2/#",)),),
        certificates=Certificates(server.certificate, server.key, authority.file),
    )
    async with EmbeddedBroker(spec) as broker, gateway(broker, "field/#") as link:
        assert broker.addresses.mqtt is not None
        assert broker.addresses.mqtt.startswith("mqtts://")
        assert broker.addresses.nats.startswith("nats://")
        url = broker.addresses.mqtt.replace("mqtts", "mqtts3")
        settings = Settings(url, "p2", username="p2", password_file=str(password), ca_file=authority.file)
        settings = settings._replace(certificate_file=unit.certificate, key_file=unit.key)
        async with open_link("p2", settings) as patrol:
            await patrol.send_all([Parcel("field/p3/x", b"not mine"), Parcel("field/p2/x", b"mine")])
            assert await first(link) == ("field/p2/x", b"mine")
        for bad in (
            settings._replace(certificate_file=None, key_file=None),
            settings._replace(username=None, password_file=None),
        ):
            stranger = open_link("stranger", bad)
            entering = asyncio.create_task(stranger.__aenter__())
            await asyncio.sleep(0.5)
            assert stranger.state is not LinkState.UP
            entering.cancel()
            await asyncio.wait((entering,))
