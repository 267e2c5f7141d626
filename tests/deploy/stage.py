"""The coalition of compose.yaml without containers: its own files, real brokers and gateways, addresses on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.grafana import DEPLOY
from tests.servers import Server, free_port, mosquitto_path

PARTNERS = ("alpha", "bravo", "charlie")


def prepare(folder: Path) -> None:
    """Run the script of the ``prepare`` service."""
    subprocess.run(
        [sys.executable, str(DEPLOY / "prepare.py"), str(DEPLOY / "demo"), str(folder)], check=True, timeout=60
    )


def password(folder: Path, partner: str, name: str) -> str:
    """A password as ``prepare`` made it."""
    return (folder / partner / f"{name}.password").read_text()


def broker(configuration: str, acl: str, volume: Path) -> Server:
    """A mosquitto with one of our configurations; only its paths and its address are moved."""
    path = mosquitto_path()
    if path is None:
        pytest.skip("no mosquitto on this machine (Debian package mosquitto)")
    port = free_port()
    text = (DEPLOY / "mosquitto" / configuration).read_text()
    text = text.replace("listener 1883", f"listener {port} 127.0.0.1")
    text = text.replace("/mosquitto/config/acl", str(DEPLOY / "mosquitto" / acl)).replace("/broker/", f"{volume}/")
    if os.geteuid() == 0:
        text += "user root\n"
    (volume / "mosquitto.conf").write_text(text)
    return Server([path, "-c", "mosquitto.conf"], [port], volume)


def gateway(partner: str, folder: Path, ports: dict[str, int]) -> tuple[Path, int, int]:
    """A gateway's configuration moved to this machine, and the ports of its console and metrics."""
    text = (DEPLOY / "demo" / f"{partner}.toml").read_text()
    console, metrics = free_port(), free_port()
    moved = {
        "/var/lib/comity": str(folder / partner),
        f"mqtt://{partner}-broker:1883": f"mqtt://127.0.0.1:{ports[partner]}",
        "mqtt://courier:1883": f"mqtt://127.0.0.1:{ports['courier']}",
        "127.0.0.1:8080": f"127.0.0.1:{console}",
        f'"{partner}-metrics:9464"': f'"127.0.0.1:{metrics}"',
    }
    for old, new in moved.items():
        assert old in text, old
        text = text.replace(old, new)
    file = folder / f"{partner}.toml"
    file.write_text(text)
    return file, console, metrics
