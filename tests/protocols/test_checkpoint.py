from __future__ import annotations

import hashlib

import msgpack
import pytest

from protocols.checkpoint import PENDING_MAX, ROOTS_MAX, Head, Ledger, Standing, open_head, seal_head
from protocols.envelope import Header, Refusal, pack
from protocols.identity import Verifier
from protocols.replay import Gap, Received
from tests.protocols.cast import ALPHA, CHARLIE, NOW, keys, refuses

KEY = keys(ALPHA).signing
VERIFIER = Verifier(ALPHA, KEY.public)
RAW = bytes.fromhex("950103c40800112233445566770009")
HEADER = Header(RAW, 1, 3, RAW[5:13], 0, 9)
HEAD = Head(NOW * 1000, 4, 9, bytes(32), final=False)


def received(*seqs: int) -> Received:
    told = Received()
    for seq in seqs:
        told.mark(seq)
    return told


def signed(body: bytes, header: bytes = RAW, context: bytes = b"CSE1 head\0") -> bytes:
    text = context + hashlib.sha256(header).digest() + body
    return KEY.sign(text) + KEY.sign_lasting(text) + body


def test_a_head_is_two_signatures_and_five_fields() -> None:
    plain = seal_head(RAW, HEAD, KEY)

    assert len(plain) - len(pack(tuple(HEAD))) == 64 + 3309
    assert msgpack.unpackb(plain[64 + 3309 :]) == [NOW * 1000, 4, 9, bytes(32), False]
    assert open_head(HEADER, plain, VERIFIER) == HEAD
    assert open_head(HEADER, signed(pack(tuple(HEAD))), VERIFIER) == HEAD


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [0, 4, 9, bytes(32)],
        [0, 4, 9, bytes(31), False],
        [0, 4, 9, bytes(32), 0],
        [True, 4, 9, bytes(32), False],
        [-1, 4, 9, bytes(32), False],
        [0, -1, 9, bytes(32), False],
        [0, 4, 2**20, bytes(32), False],
        {},
    ],
)
def test_a_head_of_another_form_is_malformed(fields: object) -> None:
    with refuses(Refusal.MALFORMED_BODY):
        open_head(HEADER, signed(bytes(msgpack.packb(fields))), VERIFIER)


@pytest.mark.parametrize("head", [HEAD._replace(seq=8), HEAD._replace(start=10)])
def test_a_head_about_other_numbers_is_a_mismatch(head: Head) -> None:
    with refuses(Refusal.HEAD_MISMATCH):
        open_head(HEADER, signed(pack(tuple(head))), VERIFIER)


@pytest.mark.parametrize("at", [0, 63, 64, 64 + 3308])
def test_both_signatures_of_a_head_have_to_hold(at: int) -> None:
    plain = bytearray(seal_head(RAW, HEAD, KEY))
    plain[at] ^= 1

    with refuses(Refusal.BAD_SIGNATURE):
        open_head(HEADER, bytes(plain), VERIFIER)


def test_a_head_of_another_header_context_or_signer_is_refused() -> None:
    body = pack(tuple(HEAD))
    for plain in (signed(body, header=RAW[:-1] + b"\x08"), signed(body, context=b"CSE1 data\0")):
        with refuses(Refusal.BAD_SIGNATURE):
            open_head(HEADER, plain, VERIFIER)
    with refuses(Refusal.BAD_SIGNATURE):
        open_head(HEADER, signed(body), Verifier(CHARLIE, keys(CHARLIE).signing.public))


def test_roots_are_let_go_when_no_head_ever_comes() -> None:
    ledger, told = Ledger(), Received()
    for seq in range(ROOTS_MAX + 2):
        told.mark(seq)
        assert ledger.note(seq, bytes(32), told) is None

    late = ledger.prove(HEAD._replace(start=0, seq=ROOTS_MAX), told)
    rest = ledger.prove(HEAD._replace(start=2, seq=3, roots=hashlib.sha256(bytes(32)).digest()), told)

    assert late.standing is Standing.UNKNOWN
    assert rest.standing is Standing.WHOLE


def test_a_head_over_more_than_is_kept_cannot_be_told() -> None:
    told = Received(b"\xff" * 4096)

    assert Ledger().prove(HEAD._replace(start=0, seq=ROOTS_MAX + 1), told).standing is Standing.UNKNOWN


def test_an_empty_head_is_whole() -> None:
    head = HEAD._replace(start=9, roots=hashlib.sha256().digest())

    assert Ledger().prove(head, received()).standing is Standing.WHOLE


def test_only_so_many_heads_wait() -> None:
    ledger, told = Ledger(), Received()
    for number in range(PENDING_MAX + 1):
        told.mark(2 * number + 1)
        head = HEAD._replace(start=2 * number, seq=2 * number + 1, roots=hashlib.sha256(bytes(32)).digest())
        assert ledger.prove(head, told).missing == (Gap(2 * number, 2 * number + 1),)

    told.mark(0)
    assert ledger.note(0, bytes(32), told) is None  # the oldest was let go
    told.mark(2)
    whole = ledger.note(2, bytes(32), told)
    assert whole is not None
    assert whole.standing is Standing.WHOLE
