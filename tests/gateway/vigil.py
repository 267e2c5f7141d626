"""Bravo's operations centre tells alpha's cell, which must acknowledge; its desk and its patrols stand in for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from gateway.config import Config
from gateway.escalation.shelf import Shelf
from gateway.escalation.task import Escalation, Means
from gateway.escalation.waiting import WAITING_MAX
from gateway.keyring.ring import Keyring
from gateway.links import Parcel, SendRefusal
from gateway.routing import Table
from gateway.stream import Stream
from protocols.body import Receipt, ReceiptState
from protocols.message import Message, Source, message_id, unpack
from protocols.topics import Slot, parse_mailbox
from tests.fakes import NOW, FakeAudit, FakeLink
from tests.gateway.line import KEY, Line, plain, posted, say, sealed_by
from tests.gateway.reports import a_chat

ASKED = """
[[routes]]
from = ["bravo/ops"]
to = ["alpha/cell"]
agreement = "alpha-bravo"
acknowledge = { immediate = 60, routine = 600 }
"""
BACK = """
[[routes]]
from = ["alpha/cell"]
to = ["bravo/ops"]
kinds = ["receipt"]
agreement = "alpha-bravo"
"""
UNASKED = """
[[routes]]
from = ["bravo/ops"]
to = ["alpha/cell", "alpha/patrols"]
agreement = "alpha-bravo"
"""
DESK = """
[[units]]
id = "alpha/desk"
clearance = { policy = "MISSION", classification = "CONFIDENTIAL" }
adapter = "cot"
link = "national"
receive = ["desk/alpha"]
deliver = "tak/to-desk"

[[peers]]
id = "bravo/ops"
"""
DEFAULT_LABEL = 'default_label = { policy = "MISSION", classification = "UNCLASSIFIED" }'
STANDING_IN = (DEFAULT_LABEL, DEFAULT_LABEL + '\nalternates = ["alpha/desk", "alpha/patrols"]')
CHANGES = (
    (UNASKED, ASKED + BACK),
    ('\n[[peers]]\nid = "bravo/ops"\n', DESK),
    ('kinds = ["track", "chat", "delete"]', 'kinds = ["track", "chat", "delete", "receipt"]'),
    STANDING_IN,
)


def told(number: int = 1, **more: Any) -> Message:
    """A text from bravo's operations centre."""
    return replace(a_chat(number), **{"origin": "bravo/ops", "source": Source(format="sedap")} | more)


class Vigil:
    """Alpha's gateway with somebody who must acknowledge, and a clock that is set by hand."""

    TABLE: tuple[tuple[str, str], ...] = CHANGES

    def __init__(
        self, coalition: dict[str, Keyring], folder: Path, *changes: tuple[str, str], limit: int = WAITING_MAX
    ) -> None:
        self.now = NOW
        self.folder = folder
        self.bravo = coalition["bravo"]
        self.config = plain(*self.TABLE, *changes)
        self.line = Line(coalition["alpha"], self.config)
        self.audit: FakeAudit = self.line.audit
        self.refuses: dict[str, SendRefusal] = {}
        self.shelf = Shelf(folder)
        self.escalation = self._begin(limit)

    def _begin(self, limit: int) -> Escalation:
        stream = Stream("alpha", self.audit, self.clock)
        self.line.begin(stream)
        means = Means(self.line.dispatch, self.line.outbound, stream, self.shelf, KEY, self.clock)
        escalation = Escalation(self.config, self.line.table, means, limit)
        stream.add(escalation)
        return escalation

    def clock(self) -> datetime:
        return self.now

    def restart(self, limit: int = WAITING_MAX) -> None:
        """The same gateway again, knowing what is on its disk."""
        self.shelf.close()
        self.shelf = Shelf(self.folder)
        self.escalation = self._begin(limit)

    def adopt(self, *changes: tuple[str, str]) -> None:
        """Another table comes into force."""
        self.adopt_config(plain(*self.TABLE, *changes))

    def adopt_config(self, config: Config) -> None:
        """The same, given as it is decoded."""
        self.config = config
        self.line.table = Table(config, {agreement.id for agreement in config.agreements})
        self.line.relay.adopt(self.line.table)
        self.escalation.adopt(config, self.line.table)

    async def tell(self, *messages: Message) -> None:
        """Bravo's operations centre tells the cell."""
        sealed = sealed_by(self.bravo, "bravo/ops", messages, "alpha/cell")
        await self.line.carry(posted(sealed), by="coalition")

    async def answer(
        self, of: str, state: ReceiptState = ReceiptState.READ, topic: str = "cell/alpha", number: int = 0
    ) -> None:
        """A unit of alpha's says what became of a message."""
        subject = f"receipt-{number}-{of}"
        body = Receipt(of=of, state=state)
        message = Message(id=message_id("r", subject, None), subject=subject, body=body, source=Source(format="plain"))
        await self.line.carry([say(message, topic=topic)])

    async def after(self, seconds: float) -> list[str]:
        """Let time pass; where something was delivered to since."""
        self.now += timedelta(seconds=seconds)
        links = {name: FakeLink(refuses=self.refuses) for name in ("national", "coalition")}
        async with self.line.sending(links["national"], links["coalition"]):
            await self.escalation.once()
        return links["national"].topics()

    def said(self) -> list[tuple[str, str | None, str | None]]:
        """Every Record but those of the delivery itself."""
        return [each for each in self.audit.said() if each[:2] != ("delivered", None)]

    def heard(self) -> list[Receipt]:
        """The receipts that bravo's operations centre could read out of what was sent last."""
        return [message.body for message in self._read() if isinstance(message.body, Receipt)]

    def _read(self) -> Sequence[Message]:
        found: list[Message] = []
        for parcel in self.line.coalition.sent:
            found += self._opened(parcel)
        return found

    def _opened(self, parcel: Parcel) -> Sequence[Message]:
        mailbox = parse_mailbox(parcel.topic)
        if mailbox is None or mailbox.to != "bravo":
            return ()
        if mailbox.slot is Slot.KEYS:
            self.bravo.accept(parcel.data, self.now)
            return ()
        opened = self.bravo.unseal(parcel.data, self.now)
        return () if opened is None else [unpack(data) for data in opened.messages]
