"""The NATS link: JetStream behind the Link contract, on connections that come and go."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Sequence

from gateway.links import LinkError, Parcel, SendRefusal, Settings, Statistics, Subscription, secure
from gateway.links.address import Address
from gateway.links.backoff import Pace
from gateway.links.fault import LostError, RefusedError
from gateway.links.ledger import Entry
from gateway.links.nats import subjects, wire
from gateway.links.nats.bind import Binding, bind, keep_last, retained_streams, standing, streams_with
from gateway.links.nats.connection import ApiError, NatsConnection, Place, Traffic
from gateway.links.nats.credentials import Credentials
from gateway.links.nats.publish import Publisher
from gateway.links.nats.pull import Counts, NatsFrame, Pull
from gateway.links.nats.wire import Message
from gateway.links.upkeep import Upkeep

OPEN_S = 20.0  # to connect, and to find or make streams and consumers
TURN_S = 1.0  # how often pulls and silent streams are looked after
_RETAINED_BATCH = 256


class NatsLink(Upkeep[NatsFrame]):
    """See Link. Consumers are durable: what was not acknowledged comes again, whoever connects next."""

    def __init__(self, name: str, settings: Settings, address: Address, pace: Pace = Pace()) -> None:  # noqa: B008 - an immutable value
        super().__init__(name, settings, pace)
        self._address = address
        self._traffic = Traffic()
        self._counts = Counts()
        self._publisher = Publisher(self._kept)
        self._pulls: dict[Binding, Pull] = {}
        self._active: list[Pull] = []
        self._retained: list[NatsFrame] = []
        self._connected: NatsConnection | None = None

    @property
    def statistics(self) -> Statistics:
        """See Link."""
        return Statistics(
            received=self._counts.received,
            acknowledged=self._counts.acknowledged,
            refused=self._counts.refused,
            sent=self._publisher.sent,
            resent=self._publisher.resent,
            connects=self._connects,
            bytes_received=self._traffic.bytes_received,
            bytes_sent=self._traffic.bytes_sent,
        )

    def _check(self) -> None:
        secure.password(self.settings)
        if self._address.tls:
            secure.context(self.settings)
        if self.settings.credentials_file is not None:
            Credentials.read(self.settings.credentials_file)
        for subscription in self.settings.subscriptions:
            try:
                subjects.filters(subscription.filter)
            except subjects.BadTopicError as error:
                raise LinkError(f"subscription {subscription.filter}: {error}") from error

    async def _connection(self) -> None:
        settings = self.settings
        user = "" if settings.username is None else f"_{subjects.token(settings.username)}"
        connection = NatsConnection(f"_INBOX{user}", settings.packet_max + 65_536, settings.keep_alive_s, self._traffic)
        connection.turn_ended = self._turn_ended
        try:
            async with asyncio.timeout(OPEN_S):
                await self._open(connection)
            self._connected = connection
            self._came_up()
            self._publisher.start(connection)
            self._pull_more()
            await self._watch(connection)
        except TimeoutError:
            raise LostError("no answer") from None
        finally:
            self._connected = None
            self._publisher.stop()
            for pull in self._active:
                pull.stop()
            self._active.clear()
            if self._in_order:
                await connection.dealt_with()
            connection.close(None if self._in_order else LostError("closed"))
            await connection.closed()

    async def _open(self, connection: NatsConnection) -> None:
        settings = self.settings
        tls = secure.context(settings) if self._address.tls else None
        options: dict[str, object] = {
            "verbose": False,
            "pedantic": False,
            "lang": "python",
            "version": "1",
            "protocol": 1,
            "headers": True,
            "no_responders": True,
            "echo": False,
            "name": settings.client_id,
        }
        secret = secure.password(settings)
        if settings.username is not None:
            options["user"] = settings.username
            options["pass"] = "" if secret is None else secret.decode(errors="replace")
        prove = None if settings.credentials_file is None else Credentials.read(settings.credentials_file).prove
        place = Place(self._address.host, self._address.port, tls, settings.server_name)
        await connection.open(place, options, prove)
        bindings = await bind(connection, settings)
        for binding in bindings:
            pull = self._pulls.get(binding)
            if pull is None:
                pull = self._pulls[binding] = self._pull(binding)
            self._active.append(pull)
            try:
                await pull.start(connection, functools.partial(standing, connection, binding))
            except ApiError as error:
                raise RefusedError(f"a subscription cannot be served: {error}") from None
        if settings.share is not None and (settings.share.worker or not any(each.provided for each in bindings)):
            self._hear([one for one in settings.subscriptions if one.everyone], connection)
        await self._read_retained(connection, [one for one in settings.subscriptions if one.retained])

    def _hear(self, subscriptions: Sequence[Subscription], connection: NatsConnection) -> None:
        """Take what comes from now on, though somebody else reads it from the stream."""
        for subscription in subscriptions:
            for subject in subjects.filters(subscription.filter):
                connection.subscribe(subject, self._take_live)

    def _pull(self, binding: Binding) -> Pull:
        window = self.settings.receive_maximum
        return Pull(binding.stream, binding.consumer, window, self._counts, partitioned=binding.partitioned)

    async def _watch(self, connection: NatsConnection) -> None:
        loop = asyncio.get_running_loop()
        while not connection.ended.done():
            await asyncio.wait((connection.ended,), timeout=TURN_S)
            self._publisher.check(loop.time())
            self._pull_more()
        connection.ended.result()

    def _turn_ended(self) -> None:
        """Hand over what one read brought, from every consumer, and ask for more."""
        for pull in self._active:
            if pull.arrived:
                self._inbox.put(pull.arrived)
                pull.arrived.clear()
        if self._retained:
            self._inbox.put(self._retained)
            self._retained.clear()
        if self._connected is not None:
            self._pull_more()

    def _pull_more(self) -> None:
        now = asyncio.get_running_loop().time()
        may_pull = not self._inbox.full
        try:
            for pull in self._active:
                pull.pull(now, may_pull=may_pull)
        except LostError as error:
            if self._connected is not None:
                self._connected.close(error)

    def _taken(self) -> None:
        if self._connected is not None:
            self._pull_more()

    def _submit(self, entries: Sequence[Entry]) -> None:
        self._publisher.submit(entries)

    async def _kept(self, subject: str, parcel: Parcel) -> bool | SendRefusal:
        connection = self._connected
        if connection is None:
            raise LostError("not connected")
        try:
            if await streams_with(connection, subject):
                return True
        except ApiError:
            return True  # we may not ask: what we may publish, the owner of the broker keeps
        if not parcel.retain:
            return False
        try:
            await keep_last(connection, self.settings.client_id, subject)
        except ApiError:
            return SendRefusal.REJECTED  # nobody would find it
        return True

    async def _read_retained(self, connection: NatsConnection, subscriptions: Sequence[Subscription]) -> None:
        """Subscribe to what comes, then read what is kept: a message may come twice, and none is missed."""
        if not subscriptions:
            return
        self._hear(subscriptions, connection)
        try:
            for stream, subject in await retained_streams(connection, self.settings):
                await self._read_stream(connection, stream, subject)
        except ApiError as error:
            raise RefusedError(f"what is retained cannot be read: {error}") from None

    async def _read_stream(self, connection: NatsConnection, stream: str, subject: str) -> None:
        sequence = 1
        inbox = f"{connection.inbox}.k.{stream}.{len(self._retained)}"
        while sequence:
            page: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            taker = _Page(self._retained, self._counts, page)
            number = connection.subscribe(inbox, taker.take)
            body = {"seq": sequence, "next_by_subj": subject, "batch": _RETAINED_BATCH}
            connection.write(wire.publish(f"$JS.API.DIRECT.GET.{stream}", json.dumps(body).encode(), inbox))
            await asyncio.wait((page, connection.ended), return_when=asyncio.FIRST_COMPLETED)
            if not page.done():
                raise LostError("connection lost")
            sequence = page.result()
            connection.unsubscribe(number)

    def _take_live(self, message: Message) -> None:
        self._counts.received += 1
        self._retained.append(NatsFrame(subjects.topic(message.subject), message.payload))


class _Page:
    """One page of a stream's messages; the future holds where the next page begins, 0 at the end."""

    def __init__(self, frames: list[NatsFrame], counts: Counts, page: asyncio.Future[int]) -> None:
        self._frames = frames
        self._counts = counts
        self._page = page
        self._last = 0

    def take(self, message: Message) -> None:
        """A message, or the note that ends the page."""
        if message.status:
            left = wire.header(message.headers, "Nats-Num-Pending")
            more = message.status == 204 and left not in {None, "0"} and self._last
            if not self._page.done():
                self._page.set_result(self._last + 1 if more else 0)
            return
        name = wire.header(message.headers, "Nats-Subject") or ""
        sequence = wire.header(message.headers, "Nats-Sequence") or "0"
        self._last = int(sequence) if sequence.isdigit() else 0
        if message.payload:  # an empty one says that nothing is kept any more (MQTT 5, 3.3.1.3)
            self._counts.received += 1
            self._frames.append(NatsFrame(subjects.topic(name), message.payload))
