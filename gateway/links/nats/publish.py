"""The sending half of a NATS link: every parcel is published with a message id and settled by its stream's answer.

What no stream keeps is handed to those who listen now, and settled once the server has dealt with it. After a reconnect
everything unanswered is published again in its order, and the stream drops what it already has by the message id.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from gateway.links import Parcel, SendRefusal
from gateway.links.fault import LostError
from gateway.links.ledger import Entry
from gateway.links.nats import subjects, wire
from gateway.links.nats.connection import NatsConnection
from gateway.links.nats.wire import Message
from gateway.links.properties import carried

WINDOW_MAX = 4096  # publishes under way
HEADER_MAX = 2048  # bytes of a header; the server counts it as payload
KNOWN_MAX = 65_536  # topics whose stream is remembered
ANSWER_S = 10.0  # a stream that does not answer for so long is asked again on a new connection
_PLAIN = (None, None, (), None)  # no expiry, no media type, no properties, no id
_NO_TTL = 10_166  # JetStream: per-message TTL is disabled
_TOO_BIG = frozenset({10_054, 10_097})  # message, or header, exceeds the maximum
_FULL = frozenset({10_077, 10_122})  # maximum messages, bytes or messages per subject exceeded, and the stream says no
_BUSY = frozenset({10_023, 10_008, 10_009, 10_074, 10_118})  # no resources, no leader, not available: ask again

Lookup = Callable[[str, Parcel], Awaitable[bool | SendRefusal]]


class _Sent:
    """One publish under way."""

    __slots__ = ("entry", "id", "subject", "ttl", "unheard")

    def __init__(self, entry: Entry, subject: str, number: str) -> None:
        self.entry = entry
        self.subject = subject
        self.id = number
        self.ttl = True
        self.unheard = False  # published where a stream was thought to be, and there was none


class _Place(NamedTuple):
    """A topic's subject, and whether a stream keeps it, or why it never will."""

    subject: str
    kept: bool | SendRefusal


class Publisher:
    """Parcels that wait, and parcels that no stream has answered for."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup  # whether a stream keeps a subject, or why it never will
        self._queue: deque[Entry] = deque()
        self._again: deque[_Sent] = deque()
        self._under_way: dict[str, _Sent] = {}
        self._loose: list[_Sent] = []  # published in this turn, kept by no stream
        self._places: dict[str, _Place | None] = {}  # by topic; None while the server is asked
        self._asking: set[asyncio.Task[None]] = set()
        self._ids = secrets.token_hex(6)
        self._count = 0
        self._connection: NatsConnection | None = None
        self._answers = ""
        self._answered = False
        self._answered_at = 0.0
        self.sent = 0
        self.resent = 0

    def submit(self, entries: Iterable[Entry]) -> None:
        """Queue a batch, and send what can be sent."""
        self._queue.extend(entries)
        self.pump()

    def start(self, connection: NatsConnection) -> None:
        """Send over a new connection: what was under way first."""
        self._connection = connection
        self._answers = f"{connection.inbox}.a."
        connection.subscribe(f"{self._answers}*", self._answer)
        connection.denied = self._denied
        connection.writable = self.pump
        self._places.clear()
        self._again = deque(self._under_way.values())
        self._under_way.clear()
        self._answered_at = asyncio.get_running_loop().time()
        self.resent += len(self._again)
        self.pump()

    def stop(self) -> None:
        """Send nothing until the next connection."""
        self._connection = None
        self._loose.clear()
        for task in self._asking:
            task.cancel()
        # Order holds over the reconnect: what was to be sent again and was not yet comes after what was.
        for sent in self._again:
            self._under_way[sent.id] = sent
        self._again.clear()

    def check(self, now: float) -> None:
        """Raise LostError when nothing was answered for too long."""
        if self._answered or not self._under_way:
            self._answered, self._answered_at = False, now
        elif now - self._answered_at > ANSWER_S:
            raise LostError("a stream does not answer")

    def pump(self) -> None:
        """Publish as much as the window and the transport take."""
        connection = self._connection
        if connection is None:
            return
        self._send_all(connection)
        if self._loose:
            loose, self._loose = self._loose, []
            connection.ping(lambda: self._dealt_with(loose))

    def _send_all(self, connection: NatsConnection) -> None:
        info = connection.info
        largest = 0 if info is None else info.max_payload - HEADER_MAX
        while not connection.blocked and len(self._under_way) < WINDOW_MAX:
            if self._again:
                sent = self._again[0]
                place = self._places.get(sent.entry.parcel.topic) or self._ask_for(sent.entry.parcel)
                if place is None:
                    return
                self._again.popleft()
            elif self._queue:
                entry = self._queue[0]
                parcel = entry.parcel
                place = self._places.get(parcel.topic) or self._ask_for(parcel)
                if place is None:
                    return
                self._queue.popleft()
                if entry.abandoned:
                    continue
                if len(parcel.data) > largest:
                    entry.settle(SendRefusal.TOO_LARGE)
                    continue
                if parcel.properties and not carried(parcel.properties):
                    entry.settle(SendRefusal.REJECTED)
                    continue
                self._count += 1
                sent = _Sent(entry, place.subject, f"{self._ids}{self._count}")
            else:
                return
            self._publish(connection, sent, place)

    def _ask_for(self, parcel: Parcel) -> _Place | None:
        """Where a topic's messages go; None while the server is asked."""
        topic = parcel.topic
        if topic in self._places:
            return None
        if len(self._places) >= KNOWN_MAX:
            self._places.clear()
        try:
            subject = subjects.subject(topic)
        except subjects.BadTopicError:
            place = self._places[topic] = _Place("", SendRefusal.BAD_TOPIC)
            return place
        self._places[topic] = None
        task = asyncio.create_task(self._ask(subject, parcel), name="nats lookup")
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        return None

    async def _ask(self, subject: str, parcel: Parcel) -> None:
        try:
            self._places[parcel.topic] = _Place(subject, await self._lookup(subject, parcel))
        except LostError:
            self._places.pop(parcel.topic, None)
            return
        self.pump()

    def _publish(self, connection: NatsConnection, sent: _Sent, place: _Place) -> None:
        kept = place.kept
        if isinstance(kept, SendRefusal):
            self._settle(sent, kept)
            return
        parcel = sent.entry.parcel
        self._under_way[sent.id] = sent
        if kept and parcel[3:7] == _PLAIN:
            connection.write(wire.identified(sent.subject, parcel.data, self._answers + sent.id, sent.id))
            return
        pairs = [("Nats-Msg-Id", _line(parcel.id or sent.id))]
        if parcel.expires_s is not None and sent.ttl and kept:
            pairs.append(("Nats-TTL", str(max(1, parcel.expires_s))))
        if parcel.media_type is not None:
            pairs.append(("Content-Type", _line(parcel.media_type)))
        pairs += parcel.properties
        reply = f"{self._answers}{sent.id}" if kept else ""
        connection.write(wire.publish(sent.subject, parcel.data, reply, wire.header_block(pairs)))
        if not kept:
            self._loose.append(sent)

    def _dealt_with(self, loose: list[_Sent]) -> None:
        self._answered = True
        for sent in loose:
            if self._under_way.pop(sent.id, None) is not None:
                self._settle(sent, None)
        self.pump()

    def _answer(self, message: Message) -> None:
        sent = self._under_way.pop(message.subject[len(self._answers) :], None)
        if sent is None:
            return
        self._answered = True
        if message.status == 503 and sent.unheard:
            self._settle(sent, SendRefusal.REJECTED)
        elif message.status == 503:
            # The stream was there and is gone: ask again who keeps the topic.
            sent.unheard = True
            self._places.pop(sent.entry.parcel.topic, None)
            self._again.append(sent)
        elif b'"error"' not in message.payload:
            self._settle(sent, None)
        else:
            self._error(sent, message.payload)
        if self._queue or self._again:
            self.pump()

    def _error(self, sent: _Sent, payload: bytes) -> None:
        try:
            code = int(json.loads(payload)["error"]["err_code"])
        except (ValueError, TypeError, KeyError, RecursionError):
            code = 0
        if code == _NO_TTL:
            sent.ttl = False
            self._again.append(sent)
        elif code in _BUSY:
            self._again.append(sent)
            raise LostError("the stream is busy")
        elif code in _TOO_BIG:
            self._settle(sent, SendRefusal.TOO_LARGE)
        else:
            self._settle(sent, SendRefusal.QUOTA if code in _FULL else SendRefusal.REJECTED)

    def _denied(self, subject: str) -> None:
        for sent in [one for one in self._under_way.values() if one.subject == subject]:
            del self._under_way[sent.id]
            self._settle(sent, SendRefusal.NOT_AUTHORISED)
        self.pump()

    def _settle(self, sent: _Sent, refusal: SendRefusal | None) -> None:
        if refusal is None:
            self.sent += 1
        sent.entry.settle(refusal)


def _line(text: str) -> str:
    """What can stand in a header: one bounded line."""
    return "".join(sign for sign in text[:200] if sign.isprintable())
