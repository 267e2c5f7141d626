"""The NATS client protocol: bytes to messages and back. Pure; bounded; raises ProtocolError and nothing else."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from gateway.links.fault import ProtocolError

LINE_MAX = 65_536  # bytes of a control line; INFO of a big cluster is the longest
_HEADER_VERSION = b"NATS/1.0"
_M, _H = b"MH"


class Message(NamedTuple):
    """A MSG or HMSG. ``status`` is 0 for data; server notes (404, 408, 409, 503, 100, 204) have no payload."""

    sid: int
    subject: str
    reply: str
    payload: bytes
    status: int = 0
    headers: bytes = b""


class Info(NamedTuple):
    """What a server says about itself."""

    max_payload: int
    tls_required: bool
    tls_available: bool
    headers: bool
    nonce: str | None
    jetstream: bool


class Note(NamedTuple):
    """PING, PONG, +OK or -ERR with its text."""

    verb: str
    text: str = ""


class Parser:
    """Bytes in, messages out; keeps what is incomplete."""

    def __init__(self, payload_max: int) -> None:
        self._payload_max = payload_max
        self._rest = bytearray()
        self._needed = 0

    def feed(self, data: bytes) -> list[Message | Info | Note]:
        """What arrived, in order."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return []
            data = bytes(self._rest)
            self._rest.clear()
        self._needed = 0
        found: list[Message | Info | Note] = []
        position = 0
        while (end := data.find(b"\r\n", position)) >= 0:
            following = self._one(data, position, end, found)
            if following is None:
                break
            position = following
        else:
            if len(data) - position > LINE_MAX:
                raise ProtocolError("control line too long")
        if position < len(data):
            self._rest += memoryview(data)[position:]
            self._needed -= position if self._needed else 0
        return found

    def _one(self, data: bytes, position: int, end: int, found: list[Message | Info | Note]) -> int | None:
        """Read what begins at ``position``; where the next begins, or None when its payload is not all there."""
        first = data[position]
        if first == _M:
            expected, head = 4, 0
        elif first == _H:
            expected, head = 5, -1
        else:
            found.append(_note(data[position:end]))
            return end + 2
        try:
            words = data[position:end].decode().split()
            size = int(words[-1])
            sid = int(words[2])
            if head:
                head = int(words[-2])
        except (ValueError, IndexError):  # UnicodeDecodeError is a ValueError
            raise ProtocolError("malformed message line") from None
        count = len(words)
        if count - expected not in {0, 1} or not 0 <= head <= size or words[0] not in {"MSG", "HMSG"}:
            raise ProtocolError("malformed message line")
        if size > self._payload_max:
            raise ProtocolError("payload too large")
        start = end + 2
        stop = start + size
        if len(data) < stop + 2:
            self._needed = stop + 2
            return None
        if data[stop : stop + 2] != b"\r\n":
            raise ProtocolError("payload without its end")
        reply = words[3] if count > expected else ""
        if head:
            headers = data[start : start + head]
            found.append(Message(sid, words[1], reply, data[start + head : stop], _status(headers), headers))
        else:
            found.append(Message(sid, words[1], reply, data[start:stop]))
        return stop + 2


def header(headers: bytes, name: str) -> str | None:
    """One header's value."""
    mark = f"\r\n{name}:".encode()
    start = headers.find(mark)
    if start < 0:
        return None
    start += len(mark)
    return headers[start : headers.find(b"\r\n", start)].decode(errors="replace").strip()


def reason(headers: bytes) -> str:
    """The text after the status code of a server note, bounded and printable."""
    line = headers[: headers.find(b"\r\n")].decode(errors="replace")
    return "".join(sign for sign in line[len(_HEADER_VERSION) + 4 :].strip()[:80] if sign.isprintable())


def publish(subject: str, payload: bytes, reply: str = "", headers: bytes = b"") -> bytes:
    """A PUB or HPUB."""
    middle = f"{subject} {reply}" if reply else subject
    if headers:
        return b"HPUB %b %d %d\r\n%b%b\r\n" % (
            middle.encode(),
            len(headers),
            len(headers) + len(payload),
            headers,
            payload,
        )
    return b"PUB %b %d\r\n%b\r\n" % (middle.encode(), len(payload), payload)


def acknowledgement(reply: str, answer: bytes) -> bytes:
    """A PUB without headers to a reply subject."""
    return f"PUB {reply} {len(answer)}\r\n".encode() + answer + b"\r\n"


def identified(subject: str, payload: bytes, reply: str, number: str) -> bytes:
    """The commonest HPUB: a message id and nothing else in its header."""
    head = 27 + len(number)  # NATS/1.0 CRLF, Nats-Msg-Id: and a space, the number, CRLF CRLF
    line = f"HPUB {subject} {reply} {head} {head + len(payload)}\r\nNATS/1.0\r\nNats-Msg-Id: {number}\r\n\r\n"
    return line.encode() + payload + b"\r\n"


def header_block(pairs: list[tuple[str, str]]) -> bytes:
    """The header block of an HPUB."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    return f"NATS/1.0\r\n{lines}\r\n".encode()


def connect(options: dict[str, Any]) -> bytes:
    """A CONNECT."""
    return b"CONNECT %b\r\n" % json.dumps(options).encode()


def _status(headers: bytes) -> int:
    if not headers.startswith(_HEADER_VERSION):
        raise ProtocolError("malformed headers")
    code = headers[9:12]
    return int(code) if headers[8:9] == b" " and code.isdigit() else 0


def _note(line: bytes) -> Info | Note:
    verb, _, rest = line.partition(b" ")
    verb = verb.upper()
    if verb in {b"PING", b"PONG", b"+OK"}:
        return Note(verb.decode())
    if verb == b"-ERR":
        return Note("-ERR", rest.decode(errors="replace").strip(" '")[:512])
    if verb == b"INFO":
        return _info(rest)
    raise ProtocolError("unknown operation")


def _info(data: bytes) -> Info:
    try:
        said = json.loads(data)
        return Info(
            max_payload=int(said.get("max_payload", 1_048_576)),
            tls_required=bool(said.get("tls_required")),
            tls_available=bool(said.get("tls_available")),
            headers=bool(said.get("headers")),
            nonce=str(said["nonce"]) if said.get("nonce") else None,
            jetstream=bool(said.get("jetstream")),
        )
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ProtocolError("malformed INFO") from None
