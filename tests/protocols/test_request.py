from __future__ import annotations

import msgpack
import pytest

from protocols.envelope import Refusal
from protocols.request import REQUEST_MAX, KeyRequest, unpack_request
from tests.protocols.cast import BRAVO, CHARLIE, NOW, keys, refuses, roster

KEY = keys(BRAVO).signing
ASKED = KeyRequest(b"epoch-id", BRAVO, KEY.kid, NOW)


def test_a_request_is_read_as_it_was_written() -> None:
    assert unpack_request(ASKED.pack(KEY), roster(), NOW) == ASKED


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (ASKED._replace(asked=NOW - 301), Refusal.EXPIRED),
        (ASKED._replace(asked=NOW + 301), Refusal.EXPIRED),
        (ASKED._replace(uid=CHARLIE), Refusal.SIGNER_MISMATCH),
        (ASKED._replace(uid=""), Refusal.MALFORMED),
        (ASKED._replace(uid="x" * 129), Refusal.MALFORMED),
        (ASKED._replace(eid=b"short"), Refusal.MALFORMED),
        (ASKED._replace(sig_kid=bytes(9)), Refusal.MALFORMED),
        (ASKED._replace(sig_kid=bytes(8)), Refusal.UNKNOWN_SIGNER),
        (ASKED._replace(sig_kid=keys(CHARLIE).signing.kid, uid=CHARLIE), Refusal.BAD_SIGNATURE),
    ],
)
def test_a_request_that_does_not_hold_is_refused(asked: KeyRequest, code: Refusal) -> None:
    with refuses(code):
        unpack_request(asked.pack(KEY), roster(), NOW)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0",
        msgpack.packb([b"", b"", b""]),
        msgpack.packb([b"", ""]),
        msgpack.packb([b"\xc0", bytes(64)]),
        msgpack.packb([b"\x90", bytes(64)]),
        msgpack.packb([msgpack.packb(tuple(ASKED)), bytes(63)]),
    ],
)
def test_what_is_no_request_is_malformed(data: bytes) -> None:
    with refuses(Refusal.MALFORMED):
        unpack_request(data, roster(), NOW)


def test_a_request_beyond_the_limit_is_not_even_parsed() -> None:
    with refuses(Refusal.TOO_LARGE):
        unpack_request(bytes(REQUEST_MAX + 1), roster(), NOW)
