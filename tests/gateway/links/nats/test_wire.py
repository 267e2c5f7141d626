from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.links.fault import ProtocolError
from gateway.links.nats import wire
from gateway.links.nats.wire import Info, Message, Note, Parser

INFO = b'INFO {"max_payload":1048576,"headers":true,"jetstream":true,"nonce":"abc"}\r\n'
STREAM = (
    INFO
    + b"PING\r\n+OK\r\n-ERR 'Permissions Violation for Publish to \"a.b\"'\r\n"
    + b"MSG a.b 7 5\r\nhello\r\n"
    + b"MSG a.b 7 $JS.ACK.S.C.1.2.3.4.5 0\r\n\r\n"
    + b"HMSG a.b 8 _INBOX.x 25 28\r\nNATS/1.0\r\nSubject: x\r\n\r\n\r\nbye\r\n".replace(b"\r\n\r\n\r\n", b" \r\n\r\n")
    + b"HMSG a.b 9 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"
)
EXPECTED = [
    Info(1_048_576, tls_required=False, tls_available=False, headers=True, nonce="abc", jetstream=True),
    Note("PING"),
    Note("+OK"),
    Note("-ERR", 'Permissions Violation for Publish to "a.b"'),
    Message(7, "a.b", "", b"hello"),
    Message(7, "a.b", "$JS.ACK.S.C.1.2.3.4.5", b""),
    Message(8, "a.b", "_INBOX.x", b"bye", 0, b"NATS/1.0\r\nSubject: x \r\n\r\n"),
    Message(9, "a.b", "", b"", 503, b"NATS/1.0 503\r\n\r\n"),
]


def test_reads_a_stream_whole_and_byte_by_byte() -> None:
    assert Parser(1000).feed(STREAM) == EXPECTED
    parser = Parser(1000)
    assert [one for byte in STREAM for one in parser.feed(bytes((byte,)))] == EXPECTED


def test_reads_a_stream_cut_anywhere() -> None:
    for cut in range(len(STREAM)):
        parser = Parser(1000)
        assert parser.feed(STREAM[:cut]) + parser.feed(STREAM[cut:]) == EXPECTED


@pytest.mark.parametrize(
    "data",
    [
        b"MSG a 1 1001\r\n",
        b"MSG a 1 -5\r\n",
        b"MSG a x 5\r\n",
        b"MSG a 1\r\n",
        b"MSG a 1 r s t 5\r\n",
        b"MSG a 1 2\r\nabcd\r\n",
        b"HMSG a 1 30 20\r\n",
        b"HMSG a 1 4 4\r\nNATS\r\n",
        b"MSG \xff\xfe 1 0\r\n\r\n",
        b"INFO []\r\n",
        b"INFO {\r\n",
        b"INFO " + b"[" * 5000 + b"\r\n",
        b"HELLO\r\n",
        b"x" * 70_000,
    ],
)
def test_a_server_that_breaks_the_protocol_is_left(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Parser(1000).feed(data)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_broken_streams_end_a_connection_and_nothing_else(seed: int, changes: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable choice
    data = bytearray(STREAM)
    for _ in range(changes):
        data[chance.randrange(len(data))] = chance.choice(b"\r\n 0123456789{}\x00\xff")
    parser = Parser(1000)
    try:
        for start in range(0, len(data), 7):
            parser.feed(bytes(data[start : start + 7]))
    except ProtocolError:
        return
    assert len(parser._rest) <= wire.LINE_MAX + 1000


def test_writes_what_the_protocol_wants() -> None:
    assert wire.publish("a.b", b"xy") == b"PUB a.b 2\r\nxy\r\n"
    assert wire.publish("a.b", b"xy", "r") == b"PUB a.b r 2\r\nxy\r\n"
    block = wire.header_block([("Nats-Msg-Id", "7")])
    assert block == b"NATS/1.0\r\nNats-Msg-Id: 7\r\n\r\n"
    assert wire.publish("a", b"xy", "r", block) == b"HPUB a r 28 30\r\n" + block + b"xy\r\n"
    assert wire.identified("a", b"xy", "r", "7") == wire.publish("a", b"xy", "r", block)
    assert wire.acknowledgement("r", b"+ACK") == wire.publish("r", b"+ACK")
    assert wire.header(block, "Nats-Msg-Id") == "7"
    assert wire.header(block, "Nats") is None
    assert wire.reason(b"NATS/1.0 409 Consumer Deleted\r\n\r\n") == "Consumer Deleted"
