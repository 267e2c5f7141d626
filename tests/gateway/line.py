"""One gateway's straight line with everything real but links and disk: table, keyring, adapters of the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import cast

from msgspec.structs import replace

from gateway.config import Config
from gateway.custody import Custody, Ends
from gateway.decisions import Decisions
from gateway.dispatch import Dispatch
from gateway.intake import Intake
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import key_file
from gateway.keyring.ring import Keyring, Sealed
from gateway.links import Parcel, SendRefusal
from gateway.outbound.outbound import Outbound, Roads
from gateway.outbound.turns import Turns
from gateway.outbound.waiting import Waiting
from gateway.outbound.wrapping import Wrapping
from gateway.quarantine import Quarantine
from gateway.relay import Relay, Rules, WaysOut
from gateway.repeats import Repeats
from gateway.routing import Table
from gateway.spool.spool import Spool
from gateway.stream import Stream
from protocols.custody import Taken
from protocols.envelope import unpack_envelope
from protocols.message import Message, pack, to_json
from protocols.topics import Slot, data_topic, key_topic, parse_mailbox
from tests.fakes import NOW, FakeAudit, FakeFrame, FakeLink, FakeSpool, clock
from tests.gateway.tables import a_config

UNITS = {"alpha": ("alpha/patrols", "alpha/cell"), "bravo": ("bravo/ops",), "charlie": ("charlie/map",)}
KEY = b"k" * 32


def make_coalition(folder: Path) -> dict[str, Path]:
    """State directories of three partners that pinned one another."""
    now_s = int(NOW.timestamp())
    held = {
        partner: Holdings.create(folder / partner, units, key_file(folder / partner / "secret.key"), now_s)
        for partner, units in UNITS.items()
    }
    for here in held.values():
        for there in held.values():
            if here is not there:
                here.pin(there.bundle_file(there.partner), there.fingerprint(there.partner), now_s)
    return {partner: folder / partner for partner in held}


def plain(*changes: tuple[str, str]) -> Config:
    """The table of the tests, its units speaking the format of the tests."""
    return plainly(a_config(*changes))


def plainly(config: Config) -> Config:
    """A table whose units speak the format of the tests."""
    return replace(config, units=tuple(replace(unit, adapter="plain") for unit in config.units))


class Line:
    """One partner's gateway."""

    def __init__(self, keyring: Keyring, config: Config, audit: FakeAudit | None = None) -> None:
        self.config = config
        self.partner = config.gateway.partner
        self.keyring = keyring
        self.audit = audit or FakeAudit()
        self.spool = FakeSpool()
        self.clock: Callable[[], datetime] = clock
        self.table = Table(config, {agreement.id for agreement in config.agreements})
        self.intake = Intake(self.partner, self.table, keyring)
        self.dispatch = Dispatch(self.partner, self.table, keyring)
        self.national = FakeLink()
        self.coalition = FakeLink()
        self.links: dict[str, FakeLink] = {}
        self.begin(Stream(self.partner, self.audit, self._now))

    def begin(self, stream: Stream) -> None:
        """Tell this stream from now on; nothing is on its way."""
        wrapping = Wrapping(self.keyring._holdings.directory)
        waiting = Waiting(cast("Spool", self.spool), wrapping, stream, self.partner)
        roads = Roads(self.links, {name: Turns({}) for name in ("national", "coalition")})
        self.outbound = Outbound(roads, waiting, self.dispatch, stream, self._now)
        ends = Ends(self.keyring, self.dispatch, self.outbound, stream, self._now)
        others = {partner: 0.0 for partner in UNITS if partner != self.partner}
        self.custody = Custody(self.partner, self.table, ends, others)
        self.relay = Relay(
            Rules(Decisions(self.table), KEY, self._now),
            self.intake,
            WaysOut(self.dispatch, self.outbound, self.custody, Quarantine(cast("Spool", self.spool), wrapping)),
            stream,
            Repeats(),
        )

    @asynccontextmanager
    async def sending(
        self, national: FakeLink, coalition: FakeLink, *, custody: bool = True
    ) -> AsyncIterator[dict[str, FakeLink]]:
        """What is on its way out goes by these links; partners' gateways take what they are sent, or do not."""
        self.national, self.coalition = national, coalition
        self.links.update(national=national, coalition=coalition)
        coalition.told = self._take if custody else lambda _: None
        async with asyncio.TaskGroup() as group:
            out = group.create_task(self.outbound.run())
            yield self.links
            await asyncio.sleep(0)
            out.cancel()

    async def carry(
        self, *batches: Sequence[FakeFrame], by: str = "national", refuses: dict[str, SendRefusal] | None = None
    ) -> None:
        """Carry batches that arrive on one link to the end; each link keeps what it was sent."""
        links = {
            name: FakeLink(*(batches if name == by else ()), refuses=refuses) for name in ("national", "coalition")
        }
        async with self.sending(links["national"], links["coalition"]) as roads:
            await self.relay.run(by, roads)

    def _now(self) -> datetime:
        return self.clock()

    def _take(self, parcels: Sequence[Parcel]) -> None:
        """The partners' gateways say that they have every envelope, a moment after the broker does."""
        for parcel in parcels:
            mailbox = parse_mailbox(parcel.topic)
            if mailbox is not None and mailbox.slot is Slot.DATA:
                header = unpack_envelope(parcel.data)[0]
                said = (Taken(header.eid, header.seq + 1),)
                asyncio.get_running_loop().call_soon(self.outbound.taken, mailbox.to, said)


def say(*messages: Message, topic: str = "tak/alpha/hawk-1") -> FakeFrame:
    """A frame of a field unit that holds these messages."""
    return FakeFrame(topic, b"\n".join(map(to_json, messages)))


def posted(sealed: Sealed, sender: str = "bravo", to: str = "alpha") -> list[FakeFrame]:
    """The frames by which an envelope reaches a partner: its announcement, then itself."""
    keys = [
        FakeFrame(key_topic(to, sender, note.eid), note.data) for note in sealed.announcements if note.partner == to
    ]
    return [*keys, FakeFrame(data_topic(to, sender, sealed.eid), sealed.envelope)]


def sealed_by(keyring: Keyring, sender: str, messages: Sequence[Message | bytes], *audience: str) -> Sealed:
    """One envelope."""
    data = [each if isinstance(each, bytes) else pack(each) for each in messages]
    return keyring.seal(sender, audience, data, NOW)
