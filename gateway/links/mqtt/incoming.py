"""The receiving half of an MQTT 5 session: frames in hand, acknowledged in the order in which they came. Pure.

A frame is acknowledged when the relay says so, on whatever connection is then up: a frame that the broker sends again
after a reconnect is recognised (MQTT 5, 4.4: same packet identifier) and not yielded twice while the first is in hand.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
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
_PUBACK = struct.Struct(">BBH").pack  # MQTT 5, 3.4: success and no properties
_OPEN = -1  # nobody has said yet what becomes of the frame


class MqttFrame:
    """One PUBLISH. QoS 0 frames have nothing to acknowledge."""

    __slots__ = ("_half", "answer", "connection", "data", "pid", "qos", "topic")

    def __init__(self, topic: str, data: bytes, qos: int, pid: int, half: Incoming | None) -> None:
        self.topic = topic
        self.data = data
        self.qos = qos
        self.pid = pid
        self.answer = _OPEN  # the reason code to answer with
        self.connection = 0  # the number of the connection that brought it last
        self._half = half

    def ack(self) -> None:
        """See Frame."""
        self._settle(0)

    def refuse(self, reason: str) -> None:
        """See Frame. A negative acknowledgement also ends the delivery (MQTT 5, 4.3.2)."""
        self._settle(_ANSWERS.get(reason, Answer.REFUSED))

    def detach(self) -> None:
        """Forget the session: it is gone, and nobody waits for the acknowledgement."""
        self._half = None

    def _settle(self, answer: int) -> None:
        if self.answer == _OPEN:
            self.answer = answer
            if self._half is not None:
                self._half.wake()


class Incoming:
    """Frames in hand by packet identifier, and the order in which this connection brought them.

    Brokers are seen to exceed the Receive Maximum (mosquitto 2.0.11 by far, after a reconnect), and to go on doing so
    when they are disconnected for it. So the bound is the 65 535 identifiers and, by not reading on, ``bytes_held``.
    """

    def __init__(self, out: list[bytes]) -> None:
        self._out = out
        self._held: dict[int, MqttFrame] = {}
        self._order: deque[MqttFrame] = deque()
        self._connection = 0
        self._released: set[int] = set()  # QoS 2: PUBREC sent, PUBREL awaited
        self.wake: Callable[[], None] = _nobody  # the connection's: there is something to write
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
        self._connection += 1
        self.bytes_held = 0
        if session_present:
            return
        for frame in self._held.values():
            frame.detach()
        self._held.clear()
        self._released.clear()

    def publish(self, topic: str, data: bytes, qos: int, pid: int) -> MqttFrame | None:
        """The frame of a PUBLISH with QoS 1 or 2, or None when it is already in hand."""
        if pid in self._held or pid in self._released:
            return self._again(topic, data, qos, pid)
        frame = MqttFrame(topic, data, qos, pid, self)
        self._hold(frame)
        return frame

    def _again(self, topic: str, data: bytes, qos: int, pid: int) -> MqttFrame | None:
        """A packet identifier that is in hand: the same message once more, or another one under a reused number."""
        held = self._held.get(pid)
        if held is None:
            self._out.append(b"\x50\x02" + pid.to_bytes(2, "big"))
            return None
        same = held.topic == topic and held.data == data
        if held.connection == self._connection:
            if same:
                return None
            raise ProtocolError("packet identifier in use")
        if same:
            self._hold(held)
            return None
        held.detach()
        frame = MqttFrame(topic, data, qos, pid, self)
        self._hold(frame)
        return frame

    def _hold(self, frame: MqttFrame) -> None:
        frame.connection = self._connection
        self._held[frame.pid] = frame
        self._order.append(frame)
        self.bytes_held += len(frame.data)

    def release(self, pid: int) -> None:
        """Complete a QoS 2 delivery (PUBREL)."""
        known = pid in self._released
        self._released.discard(pid)
        self._out.append(
            b"\x70\x02" + pid.to_bytes(2, "big") if known else b"\x70\x03" + pid.to_bytes(2, "big") + b"\x92"
        )

    def answer(self) -> None:
        """Answer every frame up to the first that is still open (MQTT 5, 4.6: in the order of arrival)."""
        order, out, held = self._order, self._out, self._held
        while order and (answer := order[0].answer) != _OPEN:
            frame = order.popleft()
            pid = frame.pid
            self.bytes_held -= len(frame.data)
            held.pop(pid, None)
            if answer == 0 and frame.qos == 1:
                self.acknowledged += 1
                out.append(_PUBACK(0x40, 2, pid))
            else:
                self._answer_fully(frame, answer)

    def _answer_fully(self, frame: MqttFrame, answer: int) -> None:
        kind = b"\x40" if frame.qos == 1 else b"\x50"
        number = frame.pid.to_bytes(2, "big")
        if answer:
            self.refused += 1
            self._out.append(kind + b"\x03" + number + answer.to_bytes(1, "big"))
            return
        self.acknowledged += 1
        self._out.append(kind + b"\x02" + number)
        if frame.qos == 2:
            self._released.add(frame.pid)


def _nobody() -> None:
    """Nothing is connected: what is to be written waits."""
