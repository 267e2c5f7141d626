"""Real mosquittos with the configurations of compose.yaml: who may say and hear what."""

from __future__ import annotations

import queue
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.config import parse
from protocols.topics import matches
from tests.deploy import stage
from tests.deploy.grafana import DEPLOY
from tests.servers import Server, running

WAIT_S = 5.0
SILENCE_S = 0.4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coalition")
    stage.prepare(folder)
    return folder


@pytest.fixture(scope="module")
def courier(folder: Path) -> Iterator[Server]:
    with running(stage.broker("coalition.conf", "coalition.acl", folder / "courier")) as server:
        yield server


class Client:
    """An MQTT 5 client of somebody else's making."""

    def __init__(self, user: str | None, secret: str | None) -> None:
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self.client.username_pw_set(user, secret)
        self.answers: queue.Queue[str] = queue.Queue()
        self.heard: queue.Queue[str] = queue.Queue()
        self.client.on_connect = self._connected
        self.client.on_publish = self._published
        self.client.on_subscribe = self._subscribed
        self.client.on_message = self._message

    def publish(self, topic: str, data: bytes = b"x") -> str:
        """Publish at QoS 1; the broker's answer."""
        self.client.publish(topic, data, qos=1)
        return self.answers.get(timeout=WAIT_S)

    def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic, qos=1)
        self.answers.get(timeout=WAIT_S)

    def hears(self) -> list[str]:
        """Topics of everything that comes until it is silent."""
        topics = []
        try:
            while True:
                topics.append(self.heard.get(timeout=SILENCE_S))
        except queue.Empty:
            return topics

    def _connected(self, _c: object, _d: object, _f: object, code: ReasonCode, _p: Properties | None) -> None:
        self.answers.put(str(code))

    def _published(self, _c: object, _d: object, _m: int, code: ReasonCode, _p: Properties | None) -> None:
        self.answers.put(str(code))

    def _subscribed(self, _c: object, _d: object, _m: int, codes: list[ReasonCode], _p: Properties | None) -> None:
        self.answers.put(str(codes[0]))

    def _message(self, _c: object, _d: object, message: paho.MQTTMessage) -> None:
        self.heard.put(message.topic)


@contextmanager
def connected(server: Server, user: str | None, secret: str | None) -> Iterator[Client]:
    client = Client(user, secret)
    client.client.connect("127.0.0.1", server.port)
    client.client.loop_start()
    try:
        assert client.answers.get(timeout=WAIT_S) == "Success"
        yield client
    finally:
        client.client.disconnect()
        client.client.loop_stop()


def answer(server: Server, user: str | None, secret: str | None) -> str:
    client = Client(user, secret)
    client.client.connect("127.0.0.1", server.port)
    client.client.loop_start()
    try:
        return client.answers.get(timeout=WAIT_S)
    finally:
        client.client.disconnect()
        client.client.loop_stop()


def test_partners_write_only_as_themselves_and_hear_only_their_own_box(courier: Server, folder: Path) -> None:
    secrets = {partner: stage.password(folder, partner, "coalition") for partner in stage.PARTNERS}
    with (
        connected(courier, "alpha", secrets["alpha"]) as alpha,
        connected(courier, "bravo", secrets["bravo"]) as bravo,
        connected(courier, "charlie", secrets["charlie"]) as charlie,
    ):
        charlie.subscribe("#")
        bravo.subscribe("comity/1/#")
        assert alpha.publish("comity/1/bravo/alpha/d/3") in {"Success", "No matching subscribers"}
        assert alpha.publish("comity/1/bravo/charlie/d/3") == "Not authorized"  # as somebody else
        assert alpha.publish("comity/1/alpha/bravo/d/3") == "Not authorized"
        assert alpha.publish("somewhere/else") == "Not authorized"

        assert bravo.hears() == ["comity/1/bravo/alpha/d/3"]
        assert charlie.hears() == []


def test_nobody_comes_in_without_the_right_password(courier: Server, folder: Path) -> None:
    alpha = stage.password(folder, "alpha", "coalition")

    assert answer(courier, None, None) == "Not authorized"
    assert answer(courier, "bravo", alpha) == "Not authorized"
    assert answer(courier, "alpha", "") == "Not authorized"
    assert answer(courier, "alpha", alpha) == "Success"


@pytest.mark.parametrize("partner", stage.PARTNERS)
def test_a_national_broker_lets_the_field_speak_and_only_the_gateway_answer(partner: str, folder: Path) -> None:
    volume = folder / f"{partner}-edge"
    units = parse((DEPLOY / "demo" / f"{partner}.toml").read_bytes()).units
    said = [topic.replace("#", "unit/1").replace("+", "unit-1") for unit in units for topic in unit.receive]
    answered = [unit.deliver for unit in units if unit.deliver is not None]
    secrets = {
        user: stage.password(folder, partner, name) for user, name in (("gateway", "national"), ("field", "field"))
    }

    with (
        running(stage.broker("national.conf", f"{partner}.acl", volume)) as server,
        connected(server, "gateway", secrets["gateway"]) as gateway,
        connected(server, "field", secrets["field"]) as field,
    ):
        for unit in units:
            for topic in unit.receive:
                gateway.subscribe(topic)
        for topic in answered:
            field.subscribe(topic)
        assert [field.publish(topic) for topic in said] == ["Success"] * len(said)
        assert gateway.hears() == said
        assert [gateway.publish(topic) for topic in answered] == ["Success"] * len(answered)
        assert field.hears() == answered
        refused = [topic for topic in answered if not any(matches(each, topic) for u in units for each in u.receive)]
        assert [field.publish(topic) for topic in refused] == ["Not authorized"] * len(refused)
        assert answer(server, None, None) == "Not authorized"


def test_secrets_are_random_private_and_made_once(folder: Path) -> None:
    passwords = {file: file.read_text() for file in folder.glob("*/*.password")}

    assert len(passwords) == 13
    assert len(set(passwords.values())) == 13
    assert all(len(text) >= 32 for text in passwords.values())
    for file in folder.rglob("*"):
        if (
            file.is_file()
            and file.name != "mosquitto.conf"
            and file.suffix not in {".db", ".bundle"}
            and file.name != "log"
        ):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    stage.prepare(folder)
    assert {file: file.read_text() for file in folder.glob("*/*.password")} == passwords


def test_no_clear_password_lies_where_a_broker_or_a_door_can_read_it(folder: Path) -> None:
    clear = [file.read_text() for file in folder.glob("*/*.password")]
    for edge in (*folder.glob("*-edge"), folder / "courier"):
        for file in edge.iterdir():
            text = file.read_text(errors="replace")
            assert not any(word in text for word in clear), file
