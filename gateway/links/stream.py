"""TCP and TLS streams: frames as an adapter's ``split`` finds them, one connection kept up.

The far side's program never says that it has a frame. ``send`` returns when its machine has acknowledged every byte;
what was not acknowledged when a connection broke is sent again, so a frame can arrive twice and its first half before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from gateway.links import SendRefusal, Settings, Statistics, secure
from gateway.links.backoff import Pace
from gateway.links.ends import connecting
from gateway.links.fault import LostError
from gateway.links.framed import ByteStream, FramedLink, notice_death, taken
from gateway.links.ledger import Entry

OPEN_S = 15.0
WRITE = 262_144  # bytes handed over at once


class StreamLink(FramedLink):
    """See Link."""

    def __init__(self, name: str, settings: Settings, where: ByteStream, pace: Pace = Pace()) -> None:  # noqa: B008 - an immutable value
        super().__init__(name, settings, where, pace)
        self._queue: deque[Entry] = deque()
        self._work = asyncio.Event()

    @property
    def statistics(self) -> Statistics:
        """See Link."""
        return self._tally.statistics(self._connects)

    def _check(self) -> None:
        if self._address.tls:
            secure.context(self.settings)

    async def _connection(self) -> None:
        tls = secure.context(self.settings) if self._address.tls else None
        with connecting():
            async with asyncio.timeout(OPEN_S):
                host, port = self._address.host, self._address.port
                name = (self.settings.server_name or host) if tls else None
                reader, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=name)
        notice_death(writer.get_extra_info("socket"), self.settings.keep_alive_s)
        self._came_up()
        try:
            await self._both_ways(self._intake.read(reader), self._write(writer))
        except OSError as error:
            raise LostError((error.strerror or "connection lost").lower()) from None
        finally:
            writer.transport.abort()

    async def _write(self, writer: asyncio.StreamWriter) -> None:
        first = True
        while True:
            while not self._queue:
                self._work.clear()
                await self._work.wait()
            batch = self._batch()
            if first:
                self._tally.resent += sum(entry.sent for entry in batch)
            first = False
            data = b"".join(entry.parcel.data for entry in batch)
            for entry in batch:
                entry.sent = True
            writer.write(data)
            await writer.drain()
            await taken(writer)
            self._tally.bytes_sent += len(data)
            self._tally.sent += len(batch)
            for entry in batch:
                self._queue.popleft()
                entry.settle(None)

    def _batch(self) -> list[Entry]:
        """The oldest entries, not yet taken off the queue."""
        batch: list[Entry] = []
        size = 0
        for entry in self._queue:
            if batch and size + len(entry.parcel.data) > WRITE:
                break
            batch.append(entry)
            size += len(entry.parcel.data)
        return batch

    def _submit(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if len(entry.parcel.data) > self.settings.packet_max:
                entry.settle(SendRefusal.TOO_LARGE)
            else:
                self._queue.append(entry)
        self._work.set()
