"""Sessions over connections that come and go, in whatever order things happen."""

from __future__ import annotations

import mqtt5
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.links import Parcel
from gateway.links.ledger import Entry
from gateway.links.mqtt.session import Session
from tests.gateway.links.mqtt.packets import SETTINGS, batch, publish, up, written


class Exchange(RuleBasedStateMachine):
    """A broker that keeps a session and loses connections, against ours: nothing is lost, nothing is mixed up."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(SETTINGS)
        self.connected = False
        self.queue: list[tuple[int, bytes]] = []  # the broker's unacknowledged messages, in order
        self.on_wire: list[tuple[int, bytes]] = []  # sent on this connection
        self.number = 0
        self.hands: list[object] = []
        self.yielded: list[bytes] = []
        self.entries: list[Entry] = []
        self.taken: list[bytes] = []  # what the broker took from us
        self.unanswered: list[int] = []

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        up(self.session, session_present=True)
        self.connected = True
        self.unanswered = []
        for pid, data in self.queue:
            self.session.feed(publish(pid, data, duplicate=True))
        self._collect()

    @precondition(lambda self: self.connected)
    @rule()
    def lose(self) -> None:
        self.session.close()
        self.session.out.clear()
        self.connected = False

    @precondition(lambda self: self.connected and len(self.queue) < 20)
    @rule()
    def broker_sends(self) -> None:
        self.number += 1
        message = ((self.number - 1) % 50 + 1, b"in %d" % self.number)
        if any(pid == message[0] for pid, _ in self.queue):
            return
        self.queue.append(message)
        self.session.feed(publish(*message))
        self._collect()

    @precondition(lambda self: bool(self.hands))
    @rule(choice=st.integers(0, 100), taken=st.booleans())
    def relay_settles(self, choice: int, taken: bool) -> None:  # noqa: FBT001 - drawn
        frame = self.hands.pop(choice % len(self.hands))
        frame.ack() if taken else frame.refuse("malformed")  # type: ignore[attr-defined]

    @rule()
    def relay_sends(self) -> None:
        (entry,) = batch(Parcel("out", b"out %d" % len(self.entries)))
        self.entries.append(entry)
        self.session.outgoing.submit([entry])

    @precondition(lambda self: self.connected)
    @rule()
    def flush(self) -> None:
        self.session.incoming.answer()
        self.session.outgoing.pump()
        for packet in written(self.session):
            if isinstance(packet, mqtt5.PubAckPacket):
                assert packet.packet_id == self.queue[0][0], "acknowledged out of order"
                self.queue.pop(0)
            elif isinstance(packet, mqtt5.PublishPacket):
                assert packet.packet_id not in self.unanswered
                self.unanswered.append(packet.packet_id or 0)
                self.taken.append(packet.payload)

    @precondition(lambda self: self.connected and bool(self.unanswered))
    @rule()
    def broker_acknowledges(self) -> None:
        self.session.feed(mqtt5.PubAckPacket(self.unanswered.pop(0)).write())
        self._collect()

    def _collect(self) -> None:
        for frame in self.session.arrived:
            self.yielded.append(frame.data)
            self.hands.append(frame)
        self.session.arrived.clear()

    @invariant()
    def every_message_is_yielded_once_and_in_order(self) -> None:
        numbers = [int(data.split()[1]) for data in self.yielded]
        assert numbers == sorted(set(numbers))

    @invariant()
    def first_sends_are_in_order(self) -> None:
        first = list(dict.fromkeys(self.taken))
        assert first == sorted(first, key=lambda data: int(data.split()[1]))

    @invariant()
    def what_is_settled_was_taken(self) -> None:
        for entry in self.entries:
            if entry.batch.left == 0:
                assert entry.parcel.data in self.taken


TestExchange = Exchange.TestCase
TestExchange.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
