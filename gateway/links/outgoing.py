"""The sending half of an MQTT 5 session: packet identifiers, flow control, and resending in order. Pure.

A parcel is settled by the broker's PUBACK, never earlier. After a reconnect what was under way is sent again first, in
its order, marked as a duplicate when the broker still has the session (MQTT 5, 4.4), and only then what is new.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

import mqtt5

from gateway.links import Parcel, SendRefusal
from gateway.links.fault import ProtocolError
from gateway.links.ledger import Entry
from gateway.links.properties import carried

_QOS1 = mqtt5.QoS.AT_LEAST_ONCE
_TOPIC_MAX = 65_535  # bytes of UTF-8 (MQTT 5, 1.5.4)
_GOOD_MAX = 4096
_PLAIN = (False, None, None, ())  # not retained, no expiry, no media type, no properties
_WINDOW_MAX = 4096  # publishes under way, whatever more the broker would take
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

    def __init__(self, out: list[bytes]) -> None:
        self._out = out
        self._limits = Limits()
        self._queue: deque[Entry] = deque()
        self._again: deque[int] = deque()  # identifiers under way on an earlier connection, to be sent again
        self._under_way: dict[int, Entry] = {}
        self._aliases: dict[str, int] = {}
        self._good: set[str] = set()  # topics that were looked at
        self._quota = 0
        self._last = 0
        self.blocked = False  # the transport's buffer is full
        self.sent = 0
        self.resent = 0
        self.unmatched = 0

    @property
    def unanswered(self) -> int:
        """Parcels sent on this connection and not acknowledged."""
        return len(self._under_way) - len(self._again)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not self._under_way and not self._queue

    def submit(self, entries: Iterable[Entry]) -> None:
        """Queue a batch."""
        self._queue.extend(entries)

    def resume(self, limits: Limits, *, session_present: bool) -> None:
        """Start a connection: what was under way goes first."""
        self._limits = limits
        self._quota = min(limits.receive_maximum, _WINDOW_MAX)
        self.blocked = False
        self._aliases.clear()
        if session_present:
            self._again = deque(self._under_way)
            return
        self._again.clear()
        self._queue.extendleft(reversed(self._under_way.values()))
        self.resent += len(self._under_way)
        self._under_way.clear()

    def suspend(self) -> None:
        """Stop sending: the connection is gone."""
        self._quota = 0

    def pump(self) -> None:
        """Write as many publishes as the broker's receive maximum allows."""
        while self._quota > 0 and self._again and not self.blocked:
            pid = self._again.popleft()
            entry = self._under_way.get(pid)
            if entry is not None:
                self.resent += 1
                self._write(entry, pid, duplicate=True)
        while self._quota > 0 and self._queue and not self.blocked:
            entry = self._queue.popleft()
            if not entry.abandoned:
                pid = self.identifier()
                self._under_way[pid] = entry
                self._write(entry, pid, duplicate=False)

    def identifier(self) -> int:
        """A packet identifier that is not in use (MQTT 5, 2.2.1)."""
        pid = self._last
        while True:
            pid = pid % 65_535 + 1
            if pid not in self._under_way:
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
            self.sent += 1
            if code == 0x10:
                self.unmatched += 1
            entry.settle(None)
        elif code == 0x91:
            raise ProtocolError("packet identifier in use")
        else:
            entry.settle(_REFUSALS.get(code, SendRefusal.REJECTED))

    def _write(self, entry: Entry, pid: int, *, duplicate: bool) -> None:
        parcel = entry.parcel
        topic = parcel.topic
        if topic not in self._good:
            if bad_topic(topic):
                self._refuse(pid, SendRefusal.BAD_TOPIC)
                return
            if len(self._good) >= _GOOD_MAX:
                self._good.clear()
            self._good.add(topic)
        try:
            if duplicate or self._limits.alias_max or parcel[2:6] != _PLAIN:
                data = self._encode(parcel, pid, duplicate=duplicate)
            else:
                data = mqtt5.PublishPacket(topic, parcel.data, qos=_QOS1, packet_id=pid).write()
        except (ValueError, OverflowError):  # the codec's own check of expiry, content type or length
            self._refuse(pid, SendRefusal.REJECTED)
            return
        limit = self._limits.packet_max
        if limit is not None and len(data) > limit:
            self._refuse(pid, SendRefusal.TOO_LARGE)
            return
        self._quota -= 1
        self._out.append(data)

    def _refuse(self, pid: int, refusal: SendRefusal) -> None:
        self._under_way.pop(pid).settle(refusal)

    def _encode(self, parcel: Parcel, pid: int, *, duplicate: bool) -> bytes:
        if parcel.retain and not self._limits.retain_available:
            raise ValueError("the broker keeps nothing")
        if not carried(parcel.properties):
            raise ValueError("properties")
        topic, alias = self._alias(parcel.topic) if self._limits.alias_max else (parcel.topic, None)
        return mqtt5.PublishPacket(
            topic,
            parcel.data,
            qos=_QOS1,
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
