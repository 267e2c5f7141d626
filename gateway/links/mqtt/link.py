"""The MQTT 5 link: connects a ``Wire`` again and again around one ``Session`` that outlives it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

from gateway.links import Settings, Statistics, secure
from gateway.links.address import Address
from gateway.links.backoff import Pace
from gateway.links.ends import connecting
from gateway.links.fault import LostError
from gateway.links.ledger import Entry
from gateway.links.mqtt.incoming import MqttFrame
from gateway.links.mqtt.inflight import Inflight
from gateway.links.mqtt.session import Credentials, Session
from gateway.links.mqtt.websocket import WebSocket
from gateway.links.mqtt.wire import Parts, Traffic, Wire
from gateway.links.upkeep import Upkeep

_PORT_MAX = 65_535
OPEN_S = 15.0  # to connect, shake hands and be subscribed


class MqttLink(Upkeep[MqttFrame]):
    """See Link. The session survives reconnects; so do frames in hand and parcels under way."""

    def __init__(self, name: str, settings: Settings, address: Address, pace: Pace = Pace()) -> None:  # noqa: B008 - an immutable value
        super().__init__(name, settings, pace)
        self._address = address
        self._session = Session(settings)
        self._traffic = Traffic()
        self._parts = Parts(self._session, self._inbox, self._ledger, self._traffic, self._came_up)
        self._wire: Wire | None = None
        self._slots: Inflight | None = None
        self._place = address  # where the next connection goes

    @property
    def statistics(self) -> Statistics:
        """See Link."""
        incoming, outgoing, traffic = self._session.incoming, self._session.outgoing, self._traffic
        return Statistics(
            received=traffic.received,
            acknowledged=incoming.acknowledged,
            refused=incoming.refused,
            sent=outgoing.sent,
            resent=outgoing.resent,
            connects=self._connects,
            bytes_received=traffic.bytes_received,
            bytes_sent=traffic.bytes_sent,
            dropped=traffic.dropped,
            unmatched=outgoing.unmatched,
            openings=outgoing.openings,
            repeated=outgoing.repeated,
        )

    def _check(self) -> None:
        secure.password(self.settings)
        if self._address.tls:
            secure.context(self.settings)
        if self._slots is None and self.settings.inflight_file is not None:
            self._slots = Inflight.open(self.settings.inflight_file, self.settings.client_id)
            self._session.outgoing.remember(self._slots)

    async def _stop(self) -> None:
        await super()._stop()
        if self._slots is not None:
            self._slots.close()

    async def _connection(self) -> None:
        credentials = Credentials(self.settings.username, secure.password(self.settings))
        tls = secure.context(self.settings) if self._address.tls else None
        wire = self._wire = Wire(self._parts, credentials)
        place, self._place = self._place, self._address
        self._session.server_reference = None
        try:
            async with asyncio.timeout(OPEN_S):
                await self._connect(wire, tls, place)
                await asyncio.wait((wire.up, wire.ended), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((wire.ended,))
            wire.ended.result()
        except TimeoutError:
            raise LostError("no answer") from None
        finally:
            self._wire = None
            self._place = self._referred() or self._place
            if self._in_order:
                await wire.dealt_with()
            wire.close(polite=self._in_order)
            self._session.close()
            await wire.closed()

    def _referred(self) -> Address | None:
        """Where the broker sends us (MQTT 5, 4.11), for one connection; only where certificates prove who is there."""
        reference = (self._session.server_reference or "").split(" ")[0]
        if not self._address.tls or not reference:
            return None
        host, _, port = reference.rpartition(":")
        if not port.isdigit() or not 0 < int(port) <= _PORT_MAX:
            host, port = reference, str(self._address.port)
        return self._address._replace(host=host.strip("[]"), port=int(port))

    async def _connect(self, wire: Wire, tls: ssl.SSLContext | None, place: Address) -> None:
        loop = asyncio.get_running_loop()
        host, port, path = place.host, place.port, place.path
        name = (self.settings.server_name or host) if tls else None
        with connecting():
            if path is None:
                await loop.create_connection(lambda: wire, host, port, ssl=tls, server_hostname=name)
            else:
                socket = WebSocket(wire, place, path, self.settings.packet_max)
                await loop.create_connection(lambda: socket, host, port, ssl=tls, server_hostname=name)
                await socket.opened

    def _submit(self, entries: Sequence[Entry]) -> None:
        self._session.outgoing.submit(entries)
        if self._wire is not None:
            self._wire.wake()

    def _taken(self) -> None:
        if self._wire is not None:
            self._wire.read_on()
