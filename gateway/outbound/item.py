"""One parcel on its way out, and the source that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from datetime import datetime
from enum import Enum
from math import inf

from gateway.dispatch import Consignment
from gateway.outbound.parts import Parts
from gateway.outbound.wrapping import unpack_facts
from protocols.custody import Numbered
from protocols.message import Message
from protocols.record import Record


class State(Enum):
    """Where a parcel is."""

    READY = "ready"  # in memory, not yet given to a link
    FLYING = "flying"  # given to a link that has not answered
    SENT = "sent"  # the broker has it; the partner's gateway has not said so yet
    DONE = "done"


class Ticket:
    """Awaited by a source: set when every parcel that came of its frames is delivered or on disk."""

    __slots__ = ("_left", "_settled", "undelivered")

    def __init__(self) -> None:
        self._left = 0
        self._settled: asyncio.Future[None] | None = None
        self.undelivered = False  # whether any of them was refused for good, or went to the disk

    def add(self) -> None:
        """One more parcel is to be waited for."""
        self._left += 1

    def end(self) -> None:
        """One parcel is safe."""
        self._left -= 1
        if not self._left and self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    def __await__(self) -> Generator[object, None, None]:
        """Return once nothing is left to wait for."""
        while self._left:
            self._settled = asyncio.get_running_loop().create_future()
            yield from self._settled


class Item:
    """A parcel of one lane. ``row`` is its place on disk, where it has one; ``ticket`` the source that still waits.

    One that was read from the disk has ``facts``, packed because many are in hand while a long queue drains, and
    ``messages``, where a unit of ours gets it.
    """

    __slots__ = (
        "arrived",
        "consignment",
        "facts",
        "former",
        "given_to",
        "left_at",
        "messages",
        "parts",
        "precedence",
        "road",
        "row",
        "sent_at",
        "since",
        "size",
        "state",
        "ticket",
        "tries",
        "turn",
    )

    def __init__(self, consignment: Consignment, arrived: datetime, since: float, ticket: Ticket | None) -> None:
        self.replace(consignment)
        self.arrived = arrived
        self.since = since  # the loop's clock
        self.ticket = ticket
        self.precedence = consignment.precedence
        self.row: int | None = None
        self.state = State.READY
        self.left_at = inf  # when it was given to a link; what that link answers is of this time only
        self.sent_at = 0.0  # when a broker had it
        self.given_to: str | None = None  # the link that has it now
        self.road = consignment.last  # the link by which it went
        self.tries = 0 if consignment.last is None else 1
        self.parts: Parts | None = None  # where it goes in several frames
        self.turn = 0  # its place in the order in which the lane's parcels were first sent; 0 while it was not
        self.former: tuple[Numbered, ...] = ()  # what it was sent as before it was sealed anew
        self.facts: bytes | None = None
        self.messages: tuple[Message, ...] = ()
        if ticket is not None:
            ticket.add()

    @property
    def drafts(self) -> tuple[Record, ...]:
        """The Records to be of one that was read from the disk."""
        return unpack_facts(self.facts) if self.facts else ()

    def replace(self, consignment: Consignment) -> None:
        """It goes in another form from now on."""
        self.consignment = consignment
        self.size = len(consignment.parcel.data) + len(consignment.parcel.topic)

    def safe(self, *, delivered: bool) -> None:
        """Whatever happens to this process now, the parcel is not lost: its source need not wait."""
        if self.ticket is not None:
            self.ticket.undelivered |= not delivered
            self.ticket.end()
            self.ticket = None
