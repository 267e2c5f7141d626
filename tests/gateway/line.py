"""One gateway's straight line with everything real but links and disk: table, keyring, adapters of the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from gateway.config import Config
from gateway.decisions import Decisions
from gateway.dispatch import Dispatch
from gateway.intake import Intake
from gateway.keyring.holdings import Holdings
from gateway.keyring.keystore import key_file
from gateway.keyring.ring import Keyring, Sealed
from gateway.links import SendRefusal
from gateway.relay import Relay, Rules
from gateway.routing import Table
from gateway.stream import Stream
from protocols.message import Message, pack, to_json
from protocols.topics import data_topic, key_topic
from tests.fakes import NOW, FakeAudit, FakeFrame, FakeLink, clock
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
    config = a_config(*changes)
    return replace(config, units=tuple(replace(unit, adapter="plain") for unit in config.units))


class Line:
    """Alpha's gateway."""

    def __init__(self, keyring: Keyring, config: Config, audit: FakeAudit | None = None) -> None:
        self.config = config
        self.keyring = keyring
        self.audit = audit or FakeAudit()
        self.table = Table(config, {agreement.id for agreement in config.agreements})
        self.intake = Intake("alpha", self.table, keyring)
        self.dispatch = Dispatch("alpha", self.table, keyring)
        self.relay = Relay(
            Rules(Decisions(self.table), KEY, clock), self.intake, self.dispatch, Stream("alpha", self.audit, clock)
        )
        self.national = FakeLink()
        self.coalition = FakeLink()

    async def carry(
        self, *batches: Sequence[FakeFrame], by: str = "national", refuses: dict[str, SendRefusal] | None = None
    ) -> None:
        """Carry batches that arrive on one link to the end; each link keeps what it was sent."""
        links = {
            name: FakeLink(*(batches if name == by else ()), refuses=refuses) for name in ("national", "coalition")
        }
        self.national, self.coalition = links["national"], links["coalition"]
        await self.relay.run(by, links)


def say(*messages: Message, topic: str = "tak/alpha/hawk-1") -> FakeFrame:
    """A frame of a field unit that holds these messages."""
    return FakeFrame(topic, b"\n".join(map(to_json, messages)))


def posted(sealed: Sealed, sender: str = "bravo") -> list[FakeFrame]:
    """The frames by which an envelope reaches alpha: its announcement, then itself."""
    keys = [
        FakeFrame(key_topic("alpha", sender, note.eid), note.data)
        for note in sealed.announcements
        if note.partner == "alpha"
    ]
    return [*keys, FakeFrame(data_topic("alpha", sender, sealed.eid), sealed.envelope)]


def sealed_by(keyring: Keyring, sender: str, messages: Sequence[Message | bytes], *audience: str) -> Sealed:
    """One envelope."""
    data = [each if isinstance(each, bytes) else pack(each) for each in messages]
    return keyring.seal(sender, audience, data, NOW)
