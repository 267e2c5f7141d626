"""What of a gateway's work falls to one of several worker processes, and which tables can be shared so. Pure.

What is whose follows from a worker's number and their count alone, so workers never talk to each other. Envelopes are
shared by the shard of their topic, reports on NATS by partitions of their subject, reports on MQTT by their unit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from gateway.table.entries import Config, LinkEntry, host_and_port
from gateway.table.transport import TRANSPORTS
from protocols.topics import SHARDS

FOLDER = "worker-"
GROUPS = 8  # of shards; on NATS each group of a mailbox is a queue of its own
WORKERS_MAX = GROUPS


class Part(NamedTuple):
    """A worker's part of the work: number ``worker`` of ``workers``, from 0."""

    worker: int = 0
    workers: int = 1

    @property
    def alone(self) -> bool:
        """Whether there is nobody to share with."""
        return self.workers == 1

    def holds(self, name: str) -> bool:
        """Whether a unit, or a message, is this worker's; the same at every start, whatever else there is."""
        digest = hashlib.sha256(name.encode(errors="replace")).digest()
        return int.from_bytes(digest[:8], "big") % self.workers == self.worker

    def folder(self, state: Path) -> Path:
        """Where this worker alone writes: what it audits, keeps, waits for and has seen. Keys are beside it, shared."""
        return state if self.alone else state / f"{FOLDER}{self.worker}"

    def beside(self, state: Path) -> tuple[Path, ...]:
        """Where the other workers write, for us to read."""
        return tuple(state / f"{FOLDER}{number}" for number in range(self.workers) if number != self.worker)

    def placed(self, config: Config) -> Config:
        """The table with the ports of this worker: its number above those that are named."""
        http = config.http
        moved = replace(http, console=self._above(http.console), metrics=self._above(http.metrics))
        return replace(config, http=moved)

    def _above(self, address: str | None) -> str | None:
        if address is None or self.alone:
            return address
        host, _, port = address.rpartition(":")
        return f"{host}:{int(port) + self.worker}"

    def shards(self) -> tuple[int, ...]:
        """The shards of envelopes that are this worker's."""
        return tuple(shard for group in self.groups() for shard in shards_of(group))

    def groups(self) -> tuple[int, ...]:
        """The groups of shards that are this worker's."""
        return tuple(range(self.worker, GROUPS, self.workers))


ALL = Part()


def shards_of(group: int) -> tuple[int, ...]:
    """The shards of one group."""
    return tuple(range(group, SHARDS, GROUPS))


def is_nats(link: LinkEntry) -> bool:
    """Whether a link speaks NATS, as the embedded broker does."""
    return link.embedded or link.url.startswith("nats")


def obstacles(config: Config, workers: int) -> Iterator[str]:
    """Why this table cannot be run by so many workers: path, what is in the way, what to do."""
    if workers == 1:
        return
    if workers > WORKERS_MAX:
        yield f"--workers: at most {WORKERS_MAX}"
    for index, link in enumerate(config.links):
        at = f"$.links[{index}]"
        if link.by_hand or (not link.embedded and not TRANSPORTS[link.url.partition(":")[0]].broker):
            yield f"{at}.url: one process serves a link without topics; run without --workers, or give it a gateway"
        if link.embedded and 0 in {host_and_port(link.mqtt)[1], host_and_port(link.nats)[1]}:
            yield f"{at}: workers have to find the embedded broker; give its listeners ports"
    for index, route in enumerate(config.routes):
        if route.acknowledge is not None:
            yield (
                f"$.routes[{index}].acknowledge: the worker that waits would not see the answer that comes to "
                "another; run without --workers"
            )
    yield from _port_faults(config, workers)


def _port_faults(config: Config, workers: int) -> Iterator[str]:
    """Worker number k has the k-th port above the one that is named."""
    taken: dict[int, str] = {}
    for name in ("console", "metrics"):
        address = getattr(config.http, name)
        if address is None:
            continue
        first = host_and_port(address)[1]
        if not 0 < first <= 65_536 - workers:
            yield f"$.http.{name}: each worker has the next port; name one with {workers - 1} more above it"
        for port in range(first, first + workers):
            if taken.setdefault(port, name) != name:
                yield f"$.http.{name}: port {port} is also for the {taken[port]} of a worker; move them apart"
                break
