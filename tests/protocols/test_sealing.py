from __future__ import annotations

import os

import msgpack
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocols.envelope import AUDIENCE_MAX, ENVELOPES_MAX, RECORD_MAX, Mode, Refusal, Reject, unpack_envelope
from protocols.identity import CLASSIC, HYBRID, SigningKey
from protocols.sealing import GENERATION_ENVELOPES, Epoch, Profile, Signer, seal_slice
from protocols.topics import SHARDS, data_topic
from protocols.unit import partner_of
from tests.protocols.cast import (
    ALPHA,
    BRAVO,
    BRAVO_2,
    CHARLIE,
    DAY,
    NOW,
    epoch,
    epoch_at,
    inbox,
    keys,
    reader,
    refuses,
    roster,
)

AUDIENCE = (BRAVO, BRAVO_2, CHARLIE)


def header(envelope: bytes) -> tuple[int, int]:
    """Generation and sequence number."""
    told = unpack_envelope(envelope)[0]
    return told.generation, told.seq


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("suite", [HYBRID, CLASSIC])
def test_what_is_sealed_opens(mode: Mode, suite: int) -> None:
    sent = epoch(mode=mode, suite=suite)

    opened = reader(sent).open(sent.seal([b"one", b"", b"x" * 1000], NOW + 0.25), NOW)

    assert opened.messages == [b"one", b"", b"x" * 1000]
    assert (opened.sender, opened.audience) == (ALPHA, (BRAVO,))
    assert (opened.eid, opened.seq) == (sent.eid, 0)
    assert opened.sealed_at.timestamp() == NOW + 0.25


def test_one_message_costs_as_many_bytes_as_promised() -> None:
    signed, pairwise = epoch(), epoch(mode=Mode.PAIRWISE)

    assert len(signed.seal([b"abc"], NOW + 0.5)) == 110  # the example of the specification, sealed after 256 ms
    assert len(signed.seal([bytes(300)], NOW)) - 300 <= 120
    assert len(pairwise.seal([bytes(200)], NOW)) - 200 <= 50
    assert (len(signed.seal([bytes(300)] * 32, NOW)) - 300 * 32) / 32 <= 8


def test_an_announcement_costs_as_many_bytes_as_promised() -> None:
    assert len(epoch(AUDIENCE).announcement_for("charlie")) <= 6000
    assert len(epoch(AUDIENCE, suite=CLASSIC).announcement_for("charlie")) <= 1500


def test_generations_step_after_256_envelopes() -> None:
    sent = epoch(mode=Mode.PAIRWISE)

    told = [header(sent.seal([b"x"], NOW)) for _ in range(GENERATION_ENVELOPES * 2 + 1)]

    assert [generation for generation, _ in told] == [0] * 256 + [1] * 256 + [2]
    assert [seq for _, seq in told] == list(range(513))


@pytest.mark.parametrize("step", [60, 1000, -61])
def test_generations_step_after_a_minute_and_when_the_clock_jumps(step: float) -> None:
    sent = epoch()
    sent.seal([b"x"], NOW)

    assert header(sent.seal([b"x"], NOW + 59.9)) == (0, 1)
    assert header(sent.seal([b"x"], NOW + 59.9 - 59.9 + step)) == (1, 2)


def test_the_counter_moves_before_encryption_and_not_for_bad_input() -> None:
    sent = epoch()

    with refuses(Refusal.MALFORMED_BODY):
        sent.seal([], NOW)
    with refuses(Refusal.TOO_LARGE):
        sent.seal([bytes(RECORD_MAX + 1)], NOW)
    with refuses(Refusal.TOO_LARGE):
        sent.seal([bytes(RECORD_MAX)] * 4, NOW)

    assert sent.seq == 0
    sent.draft([b"never sent"], NOW)
    assert header(sent.seal([b"x"], NOW)) == (0, 1)


def test_an_epoch_ends_after_its_last_number_which_is_for_the_head() -> None:
    sent = epoch()
    sent.seq = ENVELOPES_MAX - 2
    assert not sent.exhausted

    sent.seal([b"x"], NOW)

    assert sent.exhausted
    with refuses(Refusal.EPOCH_EXHAUSTED):
        sent.seal([b"x"], NOW)
    assert header(sent.head(NOW, final=True))[1] == ENVELOPES_MAX - 1
    with refuses(Refusal.EPOCH_CLOSED):
        sent.head(NOW)


def test_even_a_head_finds_no_number_after_the_last() -> None:
    sent = epoch()
    sent.seq = ENVELOPES_MAX

    with refuses(Refusal.EPOCH_EXHAUSTED):
        sent.head(NOW)


def test_a_closed_epoch_seals_no_more() -> None:
    sent = epoch()
    sent.closed = True

    with refuses(Refusal.EPOCH_CLOSED):
        sent.seal([b"x"], NOW)


def test_an_epoch_lives_a_day_at_most() -> None:
    sent = epoch()
    sent.seal([b"x"], NOW + DAY - 1)

    with refuses(Refusal.EXPIRED):
        sent.seal([b"x"], NOW + DAY)


def test_an_epoch_ends_with_the_first_key_or_bundle_of_its_audience() -> None:
    late = NOW + 20 * DAY - 100

    sent = epoch_at(late, [BRAVO], ALPHA, Profile(HYBRID))

    assert sent.not_after == NOW + 20 * DAY
    with refuses(Refusal.EXPIRED):
        epoch_at(NOW, [BRAVO], ALPHA, Profile(HYBRID, not_after=NOW))


def test_an_audience_is_1_to_64_units() -> None:
    known = roster().recipients([BRAVO], HYBRID, NOW)
    signer = Signer(ALPHA, keys(ALPHA).signing)

    for size in (0, AUDIENCE_MAX + 1):
        with refuses(Refusal.TOO_LARGE):
            Epoch(signer, known * size, Profile(HYBRID), NOW, os.urandom)


def test_pairwise_is_for_one() -> None:
    with refuses(Refusal.PAIRWISE_AUDIENCE):
        epoch((BRAVO, CHARLIE), mode=Mode.PAIRWISE)
    sent = epoch(mode=Mode.PAIRWISE)
    with refuses(Refusal.PAIRWISE_AUDIENCE):
        sent.reannounce(roster().recipients((BRAVO, CHARLIE), HYBRID, NOW), NOW)


def test_a_split_announcement_keeps_only_its_own_partners_slots() -> None:
    sent = epoch(AUDIENCE)

    sizes = {
        partner: [len(slot) for slot in msgpack.unpackb(sent.announcement_for(partner))[3]]
        for partner in sent.partners()
    }

    assert sizes == {"bravo": [1168, 1168, 32], "charlie": [32, 32, 1168]}
    for uid in AUDIENCE:
        inbox(uid).accept(sent.announcement_for(partner_of(uid)), NOW)
    with refuses(Refusal.NOT_FOR_ME):
        inbox(CHARLIE).accept(sent.announcement_for("bravo"), NOW)


def test_announcing_again_never_leaves_anybody_out() -> None:
    sent = epoch((BRAVO, CHARLIE))

    with refuses(Refusal.SLOT_AUDIENCE_MISMATCH):
        sent.reannounce(roster().recipients([BRAVO], HYBRID, NOW), NOW)


def test_announcing_again_moves_the_base_and_draws_a_new_nonce() -> None:
    sent = epoch()
    before = msgpack.unpackb(sent.announcement())

    sent.reannounce(roster().recipients([BRAVO, CHARLIE], HYBRID, NOW), NOW)
    after = msgpack.unpackb(sent.announcement())

    assert sent.base == 1
    assert sent.audience == (BRAVO, CHARLIE)
    assert [entry.uid for entry in sent.entries] == [BRAVO, CHARLIE]
    assert before[2] == after[2]
    assert before[4] != after[4]


def test_the_signature_covers_the_root_with_its_context() -> None:
    sent = epoch()
    draft = sent.draft([b"abc"], NOW)
    public = Ed25519PublicKey.from_public_bytes(keys(ALPHA).signing.public.ed25519)

    signature = sent.signer.key.sign(b"CSE1 data\0" + draft.root)

    opened = reader(sent).open(draft.seal(signature), NOW)
    assert opened.messages == [b"abc"]
    with pytest.raises(InvalidSignature):
        public.verify(signature, draft.root)


def test_envelopes_of_a_slice_carry_one_signature() -> None:
    epochs = [epoch([uid], mode=Mode.TICK) for uid in (BRAVO, BRAVO_2, CHARLIE)]
    drafts = [sent.draft([b"to " + uid.encode()], NOW) for sent, uid in zip(epochs, AUDIENCE, strict=True)]

    envelopes = seal_slice(drafts, keys(ALPHA).signing)

    for sent, uid, envelope in zip(epochs, AUDIENCE, envelopes, strict=True):
        assert reader(sent, uid).open(envelope, NOW).messages == [b"to " + uid.encode()]


def test_heads_are_due_after_a_minute_or_4096_envelopes_of_something() -> None:
    sent = epoch(mode=Mode.PAIRWISE)

    assert not sent.head_due(NOW + 100)
    sent.seal([b"x"], NOW)
    assert not sent.head_due(NOW + 59)
    assert sent.head_due(NOW + 60)
    for _ in range(4095):
        sent.seal([b"x"], NOW)
    assert sent.head_due(NOW)
    sent.head(NOW)
    assert not sent.head_due(NOW)
    sent.closed = True
    assert not sent.head_due(NOW + 100)


@pytest.mark.parametrize("mode", list(Mode))
def test_what_waits_can_be_recalled_and_sealed_anew(mode: Mode) -> None:
    sent = epoch(mode=mode)
    first = sent.seal([b"one"], NOW)
    later = sent.seal([b"two"], NOW + 61)

    assert sent.recall(first) == [b"one"]
    assert sent.recall(later) == [b"two"]
    sent.forget(0)
    assert sent.recall(first) == [b"one"]
    sent.forget(1)
    assert sent.recall(later) == [b"two"]
    with refuses(Refusal.GENERATION_TOO_OLD):
        sent.recall(first)


def test_only_envelopes_of_the_epoch_are_recalled() -> None:
    sent, other = epoch(), epoch()
    envelope = bytearray(sent.seal([b"one"], NOW))

    with refuses(Refusal.UNKNOWN_EPOCH):
        other.recall(bytes(envelope))
    with refuses(Refusal.UNKNOWN_EPOCH):
        sent.recall(sent.head(NOW))
    envelope[-1] ^= 1
    with refuses(Refusal.BAD_TAG):
        sent.recall(bytes(envelope))


def test_two_epochs_never_share_an_id_a_key_or_a_nonce() -> None:
    first, second = epoch(), epoch()

    assert first.eid != second.eid
    assert first.seal([b"same"], NOW)[18:] != second.seal([b"same"], NOW)[18:]


@pytest.mark.parametrize("wanted", range(SHARDS))
def test_an_epoch_goes_to_the_shard_that_is_wanted(wanted: int) -> None:
    profile = Profile(CLASSIC, shard=wanted)
    ids = {epoch_at(NOW, [BRAVO], ALPHA, profile).eid for _ in range(3)}

    assert {data_topic("bravo", "alpha", eid) for eid in ids} == {f"comity/1/bravo/alpha/d/{wanted}"}
    assert len(ids) == 3


def test_an_epoch_for_many_is_made_and_announced_again_in_steps() -> None:
    uids = [f"bravo/unit-{number}" for number in range(17)]
    recipients = roster([ALPHA, *uids]).recipients(uids, CLASSIC, NOW)
    signer = Signer(ALPHA, keys(ALPHA).signing)

    *steps, stepped = Epoch.in_steps(signer, recipients, Profile(CLASSIC), NOW, os.urandom)
    at_once = Epoch(signer, recipients, Profile(CLASSIC), NOW, os.urandom)
    at_once.reannounce(recipients, NOW)

    assert steps == [None, None]
    for sent in (stepped, at_once):
        assert sent is not None
        assert sent.audience == tuple(sorted(uids))
        last = inbox(uids[-1], roster([ALPHA]))
        last.accept(sent.announcement(), NOW)
        assert last.open(sent.seal([b"x"], NOW), NOW).messages == [b"x"]


def test_an_epoch_says_what_it_is_without_its_keys() -> None:
    sent = epoch()
    sent.seal([b"x"], NOW)

    assert repr(sent) == f"Epoch({sent.eid.hex()}, generation 0, seq 1)"


def test_the_id_is_bound_to_the_signer() -> None:
    drawn = [bytes(16), bytes(32), bytes(12)] * 2
    known = roster().recipients([BRAVO], HYBRID, NOW)

    def same(_: int) -> bytes:
        return drawn.pop(0)

    one = Epoch(Signer(ALPHA, keys(ALPHA).signing), known, Profile(HYBRID), NOW, same)
    other = Epoch(Signer(ALPHA, SigningKey.new(os.urandom)), known, Profile(HYBRID), NOW, same)

    assert one.rnd == other.rnd
    assert one.eid != other.eid


def test_a_refusal_is_its_code_and_nothing_else() -> None:
    refusal = Reject(Refusal.BAD_TAG)

    assert str(refusal) == "bad-tag"
    assert refusal.args == ("bad-tag",)
