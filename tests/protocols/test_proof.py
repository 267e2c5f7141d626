"""A message that is passed on convinces whoever pinned its originator, and nothing else does."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols import schedule
from protocols.checkpoint import Checkpoint
from protocols.envelope import RECORD_MAX, Mode, Refusal, Reject, pack_header, pack_terms, unpack_terms
from protocols.identity import CLASSIC, HYBRID
from protocols.opening import Opened
from protocols.proof import PROOF, ProofFault, Proven, disclose, is_proof, verify
from protocols.sealing import Epoch, Profile, seal_slice
from tests.protocols.cast import ALPHA, BRAVO, BRAVO_2, CHARLIE, DAY, NOW, epoch, epoch_at, keys, reader, roster

SAID = [b"Bridge at Lindau is down.", b"Convoy leaves at six.", b"Two trucks."]
TERMS, SLOTS, SIGNATURE, HEADER, T_MS, PLACE, OTHERS, SALT, VOUCHES, MESSAGE = range(10)


def opened(sent: Epoch | None = None, messages: list[bytes] | None = None, at_s: float = NOW + 2.5) -> Opened:
    """What bravo's cell opens of an envelope of alpha's headquarters."""
    sent = sent or epoch((BRAVO, BRAVO_2))
    return reader(sent).open(sent.seal(messages or SAID, at_s), at_s)


def fields(record: bytes) -> list[object]:
    found: list[object] = msgpack.unpackb(record[len(PROOF) :])
    return found


def forged(record: bytes, **changes: object) -> bytes:
    """The proof with some of its fields replaced, by their names in lower case."""
    held = fields(record)
    for name, value in changes.items():
        held[globals()[name.upper()]] = value
    return PROOF + bytes(msgpack.packb(held))


def judged(record: bytes, passer: str = "bravo", now_s: float = NOW + 10, **known: object) -> Proven | StrEnum:
    """What charlie makes of it, or why it refuses."""
    try:
        return verify(record, roster(**known), passer, now_s)  # type: ignore[arg-type]
    except Reject as refusal:
        return refusal.code


@pytest.mark.parametrize("suite", [HYBRID, CLASSIC])
@pytest.mark.parametrize("place", range(3))
def test_a_message_passed_on_is_its_originators_word(suite: int, place: int) -> None:
    got = opened(epoch((BRAVO, BRAVO_2), suite=suite))

    assert judged(disclose(got, place)) == Proven(
        ALPHA, (BRAVO, BRAVO_2), SAID[place], datetime.fromtimestamp(NOW + 2.5, UTC), got.eid, 0
    )


def test_of_the_other_messages_nothing_is_told_but_how_many_there_are() -> None:
    record = disclose(opened(), 0)

    assert len(fields(record)[OTHERS]) == 2 * 32  # type: ignore[arg-type]
    assert not any(each in record for each in SAID[1:])
    plain_leaves = {schedule.leaf(b"", each) for each in SAID}  # without their salts no guess can be tried
    assert not any(leaf in record for leaf in plain_leaves)


def test_the_secret_of_the_salts_stays() -> None:
    got = opened()

    assert got.evidence is not None
    assert all(got.evidence.salt not in disclose(got, place) for place in range(3))
    assert len({fields(disclose(got, place))[SALT] for place in range(3)}) == 3


def test_a_proof_is_told_from_a_message() -> None:
    assert is_proof(disclose(opened(), 0))
    assert not any(is_proof(each) for each in (b"", b"\x80", b"\x9b\xc4", b"\xa1x", b"\xc1", b"\xc1\x02"))


def test_what_a_slice_of_time_vouches_for_is_proven_too() -> None:
    first, second = (epoch((to,), mode=Mode.TICK) for to in (BRAVO, CHARLIE))
    envelopes = seal_slice([first.draft(SAID, NOW), second.draft([b"x"], NOW)], keys(ALPHA).signing)
    record = disclose(reader(first).open(envelopes[0], NOW), 1)
    found = judged(record)

    assert isinstance(found, Proven)
    assert found.message == SAID[1]
    assert judged(forged(record, message=b"Convoy leaves at ten.")) is Refusal.BAD_SIGNATURE
    assert judged(forged(record, vouches=fields(record)[VOUCHES] + b"x")) is Refusal.BAD_PATH  # type: ignore[operator]


def test_what_nobody_signed_proves_nothing() -> None:
    got = opened(epoch((BRAVO,), mode=Mode.PAIRWISE))

    with pytest.raises(Reject) as caught:
        disclose(got, 0)
    assert caught.value.code is ProofFault.NO_PROOF


@pytest.mark.parametrize("place", [-1, 3])
def test_there_is_no_proof_of_what_is_not_there(place: int) -> None:
    with pytest.raises(Reject):
        disclose(opened(), place)


def test_a_checkpoint_is_no_message() -> None:
    sent = epoch()
    sent.seal(SAID, NOW)
    head = reader(sent).open(sent.head(NOW), NOW)

    assert isinstance(head.checkpoint, Checkpoint)
    with pytest.raises(Reject):
        disclose(head, 0)


def test_a_proof_too_long_for_a_record_is_not_given() -> None:
    with pytest.raises(Reject) as caught:
        disclose(opened(messages=[bytes(RECORD_MAX - 100)]), 0)
    assert caught.value.code is Refusal.TOO_LARGE


def test_an_epoch_announced_again_is_proven_by_its_newest_terms() -> None:
    sent = epoch((BRAVO,))
    bravo = reader(sent)
    sent.reannounce(roster().recipients((BRAVO, CHARLIE), HYBRID, NOW), NOW + 1)
    bravo.accept(sent.announcement(), NOW + 1)
    found = judged(disclose(bravo.open(sent.seal(SAID, NOW + 2), NOW + 2), 0))

    assert isinstance(found, Proven)
    assert found.audience == (BRAVO, CHARLIE)


# Forgeries.


def co_recipient(record: bytes) -> bytes:
    """Bravo knows every key of the epoch but the one that signs: its own message, leaves and header."""
    header = pack_header(HYBRID, 2, bytes(fields(record)[HEADER])[5:13], 0, 7)  # type: ignore[call-overload]
    root = schedule.root(header, 0, [schedule.leaf(bytes(16), b"Attack.")])
    vouches = keys(BRAVO).signing.sign(schedule.DATA_SIGNED + root)
    return forged(
        record, header=header, t_ms=0, place=0, others=b"", salt=bytes(16), vouches=vouches, message=b"Attack."
    )


def under_own_name(record: bytes) -> bytes:
    """Bravo signs terms that name alpha as the sender."""
    terms = unpack_terms(fields(record)[TERMS])._replace(sig_kid=keys(BRAVO).signing.kid)  # type: ignore[arg-type]
    data = pack_terms(terms)
    signature = keys(BRAVO).signing.sign(schedule.announcement_signed(data, bytes(32)))
    return forged(record, terms=data, slots=bytes(32), signature=signature)


def of_another_epoch(record: bytes) -> bytes:
    """Terms that bravo was sealed for, with an envelope that was for charlie alone."""
    other = disclose(reader(secret := epoch((CHARLIE,)), CHARLIE).open(secret.seal([b"For charlie."], NOW), NOW), 0)
    terms = {name: fields(record)[at] for name, at in (("terms", TERMS), ("slots", SLOTS), ("signature", SIGNATURE))}
    return forged(other, **terms)


def with_wider_terms(record: bytes) -> bytes:
    """The originator's terms with another audience."""
    terms = unpack_terms(fields(record)[TERMS])  # type: ignore[arg-type]
    wider = terms._replace(
        audience=tuple(each._replace(uid=each.uid.replace("bravo", "delta")) for each in terms.audience)
    )
    return forged(record, terms=pack_terms(wider))


def with_another_salt(record: bytes) -> bytes:
    return forged(record, salt=os.urandom(16))


def stripped(record: bytes) -> bytes:
    """As if it had been alone in its envelope."""
    return forged(record, others=b"", place=0)


def moved(record: bytes) -> bytes:
    return forged(record, place=0)


def from_another_envelope(record: bytes) -> bytes:
    """This message with its salt and leaves, under header, time and signature of another envelope."""
    other = disclose(opened(epoch((BRAVO, BRAVO_2)), at_s=NOW + 3), 1)
    held = {name: fields(record)[at] for name, at in (("message", MESSAGE), ("salt", SALT), ("others", OTHERS))}
    return forged(other, **held)


def as_a_checkpoint(record: bytes) -> bytes:
    return forged(record, header=pack_header(HYBRID, 3, bytes(fields(record)[HEADER])[5:13], 0, 0))  # type: ignore[call-overload]


FORGERIES: tuple[tuple[Callable[[bytes], bytes], StrEnum], ...] = (
    (lambda record: forged(record, message=b"Convoy leaves at ten."), Refusal.BAD_SIGNATURE),
    (lambda record: forged(record, t_ms=2501), Refusal.BAD_SIGNATURE),
    (lambda record: forged(record, vouches=b""), Refusal.BAD_SIGNATURE),
    (lambda record: forged(record, vouches=bytes(64)), Refusal.BAD_SIGNATURE),
    (lambda record: forged(record, signature=bytes(64)), Refusal.BAD_SIGNATURE),
    (lambda record: forged(record, slots=bytes(32)), Refusal.BAD_SIGNATURE),
    (lambda record: forged(record, t_ms=1 << 63), Refusal.EXPIRED),
    (co_recipient, Refusal.BAD_SIGNATURE),
    (under_own_name, Refusal.SIGNER_MISMATCH),
    (of_another_epoch, ProofFault.OTHER_EPOCH),
    (with_wider_terms, Refusal.BAD_SIGNATURE),
    (with_another_salt, Refusal.BAD_SIGNATURE),
    (stripped, Refusal.BAD_SIGNATURE),
    (moved, Refusal.BAD_SIGNATURE),
    (from_another_envelope, Refusal.BAD_SIGNATURE),
    (as_a_checkpoint, Refusal.UNKNOWN_TYPE),
    (lambda record: record[:-1], Refusal.MALFORMED),
    (lambda record: record + b"\0", Refusal.MALFORMED),
    (lambda record: record[2:], Refusal.MALFORMED),
    (lambda _: PROOF, Refusal.MALFORMED),
    (lambda record: forged(record, salt=bytes(15)), Refusal.MALFORMED),
    (lambda record: forged(record, place=3), Refusal.MALFORMED),
    (lambda record: forged(record, place=-1), Refusal.MALFORMED),
    (lambda record: forged(record, place=True), Refusal.MALFORMED),
    (lambda record: forged(record, others=bytes(33)), Refusal.MALFORMED),
    (lambda record: forged(record, others=bytes(256 * 32)), Refusal.MALFORMED),
    (lambda record: forged(record, message="text"), Refusal.MALFORMED),
    (lambda record: forged(record, terms=b"\x90"), Refusal.MALFORMED),
    (lambda _: PROOF + bytes(RECORD_MAX), Refusal.TOO_LARGE),
)


@pytest.mark.parametrize(("forge", "code"), FORGERIES)
def test_forgeries_are_refused(forge: Callable[[bytes], bytes], code: StrEnum) -> None:
    record = disclose(opened(), 1)

    assert isinstance(judged(record), Proven)
    assert judged(forge(record)) is code


def test_the_originator_must_be_pinned_and_its_key_in_force() -> None:
    record = disclose(opened(), 0)

    assert judged(record, uids=(BRAVO, CHARLIE)) is Refusal.UNKNOWN_SIGNER
    assert judged(record, revoked=[keys(ALPHA).signing.kid]) is Refusal.REVOKED
    assert judged(record, now_s=NOW + 20 * DAY + 1) is Refusal.EXPIRED  # its key
    assert judged(record, now_s=NOW + DAY + 301) is Refusal.EXPIRED  # its epoch
    assert judged(record, now_s=NOW - 301) is Refusal.EXPIRED
    assert isinstance(judged(record, now_s=NOW + DAY + 300), Proven)


def test_a_suite_below_the_originators_floor_is_refused() -> None:
    record = disclose(opened(epoch((BRAVO,), suite=CLASSIC)), 0)

    assert judged(record, floor=(HYBRID,)) is Refusal.SUITE_BELOW_FLOOR


def test_only_who_it_was_sealed_for_passes_it_on() -> None:
    record = disclose(opened(), 0)

    assert judged(record, passer="charlie") is ProofFault.NOT_A_RECIPIENT
    assert judged(record, passer="alpha") is ProofFault.NOT_A_RECIPIENT
    assert judged(record, passer="brav") is ProofFault.NOT_A_RECIPIENT


def test_an_epoch_that_would_live_longer_than_a_day_is_refused() -> None:
    record = disclose(opened(), 0)
    terms = unpack_terms(fields(record)[TERMS])  # type: ignore[arg-type]
    data = pack_terms(terms._replace(not_after=terms.created + DAY + 1))
    signature = keys(ALPHA).signing.sign(schedule.announcement_signed(data, bytes(32)))

    assert judged(forged(record, terms=data, slots=bytes(32), signature=signature)) is Refusal.EXPIRED


def test_a_proof_of_a_single_message_is_small() -> None:
    sent = epoch_at(NOW, (BRAVO,), ALPHA, Profile(HYBRID))
    record = disclose(reader(sent).open(sent.seal([bytes(300)], NOW), NOW), 0)

    assert len(record) - 300 <= 400


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_byte_changes_the_proof_is_refused(data: st.DataObject) -> None:
    record = bytearray(RECORD)
    place = data.draw(st.integers(0, len(record) - 1))
    record[place] ^= data.draw(st.integers(1, 255))

    assert not isinstance(judged(bytes(record)), Proven)


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_whatever_comes_is_refused_with_a_reason(data: bytes) -> None:
    assert isinstance(judged(PROOF + data), StrEnum)


RECORD = disclose(opened(), 1)
