"""Hot reload: the configuration file is watched, and a new table takes effect between two messages or not at all.

A new version is checked whole; what it changes is said and recorded (who gains, who loses what); every version that
was in force is kept, so that ``comity rollback`` can bring the one before back. Nothing is restarted or lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import msgspec
from watchfiles import awatch

from gateway.config import Config, ConfigError, Loaded, Route, load
from gateway.countersigned import FOLDER as SIGNATURES
from gateway.countersigned import SIGNED
from gateway.keyring.holdings import BUNDLES, CHANGED
from gateway.keyring.keystore import KeyringError
from gateway.stream import Stream
from gateway.versions import VERSIONS, keep, version_of
from protocols.agreement import Agreement
from protocols.duty import stand_ins
from protocols.record import Event
from protocols.unit import partner_of

SIGNED_ANEW = "the signatures of agreements were read anew"
LOOK_MS = 1_000  # milliseconds after which the file is looked at even when nothing was noticed
Trust: TypeAlias = tuple[tuple[str, tuple[int, ...]], ...]
CHANGES_MAX = 200  # lines of one difference that are recorded; more are counted


class Difference(NamedTuple):
    """What a new table changes, as lines of ``source -> destination kind``, and of policies."""

    gains: tuple[str, ...]
    loses: tuple[str, ...]
    altered: tuple[str, ...]  # under an agreement, or to a unit, whose terms changed

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it, each line with its sign, bounded."""
        signed = [
            f"{sign} {line}"
            for sign, lines in (("+", self.gains), ("-", self.loses), ("~", self.altered))
            for line in lines
        ]
        more = len(signed) - CHANGES_MAX
        return (*signed[:CHANGES_MAX], *((f"and {more} more",) if more > 0 else ()))


def difference(old: Config, new: Config) -> Difference:
    """Who gains and who loses what. Pure."""
    before, after = (_policies(each) | _passages(each) for each in (old, new))
    return Difference(
        gains=tuple(sorted(after.keys() - before.keys())),
        loses=tuple(sorted(before.keys() - after.keys())),
        altered=tuple(sorted(line for line in before.keys() & after.keys() if before[line] != after[line])),
    )


def fixed(old: Config, new: Config) -> Iterator[str]:
    """What cannot change while the gateway runs, with its path. Pure."""
    if new.gateway != old.gateway:
        yield "$.gateway: cannot change while the gateway runs; restart it"
    if new.waiting != old.waiting:
        yield "$.waiting: cannot change while the gateway runs; restart it"
    if new.http != old.http:
        yield "$.http: cannot change while the gateway runs; restart it"
    if [_address(link) for link in new.links] != [_address(link) for link in old.links]:
        yield "$.links: an address or a credential cannot change while the gateway runs; restart it"
    if [bool(link.partners) for link in new.links] != [bool(link.partners) for link in old.links]:
        yield "$.links: the first partner of a link, and the last, need other subscriptions; restart the gateway"
    heard = {(unit.link, topic) for unit in old.units for topic in unit.receive}
    known = heard | {(unit.link, unit.deliver) for unit in old.units}
    for index, unit in enumerate(new.units):
        unheard = any((unit.link, topic) not in heard for topic in unit.receive)
        if unheard or (unit.deliver is not None and (unit.link, unit.deliver) not in known):
            yield f"$.units[{index}]: a new topic needs a subscription; restart the gateway"


class Reloader:
    """Keeps the table of a running gateway as its file says; ``adopt`` puts a configuration in force."""

    def __init__(
        self, loaded: Loaded, stream: Stream, adopt: Callable[[Config], None], known: Trust | None = None
    ) -> None:
        """``known``: what the state folder said when the keys were read; what came since is looked at first."""
        self._loaded = loaded
        self._stream = stream
        self._adopt = adopt
        self._versions = loaded.state / VERSIONS
        self._signatures = loaded.state / SIGNATURES
        self._signatures.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._known: Trust | None = trust(loaded.state) if known is None else known
        keep(self._versions, version_of(loaded))

    async def run(self, told: Callable[[str], None]) -> None:
        """Watch the table and its SPIFs until cancelled; ``told`` gets a line for each change or fault."""
        bundles = self._loaded.state / BUNDLES
        bundles.mkdir(parents=True, exist_ok=True, mode=0o700)
        async for noticed in _changes(self._files, self._signatures, bundles):
            signed = noticed or self._known not in {None, trust(self._loaded.state)}
            self._known = None  # from here on every change is noticed
            for line in self.take(signed=signed):
                told(line)

    def _files(self) -> Sequence[Path]:
        """The table and the SPIFs that it names, as it is in force."""
        return [self._loaded.file, *(self._loaded.path(name) for name in self._loaded.beside)]

    def take(self, *, signed: bool = False) -> tuple[str, ...]:
        """Take the file as it is now: the lines of what it changed, or of what is wrong with it.

        ``signed``: signatures, bundles or revocations came or went, by which the same table opens or closes ways.
        """
        old = self._loaded.config
        try:
            loaded = load(self._loaded.file)
            faults = tuple(fixed(old, loaded.config))
            if not faults and (signed or loaded.config != old):
                self._adopt(loaded.config)  # nothing is awaited here: the next message is judged by the new table
        except ConfigError as error:
            faults = error.faults
        except KeyringError as error:
            faults = (str(error),)
        if faults:
            self._stream.gateway(Event.TABLE_REFUSED, faults)
            self._stream.commit()
            return (*faults, *(self._follow() if signed else ()))
        lines = difference(old, loaded.config).lines
        if loaded.config == old:
            if not signed:
                return ()
            lines = (SIGNED_ANEW,)
        else:
            self._loaded = loaded
            keep(self._versions, version_of(loaded))
        self._stream.gateway(Event.TABLE_CHANGED, lines)
        self._stream.commit()
        return lines

    def _follow(self) -> tuple[str, ...]:
        """The table in force goes on, under what was signed and withdrawn by now: a faulty file stops neither."""
        try:
            self._adopt(self._loaded.config)
        except (ConfigError, KeyringError):  # said already: it is why the file was not taken
            return ()
        self._stream.gateway(Event.TABLE_CHANGED, (SIGNED_ANEW,))
        self._stream.commit()
        return (SIGNED_ANEW,)


async def _changes(files: Callable[[], Sequence[Path]], signatures: Path, bundles: Path) -> AsyncIterator[bool]:
    """Each time that a file, or (True) what partners signed, was written or replaced, as editors and tools do."""
    seen: list[tuple[int, ...]] = []  # nothing yet: what was written before the watch began is looked at too
    async for changes in awatch(
        *{file.parent for file in files()},
        signatures,
        bundles,
        recursive=False,
        yield_on_timeout=True,
        rust_timeout=LOOK_MS,
    ):
        paths = [Path(name) for _, name in changes]
        signed = any(path.suffix == SIGNED or path.name == CHANGED for path in paths)
        stamps = [_stamp(file) for file in files()]
        if signed or stamps != seen:
            yield signed
        seen = stamps


def trust(state: Path) -> Trust:
    """What differs when bundles, revocations or signatures came or went."""
    signed = sorted((state / SIGNATURES).glob(f"*{SIGNED}"))
    return tuple((file.name, _stamp(file)) for file in (state / BUNDLES / CHANGED, *signed))


def _stamp(file: Path) -> tuple[int, ...]:
    """What differs when a file was written or replaced; an absent file has none."""
    try:
        found = file.stat()
    except OSError:
        return ()
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _policies(config: Config) -> dict[str, bytes]:
    return {f"policy {policy.name}": msgspec.msgpack.encode(policy) for policy in config.policies}


def _passages(config: Config) -> dict[str, bytes]:
    """Every passage that a table opens, with a digest of the terms it has there."""
    units = {unit.id: unit for unit in (*config.units, *config.peers)}
    agreements = {agreement.id: agreement for agreement in config.agreements}
    found: dict[str, bytes] = {}
    for route in config.routes:
        agreement = agreements[route.agreement]
        terms = msgspec.msgpack.encode(agreement)
        for source in route.sources:
            for to in route.to:
                ends = (units[source], units[to], route.acknowledge, _leave(config, route, source, to))
                digest = hashlib.sha256(terms + msgspec.msgpack.encode(ends)).digest()
                in_place = [f"{each} in place of {to}" for each in stand_ins(to, units) if route.acknowledge]
                by = f" through {route.through}" if route.through else ""
                for kind in route.kinds or agreement.kinds:
                    found |= {f"{source} -> {each} {kind} ({agreement.id}){by}": digest for each in (to, *in_place)}
    return found


def _leave(config: Config, route: Route, source: str, to: str) -> list[Agreement]:
    """The agreements by which an originator lets us pass on along a route."""
    us, origin, third = config.gateway.partner, partner_of(source), partner_of(to)
    if route.through != us:
        return []
    return [each for each in config.agreements if each.goes(origin, us) and third in each.onward]


def _address(link: msgspec.Struct) -> msgspec.Struct:
    return msgspec.structs.replace(link, partners=())
