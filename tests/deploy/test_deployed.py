"""The coalition of compose.yaml at work without containers: its files, real brokers, real gateways, a real door."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.deploy import stage
from tests.deploy.grafana import DEPLOY
from tests.servers import Server, free_port, running

START_S = 20.0


class Coalition(NamedTuple):
    """What is running: the folder of volumes, brokers by name, console and metrics ports by partner."""

    folder: Path
    brokers: dict[str, int]
    consoles: dict[str, int]
    metrics: dict[str, int]


@pytest.fixture(scope="module")
def coalition(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coalition]:
    folder = tmp_path_factory.mktemp("coalition")
    stage.prepare(folder)
    with ExitStack() as stack:
        courier = stack.enter_context(running(stage.broker("coalition.conf", "coalition.acl", folder / "courier")))
        brokers = {"courier": courier.port}
        for partner in stage.PARTNERS:
            server = stage.broker("national.conf", f"{partner}.acl", folder / f"{partner}-edge")
            brokers[partner] = stack.enter_context(running(server)).port
        made = Coalition(folder, brokers, {}, {})
        for partner in stage.PARTNERS:
            file, made.consoles[partner], made.metrics[partner] = stage.gateway(partner, folder, brokers)
            command = [str(Path(sys.executable).with_name("comity")), "run", str(file)]
            server = Server(command, [made.consoles[partner], made.metrics[partner]], folder / partner)
            stack.enter_context(running(server))
        wait_until(lambda: all(get(port, "/readyz")[0] == 200 for port in made.consoles.values()))
        yield made


def wait_until(condition: object, limit_s: float = START_S) -> None:
    """Wait for other processes to come so far."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        with suppress(OSError):
            if callable(condition) and condition():
                return
        time.sleep(0.05)
    raise TimeoutError


def get(port: int, path: str, **headers: str) -> tuple[int, str]:
    """Status and text of a page on loopback."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_position_of_alphas_field_reaches_bravo_in_its_own_format_and_every_eye_sees_it(coalition: Coalition) -> None:
    heard: list[bytes] = []
    listener = field(coalition, "bravo")
    listener.on_message = lambda _c, _d, message: heard.append(bytes(message.payload))
    listener.subscribe("nffi/to-ops", qos=1)
    patrol = field(coalition, "alpha")
    try:
        # The courier keeps a mailbox's key announcements; a gateway that has just come may need a moment to fetch them.
        wait_until(lambda: said(patrol) and settle(heard))
    finally:
        for client in (listener, patrol):
            client.loop_stop()
            client.disconnect()

    assert b"<NFFIMessage" in heard[0]
    assert b"<unitShortName>HAWK-1<" in heard[0]  # the field of NFFI has no blank
    story = json.loads(get(coalition.consoles["bravo"], "/records/" + str(delivered(coalition, "bravo")))[1])
    assert story["verdict"]["event"] == "delivered"
    assert story["row"]["source"] == "alpha/patrols"
    assert (
        'comity_records_total{destination="bravo",event="delivered"' in get(coalition.metrics["bravo"], "/metrics")[1]
    )
    assert 'comity_link_up{link="coalition"} 1.0' in get(coalition.metrics["alpha"], "/metrics")[1]


def said(patrol: paho.Client) -> bool:
    return patrol.publish("tak/alpha/hawk", position(), qos=1).rc == paho.MQTT_ERR_SUCCESS


def settle(heard: list[bytes]) -> bool:
    time.sleep(0.5)
    return bool(heard)


def delivered(coalition: Coalition, partner: str) -> int:
    """The first delivered outcome that a console still keeps."""
    for sequence in range(1, 200):
        status, text = get(coalition.consoles[partner], f"/records/{sequence}")
        if status == 200 and json.loads(text)["verdict"]["event"] == "delivered":
            return sequence
    raise LookupError("nothing delivered")


def field(coalition: Coalition, partner: str) -> paho.Client:
    """A field unit's client at its nation's broker."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.username_pw_set("field", stage.password(coalition.folder, partner, "field"))
    client.connect("127.0.0.1", coalition.brokers[partner])
    client.loop_start()
    return client


def position() -> bytes:
    """A patrol's Cursor on Target report, now."""
    now = datetime.now(UTC)
    at, stale = (
        f"{time:%Y-%m-%dT%H:%M:%S.}{time.microsecond // 1000:03d}Z" for time in (now, now + timedelta(minutes=2))
    )
    return (
        f'<event version="2.0" uid="HAWK-1" type="a-f-G-U-C" how="m-g" time="{at}" start="{at}" stale="{stale}" '
        f'access="UNCLASSIFIED"><point lat="4.85" lon="31.58" hae="460" ce="8" le="9999999"/>'
        f'<detail><contact callsign="HAWK 1"/><track course="87" speed="4.2"/></detail></event>'
    ).encode()


@pytest.fixture
def door(coalition: Coalition, tmp_path: Path) -> Iterator[int]:
    """nginx with our configuration in front of alpha's console; only its paths and ports are moved."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("no nginx on this machine (Debian package nginx-light)")
    port = free_port()
    text = (DEPLOY / "nginx" / "console.conf").read_text()
    text = text.replace("listen 8081", f"listen 127.0.0.1:{port}").replace("/tmp/", f"{tmp_path}/")  # noqa: S108 - a path in the file under test
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{coalition.consoles['alpha']}").replace("/edge/", f"{tmp_path}/")
    (tmp_path / "nginx.conf").write_text("daemon off;\n" + text)
    shutil.copy(coalition.folder / "alpha-edge" / "console.htpasswd", tmp_path)
    (tmp_path / "console.htpasswd").chmod(0o644)  # nginx started by root reads as another user
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    checked = subprocess.run(
        [nginx, "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    server = Server([nginx, "-c", str(tmp_path / "nginx.conf")], [port], tmp_path)
    try:
        server.start()
        yield port
    finally:
        server.stop()  # asked, not killed: it ends its worker processes with itself


def test_the_door_asks_who_is_there_and_passes_the_live_stream_on_at_once(coalition: Coalition, door: int) -> None:
    secret = stage.password(coalition.folder, "alpha", "console")
    pass_ = {"Authorization": "Basic " + base64.b64encode(f"watch:{secret}".encode()).decode()}
    wrong = {"Authorization": "Basic " + base64.b64encode(b"watch:watch").decode()}

    assert get(door, "/")[0] == 401
    assert get(door, "/events")[0] == 401
    assert get(door, "/", **wrong)[0] == 401
    status, page = get(door, "/", **pass_)
    assert status == 200
    assert "Liaison console" in page
    assert get(door, "/", Host="evil.example", **pass_)[0] == 421
    request = urllib.request.Request(f"http://127.0.0.1:{door}/events", headers=pass_)
    with urllib.request.urlopen(request, timeout=5) as stream:
        assert stream.readline().startswith(b"retry:")
