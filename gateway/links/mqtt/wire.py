"""One MQTT connection: an asyncio Protocol that moves bytes between a transport and a ``Session``.

Writes and acknowledgements are joined once per turn of the event loop. Reading stops while the relay is behind, except
while parcels wait for their acknowledgement on this same connection: stopping then could stop both sides for ever, so
QoS 0 frames are dropped (and counted) instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, cast

from gateway.links.ends import GOODBYE_S, let_go
from gateway.links.fault import LostError, ProtocolError, RefusedError
from gateway.links.inbox import Inbox
from gateway.links.ledger import Ledger
from gateway.links.mqtt.incoming import MqttFrame
from gateway.links.mqtt.session import Credentials, Session

STALL_S = 60.0  # a broker that answers pings and never acknowledges is as good as gone
HELD_MAX = 64 * 1024 * 1024  # bytes of frames in hand before reading stops
_DEAD_AFTER = 1.5  # keep-alive intervals of silence (MQTT 5, 3.1.2.10 has the broker do the same)


class Traffic:
    """Counts of one link over all of its connections."""

    __slots__ = ("bytes_received", "bytes_sent", "dropped", "received")

    def __init__(self) -> None:
        self.received = 0
        self.bytes_received = 0
        self.bytes_sent = 0
        self.dropped = 0  # QoS 0 frames that came faster than they were taken


class Parts(NamedTuple):
    """What outlives a connection."""

    session: Session
    inbox: Inbox[MqttFrame]
    ledger: Ledger
    traffic: Traffic
    came_up: Callable[[], None]


class Wire(asyncio.Protocol):
    """See the module's first lines. ``ended`` completes with the fault that ended the connection."""

    def __init__(self, parts: Parts, credentials: Credentials) -> None:
        self._session = parts.session
        self._parts = parts
        self._credentials = credentials
        self._loop = asyncio.get_running_loop()
        self.up: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._gone = asyncio.Event()
        self._answered: asyncio.Future[None] | None = None
        self._pongs = 0
        self._transport: asyncio.Transport | None = None
        self._flushing = False
        self._reading = True
        self._timer: asyncio.TimerHandle | None = None
        self._read_at = self._wrote_at = self._settled_at = self._loop.time()
        self._settled = 0
        self._failure: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say CONNECT."""
        self._transport = cast("asyncio.Transport", transport)
        self._session.incoming.wake = self.wake
        self._session.open(self._credentials)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Feed the session; hand over what came."""
        session = self._session
        self._parts.traffic.bytes_received += len(data)
        self._read_at = self._loop.time()
        try:
            session.feed(data)
        except ProtocolError as error:
            self._hand_over()
            self._end(LostError(f"protocol error: {error}"), session.goodbye(error.code))
            return
        except (RefusedError, LostError) as error:
            self._hand_over()
            self._end(error)
            return
        self._hand_over()
        if self._answered is not None and session.pongs > self._pongs and not self._answered.done():
            self._answered.set_result(None)
        if session.subscribed and not self.up.done():
            self.up.set_result(None)
            self._parts.came_up()
            self._tick()
        if session.out or session.incoming.unanswered:
            self.wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is asyncio's
        """Note why."""
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        self._gone.set()
        if not self.ended.done():
            self.ended.set_exception(self._failure or LostError("connection lost"))

    def pause_writing(self) -> None:
        """Send no more parcels while the transport is behind; acknowledgements are few and go on."""
        self._session.outgoing.blocked = True

    def resume_writing(self) -> None:
        """Send on."""
        self._session.outgoing.blocked = False
        self.wake()

    def wake(self) -> None:
        """Write what there is to write, once per turn of the event loop."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def read_on(self) -> None:
        """Read again, if reading was stopped and there is room."""
        if not self._reading and self._transport is not None and self._may_read():
            self._reading = True
            self._read_at = self._loop.time()
            self._transport.resume_reading()

    def close(self, *, polite: bool) -> None:
        """End the connection; with a DISCONNECT when the link closes in order."""
        if self._transport is not None:
            self._end(LostError("closed"), self._session.goodbye() if polite and self._session.connected else b"")
        if self.ended.done():
            self.ended.exception()  # seen
        else:
            self.ended.cancel()

    async def dealt_with(self) -> None:
        """Return once the broker has read all that was written: a socket closed earlier may take it along."""
        session = self._session
        if self._transport is None or not session.connected:
            return
        self._answered = self._loop.create_future()
        self._pongs = session.pongs
        session.ping()
        self._flush()
        self.read_on()
        await asyncio.wait((self._answered, self.ended), timeout=GOODBYE_S, return_when=asyncio.FIRST_COMPLETED)

    async def closed(self) -> None:
        """Return once the socket is closed."""
        if self._transport is not None:
            await let_go(self._transport, self._gone)

    def _flush(self) -> None:
        self._flushing = False
        transport, session = self._transport, self._session
        if transport is None:
            return
        if session.connected:
            session.incoming.answer()
            session.outgoing.pump()
        if session.out:
            data = b"".join(session.out)
            session.out.clear()
            self._parts.traffic.bytes_sent += len(data)
            self._wrote_at = self._loop.time()
            transport.write(data)
        if not self._reading:
            self.read_on()

    def _hand_over(self) -> None:
        arrived = self._session.arrived
        if not arrived:
            return
        parts = self._parts
        parts.traffic.received += len(arrived)
        if parts.inbox.overfull:
            kept = [frame for frame in arrived if frame.qos]
            parts.traffic.dropped += len(arrived) - len(kept)
            parts.inbox.put(kept)
        else:
            parts.inbox.put(arrived)
        arrived.clear()
        if not self._may_continue() and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def _may_continue(self) -> bool:
        parts = self._parts
        if parts.ledger.waiting or not self._session.subscribed:  # SUBACK comes behind what a resumed session holds
            return self._session.incoming.bytes_held < 4 * HELD_MAX
        return not parts.inbox.full and self._session.incoming.bytes_held < HELD_MAX

    def _may_read(self) -> bool:
        parts = self._parts
        if parts.ledger.waiting or not self._session.subscribed:
            return self._may_continue()
        return parts.inbox.has_room and self._session.incoming.bytes_held < HELD_MAX

    def _tick(self) -> None:
        """Keep alive, and notice a peer that is gone without a word."""
        now = self._loop.time()
        keep_alive_s = self._session.keep_alive_s
        outgoing = self._session.outgoing
        outgoing.tend(now)
        if self._session.out:
            self.wake()
        if not outgoing.unanswered or outgoing.sent != self._settled:
            self._settled, self._settled_at = outgoing.sent, now
        if self._reading and keep_alive_s and now - self._read_at > _DEAD_AFTER * keep_alive_s:
            self._end(LostError("the peer is silent"))
            return
        if now - self._settled_at > STALL_S:
            self._end(LostError("the peer does not acknowledge"))
            return
        # Asked early enough that an answer is due before the broker, or we, give up.
        if keep_alive_s and now - min(self._wrote_at, self._read_at) >= 0.5 * keep_alive_s:
            self._session.ping()
            self.wake()
        interval_s = min(0.25 * keep_alive_s, STALL_S / 4) if keep_alive_s else STALL_S / 4
        self._timer = self._loop.call_later(interval_s, self._tick)

    def _end(self, failure: Exception, last_words: bytes = b"") -> None:
        """Close; whatever is not written by now is lost and will be repeated."""
        self._failure = self._failure or failure
        transport = self._transport
        if transport is None:
            return
        if last_words:
            self._flush()
            transport.write(last_words)
            transport.close()
        else:
            transport.abort()
