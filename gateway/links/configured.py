"""A link as a table has it: its entry, and what the units on it need, as Settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from adapters import load as load_adapter
from gateway.config import Config, LinkEntry, Loaded
from gateway.links import Link, Settings, Share, Subscription
from gateway.links.plain import Split
from gateway.links.urls import open_link
from gateway.table.sharing import ALL, Part, is_nats
from protocols.topics import control_filter, data_filter, key_filter


def link_of(entry: LinkEntry, config: Config, settings: Settings) -> Link:
    """The link of an entry, not yet connected; in a stream, frames are found by the format of the unit on it."""
    return open_link(entry.name, settings, _split(config, entry))


def settings_of(loaded: Loaded, entry: LinkEntry, part: Part = ALL) -> Settings:
    """The settings of an entry; for a worker, of its part of the work."""
    partner = loaded.config.gateway.partner
    # Over NATS the server shares the work out, and workers are one client to it; over MQTT each has a session.
    share = None if part.alone or not is_nats(entry) else Share(*part)
    name = f"comity-{partner}-{entry.name}"
    settings = Settings(
        entry.url,
        name if part.alone or share else f"{name}-{part.worker}",
        tuple(_mailboxes(partner, ALL if share else part) if entry.partners else _reports(loaded.config, entry, part)),
        username=entry.username,
        password_file=_path(loaded, entry.password_file),
        ca_file=_path(loaded, entry.ca_file),
        certificate_file=_path(loaded, entry.certificate_file),
        key_file=_path(loaded, entry.key_file),
        crl_file=_path(loaded, entry.crl_file),
        server_name=entry.server_name,
        credentials_file=_path(loaded, entry.credentials_file),
        interface=entry.interface,
        share=share,
        in_custody=bool(entry.partners),
        inflight_file=None if entry.partners else str(part.folder(loaded.state) / f"{entry.name}.inflight"),
    )
    return settings._replace(
        keep_alive_s=settings.keep_alive_s if entry.keep_alive_s is None else entry.keep_alive_s,
        receive_maximum=settings.receive_maximum if entry.receive_maximum is None else entry.receive_maximum,
        session_expiry_s=settings.session_expiry_s if entry.session_expiry_s is None else entry.session_expiry_s,
    )


def received(config: Config, entry: LinkEntry) -> tuple[str, ...]:
    """The topic filters of the units on a link."""
    return tuple(each for unit in config.units if unit.link == entry.name for each in unit.receive)


def _mailboxes(partner: str, part: Part) -> Iterator[Subscription]:
    """Keys and control records of every partner, and the envelopes of our shards (on NATS the server sees to that)."""
    yield Subscription(key_filter(partner), retained=True)
    if part.alone:
        yield Subscription(data_filter(partner))
    else:
        yield from (Subscription(f"comity/1/{partner}/+/d/{shard}") for shard in part.shards())
    yield Subscription(control_filter(partner), everyone=True)


def _reports(config: Config, entry: LinkEntry, part: Part) -> Iterator[Subscription]:
    """What the units on a link say; over MQTT, those units that are ours to read."""
    for unit in config.units:
        if unit.link == entry.name and (is_nats(entry) or part.holds(unit.id)):
            yield from (Subscription(each) for each in unit.receive)


def _split(config: Config, entry: LinkEntry) -> Split | None:
    """How the units' format is cut out of a stream; the table's check has seen that there is one unit at most."""
    for unit in config.units:
        if unit.link == entry.name:
            return cast("Split | None", getattr(load_adapter(unit.adapter), "split", None))
    return None


def _path(loaded: Loaded, name: str | None) -> str | None:
    return None if name is None else str(loaded.path(name))
