from __future__ import annotations

from pathlib import Path

import pytest

from gateway.links import LinkError, Settings
from gateway.links.mqtt.link import MqttLink
from gateway.links.nats.link import NatsLink
from gateway.links.urls import open_link


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("mqtt://127.0.0.1:1883", MqttLink),
        ("mqtts://broker.example", MqttLink),
        ("nats://[::1]:4222", NatsLink),
        ("nats+tls://h", NatsLink),
    ],
)
def test_the_scheme_chooses_the_transport(url: str, kind: type[object]) -> None:
    assert isinstance(open_link("x", Settings(url, "id")), kind)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://h", "scheme must be one of"),
        ("mqtt://user:secret@h", "holds a user name or password"),
        ("mqtt://", "no host"),
        ("mqtt://h:99999", "out of range"),
        ("mqtt://h:0", "port 0"),
        ("mqtt://h/topic", "topics belong in the subscriptions"),
        ("", "scheme must be one of"),
    ],
)
def test_a_bad_url_is_one_clear_line_without_secrets(url: str, says: str) -> None:
    with pytest.raises(LinkError, match=says) as caught:
        open_link("x", Settings(url, "id"))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (Settings("mqtt://h", ""), "client_id: is empty"),
        (Settings("mqtt://h", "a", password_file="p"), "needs a username"),
        (Settings("mqtt://h", "a", key_file="k"), "needs a certificate_file"),
        (Settings("mqtt://h", "a", receive_maximum=0), "receive_maximum"),
        (Settings("mqtt://h", "a", keep_alive_s=70_000), "keep_alive_s"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: Settings, says: str) -> None:
    with pytest.raises(LinkError, match=says):
        open_link("x", changes)


@pytest.mark.parametrize("scheme", ["mqtt", "nats"])
async def test_a_missing_password_file_is_told_before_connecting(scheme: str, tmp_path: Path) -> None:
    settings = Settings(f"{scheme}://127.0.0.1:1", "a", username="u", password_file=str(tmp_path / "none"))
    with pytest.raises(LinkError, match="no such file"):
        await open_link("x", settings).__aenter__()


@pytest.mark.parametrize("scheme", ["mqtts", "nats+tls"])
async def test_a_bad_certificate_file_is_told_before_connecting(scheme: str, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate")
    with pytest.raises(LinkError, match="ca_file"):
        await open_link("x", Settings(f"{scheme}://127.0.0.1:1", "a", ca_file=str(file))).__aenter__()
