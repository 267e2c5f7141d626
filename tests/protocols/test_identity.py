from __future__ import annotations

import os

import pytest

from protocols.envelope import Refusal
from protocols.identity import CLASSIC, HYBRID, SLOT_SIZES, SealingKey, SigningKey, UnitKeys, Verifier, seal_slot
from tests.protocols.cast import ALPHA, BRAVO, CHARLIE, keys, refuses

RND = bytes(range(16))


@pytest.mark.parametrize("suite", [HYBRID, CLASSIC])
def test_a_slot_opens_with_its_key_its_epoch_and_nothing_else(suite: int) -> None:
    key, other = SealingKey.new(suite, os.urandom), SealingKey.new(suite, os.urandom)
    slot = seal_slot(key.public, RND, b"c" * 32)

    assert len(slot) == SLOT_SIZES[suite]
    assert key.open(slot, RND) == b"c" * 32
    assert key.open(slot, bytes(16)) is None
    assert other.open(slot, RND) is None
    assert key.open(slot[:-1] + bytes((slot[-1] ^ 1,)), RND) is None


def test_a_slot_of_another_length_holds_no_chain_key() -> None:
    key = SealingKey.new(CLASSIC, os.urandom)

    assert key.open(seal_slot(key.public, RND, b"short"), RND) is None


def test_a_key_is_its_seed() -> None:
    held = UnitKeys.new(BRAVO, os.urandom)

    assert SigningKey(*held.signing.seeds).public == held.signing.public
    for key in held.sealing:
        assert SealingKey(key.suite, key.seed).public == key.public
    assert [key.suite for key in held.sealing] == [HYBRID, CLASSIC]
    assert len({held.signing.kid, *(key.kid for key in held.sealing)}) == 3


def test_signatures_hold_for_their_text_and_key_only() -> None:
    key = keys(ALPHA).signing
    verifier, other = Verifier(ALPHA, key.public), Verifier(CHARLIE, keys(CHARLIE).signing.public)
    quick, lasting = key.sign(b"text"), key.sign_lasting(b"text")

    verifier.verify(quick, b"text")
    verifier.verify_lasting(lasting, b"text")
    for check, signature in ((verifier.verify, quick), (verifier.verify_lasting, lasting)):
        with refuses(Refusal.BAD_SIGNATURE):
            check(signature, b"other")
        for cut in (b"", signature[:-1], signature + b"\0"):
            with refuses(Refusal.BAD_SIGNATURE):
                check(cut, b"text")
    for check, signature in ((other.verify, quick), (other.verify_lasting, lasting)):
        with refuses(Refusal.BAD_SIGNATURE):
            check(signature, b"text")


def test_a_signature_that_was_checked_is_known_only_for_its_text() -> None:
    key = keys(ALPHA).signing
    verifier = Verifier(ALPHA, key.public)
    signature = key.sign(b"slice")

    verifier.verify_once(signature, b"slice")
    verifier.verify_once(signature, b"slice")

    with refuses(Refusal.BAD_SIGNATURE):
        verifier.verify_once(signature, b"other")
    with refuses(Refusal.BAD_SIGNATURE):
        verifier.verify_once(bytes(64), b"slice")
