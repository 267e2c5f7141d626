"""compose.yaml, read strictly: what containers may do, whom they reach, and that every file and name it says exists.

No container engine takes part. What the containers run is tested by itself, with the same files, in test_brokers,
test_deployed and test_prometheus.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
import yaml

from gateway.config import parse
from tests.deploy.grafana import DEPLOY
from tests.deploy.stage import PARTNERS

ROOT = DEPLOY.parent


class Service(msgspec.Struct, forbid_unknown_fields=True):
    """What a service of ours may say; anything else, ``privileged`` say, is a fault."""

    image: str
    user: str
    read_only: bool
    cap_drop: list[str]
    security_opt: list[str]
    restart: str
    pids_limit: int
    mem_limit: str
    logging: dict[str, Any]
    build: dict[str, str] | None = None
    network_mode: str | None = None
    entrypoint: list[str] | None = None
    command: list[str] | None = None
    healthcheck: dict[str, Any] | None = None
    tmpfs: list[str] = []
    volumes: list[str] = []
    networks: list[str] | dict[str, dict[str, list[str]]] = []
    ports: list[str] = []
    environment: dict[str, str] = {}
    depends_on: dict[str, dict[str, str]] = {}
    stop_grace_period: str | None = None


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return tree


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Service]:
    return {name: msgspec.convert(given, Service) for name, given in compose["services"].items()}


def on(services: dict[str, Service], network: str) -> set[str]:
    return {name for name, service in services.items() if network in service.networks}


def mounting(services: dict[str, Service], volume: str) -> set[str]:
    return {name for name, service in services.items() for mount in service.volumes if mount.split(":")[0] == volume}


def test_every_container_is_locked_down(services: dict[str, Service]) -> None:
    for name, service in services.items():
        uid, _, _ = service.user.partition(":")
        assert int(uid) >= 10_000, name
        assert service.read_only, name
        assert service.cap_drop == ["ALL"], name
        assert service.security_opt == ["no-new-privileges:true"], name


def test_every_image_is_pinned_to_a_version(services: dict[str, Service]) -> None:
    for name, service in services.items():
        assert re.fullmatch(r"[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-alpine)?", service.image), name


def test_nothing_listens_beyond_this_machine(services: dict[str, Service]) -> None:
    published = [port for service in services.values() for port in service.ports]

    assert len(published) == 7
    assert len({port.split(":")[1] for port in published}) == 7
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_no_secret_is_in_the_file(services: dict[str, Service]) -> None:
    for service in services.values():
        for key in service.environment:
            assert not re.search("PASSWORD|SECRET|TOKEN|KEY", key) or key.endswith("__FILE"), key


def test_partners_meet_only_at_the_courier(services: dict[str, Service]) -> None:
    assert on(services, "coalition") == {"courier", *PARTNERS}
    assert services["courier"].networks == ["coalition"]
    for partner in PARTNERS:
        assert on(services, partner) == {partner, f"{partner}-broker"}
        assert on(services, f"{partner}-watch") == {partner, "prometheus"}
        assert services[f"{partner}-door"].network_mode == f"service:{partner}"


def test_keys_are_seen_by_their_own_gateway_only(services: dict[str, Service]) -> None:
    for partner in PARTNERS:
        assert mounting(services, f"{partner}-state") == {partner, "prepare"}
        assert mounting(services, f"{partner}-edge") == {f"{partner}-broker", f"{partner}-door", "prepare"}
    assert services["prepare"].network_mode == "none"


def test_every_name_and_file_exists(compose: dict[str, Any], services: dict[str, Service]) -> None:
    used: set[str] = set()
    for name, service in services.items():
        assert set(service.networks) <= set(compose["networks"]), name
        assert set(service.depends_on) <= set(services), name
        for mount in service.volumes:
            source, *rest = mount.split(":")
            if source.startswith("./"):
                assert (DEPLOY / source).exists(), mount
                assert rest[-1] == "ro", mount
            else:
                used.add(source)
    assert used == set(compose["volumes"])
    assert {network for service in services.values() for network in service.networks} == set(compose["networks"])


def test_who_is_waited_for_says_when_it_is_healthy(services: dict[str, Service]) -> None:
    image = (DEPLOY / "Containerfile").read_text()
    for service in services.values():
        for name, wait in service.depends_on.items():
            if wait["condition"] == "service_healthy":
                assert services[name].healthcheck
    assert "/readyz" in image.partition("HEALTHCHECK")[2]


@pytest.mark.parametrize("partner", PARTNERS)
def test_a_gateways_table_and_its_containers_agree(partner: str, services: dict[str, Service]) -> None:
    config = parse((DEPLOY / "demo" / f"{partner}.toml").read_bytes())
    networks = services[partner].networks

    assert isinstance(networks, dict)
    assert networks[f"{partner}-watch"] == {"aliases": [f"{partner}-metrics"]}
    assert config.http.metrics == f"{partner}-metrics:9464"
    assert config.http.metrics_hosts == (f"{partner}-metrics",)
    assert config.http.console == "127.0.0.1:8080"
    assert {link.url for link in config.links} == {f"mqtt://{partner}-broker:1883", "mqtt://courier:1883"}
    assert config.gateway.state == "/var/lib/comity"
    assert f"{partner}-state:/var/lib/comity" in services[partner].volumes


def test_prometheus_looks_where_gateways_listen(services: dict[str, Service]) -> None:
    configuration = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    (job,) = configuration["scrape_configs"]

    assert job["static_configs"][0]["targets"] == [f"{partner}-metrics:9464" for partner in PARTNERS]
    assert {f"{partner}-watch" for partner in PARTNERS} <= set(services["prometheus"].networks)


def test_the_image_is_locked_and_not_root() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    stages = re.findall(r"^FROM (\S+)", text, re.MULTILINE)

    assert stages == ["docker.io/library/python:3.11-slim"] * 2
    assert "--require-hashes -r requirements.lock" in text
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001:10001"]


def test_the_image_takes_only_what_it_is_made_of_and_all_of_it_exists() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    copied = {name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for name in line.split()}
    allowed = (DEPLOY / "Containerfile.dockerignore").read_text()

    assert {line[1:] for line in allowed.splitlines() if line.startswith("!")} == copied
    assert "\n*\n" in allowed
    assert all((ROOT / name).exists() for name in copied)


def test_every_locked_package_has_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text().replace("\\\n", "")
    lines = [line for line in lock.splitlines() if re.match(r"[a-z0-9]", line)]

    assert len(lines) > 15
    assert all("==" in line and "--hash=sha256:" in line for line in lines)
