"""An MQTT 5 client session without any I/O: bytes in, frames and bytes out. Survives its connections.

``open`` starts a connection, ``feed`` takes what arrived; frames collect in ``arrived``, bytes to write in ``out``.
ProtocolError: the peer broke the protocol. RefusedError: it does not want us. LostError: it said goodbye.
"""

from __future__ import annotations

from typing import NamedTuple

import mqtt5

from gateway.links import Parcel, Settings, Subscription
from gateway.links.fault import LostError, ProtocolError, RefusedError
from gateway.links.mqtt.incoming import Incoming, MqttFrame
from gateway.links.mqtt.outgoing import Limits, Outgoing

ALIASES_IN = 64  # topics that the broker may abbreviate
_QOS1 = mqtt5.QoS.AT_LEAST_ONCE
_ANSWERS = frozenset({0x40, 0x50, 0x70})  # first bytes of PUBACK, PUBREC and PUBCOMP
_CONTINUE = 0x18  # AUTH: continue authentication (MQTT 5, 3.15.2.1)
_HEADER_MAX = 5  # bytes of a fixed header (MQTT 5, 2.1.4)
_FAULTS = frozenset({0x80, 0x88, 0x89, 0x97, 0x9F, 0x9C, 0x9D})  # CONNACK: unavailable, busy, quota, rate, moved
_UNWELCOME = frozenset({0x87, 0x8E, 0x98, 0x9A, 0x9B, 0x9E, 0xA1, 0xA2})  # DISCONNECT: an operator must act


class Credentials(NamedTuple):
    """What CONNECT carries to prove who we are."""

    username: str | None = None
    password: bytes | None = None


class Session:
    """One client's session with one broker."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.out: list[bytes] = []
        self.arrived: list[MqttFrame] = []
        self.incoming = Incoming(self.out)
        self.outgoing = Outgoing(self.out, in_custody=settings.in_custody)
        self.connected = False  # CONNACK was good
        self.subscribed = False  # SUBACK too: the link is up
        self.pongs = 0
        self.keep_alive_s = settings.keep_alive_s
        self.server_reference: str | None = None
        self._rest = bytearray()
        self._needed = 0
        self._aliases: dict[int, str] = {}
        self._subscribing = 0

    def open(self, credentials: Credentials) -> None:
        """Start a connection: write CONNECT."""
        settings = self._settings
        self.out.clear()
        self._rest.clear()
        self._needed = 0
        self._aliases.clear()
        self.connected = self.subscribed = False
        self.keep_alive_s = settings.keep_alive_s
        hook = settings.authenticator
        packet = mqtt5.ConnectPacket(
            settings.client_id,
            will=None if settings.will is None else _will(settings.will),
            authentication_method=None if hook is None else hook.method,
            authentication_data=None if hook is None else hook.first(),
            username=credentials.username,
            password=credentials.password,
            keep_alive=settings.keep_alive_s,
            session_expiry_interval=settings.session_expiry_s,
            receive_max=settings.receive_maximum,
            topic_alias_max=ALIASES_IN,
            max_packet_size=settings.packet_max,
        )
        self.out.append(packet.write())

    def close(self) -> None:
        """Forget the connection, keep the session."""
        self.connected = self.subscribed = False
        self.outgoing.suspend()

    def goodbye(self, code: int = 0) -> bytes:
        """A DISCONNECT with a reason code."""
        return b"\xe0\x00" if code == 0 else b"\xe0\x02" + code.to_bytes(1, "big") + b"\x00"

    def ping(self) -> None:
        """Ask for a sign of life."""
        self.out.append(b"\xc0\x00")

    def feed(self, data: bytes) -> None:
        """Read what arrived."""
        data = self._joined(data)
        view = memoryview(data)
        position, end = 0, len(data)
        while position < end:
            kind = data[position]
            if kind in _ANSWERS and end - position >= 4 and data[position + 1] == 2 and self.connected:
                # The commonest packets by far: success and no properties (MQTT 5, 3.4.2.1, 3.5.2.1, 3.7.2.1).
                pid = data[position + 2] << 8 | data[position + 3]
                if kind == 0x40:
                    self.outgoing.acknowledged(pid, 0)
                elif kind == 0x50:
                    self.outgoing.received(pid, 0)
                else:
                    self.outgoing.completed(pid)
                position += 4
                continue
            found = _read(view[position:])
            if found is None:
                self._keep(data, position)
                break
            packet, size = found
            if size > self._settings.packet_max:
                raise ProtocolError("packet too large", 0x95)
            position += size
            if type(packet) is mqtt5.PublishPacket and self.connected:
                self._publish(packet)
            else:
                self._take(packet)
        if self.connected:
            self.outgoing.pump()

    def _joined(self, data: bytes) -> bytes:
        """What arrived behind what was kept, or nothing while a packet is not complete."""
        if not self._rest:
            return data
        self._rest += data
        if len(self._rest) < self._needed:
            return b""
        data = bytes(self._rest)
        self._rest.clear()
        return data

    def _keep(self, data: bytes, position: int) -> None:
        """Keep an incomplete packet until all of it is there."""
        needed = _length(data, position)
        if needed > self._settings.packet_max:
            raise ProtocolError("packet too large", 0x95)
        if needed and len(data) - position >= needed:
            raise ProtocolError("malformed packet", 0x81)
        self._needed = needed
        self._rest += memoryview(data)[position:]

    def _take(self, packet: mqtt5.Packet) -> None:
        if isinstance(packet, mqtt5.AuthPacket):
            self._authenticate(packet)
        elif not self.connected:
            if not isinstance(packet, mqtt5.ConnAckPacket):
                raise ProtocolError("expected CONNACK")
            self._connack(packet)
        elif isinstance(packet, mqtt5.PubAckPacket | mqtt5.PubRecPacket | mqtt5.PubCompPacket):
            self._answered(packet)
        elif isinstance(packet, mqtt5.PubRelPacket):
            self.incoming.release(packet.packet_id)
        elif isinstance(packet, mqtt5.SubAckPacket):
            self._suback(packet)
        elif isinstance(packet, mqtt5.DisconnectPacket):
            self._disconnect(packet)
        elif isinstance(packet, mqtt5.PingRespPacket):
            self.pongs += 1
        else:
            raise ProtocolError("unexpected packet")

    def _answered(self, packet: mqtt5.PubAckPacket | mqtt5.PubRecPacket | mqtt5.PubCompPacket) -> None:
        if isinstance(packet, mqtt5.PubAckPacket):
            self.outgoing.acknowledged(packet.packet_id, int(packet.reason_code))
        elif isinstance(packet, mqtt5.PubRecPacket):
            self.outgoing.received(packet.packet_id, int(packet.reason_code))
        else:
            self.outgoing.completed(packet.packet_id)

    def _publish(self, packet: mqtt5.PublishPacket) -> None:
        topic, alias, pid = packet.topic, packet.topic_alias, packet.packet_id
        if alias is not None:
            topic = self._dealias(topic, alias)
        if not topic:
            raise ProtocolError("empty topic", 0x90)
        if pid is None:
            self.arrived.append(MqttFrame(topic, packet.payload, 0, 0, None))
            return
        frame = self.incoming.publish(topic, packet.payload, 1 if packet.qos is _QOS1 else 2, pid)
        if frame is not None:
            self.arrived.append(frame)

    def _dealias(self, topic: str, alias: int) -> str:
        if not 0 < alias <= ALIASES_IN:
            raise ProtocolError("topic alias out of range", 0x94)
        if topic:
            self._aliases[alias] = topic
            return topic
        known = self._aliases.get(alias)
        if known is None:
            raise ProtocolError("topic alias unknown", 0x94)
        return known

    def _authenticate(self, packet: mqtt5.AuthPacket) -> None:
        """Go on with the exchange (MQTT 5, 4.12)."""
        hook = self._settings.authenticator
        if hook is None or packet.authentication_method != hook.method or int(packet.reason_code) != _CONTINUE:
            raise ProtocolError("unexpected AUTH")
        try:
            data = hook.answer(packet.authentication_data or b"")
        except ValueError:
            raise RefusedError("the broker does not prove who it is") from None
        answer = mqtt5.AuthPacket(
            reason_code=mqtt5.AuthReasonCode.CONTINUE_AUTHENTICATION,
            authentication_method=hook.method,
            authentication_data=data,
        )
        self.out.append(answer.write())

    def _connack(self, packet: mqtt5.ConnAckPacket) -> None:
        code = int(packet.reason_code)
        self.server_reference = packet.server_reference
        if code:
            name = f"CONNACK {packet.reason_code.name.lower().replace('_', ' ')}"
            raise LostError(name) if code in _FAULTS else RefusedError(name)
        if int(packet.max_qos) < 1:
            raise RefusedError("the broker cannot do QoS 1")
        if packet.server_keep_alive is not None:
            self.keep_alive_s = packet.server_keep_alive
        limits = Limits(
            packet.receive_max,
            packet.max_packet_size,
            packet.retain_available,
            packet.topic_alias_max,
            int(packet.max_qos),
        )
        self.connected = True
        self.incoming.resume(session_present=packet.session_present)
        self.outgoing.resume(limits, session_present=packet.session_present)
        self._subscribe()

    def _subscribe(self) -> None:
        subscriptions = self._settings.subscriptions
        if not subscriptions:
            self.subscribed = True
            return
        self._subscribing = self.outgoing.identifier()
        filters = [_topic_filter(subscription) for subscription in subscriptions]
        self.out.append(mqtt5.SubscribePacket(self._subscribing, filters).write())

    def _suback(self, packet: mqtt5.SubAckPacket) -> None:
        if packet.packet_id != self._subscribing:
            raise ProtocolError("unexpected SUBACK")
        refused = [code for code in packet.reason_codes if int(code) >= 0x80]
        if refused:
            raise RefusedError(f"SUBACK {refused[0].name.lower().replace('_', ' ')}")
        if len(packet.reason_codes) != len(self._settings.subscriptions):
            raise ProtocolError("SUBACK with a wrong count")
        self.subscribed = True

    def _disconnect(self, packet: mqtt5.DisconnectPacket) -> None:
        code = int(packet.reason_code)
        self.server_reference = packet.server_reference
        name = f"DISCONNECT {packet.reason_code.name.lower().replace('_', ' ')}"
        raise RefusedError(name) if code in _UNWELCOME else LostError(name)


def _read(view: memoryview) -> tuple[mqtt5.Packet, int] | None:
    """The packet at the front and its size, or None when it is not all there."""
    try:
        return mqtt5.read(view)
    except IndexError:
        return None
    except ValueError:
        raise ProtocolError("malformed packet", 0x81) from None
    except BaseException as error:
        # mqtt5 0.8.0 panics over text that is not UTF-8; the panic is no Exception, and would end the gateway.
        if type(error).__name__ != "PanicException":
            raise
        raise ProtocolError("malformed packet", 0x81) from None


def _will(parcel: Parcel) -> mqtt5.Will:
    return mqtt5.Will(
        parcel.topic,
        payload=parcel.data,
        qos=_QOS1,
        retain=parcel.retain,
        message_expiry_interval=parcel.expires_s,
        content_type=parcel.media_type,
        user_properties=list(parcel.properties),
    )


def _topic_filter(subscription: Subscription) -> mqtt5.TopicFilter:
    """Retained messages come at every SUBSCRIBE or never (MQTT 5, 3.8.3.1)."""
    handling = mqtt5.RetainHandling.SEND_ALWAYS if subscription.retained else mqtt5.RetainHandling.SEND_NEVER
    return mqtt5.TopicFilter(
        subscription.filter,
        max_qos=mqtt5.QoS.AT_LEAST_ONCE,
        no_local=not subscription.filter.startswith("$share/"),  # MQTT 5, 3.8.3.1: an error with shared subscriptions
        retain_handling=handling,
    )


def _length(data: bytes, position: int) -> int:
    """Length of the packet that starts at ``position``, or 0 when its header is not all there."""
    length = 0
    for index in range(1, _HEADER_MAX):
        if position + index >= len(data):
            return 0
        byte = data[position + index]
        length |= (byte & 0x7F) << 7 * (index - 1)
        if not byte & 0x80:
            return 1 + index + length
    return 0
