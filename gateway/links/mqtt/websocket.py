"""A WebSocket client (RFC 6455) as a transport for an asyncio Protocol: MQTT over ``ws://`` and ``wss://``.

Binary messages only; bounded; anything else that a server may not send ends the connection.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from typing import NamedTuple, cast

from gateway.links.address import Address
from gateway.links.fault import LostError, ProtocolError, RefusedError

HEAD_MAX = 16_384  # bytes of the server's answer to the handshake
_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_CONTROL_MAX = 125  # RFC 6455, 5.5


class Frame(NamedTuple):
    """One frame of a server."""

    opcode: int
    payload: bytes


def request(address: Address, path: str, key: bytes) -> bytes:
    """The opening handshake (RFC 6455, 4.1) with MQTT's subprotocol (MQTT 5, 6.0)."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}:{address.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key.decode()}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
    ).encode()


def check_answer(head: bytes, key: bytes) -> None:
    """Check the server's answer. Raise RefusedError, LostError."""
    lines = head.split(b"\r\n")
    status = lines[0].split(b" ", 2)
    if len(status) < 2 or not status[0].startswith(b"HTTP/1.1"):
        raise RefusedError("not an HTTP server")
    if status[1] != b"101":
        fault = LostError if status[1].startswith(b"5") else RefusedError
        raise fault(f"the server answers HTTP {status[1][:3].decode(errors='replace')}")
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        fields[name.strip().lower()] = value.strip()
    expected = base64.b64encode(hashlib.sha1(key + _ACCEPT).digest())  # noqa: S324 - RFC 6455 says SHA-1; it protects nothing
    if fields.get(b"sec-websocket-accept") != expected:
        raise RefusedError("not a WebSocket server")
    if fields.get(b"sec-websocket-protocol", b"").lower() != b"mqtt":
        raise RefusedError("the server does not speak MQTT over WebSocket")


def mask(payload: bytes, key: bytes) -> bytes:
    """A client's payload as it goes over the wire (RFC 6455, 5.3)."""
    size = len(payload)
    pattern = int.from_bytes((key * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ pattern).to_bytes(size, "big")


def write(opcode: int, payload: bytes, key: bytes) -> bytes:
    """One frame of a client: final, masked."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65_536:
        head = bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big")
    return head + key + mask(payload, key)


def read(buffer: bytes, position: int, size_max: int) -> tuple[Frame, int] | None:
    """A server's frame and where the next begins; None when it is not all there. Raise ProtocolError."""
    end = len(buffer)
    if end - position < 2:
        return None
    first, second = buffer[position], buffer[position + 1]
    opcode, size = first & 0x0F, second & 0x7F
    if first & 0x70 or second & 0x80:
        raise ProtocolError("malformed WebSocket frame")  # RFC 6455, 5.2: no extension is agreed; servers do not mask
    if opcode >= _CLOSE and (size > _CONTROL_MAX or not first & 0x80):
        raise ProtocolError("malformed WebSocket control frame")
    if opcode not in {_CONTINUATION, _BINARY, _CLOSE, _PING, _PONG}:
        raise ProtocolError("WebSocket frame is not binary")
    start = position + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        if end < start + width:
            return None
        size = int.from_bytes(buffer[start : start + width], "big")
        start += width
    if size > size_max:
        raise ProtocolError("WebSocket frame too large")
    if end < start + size:
        return None
    return Frame(opcode, buffer[start : start + size]), start + size


class WebSocket(asyncio.Protocol, asyncio.Transport):
    """Between a TCP or TLS transport and an MQTT ``Wire``: a Protocol to the one, a Transport to the other."""

    def __init__(self, inner: asyncio.Protocol, address: Address, path: str, size_max: int) -> None:
        asyncio.Transport.__init__(self)
        self._inner = inner
        self._address = address
        self._path = path
        self._size_max = size_max + 16
        self._key = base64.b64encode(secrets.token_bytes(16))
        self._outer: asyncio.Transport | None = None
        self._rest = b""
        self._opened = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        self._outer = cast("asyncio.Transport", transport)
        self._outer.write(request(self._address, self._path, self._key))

    def data_received(self, data: bytes) -> None:
        """Unwrap what came."""
        self._rest += data
        try:
            if not self._opened and not self._handshake():
                return
            self._frames()
        except (ProtocolError, RefusedError, LostError) as error:
            if not self.opened.done():
                self.opened.set_exception(error)
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the inner protocol, if it ever heard of a connection."""
        if not self.opened.done():
            self.opened.set_exception(LostError("connection lost"))
            self.opened.exception()  # seen
        if self._opened:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        if self._opened:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        if self._opened:
            self._inner.resume_writing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send a binary message. MQTT packets need not align with messages (MQTT 5, 6.0)."""
        self._send(_BINARY, bytes(data))

    def close(self) -> None:
        """Say goodbye, then close."""
        if self._outer is not None:
            self._send(_CLOSE, (1000).to_bytes(2, "big"))
            self._outer.close()

    def abort(self) -> None:
        """Close now."""
        if self._outer is not None:
            self._outer.abort()

    def is_closing(self) -> bool:
        """Whether it is over."""
        return self._outer is None or self._outer.is_closing()

    def pause_reading(self) -> None:
        """Stop reading."""
        if self._outer is not None:
            self._outer.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._outer is not None:
            self._outer.resume_reading()

    def _handshake(self) -> bool:
        head, found, rest = self._rest.partition(b"\r\n\r\n")
        if not found:
            if len(self._rest) > HEAD_MAX:
                raise RefusedError("not a WebSocket server")
            return False
        check_answer(head, self._key)
        self._rest = rest
        self._opened = True
        self._inner.connection_made(self)
        self.opened.set_result(None)
        return True

    def _frames(self) -> None:
        position = 0
        payloads: list[bytes] = []
        while (found := read(self._rest, position, self._size_max)) is not None:
            frame, position = found
            if frame.opcode in {_BINARY, _CONTINUATION}:
                payloads.append(frame.payload)
            elif frame.opcode == _PING:
                self._send(_PONG, frame.payload)
            elif frame.opcode == _CLOSE:
                self.close()
                break
        self._rest = self._rest[position:]
        if payloads:
            self._inner.data_received(b"".join(payloads))

    def _send(self, opcode: int, payload: bytes) -> None:
        if self._outer is not None:
            self._outer.write(write(opcode, payload, secrets.token_bytes(4)))
