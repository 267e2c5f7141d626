"""UDP, to one host or a multicast group: every datagram is a frame, and nothing is ever acknowledged.

With subscriptions the link receives at the URL's address (a multicast group is joined); without, it only sends there.
``send`` returns when the datagram is with the kernel: whether it arrives, nobody knows.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

from gateway.links import LinkError, SendRefusal, Settings, Statistics, multicast
from gateway.links.address import Address
from gateway.links.backoff import Pace
from gateway.links.fault import LostError
from gateway.links.ledger import Entry
from gateway.links.plain import PlainFrame, Tally, topic_of
from gateway.links.upkeep import Upkeep
from gateway.table.transport import is_address

DATAGRAM_MAX = 65_507  # bytes of payload (RFC 768 and 791)


class DatagramLink(Upkeep[PlainFrame]):
    """See Link."""

    def __init__(self, name: str, settings: Settings, address: Address, pace: Pace = Pace()) -> None:  # noqa: B008 - an immutable value
        super().__init__(name, settings, pace)
        self._address = address
        self._topic = topic_of(settings, name)
        self._tally = Tally()
        self._transport: asyncio.DatagramTransport | None = None
        self._queue: list[Entry] = []
        self._target: Any = None  # the host or group that we send to
        self._own: Any = None  # where our datagrams to a group come from: the group brings them back to us

    @property
    def statistics(self) -> Statistics:
        """See Link."""
        return self._tally.statistics(self._connects)

    def _check(self) -> None:
        if self.settings.subscriptions and not is_address(self._address.host):
            raise LinkError(f"{self.settings.url}: a link that receives needs an IP address, not a name")

    async def _connection(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            end = self._socket()
            wire = _Datagrams(self._arrived)
            transport, _ = await loop.create_datagram_endpoint(lambda: wire, sock=end)
        except OSError as error:
            raise LostError((error.strerror or "cannot open a socket").lower()) from None
        sender = transport
        try:
            if self._hears_itself:
                sender = await self._sender()
            self._transport = sender
            self._came_up()
            self._send_queued()
            await wire.lost
        finally:
            self._transport = None
            transport.close()
            sender.close()

    async def _sender(self) -> asyncio.DatagramTransport:
        """A socket of its own for sending to the group, so that we know what comes back from it."""
        try:
            end = multicast.sender(self._target, self.settings.interface)
            wire = _Datagrams(lambda _data, _origin: None)
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: wire, sock=end)
        except OSError as error:
            raise LostError((error.strerror or "cannot open a socket").lower()) from None
        self._own = end.getsockname()[:2]
        return transport

    @property
    def _hears_itself(self) -> bool:
        return multicast.group_of(self._address.host) is not None and bool(self.settings.subscriptions)

    def _socket(self) -> socket.socket:
        host, port = self._address.host, self._address.port
        family, _, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        end = socket.socket(family, socket.SOCK_DGRAM)
        try:
            end.setblocking(False)
            group = multicast.group_of(host)
            if group is not None:
                place = multicast.target(place, self.settings.interface)
                multicast.outlet(end, self.settings.interface)
                if self.settings.subscriptions:
                    multicast.join(end, group, port, self.settings.interface)
            elif self.settings.subscriptions:
                end.bind(place)
            self._target = place
        except OSError:
            end.close()
            raise
        return end

    def _arrived(self, data: bytes, origin: Any) -> None:  # noqa: ANN401 - a socket address
        if not self.settings.subscriptions or origin[:2] == self._own:
            return
        self._tally.bytes_received += len(data)
        if self._inbox.full or self._tally.open >= 4 * self.settings.receive_maximum:
            self._tally.dropped += 1
            return
        self._inbox.put([PlainFrame(self._topic, data, self._tally, lambda: None)])

    def _submit(self, entries: Sequence[Entry]) -> None:
        self._queue.extend(entries)
        if self._transport is not None:
            self._send_queued()

    def _send_queued(self) -> None:
        queue, self._queue = self._queue, []
        for entry in queue:
            data = entry.parcel.data
            if len(data) > DATAGRAM_MAX:
                entry.settle(SendRefusal.TOO_LARGE)
            elif self._transport is not None:
                self._transport.sendto(data, self._target)
                self._tally.sent += 1
                self._tally.bytes_sent += len(data)
                entry.settle(None)

    def _taken(self) -> None:
        """Nothing is paused: what comes too fast is dropped and counted."""


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, arrived: Any) -> None:  # noqa: ANN401 - a bound method
        self._arrived = arrived
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._arrived(data, addr)

    def error_received(self, exc: Exception) -> None:
        """An ICMP answer to an earlier datagram: the next one may arrive."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the name is asyncio's
        if not self.lost.done():
            self.lost.set_exception(LostError("the socket is gone"))
