"""What the demonstration needs on disk: three tables moved to free ports, keys, exchanged bundles, passwords."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from gateway.broker import EmbeddedBroker
from gateway.broker_config import BrokerSpec
from gateway.config import Config, parse
from gateway.countersigned import Countersigned
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import KEY_FILE, key_file

PARTNERS = ("alpha", "bravo", "charlie")
_ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")


class Layout(NamedTuple):
    """A coalition laid out in a folder, ready to start."""

    folder: Path
    files: Mapping[str, Path]
    configs: Mapping[str, Config]
    courier: str

    @property
    def addresses(self) -> Sequence[tuple[str, str]]:
        """Where people can attach: what it is, and its address."""
        rows = []
        for partner, config in self.configs.items():
            national = next(link for link in config.links if link.embedded)
            topics = [topic for unit in config.units for topic in (*unit.receive, unit.deliver) if topic]
            rows.append((f"{partner} broker", f"mqtt://{national.mqtt}   {'  '.join(topics)}"))
            rows.append((f"{partner} console", f"http://{config.http.console}/"))
            rows.append((f"{partner} metrics", f"http://{config.http.metrics}/metrics"))
        rows.append(("coalition broker", f"nats://{self.courier}   envelopes only"))
        return rows


def prepare(folder: Path, now: datetime, *, usual_ports: bool = True) -> Layout:
    """Lay a new coalition out in an empty folder; on the usual ports where they are free, or on any."""
    tables = {name: (files("gateway.demo") / "tables" / f"{name}.toml").read_text() for name in PARTNERS}
    usual = sorted({port for text in tables.values() for port in _ADDRESS.findall(text)})
    moved = _free_ports(usual, usual_ports=usual_ports)
    configs, paths = {}, {}
    for name, text in tables.items():
        paths[name] = folder / f"{name}.toml"
        paths[name].write_text(_ADDRESS.sub(lambda match: f"127.0.0.1:{moved[match[1]]}", text))
        configs[name] = parse(paths[name].read_bytes())
    _keys(folder, configs, int(now.timestamp()))
    courier = next(link for link in configs["alpha"].links if link.partners)
    return Layout(folder, paths, configs, courier.url.removeprefix("nats://"))


def coalition_broker(layout: Layout) -> EmbeddedBroker:
    """The broker between the partners: a mailbox and a user for each, nothing in it that it could read."""
    state = layout.folder / "state" / "coalition"
    return EmbeddedBroker(BrokerSpec(name="coalition", state=str(state), nats=layout.courier, mailboxes=PARTNERS))


def _keys(folder: Path, configs: Mapping[str, Config], now_s: int) -> None:
    """Each partner makes its own keys; public bundles and countersigned agreements change hands."""
    held = {}
    for name, config in configs.items():
        state = folder / config.gateway.state
        secret = key_file(state / KEY_FILE)
        held[name] = Holdings.create(state, [unit.id for unit in config.units], secret, now_s)
    for name, ours in held.items():
        for other, theirs in held.items():
            if other != name:
                ours.pin(theirs.bundle_file(other), theirs.fingerprint(other), now_s)
    for name, config in configs.items():
        kept = Countersigned(folder / config.gateway.state, held[name].pins())
        for agreement in config.agreements:
            for partner in agreement.partners:
                kept.keep(agreement, held[partner].countersign(agreement))


def _free_ports(wanted: Sequence[str], *, usual_ports: bool) -> dict[str, int]:
    """Each wanted port where it is free, else another that is."""
    found: dict[str, int] = {}
    with closing(_Held()) as held:
        for port in wanted:
            found[port] = (held.bind(int(port)) if usual_ports else 0) or held.bind(0)
    return found


class _Held:
    """Sockets that keep ports apart while they are chosen."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []

    def bind(self, port: int) -> int:
        """Take a port; 0 when it is not free (or, for port 0, never)."""
        one = socket.socket()
        self._sockets.append(one)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return 0
        return int(one.getsockname()[1])

    def close(self) -> None:
        """Let all of them go."""
        for one in self._sockets:
            one.close()
