"""The composition root: makes the parts of one gateway, starts them in order, runs one task a link, stops them."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from adapters import load as load_adapter
from gateway.audit import Audit
from gateway.audit.checkpoints import Checkpoints
from gateway.audit.segments import NAME
from gateway.audit.witnesses import Witnesses
from gateway.broker import Addresses, EmbeddedBroker, running
from gateway.broker_config import Access, BrokerSpec
from gateway.config import Config, ConfigError, LinkEntry, Loaded, host_and_port
from gateway.console.feed import Feed
from gateway.console.pages import Behind
from gateway.console.server import serve_console, serve_metrics
from gateway.countersigned import Countersigned
from gateway.custody import Books, Custody, Ends
from gateway.decisions import Decisions
from gateway.dispatch import Dispatch
from gateway.escalation.shelf import Shelf
from gateway.escalation.task import Escalation, Means
from gateway.intake import Intake
from gateway.keyring.keystore import Secret, SecretKind, read_secret
from gateway.keyring.ring import PSEUDONYM_KEY, Keyring, secret
from gateway.links import Link, LinkState
from gateway.links.configured import link_of, received, settings_of
from gateway.lookout import Lookout, Needs, levels
from gateway.metrics import LaneFigures, Metrics
from gateway.outbound.limits import WaitingLimits, limits_of
from gateway.outbound.outbound import Outbound, Roads
from gateway.outbound.turns import Turns
from gateway.outbound.waiting import Waiting
from gateway.outbound.wrapping import Wrapping
from gateway.quarantine import Quarantine
from gateway.relay import Relay, Rules, WaysOut
from gateway.reload import Reloader, trust
from gateway.repeats import Repeats
from gateway.routing import Table
from gateway.spool import SpoolError
from gateway.spool.spool import Spool
from gateway.stream import About, Reader, Stream
from gateway.table.sharing import ALL, Part, obstacles
from protocols.record import Event, Trouble
from protocols.unit import partner_of

SPOOL = "spool"


def now() -> datetime:
    """The gateway's clock."""
    return datetime.now(UTC)


class Eyes(NamedTuple):
    """Who looks on: further readers of the Record stream, and who is told each address as it opens."""

    readers: Sequence[Reader] = ()
    announce: Callable[[str], None] = lambda _: None


NOBODY = Eyes()


class _Parts(NamedTuple):
    """What there is while a gateway runs: what has duties, and what metrics and console look at."""

    relay: Relay
    links: dict[str, Link]
    stream: Stream
    escalation: Escalation
    audit: Audit
    spool: Spool
    outbound: Outbound
    custody: Custody
    keyring: Keyring


async def run(
    loaded: Loaded, eyes: Eyes = NOBODY, until: Coroutine[None, None, object] | None = None, part: Part = ALL
) -> None:
    """Run a gateway, or a worker's part of it, until SIGTERM, SIGINT or the end of ``until``."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no key in a core dump
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gateway = asyncio.create_task(_gateway(loaded, eyes, part), name="gateway")
    ends: list[asyncio.Task[object]] = [gateway, asyncio.create_task(stop.wait(), name="signals")]
    if until is not None:
        ends.append(asyncio.create_task(until, name="until"))
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for task in ends:
        task.cancel()
    await asyncio.wait(ends)
    if not gateway.cancelled():
        gateway.result()  # a gateway that failed by itself says why


async def _gateway(loaded: Loaded, eyes: Eyes, part: Part) -> None:
    """Make every part, in the order in which they need each other, and run them. Long: it is the one place for that."""
    config, state, trusted = loaded.config, loaded.state, trust(loaded.state)
    own = part.folder(state)  # written by this process alone; keys and bundles are in ``state``, and only read
    own.mkdir(parents=True, exist_ok=True, mode=0o700)
    partner = config.gateway.partner
    async with AsyncExitStack() as stack:
        audit = stack.enter_context(Audit(own / NAME))
        stream = Stream(partner, audit, now)
        keyring = Keyring.open(state, now(), _passphrase(loaded), memory=own, worker=part.worker)
        signed = Countersigned(state, keyring.pins())
        table = _table(config, signed, eyes)
        rules = Rules(Decisions(table), secret(state / PSEUDONYM_KEY), now)
        dispatch = Dispatch(partner, table, keyring)
        links = await _links(loaded, part, stack, eyes)
        spool = await stack.enter_async_context(await _spool(own / SPOOL, limits_of(config, part.workers), stream))
        wrapping = Wrapping(own)
        waiting = Waiting(spool, wrapping, stream, partner)
        roads = Roads(links, _turns(config, part), {link.name for link in config.links if link.by_hand})
        outbound = Outbound(roads, waiting, dispatch, stream, now)
        books = Books(Checkpoints(audit, keyring), Witnesses(own))
        custody = Custody(
            partner, table, Ends(keyring, dispatch, outbound, stream, now, part.holds), _heartbeats(config, part), books
        )
        repeats = stack.enter_context(closing(Repeats.open(own, beside=part.beside(state))))
        intake = Intake(partner, table, keyring, alone=part.alone)
        ways_out = WaysOut(dispatch, outbound, custody, Quarantine(spool, wrapping))
        relay = Relay(rules, intake, ways_out, stream, repeats)
        shelf = stack.enter_context(closing(Shelf(own)))
        escalation = Escalation(config, table, Means(dispatch, outbound, stream, shelf, rules.pseudonym_key, now))
        parts = _Parts(relay, links, stream, escalation, audit, spool, outbound, custody, keyring)
        await _watched(part.placed(config), parts, stack, eyes)
        for reader in eyes.readers:
            stream.add(reader)
        stream.add(custody)
        stream.add(escalation)  # the last: what it adds is seen after what it is about
        await asyncio.gather(*(stack.enter_async_context(link) for link in links.values()))
        stack.push_async_callback(relay.finish)
        settle_memory()
        stream.gateway(Event.STARTED)
        if audit.lost:
            stream.about(Event.FAULT, About(Trouble.AUDIT_TORN))
        stack.callback(stream.gateway, Event.STOPPED)

        def adopt(config: Config) -> None:
            if found := tuple(obstacles(config, part.workers)):
                raise ConfigError(found)
            dispatch.close(keyring.reload(now()).closed)
            table = _renewed(config, keyring, signed, eyes)
            relay.adopt(table)
            custody.beat(_heartbeats(config, part))
            escalation.adopt(config, table)

        async with asyncio.TaskGroup() as group:
            for name, duty in _duties(parts, table):
                group.create_task(duty, name=name)
            group.create_task(Reloader(loaded, stream, adopt, trusted).run(eyes.announce), name="table")


def _duties(parts: _Parts, table: Table) -> Iterator[tuple[str, Coroutine[None, None, None]]]:
    """What is done for as long as the gateway runs, each under its name."""
    audit, relay = parts.audit, parts.relay
    needs = Needs(parts.links, parts.spool.health, lambda: audit.fault is not None, now, lambda: parts.outbound.astray)
    yield "audit", audit.keep()
    yield "outbound", parts.outbound.run()
    yield "custody", parts.custody.run()
    yield "lookout", Lookout(needs, parts.stream).run()
    yield "escalation", parts.escalation.run()
    for name in parts.links:
        yield f"link {name}", relay.run(name, parts.links)
    yield from relay.duties(table)


def _table(config: Config, signed: Countersigned, eyes: Eyes) -> Table:
    """The compiled table; an agreement that a partner has not signed as it stands is closed, which is said aloud."""
    in_force = signed.in_force(config.agreements)
    for agreement in config.agreements:
        if agreement.id not in in_force:
            eyes.announce(f"agreement {agreement.id} is closed: not every partner has signed it as it stands")
    for unit in config.units:
        load_adapter(unit.adapter)  # now, not at the first message
    return Table(config, in_force)


def _renewed(config: Config, keyring: Keyring, signed: Countersigned, eyes: Eyes) -> Table:
    """Another table, with the partners and signatures that are there now."""
    signed.know(keyring.pins())
    return _table(config, signed, eyes)


async def _spool(folder: Path, limits: WaitingLimits, stream: Stream) -> Spool:
    """What waits on disk. A disk that does not let us end here is a Record first, where the audit can be written."""
    try:
        return await Spool.open(folder, limits.others, limits.destinations, on_level=levels(stream))
    except SpoolError as error:
        stream.about(Event.FAULT, About(f"spool-{error.reason}"))
        raise


def _turns(config: Config, part: Part) -> dict[str, Turns]:
    """The order on each link: its budget, shared among workers, and the shares of its destinations."""
    budgets = {
        link.name: None if link.bytes_per_s is None else link.bytes_per_s / part.workers for link in config.links
    }
    return {link.name: Turns(link.shares, budgets[link.name]) for link in config.links}


def _heartbeats(config: Config, part: Part) -> dict[str, float]:
    """How often each partner's gateway is told that we are there, in seconds; one worker speaks for all.

    By hand nobody is told: it would be no news when it arrives.
    """
    links = sorted(config.links, key=lambda link: not link.by_hand)  # where there is another link, that one counts
    return {
        partner: 0.0 if part.worker or link.by_hand else link.heartbeat_s for link in links for partner in link.partners
    }


def settle_memory() -> None:
    """Leave what was made at start out of every collection, and collect seldom: messages are freed by reference count.

    Measured: the cyclic collector with its defaults takes a fifth of the time of a decode.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@asynccontextmanager
async def brokers(loaded: Loaded, eyes: Eyes = NOBODY) -> AsyncIterator[None]:
    """Run the embedded broker of a table, for workers that are processes of their own, and make the key they share."""
    secret(loaded.state / PSEUDONYM_KEY)  # each would make one, and the same subject have several names
    async with AsyncExitStack() as stack:
        for entry in loaded.config.links:
            if entry.embedded:
                await _broker(loaded, entry, stack, eyes)
        yield


async def _broker(loaded: Loaded, entry: LinkEntry, stack: AsyncExitStack, eyes: Eyes) -> Addresses:
    broker = await stack.enter_async_context(EmbeddedBroker(_national(loaded, entry)))
    eyes.announce(f"{loaded.config.gateway.partner} broker   {broker.addresses.mqtt}")
    return broker.addresses


async def _links(loaded: Loaded, part: Part, stack: AsyncExitStack, eyes: Eyes) -> dict[str, Link]:
    """The links of a configuration, not yet connected; the embedded broker is started where one is wanted.

    A worker finds the one that its supervisor runs.
    """
    links = {}
    for entry in loaded.config.links:
        settings = settings_of(loaded, entry, part)
        if entry.embedded:
            spec = _national(loaded, entry)
            found = await _broker(loaded, entry, stack, eyes) if part.alone else running(spec)
            settings = settings._replace(url=found.nats, username=found.username, password_file=found.password_file)
        links[entry.name] = link_of(entry, loaded.config, settings)
    return links


def _national(loaded: Loaded, entry: LinkEntry) -> BrokerSpec:
    """The embedded broker: field units may publish where their unit does, and hear that and what we answer."""
    heard = received(loaded.config, entry)
    told = tuple(unit.deliver for unit in loaded.config.units if unit.link == entry.name and unit.deliver is not None)
    return BrokerSpec(
        name=f"{loaded.config.gateway.partner}-{entry.name}",
        state=str(loaded.path(loaded.config.gateway.state) / "broker"),
        nats=entry.nats,
        mqtt=entry.mqtt,
        access=(Access(publish=heard, subscribe=(*heard, *told)),),
    )


def _passphrase(loaded: Loaded) -> Secret | None:
    """What unlocks the keys, where the configuration names it; else the keyring looks beside them."""
    file = loaded.config.gateway.passphrase_file
    return None if file is None else read_secret(loaded.path(file), SecretKind.PASSPHRASE)


def _gauges(parts: _Parts) -> Iterator[tuple[str, str, Callable[[], float]]]:
    """What disk, audit and partners stand at."""
    audit, spool, custody = parts.audit, parts.spool, parts.custody
    yield "audit_writable", "1 while the audit can be written.", lambda: float(audit.fault is None)
    yield "audit_records", "Records in the audit.", lambda: float(audit.size)
    yield "audit_pending_records", "Records that are not written yet.", lambda: float(audit.pending)
    yield "spool_writable", "1 while the spool can be written.", lambda: float(spool.health().trouble is None)
    yield "spool_repaired", "Damaged places of the spool that were repaired.", lambda: float(spool.health().repaired)
    yield "spool_lost", "Rows of the spool that no copy was left of.", lambda: float(spool.health().lost)
    yield "spool_disk_bytes", "Bytes that the spool takes on disk.", lambda: float(spool.health().disk_bytes)
    until = "Seconds until a bundle, or a signing key of ours, ends: then nothing is sealed with it."
    yield "keys_last_seconds", until, lambda: parts.keyring.lasts_s(now())
    yield "partners_silent", "Partners of whom nothing is heard although it should be.", lambda: len(custody.silent)


def _lanes(spool: Spool, outbound: Outbound) -> Iterator[LaneFigures]:
    """What waits and what is under way, by destination."""
    counts = spool.counts()
    for name in counts.keys() | outbound.lanes.keys():
        queues = counts.get(name, {}).values()
        rows, size = sum(queue.rows for queue in queues), sum(queue.bytes for queue in queues)
        lane, limits = outbound.lanes.get(name), spool.limits(name)
        yield LaneFigures(
            name,
            rows,
            size,
            max((queue.oldest_s for queue in queues), default=0.0),
            0 if lane is None else lane.window.parcels,
            outbound.sent_bytes(name),
            max(rows / limits.rows_max, size / limits.bytes_max),
            limits.warn_at,
            name in outbound.full,
        )


def _not_ready(parts: _Parts, away: Sequence[str]) -> Iterator[str]:
    """Why nobody should rely on this gateway now, one reason each."""
    if away:
        yield f"not connected: {', '.join(away)}"
    if parts.audit.fault is not None:
        yield f"the audit cannot be written: {parts.audit.fault}"
    if parts.spool.health().trouble is not None:
        yield f"the spool cannot be written: {parts.spool.health().trouble}"
    if parts.custody.silent:
        yield f"nothing is heard from: {', '.join(parts.custody.silent)}"


async def _watched(config: Config, parts: _Parts, stack: AsyncExitStack, eyes: Eyes) -> None:
    """Metrics and console: readers of the stream, each with a listener where the configuration names one."""
    partner = config.gateway.partner
    links, stream, escalation = parts.links, parts.stream, parts.escalation
    registry, feed = CollectorRegistry(), Feed()
    metrics = Metrics(registry)
    metrics.build(version("comity"), partner)
    metrics.watch(links)
    metrics.gauge("acknowledgements_waiting", "Messages that wait for acknowledgement.", lambda: len(escalation))
    metrics.gauge("acknowledgement_oldest_seconds", "For how long the oldest of them waits.", escalation.oldest_s)
    metrics.lanes(lambda: _lanes(parts.spool, parts.outbound))
    for name, text, read in _gauges(parts):
        metrics.gauge(name, text, read)
    for route in config.routes:
        for source, to in {(partner_of(s), partner_of(t)) for s in route.sources for t in route.to}:
            metrics.expect(source, to, now().timestamp())
    stream.add(metrics)

    def ready() -> str | None:
        away = [name for name, link in links.items() if link.state is not LinkState.UP]
        return "; ".join(_not_ready(parts, away)) or None

    if config.http.metrics is not None:
        served = serve_metrics(registry, *host_and_port(config.http.metrics), config.http.metrics_hosts)
        address = await stack.enter_async_context(served)
        eyes.announce(f"{partner} metrics  {address.url}/metrics")
    if config.http.console is not None:
        stream.add(feed)
        shown = serve_console(feed, partner, *host_and_port(config.http.console), Behind(ready, escalation))
        address = await stack.enter_async_context(shown)
        eyes.announce(f"{partner} console  {address.url}/")
