"""MQTT 3.1.1 through ``aiomqtt``, for brokers that cannot do 5. Not the hot path; the same contract.

Acknowledging is ours here too: paho is told not to do it by itself. What 3.1.1 cannot say is missing: a reason in an
acknowledgement (a refused frame is simply taken), an expiry, a media type, a receive maximum. A frame in hand when the
connection breaks comes again from the broker and is yielded again. A parcel's id is ignored: everything goes at QoS 1.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import aiomqtt

from gateway.links import SendRefusal, Settings, Statistics, secure
from gateway.links.address import Address
from gateway.links.backoff import Pace
from gateway.links.fault import LostError, RefusedError
from gateway.links.ledger import Entry
from gateway.links.mqtt.outgoing import bad_topic
from gateway.links.plain import Tally
from gateway.links.upkeep import Upkeep

OPEN_S = 15.0
WINDOW = 100  # publishes under way
_REFUSED = frozenset({1, 2, 4, 5})  # MQTT 3.1.1, 3.2.2.3: version, client id, password, authorisation
_SUBACK_FAILED = 0x80


class OlderFrame:
    """One PUBLISH."""

    __slots__ = ("_client", "_done", "_message", "_tally", "data", "topic")

    def __init__(self, client: aiomqtt.Client, message: aiomqtt.Message, tally: Tally) -> None:
        self.topic = str(message.topic)
        self.data = bytes(message.payload)
        self._client = client
        self._message = message
        self._tally = tally
        self._done = False

    def ack(self) -> None:
        """See Frame."""
        if not self._done:
            self._done = True
            self._tally.acknowledged += 1
            # On a connection that is gone this writes nothing, and the broker sends the message again.
            self._client._client.ack(self._message.mid, self._message.qos)  # noqa: SLF001 - aiomqtt has no call for it

    def refuse(self, reason: str) -> None:  # noqa: ARG002 - 3.1.1 has no reasons
        """See Frame. To the broker it is the same as an acknowledgement."""
        if not self._done:
            self._tally.acknowledged -= 1
            self._tally.refused += 1
            self.ack()


class OlderMqttLink(Upkeep[OlderFrame]):
    """See Link."""

    def __init__(self, name: str, settings: Settings, address: Address, pace: Pace = Pace()) -> None:  # noqa: B008 - an immutable value
        super().__init__(name, settings, pace)
        self._address = address
        self._tally = Tally()
        self._queue: deque[Entry] = deque()
        self._work = asyncio.Event()

    @property
    def statistics(self) -> Statistics:
        """See Link."""
        return self._tally.statistics(self._connects)

    def _check(self) -> None:
        secure.password(self.settings)
        if self._address.tls:
            secure.context(self.settings)

    def _client(self) -> aiomqtt.Client:
        settings = self.settings
        secret, will = secure.password(settings), settings.will
        client = aiomqtt.Client(
            self._address.host,
            self._address.port,
            username=settings.username,
            password=None if secret is None else secret.decode(errors="replace"),
            identifier=settings.client_id,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=settings.session_expiry_s == 0,
            keepalive=settings.keep_alive_s or 60,
            timeout=OPEN_S,
            max_inflight_messages=WINDOW,
            will=None if will is None else aiomqtt.Will(will.topic, will.data, qos=1, retain=will.retain),
            tls_context=secure.context(settings) if self._address.tls else None,
        )
        client.pending_calls_threshold = 2 * WINDOW
        client._client.manual_ack_set(True)  # noqa: SLF001 - aiomqtt has no call for it
        return client

    async def _connection(self) -> None:
        try:
            async with self._client() as client:
                await self._subscribe(client)
                self._came_up()
                await self._both_ways(self._read(client), self._write(client))
        except aiomqtt.MqttError as error:
            raise _fault(error) from None

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        filters = [(one.filter, 1) for one in self.settings.subscriptions]
        if not filters:
            return
        codes = await client.subscribe(filters)
        if any((code if isinstance(code, int) else code.value) >= _SUBACK_FAILED for code in codes):
            raise RefusedError("SUBACK failure")

    async def _read(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            frame = OlderFrame(client, message, self._tally)
            self._tally.received += 1
            self._tally.bytes_received += len(frame.data)
            self._inbox.put([frame])

    async def _write(self, client: aiomqtt.Client) -> None:
        while True:
            while not self._queue:
                self._work.clear()
                await self._work.wait()
            batch = [self._queue[index] for index in range(min(WINDOW, len(self._queue)))]
            self._tally.resent += sum(entry.sent for entry in batch)
            await asyncio.gather(*(self._publish(client, entry) for entry in batch))
            for _ in batch:
                self._queue.popleft()
            self._tally.sent += len(batch)
            for entry in batch:
                entry.settle(None)

    async def _publish(self, client: aiomqtt.Client, entry: Entry) -> None:
        entry.sent = True
        parcel = entry.parcel
        await client.publish(parcel.topic, parcel.data, qos=1, retain=parcel.retain)
        self._tally.bytes_sent += len(parcel.data)

    def _submit(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if bad_topic(entry.parcel.topic):
                entry.settle(SendRefusal.BAD_TOPIC)
            elif len(entry.parcel.data) > self.settings.packet_max:
                entry.settle(SendRefusal.TOO_LARGE)
            else:
                self._queue.append(entry)
        self._work.set()

    def _taken(self) -> None:
        """The broker's own window bounds what is in hand."""


def _fault(error: aiomqtt.MqttError) -> LostError | RefusedError:
    """What an error of the library means for us; its text may hold addresses, so it is not passed on."""
    code = getattr(error, "rc", None)
    number = getattr(code, "value", code)
    if type(error).__name__ == "MqttConnectError" and number in _REFUSED | {0x84, 0x85, 0x86, 0x87}:
        return RefusedError(f"CONNACK {number}")
    return LostError("connection lost")
