"""A table with a fault is refused with the path of the fault; one without is taken as it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import UnknownFormatError
from gateway.config import CONFIG_MAX, ConfigError, faults, host_and_port, load, parse
from gateway.table import check as table_check
from tests.gateway.tables import TABLE, a_config, changed

TABLES = Path(__file__).parents[2] / "gateway" / "demo" / "tables"
NAME = ('[gateway]\npartner = "alpha"', '[gateway]\npartner = "delta"')
OPEN = '{ policy = "MISSION", classification = "UNCLASSIFIED" }'
# What is wrong, the line that says so: old text, new text, path, a word of the advice.
DECODED = {
    "not TOML": ('name = "national"', 'name = "national', "not TOML", ""),
    "unknown table": ("[gateway]\n", "[spool]\nsize = 1\n[gateway]\n", "$", "spool"),
    "unknown key": ('kind = "ngo"', 'kind = "ngo"\nlang = "fr"', "$.partners[2]", "lang"),
    "missing key": ('id = "charlie"\n', "", "$.partners[2]", "`id`"),
    "wrong type": ('receive = ["cell/alpha"]', 'receive = "cell/alpha"', "$.units[1].receive", "array"),
    "unknown kind of partner": ('kind = "ngo"', 'kind = "friend"', "$.partners[2].kind", "friend"),
    "partner that is no id": ('id = "charlie"', 'id = "Charlie"', "$.partners[2]", "partner id"),
    "unit that is no id": ('id = "alpha/cell"', 'id = "alpha cell"', "$.units[1]", "unit id"),
    "time without zone": ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "$.agreements[0]", "UTC"),
    "time in another zone": ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00+02:00", "$.agreements[0]", "UTC"),
    "ends before it begins": ("valid_until = 2027", "valid_until = 2025", "$.agreements[0]", "after"),
    "unknown kind": ('kinds = ["track", "chat", "delete"]', 'kinds = ["tracks"]', "$.agreements[0]", "tracks"),
    "direction of a stranger": (
        '{ from = "bravo", to = "alpha" }',
        '{ from = "charlie", to = "alpha" }',
        "$.agreements[0]",
        "direction",
    ),
    "grid of nothing": ("coarsen_m = 1000.0", "coarsen_m = 0.0", "$.agreements[1].transformation", "coarsen_m"),
    "names that cannot be dropped": ('kinds = ["track"]\n', 'kinds = ["chat"]\n', "$.agreements[1]", "without names"),
    "strips what is not there": (
        "coarsen_m = 1000.0,",
        'coarsen_m = 1000.0, strip = ["callsing"],',
        "$.agreements[1]",
        "strip",
    ),
    "classification twice": ('"RESTRICTED", "CONF', '"UNCLASSIFIED", "CONF', "$.policies[0]", "once"),
    "label without classification": (f"default_label = {OPEN}", 'default_label = { policy = "MISSION" }',
                                     "$.units[1].default_label", "classification"),
    "address without port": ('name = "national"', 'name = "national"\nmqtt = "127.0.0.1"', "$.links[0]", "host:port"),
    "a limit of nothing": ("[gateway]\n", "[waiting]\nparcels_max = 0\n[gateway]\n", "$.waiting.parcels_max", ">= 1"),
    "a warning past the limit": ("[gateway]\n", "[waiting.destinations.bravo]\nwarn_at = 1.5\n[gateway]\n",
                                 "$.waiting.destinations[...].warn_at", "<= 1"),
    "address of the console": ("[gateway]\n", '[http]\nconsole = "8080"\n[gateway]\n', "$.http", "host:port"),
}  # fmt: skip
BETWEEN = {
    "gateway of nobody": (*NAME, "$.gateway.partner", "add it"),
    "partner twice": ('id = "charlie"', 'id = "bravo"', "$.partners[2]", "unique"),
    "unit twice": ('id = "alpha/cell"', 'id = "alpha/patrols"', "$.units[1]", "unique"),
    "peer that is a unit of ours": ('id = "charlie/map"', 'id = "alpha/cell"', "$.peers[1].id", "no link"),
    "agreement twice": ('id = "alpha-inside"', 'id = "alpha-bravo"', "$.agreements[2]", "unique"),
    "link twice": ('name = "coalition"', 'name = "national"', "$.links[1]", "unique"),
    "unit of another partner": ('id = "alpha/cell"', 'id = "bravo/cell"', "$.units[1].id", "$.peers"),
    "unknown format": ('adapter = "cot"', 'adapter = "nffi2"', "$.units[0].adapter", "have"),
    "path for a format": ('adapter = "cot"', 'adapter = "../cot"', "$.units[0].adapter", "have"),
    "unknown link": ('link = "national"', 'link = "natonal"', "$.units[0].link", "$.links"),
    "unit on the partners' link": ('link = "national"', 'link = "coalition"', "$.units[0].link", "local units"),
    "answers to a wildcard": ('"tak/to-cell"', '"tak/+/cell"', "$.units[1].deliver", "wildcards"),
    "filter that is none": ('"cell/alpha"', '"cell/#/alpha"', "$.units[1].receive", "topic filter"),
    "topic of two units": ('"cell/alpha"', '"tak/alpha/cell"', "$.units[1].receive", "one topic has one unit"),
    "echo": ('"tak/to-cell"', '"tak/alpha/out"', "$.units[1].deliver", "come back"),
    "unit in the partners' mailboxes": ('"cell/alpha"', '"comity/1/+/alpha/#"', "$.units[1].receive", "mailboxes"),
    "answers into a partner's mailbox": ('"tak/to-cell"', '"comity/1/bravo/alpha/d/3"', "$.units[1].deliver",
                                         "unsealed"),
    "two units on one answer topic": ('"tak/to-cell"', '"tak/to-patrols"', "$.units[1].deliver", "topic of its own"),
    "listens in a format that only writes": ('adapter = "cot"\nlink = "national"\nreceive = ["cell/alpha"]',
        'adapter = "geojson"\nlink = "national"\nreceive = ["cell/alpha"]', "$.units[1].receive", "only writes"),
    "label of no policy": (f"default_label = {OPEN}", 'default_label = { policy = "MISSION", classification = "OPEN" }',
                           "$.units[1]", "no policy"),
    "hint twice": ('hint = "access=RESTRICTED"', 'hint = "access=UNCLASSIFIED"', "$.units[0].labels[1]", "unique"),
    "clearance of no policy": ('clearance = { policy = "MISSION"', 'clearance = { policy = "NATO"',
                               "$.units[0].clearance.policy", "$.policies"),
    "clearance of no rank": (f'"charlie/map"\nclearance = {OPEN}',
                             '"charlie/map"\nclearance = { policy = "MISSION", classification = "X" }',
                             "$.peers[1].clearance.classification", "UNCLASSIFIED"),
    "ceiling of no rank": (f"highest = {OPEN}", 'highest = { policy = "MISSION", classification = "ALL" }',
                           "$.agreements[1].highest.classification", "not one of"),
    "unreachable peer": ('partners = ["bravo", "charlie"]', 'partners = ["bravo"]', "$.peers[1].id", "no link"),
    "link to a stranger": ('partners = ["bravo", "charlie"]', 'partners = ["bravo", "charlie", "delta"]',
                           "$.links[1].partners", "delta"),
    "link to ourselves": ('partners = ["bravo", "charlie"]', 'partners = ["bravo", "charlie", "alpha"]',
                          "$.links[1].partners", "another partner"),
    "coalition over our own broker": ('url = "nats://127.0.0.1:4222"\n', "", "$.links[1].url", "address"),
    "two brokers of our own": ('url = "nats://127.0.0.1:4222"\n', "", "$.links:", "only one"),
    "limits of a stranger": ("[gateway]\n", "[waiting.destinations.delta]\nbytes_max = 9\n[gateway]\n",
                             '$.waiting.destinations."delta"', "neither"),
    "agreement with a stranger": ('partners = ["alpha", "charlie"]', 'partners = ["alpha", "charlie", "delta"]',
                                  "$.agreements[1].partners", "delta"),
    "route from a stranger": ('from = ["bravo/ops"]', 'from = ["bravo/opps"]', "$.routes[3].from[0]", "bravo/opps"),
    "route to a stranger": ('to = ["charlie/map"]', 'to = ["charlie/desk"]', "$.routes[1].to[0]", "charlie/desk"),
    "route from nowhere": ('from = ["bravo/ops"]', "from = []", "$.routes[3].from", "no unit"),
    "route without agreement": ('kinds = ["track"]\nagreement = "alpha-charlie"',
                                'kinds = ["track"]\nagreement = "alpha-delta"', "$.routes[1].agreement", "nothing"),
    "route of more kinds": ('kinds = ["track"]\nagreement = "alpha-charlie"',
                            'kinds = ["track", "chat"]\nagreement = "alpha-charlie"', "$.routes[1].kinds", "chat"),
    "route against its agreement": ('directions = [{ from = "alpha", to = "charlie" }]', "directions = []",
                                    "$.routes[1]", "no direction"),
    "leak through a third partner": ('to = ["alpha/cell", "alpha/patrols"]', 'to = ["charlie/map"]',
                                     "$.routes[3]", "go no further"),
    "route to a unit without a mailbox": ('deliver = "tak/to-cell"\n', "", "$.routes[2].to[0]", "deliver"),
    "route from a unit that says nothing": ('receive = ["tak/alpha/#"]\n', "", "$.routes[0].from[0]", "receive"),
}  # fmt: skip


def test_the_table_without_fault_is_accepted() -> None:
    config = a_config()

    assert config.routes[0].sources == ("alpha/patrols",)
    assert config.units[1].default_label is not None


@pytest.mark.parametrize("fault", DECODED)
def test_a_value_that_cannot_be_is_refused_with_its_path(fault: str) -> None:
    old, new, path, word = DECODED[fault]

    with pytest.raises(ConfigError) as refused:
        parse(changed((old, new)).encode())

    (line,) = refused.value.faults
    assert line.startswith(f"{path}:"), line
    assert word in line


@pytest.mark.parametrize("fault", BETWEEN)
def test_a_fault_between_entries_is_found_with_its_path(fault: str) -> None:
    old, new, path, word = BETWEEN[fault]

    found = list(faults(parse(changed((old, new)).encode())))

    assert [line for line in found if line.startswith(path) and word in line], found
    assert all("\n" not in line for line in found)


def test_there_are_as_many_seeded_faults_as_promised() -> None:
    assert len(DECODED) + len(BETWEEN) >= 30


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "two.toml"
    file.write_text(changed(('adapter = "cot"', 'adapter = "x"'), ('to = ["charlie/map"]', 'to = ["charlie/desk"]')))

    with pytest.raises(ConfigError) as refused:
        load(file)

    assert [line.partition(":")[0] for line in refused.value.faults] == ["$.units[0].adapter", "$.routes[1].to[0]"]


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "alpha.toml"
    file.write_text(TABLE)

    assert load(file).path("state") == tmp_path / "state"
    assert load(file).path("/var/lib/comity") == Path("/var/lib/comity")


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path / name)

    (line,) = refused.value.faults
    assert str(tmp_path) in line


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="8 MiB"):
        parse(b"#" * (CONFIG_MAX + 1))


@given(st.binary(max_size=60))
def test_noise_is_refused_and_nothing_worse(noise: bytes) -> None:
    with pytest.raises(ConfigError):
        parse(noise)


def test_no_unit_has_a_label_that_the_operator_did_not_write() -> None:
    assert a_config().units[0].default_label is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:9464", ("::1", 9464)), ("localhost:0", ("localhost", 0))],
)
def test_an_address_is_a_host_and_a_port(text: str, expected: tuple[str, int]) -> None:
    assert host_and_port(text) == expected


@pytest.mark.parametrize("text", ["", "80", ":80", "host:", "host:http", "host:65536", "host:-1", "host:1.5"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        host_and_port(text)


@pytest.mark.parametrize("partner", ["alpha", "bravo", "charlie"])
def test_the_tables_of_the_demonstration_hold(partner: str) -> None:
    assert load(TABLES / f"{partner}.toml").config.gateway.partner == partner


def test_a_format_that_cannot_be_loaded_is_a_fault_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise UnknownFormatError(f"adapter {name!r} cannot be loaded: ImportError")

    monkeypatch.setattr(table_check, "load", broken)

    assert next(iter(faults(parse(TABLE.encode())))) == (
        "$.units[0].adapter: adapter 'cot' cannot be loaded: ImportError; mend its package or choose another format"
    )
