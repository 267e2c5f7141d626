"""The coalition of ``deploy/compose.yaml`` is the one of ``comity demo``, at other addresses."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from gateway.config import Config, faults, parse

DEPLOY = Path(__file__).parents[2] / "deploy" / "demo"


def policy_of(config: Config) -> Config:
    """A configuration without what belongs to a machine: state, listeners, addresses."""
    links = tuple(
        msgspec.structs.replace(link, url="", mqtt="h:1", nats="h:1", username=None, password_file=None)
        for link in config.links
    )
    gateway = msgspec.structs.replace(config.gateway, state="")
    http = msgspec.structs.replace(config.http, console=None, metrics=None, metrics_hosts=())
    return msgspec.structs.replace(config, links=links, gateway=gateway, http=http)


@pytest.mark.parametrize("partner", ["alpha", "bravo", "charlie"])
def test_compose_and_demo_have_the_same_units_agreements_and_routes(partner: str) -> None:
    deployed = parse((DEPLOY / f"{partner}.toml").read_bytes())
    shown = parse((files("gateway.demo") / "tables" / f"{partner}.toml").read_bytes())

    assert list(faults(deployed)) == []
    assert policy_of(deployed) == policy_of(shown)
    assert not any(link.embedded for link in deployed.links)
