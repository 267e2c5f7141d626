"""The receiving half of a NATS link: frames pulled from a durable consumer, acknowledged one by one.

What the server says it delivered and we do not have was lost on the way: it is asked for again at once, before anything
new is pulled, so that the order of a subject survives a lost connection.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gateway.links.fault import LostError
from gateway.links.nats import wire
from gateway.links.nats.connection import NatsConnection
from gateway.links.nats.subjects import topic
from gateway.links.nats.wire import Message

PULL_S = 30.0  # a pull request lives so long
HEARTBEAT_S = 5.0  # while it has nothing to say, the server says so this often
_NANOSECONDS = 1_000_000_000
_SPAN_MAX = 65_536  # stream sequences looked through for lost frames; beyond, they come after the ack wait
PATIENCE_S = 2.0  # how long newer frames wait for older ones to come again
_TOPICS_MAX = 16_384  # subjects whose topic is remembered
_REMEMBERED = 4096  # frames whose acknowledgement may have been lost with a connection


class NatsFrame:
    """One message of a stream; ``pull`` is None for what needs no acknowledgement."""

    __slots__ = ("_pull", "_settled", "data", "key", "reply", "topic")

    def __init__(self, topic: str, data: bytes, pull: Pull | None = None, reply: str = "") -> None:
        self.topic = topic
        self.data = data
        self.reply = reply  # where the acknowledgement goes
        # Sequence in the stream and time of storing: the identity of a message, even if a stream is made anew.
        self.key = ("", "")
        self._pull = pull
        self._settled = False

    def detach(self) -> None:
        """Forget the stream: nobody waits for the acknowledgement."""
        self._pull = None

    def ack(self) -> None:
        """See Frame."""
        self._settle(b"+ACK")

    def refuse(self, reason: str) -> None:
        """See Frame. The stream never delivers it again."""
        self._settle(b"+TERM " + "".join(sign for sign in reason[:64] if sign.isprintable()).encode())

    def _settle(self, answer: bytes) -> None:
        if not self._settled:
            self._settled = True
            if self._pull is not None:
                self._pull.settle(self, answer)


class Counts:
    """What became of frames, over all of a link's consumers."""

    __slots__ = ("acknowledged", "received", "refused")

    def __init__(self) -> None:
        self.received = 0
        self.acknowledged = 0
        self.refused = 0


class Standing(NamedTuple):
    """Where a consumer stands by the server's account."""

    floor: int  # every stream sequence up to this is acknowledged
    delivered: int  # the last stream sequence delivered
    consumer: int  # the last consumer sequence delivered
    pending: int  # delivered and not acknowledged
    created: str  # when the consumer was made


class Pull:
    """One durable consumer, over all connections. ``may_pull`` says whether there is room for more frames."""

    def __init__(self, stream: str, consumer: str, window: int, counts: Counts, *, partitioned: bool = False) -> None:
        self.stream = stream
        self.consumer = consumer
        self._partitioned = partitioned
        self._batch = max(1, min(512, window))
        self._counts = counts
        self._held: dict[tuple[str, str], NatsFrame] = {}
        self._answered: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._topics: dict[str, str] = {}
        self._connection: NatsConnection | None = None
        self._inbox = ""
        self._open = 0
        self._heard_at = 0.0
        self._heard = False
        self._created = ""
        self._late: list[NatsFrame] | None = None  # held back while something older is to come again
        self._lost = 0
        self._lost_up_to = 0
        self._patience_s = 0.0
        self.arrived: list[NatsFrame] = []

    async def start(self, connection: NatsConnection, standing: Callable[[], Awaitable[Standing]]) -> None:
        """Use a new connection: first what was lost on the way to us, then what is new.

        The inbox outlives the connection: what the server still delivers for an old pull request, while it believes in
        a connection that is dead, comes here. ``standing`` asks the server where the consumer stands.
        """
        self._connection = connection
        self._inbox = f"{connection.root}.P.{self.stream}.{self.consumer}"
        self._open = 0
        self._late = []
        connection.subscribe(self._inbox, self._take)
        now = await standing()
        if now.created != self._created or any(int(sequence) > now.delivered for sequence, _ in self._held):
            self._forget()
        self._created = now.created
        self._ask_again(connection, now)

    def stop(self) -> None:
        """The connection is gone; frames in hand stay good."""
        self._connection = None

    def pull(self, now: float, *, may_pull: bool) -> None:
        """Ask for more when little is still to come. Raise LostError when the server has stopped answering."""
        connection = self._connection
        if connection is None:
            return
        if self._heard:
            self._heard, self._heard_at = False, now
        if self._open and now - self._heard_at > 3 * HEARTBEAT_S:
            raise LostError("the consumer is silent")
        if self._lost > 0 and now > self._patience_s:
            self._lost = 0  # it has expired, or another worker has it
            self._hand_over_late()
        if not may_pull or self._open > self._batch // 2:
            return
        self._open += self._batch
        self._heard_at = now
        body = {
            "batch": self._batch,
            "expires": int(PULL_S * _NANOSECONDS),
            "idle_heartbeat": int(HEARTBEAT_S * _NANOSECONDS),
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self.consumer}"
        connection.write(wire.publish(subject, json.dumps(body).encode(), self._inbox))

    def settle(self, frame: NatsFrame, answer: bytes) -> None:
        """Tell the server, on whatever connection is up; else when the next one is."""
        del self._held[frame.key]
        self._remember(frame.key, answer)
        if answer == b"+ACK":
            self._counts.acknowledged += 1
        else:
            self._counts.refused += 1
        if self._connection is not None:
            self._connection.write(wire.acknowledgement(frame.reply, answer))

    def _take(self, message: Message) -> None:
        self._heard = True
        if not message.reply.startswith("$JS.ACK."):
            self._note(message)
            return
        self._open = max(0, self._open - 1)
        key = _key(message.reply)
        if key in self._held:
            return
        answer = self._answered.get(key)
        if answer is not None:
            if self._connection is not None:
                self._connection.write(wire.acknowledgement(message.reply, answer))
            self._came_again(key)
            return
        subject = message.subject
        name = self._topics.get(subject)
        if name is None:
            if len(self._topics) >= _TOPICS_MAX:
                self._topics.clear()
            name = self._topics[subject] = topic(subject.partition(".")[2] if self._partitioned else subject)
        frame = NatsFrame(name, message.payload, self, message.reply)
        frame.key = key
        self._held[key] = frame
        self._counts.received += 1
        if self._late is None:
            self.arrived.append(frame)
            return
        self._late.append(frame)
        self._came_again(key)

    def _came_again(self, key: tuple[str, str]) -> None:
        if self._lost > 0 and int(key[0]) <= self._lost_up_to:
            self._lost -= 1
            self._hand_over_late()

    def _note(self, message: Message) -> None:
        status = message.status
        if status == 100:
            return
        if status in {404, 408} or (status == 409 and "exceeded" in wire.reason(message.headers).lower()):
            left = wire.header(message.headers, "Nats-Pending-Messages")
            self._open = max(0, self._open - int(left)) if left is not None and left.isdigit() else 0
            return
        # The consumer was deleted, its server shuts down or leads no more: set everything up again.
        raise LostError("the consumer is gone" if status == 409 else "the consumer cannot be pulled from")

    def _forget(self) -> None:
        """The stream was made anew, or has gone back in time: its numbers may mean other messages now."""
        for frame in self._held.values():
            frame.detach()
        self._held.clear()

    def _ask_again(self, connection: NatsConnection, standing: Standing) -> None:
        """Have everything delivered again that is not here, and hold back what is newer until it has come.

        What we acknowledged and the server did not hear comes again too, and is acknowledged once more.
        """
        here = {int(sequence) for sequence, _ in self._held}
        lost = standing.pending - sum(standing.floor < sequence <= standing.delivered for sequence in here)
        span = standing.delivered - standing.floor
        self._lost_up_to = standing.delivered
        self._lost = lost if 0 < span <= _SPAN_MAX else 0
        if self._lost > 0:
            prefix = f"$JS.ACK.{self.stream}.{self.consumer}.1"
            for sequence in range(standing.floor + 1, standing.delivered + 1):
                if sequence not in here:
                    connection.write(wire.publish(f"{prefix}.{sequence}.{standing.consumer}.0.0", b"-NAK"))
            self._patience_s = asyncio.get_running_loop().time() + PATIENCE_S
        self._hand_over_late()

    def _hand_over_late(self) -> None:
        """Yield what was held back, in the stream's order, once nothing older is to come."""
        if self._late is not None and self._lost <= 0:
            late, self._late = self._late, None
            self.arrived.extend(sorted(late, key=lambda frame: int(frame.key[0])))

    def _remember(self, key: tuple[str, str], answer: bytes) -> None:
        self._answered[key] = answer
        if len(self._answered) > _REMEMBERED:
            self._answered.popitem(last=False)


def _key(reply: str) -> tuple[str, str]:
    parts = reply.rsplit(".", 5)
    return (parts[2], parts[4]) if len(parts) == 6 else (reply, "")
