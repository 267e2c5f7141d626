"""TCP and TLS streams that clients open to us, as to a TAK server: any of them is heard, all of them are told.

``send`` returns when the machine of one client has acknowledged every byte; while nobody is connected it waits. The
others have it in their queue by then: one that goes away, or falls behind the first by ``BEHIND_MAX`` and is let go,
misses what it did not take. A client that comes later gets what nobody has yet, and nothing older.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import deque
from collections.abc import Iterable, Sequence

from gateway.links import SendRefusal, Settings, Statistics, secure
from gateway.links.backoff import Pace
from gateway.links.fault import LostError
from gateway.links.framed import READ, ByteStream, FramedLink, notice_death, taken
from gateway.links.ledger import Entry

CLIENTS_MAX = 256  # connected at once, with those that have not proved who they are
OPEN_S = 15.0  # for a client to shake hands
BEHIND_MAX = 4_194_304  # bytes that others have and a client has not: it is let go rather than kept in memory
BEHIND_S = 60.0  # for a client's machine to take one write
WRITE = 65_536  # bytes handed over at once
_log = logging.getLogger("comity.link")


class _Outgoing:
    """One parcel, and where it ends in all that this link ever sent, counted in bytes."""

    __slots__ = ("end", "entry")

    def __init__(self, entry: Entry, end: int) -> None:
        self.entry = entry
        self.end = end

    @property
    def start(self) -> int:
        return self.end - len(self.entry.parcel.data)


class _Client:
    """One connection, and what waits for it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.queue: deque[_Outgoing] = deque()
        self.work = asyncio.Event()

    def give(self, parcels: Iterable[_Outgoing]) -> None:
        """Queue parcels."""
        self.queue.extend(parcels)
        self.work.set()


class ListenLink(FramedLink):
    """See Link."""

    def __init__(self, name: str, settings: Settings, where: ByteStream, pace: Pace = Pace()) -> None:  # noqa: B008 - an immutable value
        super().__init__(name, settings, where, pace)
        self._untaken: dict[_Outgoing, None] = {}  # what no client has yet, oldest first
        self._end = 0  # bytes that were ever submitted
        self._front = 0  # as far as any client has them
        self._clients: set[_Client] = set()
        self._served: set[asyncio.Task[None]] = set()
        self._joined = 0

    @property
    def statistics(self) -> Statistics:
        """See Link. ``connects`` counts clients."""
        return self._tally.statistics(self._joined)

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._clients)

    def _check(self) -> None:
        if self._address.tls:
            secure.server_context(self.settings)

    async def _connection(self) -> None:
        tls = secure.server_context(self.settings) if self._address.tls else None
        try:
            ear = await self._listen()
        except OSError as error:
            raise LostError((error.strerror or "cannot listen").lower()) from None
        self._came_up()
        try:
            await self._accept(ear, tls)
        except OSError as error:
            raise LostError((error.strerror or "cannot accept").lower()) from None
        finally:
            ear.close()
            for task in self._served:
                task.cancel()
            if self._served:
                await asyncio.wait(self._served)

    async def _listen(self) -> socket.socket:
        found = await asyncio.get_running_loop().getaddrinfo(
            self._address.host, self._address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, place = found[0]
        ear = socket.socket(family, socket.SOCK_STREAM)
        try:
            ear.setblocking(False)
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ear.bind(place)
            ear.listen()
        except OSError:
            ear.close()
            raise
        return ear

    async def _accept(self, ear: socket.socket, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            end, _ = await loop.sock_accept(ear)
            if len(self._served) >= CLIENTS_MAX:
                _log.warning("link %s: a client is turned away, %d are connected", self.name, len(self._served))
                end.close()
                continue
            task = asyncio.create_task(self._serve(end, tls), name=f"link {self.name} client")
            self._served.add(task)
            task.add_done_callback(self._served.discard)

    async def _serve(self, end: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Hold one client until it goes; its faults are its own."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=READ)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            notice_death(end, self.settings.keep_alive_s)
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, end, ssl=tls, ssl_handshake_timeout=OPEN_S if tls else None
            )
        except OSError as error:  # SSLError and a handshake that takes too long are OSErrors
            end.close()
            why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
            _log.warning("link %s: a client does not get in: %s", self.name, why or "no handshake")
            return
        client = _Client(asyncio.StreamWriter(transport, protocol, reader, loop))
        self._add(client)
        try:
            await self._both_ways(self._intake.read(reader), self._write(client))
        except (LostError, OSError) as error:
            _log.info("link %s: a client is gone: %s", self.name, error if isinstance(error, LostError) else "lost")
        finally:
            self._clients.discard(client)
            transport.abort()

    def _add(self, client: _Client) -> None:
        self._joined += 1
        self._clients.add(client)
        for one in [one for one in self._untaken if one.entry.abandoned]:
            del self._untaken[one]
        self._tally.resent += sum(one.entry.sent for one in self._untaken)
        self._mark_sent(self._untaken)
        client.give(self._untaken)

    def _mark_sent(self, parcels: Iterable[_Outgoing]) -> None:
        for one in parcels:
            one.entry.sent = True

    async def _write(self, client: _Client) -> None:
        while True:
            while not client.queue:
                client.work.clear()
                await client.work.wait()
            batch = _batch(client.queue)
            data = b"".join(one.entry.parcel.data for one in batch)
            client.writer.write(data)
            try:
                async with asyncio.timeout(BEHIND_S):
                    await client.writer.drain()
                    await taken(client.writer)
            except TimeoutError:
                raise LostError("it does not read") from None
            self._tally.bytes_sent += len(data)
            for one in batch:
                client.queue.popleft()
                if one in self._untaken:
                    del self._untaken[one]
                    self._tally.sent += 1
                    one.entry.settle(None)
            self._front = max(self._front, batch[-1].end)
            for other in self._clients:
                if other.queue and self._front - other.queue[0].start > BEHIND_MAX:
                    other.writer.transport.abort()

    def _submit(self, entries: Sequence[Entry]) -> None:
        fitting = []
        for entry in entries:
            if len(entry.parcel.data) > self.settings.packet_max:
                entry.settle(SendRefusal.TOO_LARGE)
                continue
            self._end += len(entry.parcel.data)
            fitting.append(_Outgoing(entry, self._end))
        self._untaken.update(dict.fromkeys(fitting))
        if self._clients:
            self._mark_sent(fitting)
        for client in self._clients:
            client.give(fitting)


def _batch(queue: deque[_Outgoing]) -> list[_Outgoing]:
    """The oldest parcels, not yet taken off the queue; at least one."""
    batch: list[_Outgoing] = []
    size = 0
    for one in queue:
        size += len(one.entry.parcel.data)
        if batch and size > WRITE:
            break
        batch.append(one)
    return batch
