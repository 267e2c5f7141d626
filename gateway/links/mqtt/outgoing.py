"""The sending half of an MQTT 5 session: packet identifiers, flow control, and resending in order. Pure.

A parcel is settled by the broker's PUBACK, never earlier. After a reconnect what was under way is sent again first, in
its order, marked as a duplicate when the broker still has the session (MQTT 5, 4.4), and only then what is new. Parcels
with an id go at QoS 2 where there is a memory for them, see ``once``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from typing import NamedTuple

import mqtt5

from gateway.links import Parcel, SendRefusal
from gateway.links.fault import ProtocolError
from gateway.links.ledger import Entry
from gateway.links.mqtt.inflight import Inflight
from gateway.links.mqtt.once import Once
from gateway.links.properties import carried

_QOS1 = mqtt5.QoS.AT_LEAST_ONCE
_QOS2 = mqtt5.QoS.EXACTLY_ONCE
_TOPIC_MAX = 65_535  # bytes of UTF-8 (MQTT 5, 1.5.4)
_GOOD_MAX = 4096  # topics remembered as good
_PLAIN = (False, None, None, ())  # not retained, no expiry, no media type, no properties
_WINDOW_MAX = 4096  # publishes under way, whatever more the broker would take
LEFT_S = 600.0  # for how long what an earlier process left may take up more than half of what may be under way
_REFUSALS = {
    0x87: SendRefusal.NOT_AUTHORISED,
    0x90: SendRefusal.BAD_TOPIC,
    0x97: SendRefusal.QUOTA,
}


class Limits(NamedTuple):
    """What the broker said in its CONNACK about what it takes."""

    receive_maximum: int = 65_535
    packet_max: int | None = None
    retain_available: bool = True
    alias_max: int = 0
    qos_max: int = 2


def bad_topic(topic: str) -> bool:
    """Whether a PUBLISH cannot carry this topic (MQTT 5, 4.7.1 and 4.7.3)."""
    return (
        not topic
        or "+" in topic
        or "#" in topic
        or "\0" in topic
        or (len(topic) > _TOPIC_MAX // 4 and len(topic.encode(errors="replace")) > _TOPIC_MAX)
    )


class Outgoing:
    """Parcels that wait, and parcels that the broker has not yet acknowledged."""

    def __init__(self, out: list[bytes], *, in_custody: bool = False) -> None:
        self._out = out
        self._in_custody = in_custody
        self._limits = Limits()
        self._queue: deque[Entry] = deque()
        self._again: deque[int] = deque()  # identifiers under way on an earlier connection, to be sent again
        self._under_way: dict[int, Entry] = {}
        self._aliases: dict[str, int] = {}
        self._good: set[str] = set()  # topics that were looked at
        self._quota = 0
        self._last = 0
        self._once: Once | None = None
        self._exactly = False  # the broker of this connection can do QoS 2, and there is a memory for it
        self._left_since: float | None = None
        self.blocked = False  # the transport's buffer is full
        self._sent = 0
        self._resent = 0
        self.unmatched = 0
        self.openings = 0  # connections, where the sender repeats what may be lost

    @property
    def sent(self) -> int:
        """Parcels that the broker has acknowledged."""
        return self._sent if self._once is None else self._sent + self._once.sent

    @property
    def resent(self) -> int:
        """Publishes of parcels that had been published before."""
        return self._resent if self._once is None else self._resent + self._once.resent

    @property
    def repeated(self) -> int:
        """Parcels that were not sent because the broker has them, or is being sent them."""
        return 0 if self._once is None else self._once.repeated

    @property
    def unanswered(self) -> int:
        """Parcels sent on this connection and not acknowledged."""
        once = self._once
        return len(self._under_way) - len(self._again) + (0 if once is None else once.unanswered)

    def remember(self, slots: Inflight) -> None:
        """Deliver parcels with an id once, by what is noted in these slots. Before the first connection."""
        self._once = Once(slots, self._out, self.identifier, self._put_back)
        self._last = slots.last

    def submit(self, entries: Iterable[Entry]) -> None:
        """Queue a batch."""
        once = self._once
        if once is not None and once.left:
            entries, claimed = once.claim(entries)
            self._quota += claimed  # the broker counts them already
        self._queue.extend(entries)

    def resume(self, limits: Limits, *, session_present: bool) -> None:
        """Start a connection: what was under way goes first."""
        self._limits = limits
        self._quota = min(limits.receive_maximum, _WINDOW_MAX)
        self.blocked = False
        self._aliases.clear()
        self._again.clear()
        if self._in_custody:
            self._give_back()
        elif session_present:
            self._again.extend(self._under_way)
        else:
            self._put_back(self._under_way.values())
            self._resent += len(self._under_way)
            self._under_way.clear()
        if self._once is not None:
            self._exactly = limits.qos_max > 1
            self._quota -= self._once.resume(session_present=session_present and self._exactly)

    def suspend(self) -> None:
        """Stop sending: the connection is gone."""
        self._quota = 0

    def pump(self) -> None:
        """Write as many publishes as the broker's receive maximum allows."""
        once = self._once if self._exactly else None
        if self._again or once is not None:
            self._pump_again(once)
        while self._quota > 0 and self._queue and not self.blocked:
            entry = self._queue.popleft()
            if entry.abandoned:
                continue
            if once is not None and (number := entry.parcel.id) is not None:
                if once.full:
                    self._queue.appendleft(entry)
                    break
                taken = once.take(entry, number)
                if taken is not None and (refusal := self._write(entry.parcel, taken, _QOS2)):
                    once.refuse(taken, refusal)
                continue
            pid = self.identifier()
            self._under_way[pid] = entry
            if refusal := self._write(entry.parcel, pid):
                self._under_way.pop(pid).settle(refusal)

    def _pump_again(self, once: Once | None) -> None:
        while once is not None and self._quota > 0 and not self.blocked and (one := once.next_again()):
            pid, entry = one
            if refusal := self._write(entry.parcel, pid, _QOS2, duplicate=True):
                once.refuse(pid, refusal)
        while self._quota > 0 and self._again and not self.blocked:
            pid = self._again.popleft()
            waiting = self._under_way.get(pid)
            if waiting is not None:
                self._resent += 1
                if refusal := self._write(waiting.parcel, pid, duplicate=True):
                    self._under_way.pop(pid).settle(refusal)

    def identifier(self) -> int:
        """A packet identifier that is not in use (MQTT 5, 2.2.1)."""
        pid, once = self._last, self._once
        while True:
            pid = pid % 65_535 + 1
            if pid not in self._under_way and (once is None or once.usable(pid)):
                self._last = pid
                return pid

    def acknowledged(self, pid: int, code: int) -> None:
        """Settle a parcel by a PUBACK."""
        entry = self._under_way.pop(pid, None)
        if entry is None:
            # MQTT 5, 4.4 lets a late PUBACK cross a reconnect; it settles nothing.
            return
        self._quota += 1
        if code < 0x80:
            self._sent += 1
            if code == 0x10:
                self.unmatched += 1
                entry.settle(SendRefusal.NOBODY if self._in_custody else None)
            else:
                entry.settle(None)
        elif code == 0x91:
            raise ProtocolError("packet identifier in use")
        else:
            entry.settle(_REFUSALS.get(code, SendRefusal.REJECTED))

    def received(self, pid: int, code: int) -> None:
        """Act on a PUBREC: the broker has the first half of a delivery at QoS 2."""
        once = self._once
        if once is None:
            raise ProtocolError("unexpected packet")
        if not once.received(pid, code):
            once.refuse(pid, _REFUSALS.get(code, SendRefusal.REJECTED))
            self._quota += 1
        elif code == 0x10:
            self.unmatched += 1

    def completed(self, pid: int) -> None:
        """Settle a parcel by a PUBCOMP."""
        once = self._once
        if once is None:
            raise ProtocolError("unexpected packet")
        if once.completed(pid):
            self._quota += 1

    def tend(self, now_s: float) -> None:
        """Give up identifiers of an earlier process where they have taken half of what may be under way for long."""
        once = self._once
        if once is None or not once.left:
            self._left_since = None
        elif self._left_since is None:
            self._left_since = now_s
        elif now_s - self._left_since > LEFT_S:
            once.give_up(min(self._limits.receive_maximum, _WINDOW_MAX) // 2)

    def _give_back(self) -> None:
        """The sender knows better than we what may be lost, and in which order to repeat it.

        MQTT 5, 4.4 has a client send again what a session that is present has under way; but a broker that was killed
        may be back with an old session, and then this would go before what it has lost.
        """
        self.openings += 1
        waiting = [*self._under_way.values(), *self._queue]
        self._under_way.clear()
        self._queue.clear()
        for entry in waiting:
            entry.settle(SendRefusal.LOST)

    def _put_back(self, entries: Collection[Entry]) -> None:
        self._queue.extendleft(reversed([*entries]))

    def _write(
        self, parcel: Parcel, pid: int, qos: mqtt5.QoS = _QOS1, *, duplicate: bool = False
    ) -> SendRefusal | None:
        """Write a PUBLISH, or say why it never can be."""
        topic = parcel.topic
        if topic not in self._good:
            if bad_topic(topic):
                return SendRefusal.BAD_TOPIC
            if len(self._good) >= _GOOD_MAX:
                self._good.clear()
            self._good.add(topic)
        try:
            if duplicate or self._limits.alias_max or parcel[2:6] != _PLAIN:
                data = self._encode(parcel, pid, qos, duplicate=duplicate)
            else:
                data = mqtt5.PublishPacket(topic, parcel.data, qos=qos, packet_id=pid).write()
        except (ValueError, OverflowError):  # the codec's own check of expiry, content type or length
            return SendRefusal.REJECTED
        limit = self._limits.packet_max
        if limit is not None and len(data) > limit:
            if self._aliases.get(topic) == len(self._aliases):
                self._aliases.pop(topic, None)  # maybe new, and then the broker has not heard of it
            return SendRefusal.TOO_LARGE
        self._quota -= 1
        self._out.append(data)
        return None

    def _encode(self, parcel: Parcel, pid: int, qos: mqtt5.QoS, *, duplicate: bool) -> bytes:
        if parcel.retain and not self._limits.retain_available:
            raise ValueError("the broker keeps nothing")
        if not carried(parcel.properties):
            raise ValueError("properties")
        topic, alias = self._alias(parcel.topic) if self._limits.alias_max else (parcel.topic, None)
        return mqtt5.PublishPacket(
            topic,
            parcel.data,
            qos=qos,
            retain=parcel.retain,
            packet_id=pid,
            duplicate=duplicate,
            message_expiry_interval=parcel.expires_s,
            content_type=parcel.media_type,
            topic_alias=alias,
            user_properties=list(parcel.properties),
        ).write()

    def _alias(self, topic: str) -> tuple[str, int | None]:
        """An alias for the first topics of a connection (MQTT 5, 3.3.2.3.4); later topics go in full."""
        known = self._aliases.get(topic)
        if known is not None:
            return "", known
        if len(self._aliases) >= self._limits.alias_max:
            return topic, None
        number = len(self._aliases) + 1
        self._aliases[topic] = number
        return topic, number
