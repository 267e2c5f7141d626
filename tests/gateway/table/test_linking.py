"""Links that a table may name: every scheme, what may be set for it, and which units may be on it."""

from __future__ import annotations

import pytest

from gateway.config import Config, ConfigError, faults, parse
from gateway.links import LinkError, Settings
from gateway.links.urls import open_link
from gateway.table.transport import FOLDERS, TRANSPORTS
from tests.gateway.tables import TABLE, changed

FIELD = """
[[links]]
name = "field"
url = "{url}"
{more}

[[units]]
id = "alpha/team"
clearance = {{ policy = "MISSION", classification = "CONFIDENTIAL" }}
adapter = "{adapter}"
link = "field"
{ways}
"""
BOTH = 'receive = ["field/in"]\ndeliver = "field/out"'
HEARD = 'receive = ["field/in"]'


def field(url: str, ways: str = BOTH, more: str = "", adapter: str = "cot") -> Config:
    return parse((TABLE + FIELD.format(url=url, more=more, ways=ways, adapter=adapter)).encode())


@pytest.mark.parametrize(
    ("url", "ways", "more"),
    [
        ("mqtt://10.0.0.1", BOTH, 'username = "u"\npassword_file = "p"\nsession_expiry_s = 3600'),
        ("mqtts://broker.example:8884", BOTH, 'ca_file = "ca"\ncrl_file = "crl"\nserver_name = "other"'),
        ("mqtt3://10.0.0.1", BOTH, ""),
        ("mqtts3://10.0.0.1", BOTH, 'certificate_file = "c"\nkey_file = "k"'),
        ("ws://10.0.0.1/path", BOTH, ""),
        ("wss://10.0.0.1", BOTH, "keep_alive_s = 5"),
        ("nats://10.0.0.1", BOTH, 'credentials_file = "user.creds"'),
        ("nats+tls://10.0.0.1", BOTH, "receive_maximum = 64"),
        ("tcp://10.0.0.1:8087", BOTH, "keep_alive_s = 10"),
        ("tls://10.0.0.1:8089", BOTH, 'server_name = "takserver"'),
        ("tcp+listen://0.0.0.0:8087", BOTH, "receive_maximum = 64"),
        ("tls+listen://[::]:8089", BOTH, 'certificate_file = "c"\nkey_file = "k"\nca_file = "ca"\ncrl_file = "crl"'),
        ("udp://239.2.3.1:6969", BOTH, 'interface = "192.0.2.7"'),
        ("udp://[ff02::1234]:6969", BOTH, 'interface = "eth0"'),
        ("udp://10.0.0.1:4242", HEARD, ""),
        ("udp://10.0.0.1:4242", 'deliver = "field/out"', ""),
        ("file:///var/spool/comity/field", BOTH, ""),
    ],
)
def test_every_scheme_can_serve_a_unit(url: str, ways: str, more: str) -> None:
    assert list(faults(field(url, ways, more))) == []


def test_links_know_the_schemes_that_tables_may_name() -> None:
    for scheme in TRANSPORTS:
        url = f"{scheme}:///tmp" if scheme in FOLDERS else f"{scheme}://127.0.0.1:9"
        assert open_link("x", Settings(url, "x")) is not None
    with pytest.raises(LinkError, match="scheme must be one of"):
        open_link("x", Settings("http://127.0.0.1:9", "x"))


@pytest.mark.parametrize(
    ("url", "ways", "more", "adapter", "line"),
    [
        ("http://h", BOTH, "", "cot", "$.links[2].url: http://: scheme must be one of"),
        ("tcp://u:secret@h:1", BOTH, "", "cot", "$.links[2].url: holds a user name or password"),
        ("tcp://h", BOTH, "", "cot", "$.links[2].url: tcp://h: no port"),
        ("mqtt://h:99999", BOTH, "", "cot", "$.links[2].url: Port out of range"),
        ("mqtt://h/topic", BOTH, "", "cot", "$.links[2].url: mqtt://h/topic: ends after the port"),
        ("file://drop", BOTH, "", "cot", "$.links[2].url: file://drop: must be file:///"),
        ("bundles:drop", "", "", "cot", "$.links[2].url: bundles:drop: must be bundles:///"),
        ("bundles:///tmp", "", "", "cot", "$.links[2].partners: bundles:// carries bundles between partners; name"),
        ("mqtt://h", BOTH, 'ca_file = "ca"', "cot", "$.links[2].ca_file: means nothing for mqtt://; take it away; enc"),
        ("tcp://h:1", BOTH, 'username = "u"', "cot", "$.links[2].username: means nothing for tcp://; take it away"),
        ("udp://239.2.3.1:1", BOTH, "session_expiry_s = 1", "cot", "$.links[2].session_expiry_s: means nothing for"),
        ("tcp://h:1", BOTH, 'interface = "192.0.2.7"', "cot", "$.links[2].interface: means nothing for tcp://"),
        ("udp://10.0.0.1:1", HEARD, 'interface = "192.0.2.7"', "cot", "$.links[2].interface: is for multicast groups"),
        ("udp://239.2.3.1:1", BOTH, 'interface = "eth0"', "cot", "$.links[2].interface: must be an address of ours"),
        ("mqtt://h", BOTH, 'credentials_file = "c"', "cot", "$.links[2].credentials_file: means nothing for mqtt://"),
        ("mqtt://h", BOTH, 'password_file = "p"', "cot", "$.links[2].password_file: needs a username"),
        ("tls://h:1", BOTH, 'key_file = "k"', "cot", "$.links[2].key_file: needs a certificate_file"),
        ("tls+listen://h:1", BOTH, "", "cot", "$.links[2].certificate_file: is missing"),
        ("tls+listen://h:1", BOTH, 'certificate_file = "c"\ncrl_file = "l"', "cot", "$.links[2].crl_file: needs a ca"),
        ("tls+listen://h:1", BOTH, 'certificate_file = "c"\nserver_name = "n"', "cot", "$.links[2].server_name: means"),
        ("tcp://h:1", 'receive = ["a", "b"]', "", "cot", "$.units[2].receive: tcp:// has no topics; name one"),
        ("file:///f", 'receive = ["a/+"]', "", "cot", "$.units[2].receive: file:// has no topics; name one"),
        ("udp://10.0.0.1:1", BOTH, "", "cot", "$.units[2].link: udp:// to one host receives there or sends there"),
        ("tcp://h:1", BOTH, "", "cap", "$.units[2].adapter: cap does not say where a frame ends in a stream"),
        ("tcp://h:1", BOTH, "", "tak", "$.units[2].deliver: tak is not written into a stream"),
    ],
)
def test_what_cannot_work_is_told_with_its_path(url: str, ways: str, more: str, adapter: str, line: str) -> None:
    found = list(faults(field(url, ways, more, adapter)))

    assert [each for each in found if each.startswith(line)], found
    assert not any("secret" in each for each in found)


@pytest.mark.parametrize("adapter", ["sedap", "tak"])
def test_a_format_that_can_be_cut_out_of_a_stream_may_come_in_one(adapter: str) -> None:
    assert list(faults(field("tcp://h:1", HEARD, "", adapter))) == []


def test_two_units_are_not_told_apart_where_there_are_no_topics() -> None:
    for url in ("tcp+listen://0.0.0.0:1", "udp://239.2.3.1:1", "file:///f"):
        second = FIELD.split("\n\n")[1].format(adapter="sedap", ways='receive = ["other"]').replace("/team", "/second")
        config = parse((TABLE + FIELD.format(url=url, more="", ways=HEARD, adapter="cot") + second).encode())
        (line,) = faults(config)
        assert line.startswith("$.units[3].link: ")
        assert "give each unit a link of its own" in line


def test_one_port_is_not_two_links() -> None:
    second = FIELD.format(url="tcp+listen://0.0.0.0:1", more="", ways='receive = ["other"]', adapter="cot")
    second = second.replace('"field"', '"second"').replace("/team", "/second")
    first = FIELD.format(url="tcp+listen://0.0.0.0:1", more="", ways=HEARD, adapter="cot")
    (line,) = faults(parse((TABLE + first + second).encode()))
    assert line.startswith("$.links[3].url: is also $.links[2]")


@pytest.mark.parametrize("url", ["udp://239.2.3.1:6969", "tcp://h:1", "file:///f"])
def test_partners_need_a_broker(url: str) -> None:
    (line,) = faults(parse(changed(("nats://127.0.0.1:4222", url)).encode()))
    assert line.startswith("$.links[1].url: ")
    assert "mailboxes" in line


@pytest.mark.parametrize("more", ["keep_alive_s = -1", "receive_maximum = 0", "session_expiry_s = 31536001"])
def test_a_number_out_of_range_is_refused_with_its_path(more: str) -> None:
    with pytest.raises(ConfigError, match=r"\$\.links\[2\]\."):
        field("mqtt://h", BOTH, more)
