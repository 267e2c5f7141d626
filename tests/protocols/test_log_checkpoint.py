"""A checkpoint is what its partner signed, or it is refused with a reason."""

from __future__ import annotations

from enum import StrEnum

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.envelope import Refusal, Reject, pack
from protocols.log_checkpoint import (
    CheckpointFault,
    Growth,
    LogCheckpoint,
    pack_checkpoint,
    payload_of,
    read_checkpoint,
    since,
    unpack_checkpoint,
    unpack_verify,
    verify_checkpoint,
)
from protocols.schedule import AGREEMENT_SIGNED, LOG_SIGNED
from protocols.statement import BundleFault, sign
from protocols.transparency import Range, follows, leaf_hash
from tests.protocols.cast import ALPHA, BRAVO, DAY, NOW, keys, roster


def over(begin: int, end: int) -> Range:
    found = Range(begin)
    for number in range(begin, end):
        found.push(leaf_hash(b"%d" % number))
    return found


def checkpoint(size: int = 7, partner: str = "alpha", at: int = NOW) -> LogCheckpoint:
    root = over(0, size).root()
    return LogCheckpoint(format=1, partner=partner, log=b"l" * 16, size=size, root=root, chain=b"c" * 32, at=at)


def signed(stated: LogCheckpoint, uid: str = ALPHA, context: bytes = LOG_SIGNED) -> bytes:
    return sign(payload_of(stated), context, [keys(uid).signing])


def sent(stated: LogCheckpoint, begin: int = 3) -> bytes:
    return pack_checkpoint(signed(stated), Growth(over(0, begin), over(begin, stated.size)))


def refused(data: bytes, now_s: float = NOW) -> StrEnum:
    with pytest.raises(Reject) as caught:
        unpack_verify(data, roster(), now_s)
    return caught.value.code


def test_a_witness_reads_what_was_signed_and_how_the_log_grew() -> None:
    stated = checkpoint(1000)

    attested, growth = unpack_verify(sent(stated, 700), roster(), NOW)

    assert (attested.checkpoint, attested.signer) == (stated, ALPHA)
    assert read_checkpoint(attested.statement) == stated
    assert follows(over(0, 700).root(), *growth, stated.root)
    assert len(sent(checkpoint(1000), 700)) < 4096


def test_one_that_was_sent_instead_of_two_shows_the_growth_since_before_both() -> None:
    told = since(sent(checkpoint(700), 300), sent(checkpoint(1000), 700))

    attested, growth = unpack_verify(told, roster(), NOW)
    assert attested.checkpoint == checkpoint(1000)
    assert growth.past.end == 300
    assert follows(over(0, 300).root(), *growth, checkpoint(1000).root)


def test_two_that_do_not_follow_each_other_are_not_told_as_one() -> None:
    with pytest.raises(Reject) as caught:
        since(sent(checkpoint(700), 300), sent(checkpoint(1000), 600))
    assert caught.value.code is CheckpointFault.MALFORMED


def test_what_is_signed_is_these_fields_in_this_order() -> None:
    fields = msgspec.msgpack.decode(payload_of(checkpoint()))

    assert list(fields) == ["format", "partner", "log", "size", "root", "chain", "at"]


def test_a_unit_of_another_partner_signs_for_nobody_else() -> None:
    data = pack_checkpoint(signed(checkpoint(), BRAVO), Growth(Range(), over(0, 7)))

    assert refused(data) is Refusal.SIGNER_MISMATCH


def test_a_signature_of_another_purpose_is_none() -> None:
    data = pack_checkpoint(signed(checkpoint(), context=AGREEMENT_SIGNED), Growth(Range(), over(0, 7)))

    assert refused(data) is Refusal.BAD_SIGNATURE


@pytest.mark.parametrize("which", [1, 2])
def test_both_signatures_have_to_hold(which: int) -> None:
    fields = msgspec.msgpack.decode(signed(checkpoint()))
    fields[which] = fields[which][:-1] + bytes((fields[which][-1] ^ 1,))

    with pytest.raises(Reject) as caught:
        verify_checkpoint(pack(fields), roster())
    assert caught.value.code is Refusal.BAD_SIGNATURE


def test_one_unit_signs_not_two() -> None:
    twice = sign(payload_of(checkpoint()), LOG_SIGNED, [keys(ALPHA).signing, keys(BRAVO).signing])

    with pytest.raises(Reject) as caught:
        verify_checkpoint(twice, roster())
    assert caught.value.code is CheckpointFault.MALFORMED


def test_a_key_vouches_for_its_time_only() -> None:
    assert refused(sent(checkpoint(at=NOW + 21 * DAY)), NOW + 21 * DAY) is Refusal.EXPIRED
    assert refused(sent(checkpoint(at=NOW - 2 * DAY))) is Refusal.EXPIRED
    unpack_verify(sent(checkpoint()), roster(), NOW + 100 * DAY)  # it was good when it was made


def test_a_withdrawn_key_and_a_stranger_vouch_for_nothing() -> None:
    kid = keys(ALPHA).signing.kid
    for known, code in ((roster(revoked=[kid]), Refusal.REVOKED), (roster([BRAVO]), Refusal.UNKNOWN_SIGNER)):
        with pytest.raises(Reject) as caught:
            verify_checkpoint(signed(checkpoint()), known)
        assert caught.value.code is code


def test_clocks_may_differ_by_five_minutes() -> None:
    unpack_verify(sent(checkpoint(at=NOW + 300)), roster(), NOW)

    assert refused(sent(checkpoint(at=NOW + 301))) is CheckpointFault.FROM_THE_FUTURE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", 2),
        ("partner", "Alpha"),
        ("log", b"short"),
        ("size", 0),
        ("size", (1 << 48) + 1),
        ("root", b"r" * 31),
        ("chain", b"c" * 33),
        ("at", -1),
        ("at", 1 << 32),
    ],
)
def test_a_checkpoint_that_cannot_be_is_refused(field: str, value: object) -> None:
    stated = msgspec.to_builtins(checkpoint(), builtin_types=(bytes,)) | {field: value}
    statement = sign(msgspec.msgpack.encode(stated), LOG_SIGNED, [keys(ALPHA).signing])

    with pytest.raises(Reject) as caught:
        read_checkpoint(statement)
    assert caught.value.code is BundleFault.MALFORMED


def malformed() -> list[bytes]:
    statement, past, recent = signed(checkpoint()), b"".join(over(0, 3).hashes), b"".join(over(3, 7).hashes)
    return [
        b"",
        b"\xc0",
        bytes(20_000),
        pack((statement, 3, past)),
        pack((statement, 3, past, "recent")),
        pack((statement, 8, past, recent)),
        pack((statement, -1, past, recent)),
        pack((statement, 2, past, recent)),
        pack((statement, 3, past, recent[:-1])),
        pack((statement, 3, past + bytes(32), recent)),
        pack((statement, 3, past, recent)) + b"\0",
    ]


@pytest.mark.parametrize("data", malformed())
def test_what_is_no_checkpoint_is_refused(data: bytes) -> None:
    with pytest.raises(Reject) as caught:
        unpack_checkpoint(data)
    assert caught.value.code is CheckpointFault.MALFORMED


@given(st.binary(max_size=200))
def test_noise_ends_in_a_refusal(data: bytes) -> None:
    with pytest.raises(Reject):
        unpack_verify(data, roster(), NOW)
