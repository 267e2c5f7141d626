"""One NATS connection: handshake, requests, subscriptions, pings. Knows nothing of streams."""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from gateway.links.ends import GOODBYE_S, connecting, let_go
from gateway.links.fault import LostError, ProtocolError, RefusedError
from gateway.links.nats import wire
from gateway.links.nats.wire import Info, Message, Note

REQUEST_S = 5.0
_DEAD_AFTER = 1.5  # keep-alive intervals of silence, as on MQTT links
_DENIED = "permissions violation for publish to "
_DENIED_READING = "permissions violation for subscription to "
_UNWELCOME = ("authorization violation", "authentication", "account")

Prove = Callable[[str], dict[str, Any]]


class ApiError(Exception):
    """The server refused a request of ours; ``code`` is JetStream's error code, 0 for a permission."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Place(NamedTuple):
    """Where a server listens."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    name: str | None = None  # whom the certificate must name, when that is not the host


class Traffic:
    """Counts of one link over all of its connections."""

    __slots__ = ("bytes_received", "bytes_sent")

    def __init__(self) -> None:
        self.bytes_received = 0
        self.bytes_sent = 0


class NatsConnection(asyncio.Protocol):
    """See the module's first line. ``ended`` completes with the fault that ended the connection."""

    def __init__(self, root: str, payload_max: int, keep_alive_s: float, traffic: Traffic) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._gone = asyncio.Event()
        self._hello: asyncio.Future[Info] = self._loop.create_future()
        self.root = root  # of inboxes that outlive this connection
        self.inbox = f"{root}.{secrets.token_hex(8)}"
        self.info: Info | None = None
        self.denied: Callable[[str], None] | None = None  # called with the subject of a publish that is not allowed
        self.turn_ended: Callable[[], None] | None = None  # called after each read, once what arrived is handed out
        self.writable: Callable[[], None] | None = None
        self.blocked = False
        self._parser = wire.Parser(payload_max)
        self._keep_alive_s = keep_alive_s or 3600.0
        self._traffic = traffic
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._flushing = False
        self._takers: dict[int, Callable[[Message], None]] = {}
        self._requests: dict[str, tuple[str, asyncio.Future[Message]]] = {}
        self._pongs: deque[Callable[[], None] | None] = deque()
        self._numbers = 0
        self._failure: Exception | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._read_at = self._loop.time()

    async def open(self, place: Place, options: dict[str, Any], prove: Prove | None = None) -> None:
        """Connect and shake hands; ``prove`` signs the server's nonce. Raise LostError or RefusedError."""
        with connecting():
            transport, _ = await self._loop.create_connection(lambda: self, place.host, place.port)
            self._transport = transport
            info = await self._during(self._hello)
            if place.tls is not None:
                if not (info.tls_required or info.tls_available):
                    raise RefusedError("the server has no TLS")
                self._transport = await self._loop.start_tls(
                    transport, self, place.tls, server_hostname=place.name or place.host
                )
            elif info.tls_required:
                raise RefusedError("the server requires TLS")
        if not info.headers or not info.jetstream:
            raise RefusedError("the server has no JetStream")
        self.info = info
        if prove is not None:
            options = options | prove(info.nonce or "")
        self.write(wire.connect(options))
        answered: asyncio.Future[None] = self._loop.create_future()
        self.ping(lambda: _complete(answered))
        await self._during(answered)
        self.subscribe(f"{self.inbox}.r.*", self._answer)
        self._tick()

    def write(self, data: bytes) -> None:
        """Write, joined with whatever else is written in this turn of the event loop."""
        self._out.append(data)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Hand what is written to the transport."""
        self._flushing = False
        if self._out and self._transport is not None:
            data = b"".join(self._out)
            self._traffic.bytes_sent += len(data)
            self._transport.write(data)
        self._out.clear()

    def subscribe(self, subject: str, taker: Callable[[Message], None]) -> int:
        """Receive a subject; the number of the subscription."""
        self._numbers += 1
        self._takers[self._numbers] = taker
        self.write(f"SUB {subject} {self._numbers}\r\n".encode())
        return self._numbers

    def unsubscribe(self, number: int) -> None:
        """Receive it no more."""
        self._takers.pop(number, None)
        self.write(f"UNSUB {number}\r\n".encode())

    def ping(self, answered: Callable[[], None] | None = None) -> None:
        """Ask for a PONG; the server has then dealt with all that was written before."""
        self._pongs.append(answered)
        self.write(b"PING\r\n")

    async def request(self, subject: str, payload: bytes = b"") -> Message:
        """Ask, and wait for one answer. Raise ApiError when it is not allowed or nobody answers, LostError."""
        self._numbers += 1
        token = f"{self.inbox}.r.{self._numbers}"
        future: asyncio.Future[Message] = self._loop.create_future()
        self._requests[token] = (subject, future)
        self.write(wire.publish(subject, payload, token))
        try:
            async with asyncio.timeout(REQUEST_S):
                return cast("Message", await self._during(future))
        except TimeoutError:
            raise LostError("no answer to a request") from None
        finally:
            self._requests.pop(token, None)

    async def api(self, subject: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A JetStream API call. Raise ApiError with the server's code, LostError."""
        answer = await self.request(f"$JS.API.{subject}", b"" if body is None else json.dumps(body).encode())
        if answer.status == 503:
            raise LostError("JetStream does not answer")
        try:
            said = json.loads(answer.payload)
        except (ValueError, RecursionError):
            raise ProtocolError("malformed answer") from None
        if not isinstance(said, dict):
            raise ProtocolError("malformed answer")
        error = said.get("error")
        if isinstance(error, dict):
            raise ApiError(int(error.get("err_code", 1)), str(error.get("description", ""))[:120])
        return said

    def close(self, failure: Exception | None = None) -> None:
        """End the connection, after what is written."""
        self._failure = self._failure or failure
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self.flush()
            if failure is None:
                self._transport.close()
            else:
                self._transport.abort()
        self._finish()

    async def dealt_with(self) -> None:
        """Return once the server has dealt with all that was written: a socket closed earlier may take it along."""
        if self._transport is None or self.ended.done():
            return
        answered: asyncio.Future[None] = self._loop.create_future()
        self.ping(lambda: _complete(answered))
        await asyncio.wait((answered, self.ended), timeout=GOODBYE_S, return_when=asyncio.FIRST_COMPLETED)

    async def closed(self) -> None:
        """Return once the socket is closed."""
        if self._transport is not None:
            await let_go(self._transport, self._gone)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand out what arrived."""
        self._traffic.bytes_received += len(data)
        self._read_at = self._loop.time()
        try:
            for one in self._parser.feed(data):
                if type(one) is Message:
                    taker = self._takers.get(one.sid)
                    if taker is not None:
                        taker(one)
                elif type(one) is Note:
                    self._note(one)
                elif type(one) is Info and not self._hello.done():
                    self._hello.set_result(one)
        except ProtocolError as error:
            self.close(LostError(f"protocol error: {error}"))
        except (LostError, RefusedError) as error:
            self.close(error)
        if self.turn_ended is not None:
            self.turn_ended()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is asyncio's
        """Note that it is over."""
        self._transport = None
        self._gone.set()
        if self._timer is not None:
            self._timer.cancel()
        self._finish()

    def pause_writing(self) -> None:
        """The transport is behind."""
        self.blocked = True

    def resume_writing(self) -> None:
        """The transport has caught up."""
        self.blocked = False
        if self.writable is not None:
            self.writable()

    def _note(self, note: Note) -> None:
        if note.verb == "PING":
            self.write(b"PONG\r\n")
        elif note.verb == "PONG":
            if not self._pongs:
                raise ProtocolError("PONG without PING")
            answered = self._pongs.popleft()
            if answered is not None:
                answered()
        elif note.verb == "-ERR":
            self._error(note.text)

    def _error(self, text: str) -> None:
        lower = text.lower()
        if lower.startswith(_DENIED):
            self._refused(text[len(_DENIED) :].strip('" '))
        elif lower.startswith(_DENIED_READING):
            raise RefusedError("a subscription is not allowed")
        elif lower.startswith(_UNWELCOME):
            raise RefusedError("not authorised")
        else:
            raise LostError("the server ended the connection")

    def _refused(self, subject: str) -> None:
        for asked, future in self._requests.values():
            if asked == subject and not future.done():
                future.set_exception(ApiError(0, "not allowed"))
                return
        if self.denied is not None:
            self.denied(subject)

    def _answer(self, message: Message) -> None:
        _, future = self._requests.get(message.subject, ("", None))
        if future is not None and not future.done():
            future.set_result(message)

    def _tick(self) -> None:
        silent_s = self._loop.time() - self._read_at
        if silent_s > _DEAD_AFTER * self._keep_alive_s:
            self.close(LostError("the server is silent"))
            return
        if silent_s > 0.5 * self._keep_alive_s:
            self.ping()
        self._timer = self._loop.call_later(0.25 * self._keep_alive_s, self._tick)

    def _finish(self) -> None:
        if not self.ended.done():
            self.ended.set_exception(self._failure or LostError("connection lost"))
            self.ended.exception()  # seen: whoever waits sees it too

    async def _during(self, future: asyncio.Future[Any]) -> Any:  # noqa: ANN401 - of whatever the future is
        """A future's result, unless the connection ends first."""
        await asyncio.wait((future, self.ended), return_when=asyncio.FIRST_COMPLETED)
        if not future.done():
            future.cancel()
            self.ended.result()
        return future.result()


def _complete(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
