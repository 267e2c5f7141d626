"""The receiving half of an MQTT 5 session: frames in hand, acknowledged in the order in which they came. Pure.

A frame is acknowledged when the relay says so, on whatever connection is then up: a frame that the broker sends again
after a reconnect is recognised (MQTT 5, 4.4: same packet identifier) and not yielded twice while the first is in hand.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum

from gateway.links.fault import ProtocolError


class Answer(IntEnum):
    """Reason codes that we answer a frame with (MQTT 5, 3.4.2.1)."""

    TAKEN = 0x00
    REFUSED = 0x83  # implementation specific error
    NOT_AUTHORISED = 0x87
    TOPIC_INVALID = 0x90
    TOO_LARGE = 0x97  # quota exceeded is the nearest that PUBACK has
    PAYLOAD_INVALID = 0x99


_ANSWERS = {
    "bad-topic": Answer.TOPIC_INVALID,
    "malformed": Answer.PAYLOAD_INVALID,
    "unsafe": Answer.PAYLOAD_INVALID,
    "too-large": Answer.TOO_LARGE,
    "unknown-source": Answer.NOT_AUTHORISED,
}
_OPEN = -1  # nobody has said yet what becomes of the frame


class MqttFrame:
    """One PUBLISH. QoS 0 frames have nothing to acknowledge."""

    __slots__ = ("_answer", "_half", "data", "pid", "qos", "topic")

    def __init__(self, topic: str, data: bytes, qos: int, pid: int, half: Incoming | None) -> None:
        self.topic = topic
        self.data = data
        self.qos = qos
        self.pid = pid
        self._half = half
        self._answer = _OPEN

    def ack(self) -> None:
        """See Frame."""
        self._settle(Answer.TAKEN)

    def refuse(self, reason: str) -> None:
        """See Frame. A negative acknowledgement also ends the delivery (MQTT 5, 4.3.2)."""
        self._settle(_ANSWERS.get(reason, Answer.REFUSED))

    @property
    def answer(self) -> int:
        """The reason code to answer with, or -1 while open."""
        return self._answer

    def detach(self) -> None:
        """Forget the session: it is gone, and nobody waits for the acknowledgement."""
        self._half = None

    def _settle(self, answer: Answer) -> None:
        if self._answer != _OPEN:
            return
        self._answer = answer
        if self._half is not None:
            self._half.settled(self)


class Incoming:
    """Frames in hand by packet identifier, and the order in which this connection brought them."""

    def __init__(self, receive_maximum: int, out: list[bytes]) -> None:
        # Brokers are seen to exceed the Receive Maximum (mosquitto 2.0.11, fourfold); one that goes far beyond is mad.
        self._limit = 8 * receive_maximum + 64
        self._out = out
        self._held: dict[int, MqttFrame] = {}
        self._order: deque[MqttFrame] = deque()
        self._current: set[int] = set()
        self._released: set[int] = set()  # QoS 2: PUBREC sent, PUBREL awaited
        self.bytes_held = 0
        self.acknowledged = 0
        self.refused = 0

    @property
    def unanswered(self) -> int:
        """Frames of this connection that wait for an acknowledgement."""
        return len(self._order)

    def resume(self, *, session_present: bool) -> None:
        """Start a connection. Without a session at the broker, frames in hand can no longer be acknowledged."""
        self._order.clear()
        self._current.clear()
        self.bytes_held = 0
        if session_present:
            return
        for frame in self._held.values():
            frame.detach()
        self._held.clear()
        self._released.clear()

    def publish(self, topic: str, data: bytes, qos: int, pid: int) -> MqttFrame | None:
        """The frame of a PUBLISH with QoS 1 or 2, or None when it is already in hand."""
        if pid in self._released:
            self._out.append(b"\x50\x02" + pid.to_bytes(2, "big"))
            return None
        held = self._held.get(pid)
        same = held is not None and held.topic == topic and held.data == data
        if pid in self._current:
            if same:
                return None
            raise ProtocolError("packet identifier in use")
        if len(self._order) >= self._limit:
            raise ProtocolError("receive maximum exceeded", 0x93)
        if held is not None and not same:
            held.detach()
        frame = held if held is not None and same else MqttFrame(topic, data, qos, pid, self)
        self._held[pid] = frame
        self._current.add(pid)
        self._order.append(frame)
        self.bytes_held += len(data)
        if frame is not held:
            return frame
        self._answer_ready()
        return None

    def release(self, pid: int) -> None:
        """Complete a QoS 2 delivery (PUBREL)."""
        known = pid in self._released
        self._released.discard(pid)
        self._out.append(
            b"\x70\x02" + pid.to_bytes(2, "big") if known else b"\x70\x03" + pid.to_bytes(2, "big") + b"\x92"
        )

    def settled(self, frame: MqttFrame) -> None:
        """Answer every frame up to the first that is still open (MQTT 5, 4.6: in the order of arrival)."""
        if self._order and self._order[0] is frame:
            self._answer_ready()

    def _answer_ready(self) -> None:
        order, out = self._order, self._out
        while order and (answer := order[0].answer) != _OPEN:
            frame = order.popleft()
            pid = frame.pid
            self.bytes_held -= len(frame.data)
            self._held.pop(pid, None)
            self._current.discard(pid)
            number = pid.to_bytes(2, "big")
            kind = b"\x40" if frame.qos == 1 else b"\x50"
            if answer:
                self.refused += 1
                out.append(kind + b"\x03" + number + answer.to_bytes(1, "big"))
                continue
            self.acknowledged += 1
            out.append(kind + b"\x02" + number)
            if frame.qos == 2:
                self._released.add(pid)
