"""From an entry of a table to a link."""

from __future__ import annotations

from pathlib import Path

from gateway.config import Loaded, parse
from gateway.links import Settings, Share, Subscription
from gateway.links.configured import link_of, settings_of
from gateway.links.listen import ListenLink
from gateway.table.sharing import Part
from tests.gateway.table.test_linking import field
from tests.gateway.tables import changed

PLACE = Path("/etc/comity/alpha.toml")


def test_everything_that_an_entry_says_is_in_the_settings() -> None:
    more = """
username = "gateway"
password_file = "secret"
ca_file = "pki/ca.pem"
certificate_file = "pki/own.pem"
key_file = "/keys/own.key"
crl_file = "pki/crl.pem"
server_name = "broker"
credentials_file = "user.creds"
keep_alive_s = 7
receive_maximum = 9
session_expiry_s = 11
"""
    config = field("nats+tls://10.0.0.1:4333", more=more)

    assert settings_of(Loaded(config, PLACE), config.links[2], Part(1, 2)) == Settings(
        "nats+tls://10.0.0.1:4333",
        "comity-alpha-field",
        (Subscription("field/in"),),
        username="gateway",
        password_file="/etc/comity/secret",
        ca_file="/etc/comity/pki/ca.pem",
        certificate_file="/etc/comity/pki/own.pem",
        key_file="/keys/own.key",
        crl_file="/etc/comity/pki/crl.pem",
        server_name="broker",
        credentials_file="/etc/comity/user.creds",
        keep_alive_s=7,
        receive_maximum=9,
        session_expiry_s=11,
        share=Share(1, 2),
        inflight_file="/etc/comity/state/worker-1/field.inflight",
    )


def test_what_an_entry_does_not_say_has_the_usual_value() -> None:
    config = field("mqtt://10.0.0.1")

    assert settings_of(Loaded(config, PLACE), config.links[2]) == Settings(
        "mqtt://10.0.0.1",
        "comity-alpha-field",
        (Subscription("field/in"),),
        inflight_file="/etc/comity/state/field.inflight",
    )


def test_a_partners_link_reads_the_mailboxes_and_first_the_keys() -> None:
    config = field("mqtt://10.0.0.1")
    settings = settings_of(Loaded(config, PLACE), config.links[1])

    assert settings.subscriptions == (
        Subscription("comity/1/alpha/+/k/#", retained=True),
        Subscription("comity/1/alpha/+/d/#"),
        Subscription("comity/1/alpha/+/c", everyone=True),
    )


def test_a_stream_is_cut_by_the_format_of_its_unit() -> None:
    config = field("tcp+listen://127.0.0.1:8087")
    link = link_of(config.links[2], config, settings_of(Loaded(config, PLACE), config.links[2]))

    assert isinstance(link, ListenLink)
    assert link._intake.split(b"<event>1</event><event>") == ([b"<event>1</event>"], b"<event>")
    assert link._intake.topic == "field/in"


def test_workers_have_all_shards_between_them_and_every_key() -> None:
    config = parse(changed(("nats://127.0.0.1:4222", "mqtt://127.0.0.1:1884")).encode())
    seen: list[str] = []
    for worker in range(3):
        settings = settings_of(Loaded(config, PLACE), config.links[1], Part(worker, 3))
        keys, *data, control = settings.subscriptions
        assert (keys, control) == (
            Subscription("comity/1/alpha/+/k/#", retained=True),
            Subscription("comity/1/alpha/+/c", everyone=True),
        )
        seen += [each.filter for each in data]
    assert sorted(seen) == sorted(f"comity/1/alpha/+/d/{shard}" for shard in range(16))


def test_over_mqtt_each_unit_is_read_by_one_worker_in_a_session_of_its_own() -> None:
    config = field("mqtt://10.0.0.1")
    worker = [settings_of(Loaded(config, PLACE), config.links[2], Part(number, 2)) for number in range(2)]

    assert sorted(len(each.subscriptions) for each in worker) == [0, 1]
    assert [each.client_id for each in worker] == ["comity-alpha-field-0", "comity-alpha-field-1"]
    assert not any(each.share for each in worker)
