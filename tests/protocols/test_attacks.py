"""Every attack that concerns the sealing layer, as its adversary would carry it out. The names are the threats."""

from __future__ import annotations

import os
import time
import tracemalloc

import msgpack
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols import schedule
from protocols.envelope import (
    ENVELOPE_MAX,
    Attested,
    Mode,
    Refusal,
    Reject,
    Terms,
    pack_announcement,
    pack_attested,
    pack_body,
    pack_envelope,
    pack_header,
    pack_terms,
    unpack_announcement,
    unpack_envelope,
)
from protocols.identity import CLASSIC, HYBRID, SLOT_SIZES, SigningKey
from protocols.opening import Inbox
from protocols.ratchet import AHEAD_MAX
from protocols.sealing import Epoch, Profile, Signer
from tests.protocols.cast import ALPHA, BRAVO, BRAVO_2, CHARLIE, NOW, epoch, inbox, keys, reader, refuses, roster


class Insider:
    """A co-recipient who uses what it was rightly given, the chain key, against the others."""

    def __init__(self, sent: Epoch, uid: str) -> None:
        announcement = unpack_announcement(sent.announcement(), SLOT_SIZES)
        key = next(key for key in keys(uid).sealing if key.suite == announcement.suite)
        opened = (key.open(slot, announcement.rnd) for slot in announcement.slots)
        self.chain = next(chain for chain in opened if chain is not None)
        self.announcement = announcement
        self.keys = schedule.load_generation(schedule.generation_keys(self.chain, sent.eid, 0))
        self.sent = sent

    def forge(self, messages: list[bytes], seq: int, signer: SigningKey) -> bytes:
        header = pack_header(self.announcement.suite, 2, self.sent.eid, 0, seq)
        root = schedule.envelope_root(header, 0, messages, self.keys.salt, seq)
        plain = signer.sign(schedule.DATA_SIGNED + root) + pack_body(0, messages)
        return pack_envelope(header, self.keys.cipher.encrypt(self.keys.nonce(seq), plain, header))

    def announce(self, terms: Terms, signer: SigningKey, rnd: bytes | None = None) -> bytes:
        """The same slots and chain key under other terms, signed by somebody else."""
        old = self.announcement
        slots, packed = schedule.slots_digest(old.slots), pack_terms(terms)
        signed = schedule.announcement_signed(packed, slots)
        lasting = signer.sign_lasting(signed) if old.suite == HYBRID else b""
        context = schedule.box_context(old.suite, rnd or old.rnd, slots)
        cipher = AESGCM(schedule.box_key(self.chain, rnd or old.rnd))
        box = cipher.encrypt(bytes(12), pack_attested(Attested(packed, signer.sign(signed), lasting)), context)
        return pack_announcement(old._replace(rnd=rnd or old.rnd, nonce=bytes(12), box=box))


def test_co_recipient_forges_the_sender_with_the_real_chain_key() -> None:
    sent = epoch((BRAVO, CHARLIE))
    insider, victim = Insider(sent, CHARLIE), reader(sent)

    with refuses(Refusal.BAD_SIGNATURE):
        victim.open(insider.forge([b"attack at dawn"], 0, keys(CHARLIE).signing), NOW)
    genuine = sent.seal([b"x"], NOW)
    header, ciphertext = unpack_envelope(genuine)
    plain = insider.keys.cipher.decrypt(insider.keys.nonce(0), ciphertext, header.raw)
    moved = pack_header(HYBRID, 2, sent.eid, 0, 1)
    with refuses(Refusal.BAD_SIGNATURE):  # the real signature under another sequence number
        victim.open(pack_envelope(moved, insider.keys.cipher.encrypt(insider.keys.nonce(1), plain, moved)), NOW)
    swapped = plain[:64] + pack_body(0, [b"y"])
    with refuses(Refusal.BAD_SIGNATURE):
        victim.open(
            pack_envelope(header.raw, insider.keys.cipher.encrypt(insider.keys.nonce(0), swapped, header.raw)), NOW
        )


def test_misbinding_a_relayed_key_is_not_the_relays_epoch() -> None:
    """Charlie announces Alpha's chain key as its own and passes Alpha's envelopes off as Charlie's."""
    sent = epoch((BRAVO, CHARLIE))
    insider = Insider(sent, CHARLIE)
    kid = keys(CHARLIE).signing.kid
    mine = sent._terms._replace(sender=CHARLIE, sig_kid=kid)
    stolen = sent.seal([b"alpha's words"], NOW)

    with refuses(Refusal.BAD_COMMITMENT):  # the commitment is bound to the epoch's id, and that to the signer
        inbox().accept(insider.announce(mine, keys(CHARLIE).signing), NOW)
    eid = schedule.epoch_id(kid, sent.rnd)
    mine = mine._replace(commitment=schedule.commitment(insider.chain, eid, 0))
    victim = inbox()
    victim.accept(insider.announce(mine, keys(CHARLIE).signing), NOW)
    with refuses(Refusal.UNKNOWN_EPOCH):
        victim.open(stolen, NOW)
    with refuses(Refusal.BAD_TAG):  # the id rewritten: header and keys no longer fit
        victim.open(stolen.replace(sent.eid, eid), NOW)


def test_a_slot_lifted_into_another_epoch_does_not_open() -> None:
    sent = epoch((BRAVO, CHARLIE))
    insider = Insider(sent, CHARLIE)
    kid = keys(CHARLIE).signing.kid
    rnd = os.urandom(16)
    mine = sent._terms._replace(sender=CHARLIE, sig_kid=kid, rnd=rnd)

    with refuses(Refusal.NOT_FOR_ME):
        inbox().accept(insider.announce(mine, keys(CHARLIE).signing, rnd), NOW)


def test_swapped_slots_are_refused() -> None:
    sent = epoch((BRAVO, CHARLIE))
    told = unpack_announcement(sent.announcement(), SLOT_SIZES)

    with refuses(Refusal.BAD_BOX):
        inbox().accept(pack_announcement(told._replace(slots=told.slots[::-1])), NOW)


def test_the_audience_cannot_be_extended_by_a_recipient() -> None:
    """Surreptitious forwarding: Charlie shows Alpha's epoch with an audience of its own choice."""
    sent = epoch((BRAVO, CHARLIE))
    insider = Insider(sent, CHARLIE)

    with refuses(Refusal.BAD_SIGNATURE):
        inbox().accept(insider.announce(sent._terms, keys(CHARLIE).signing), NOW)


def test_epoch_squatting_on_an_id_seen_on_the_wire() -> None:
    sent = epoch()
    honest = reader(sent)
    squatter = Epoch(
        Signer(CHARLIE, keys(CHARLIE).signing),
        roster().recipients([BRAVO], HYBRID, NOW),
        Profile(HYBRID),
        NOW,
        lambda size: sent.rnd if size == 16 else os.urandom(size),
    )
    victim = inbox()

    victim.accept(squatter.announcement(), NOW)
    victim.accept(sent.announcement(), NOW)

    assert squatter.rnd == sent.rnd
    assert squatter.eid != sent.eid
    envelope = sent.seal([b"x"], NOW)
    assert victim.open(envelope, NOW).messages == honest.open(envelope, NOW).messages


def test_replay_within_an_epoch() -> None:
    sent = epoch()
    victim = reader(sent)
    envelopes = [sent.seal([b"x"], NOW) for _ in range(50)]
    for envelope in envelopes:
        victim.open(envelope, NOW)

    for envelope in envelopes:
        with refuses(Refusal.REPLAY):
            victim.open(envelope, NOW)


def test_replay_after_a_restart() -> None:
    sent = epoch()
    victim = reader(sent)
    envelope = sent.seal([b"x"], NOW)
    victim.open(envelope, NOW)

    restarted = inbox()
    restarted.remember(sent.eid, victim.epoch(sent.eid).received.bits())
    restarted.accept(sent.announcement(), NOW)

    with refuses(Refusal.REPLAY):
        restarted.open(envelope, NOW)


def test_replay_into_an_epoch_that_was_closed_and_is_announced_again() -> None:
    sent = epoch()
    victim = reader(sent)
    envelope = sent.seal([b"x"], NOW)
    victim.open(envelope, NOW)
    victim.close(sent.eid, Refusal.EPOCH_CLOSED)

    with refuses(Refusal.EPOCH_TOMBSTONED):
        victim.accept(sent.announcement(), NOW)
    with refuses(Refusal.EPOCH_CLOSED):
        victim.open(envelope, NOW)


def test_downgrade_by_rewriting_the_suite() -> None:
    sent = epoch()
    fields = msgpack.unpackb(sent.announcement())
    fields[0] = CLASSIC

    with refuses(Refusal.MALFORMED):
        inbox().accept(msgpack.packb(fields), NOW)
    fields[3] = [slot[:80] for slot in fields[3]]
    with refuses(Refusal.NOT_FOR_ME):
        inbox().accept(msgpack.packb(fields), NOW)
    envelope = bytearray(sent.seal([b"x"], NOW))
    envelope[4] = CLASSIC
    with refuses(Refusal.SUITE_MISMATCH):
        reader(sent).open(bytes(envelope), NOW)


def test_downgrade_by_a_sender_below_its_own_floor() -> None:
    with refuses(Refusal.SUITE_BELOW_FLOOR):
        inbox(known=roster(floor=(HYBRID,))).accept(epoch(suite=CLASSIC).announcement(), NOW)


@pytest.mark.parametrize("suite", [HYBRID, CLASSIC])
@pytest.mark.parametrize("which", ["ed25519", "mldsa", "both"])
def test_stripped_or_added_signatures(suite: int, which: str) -> None:
    """In the hybrid suite neither signature may be missing; in the classic one no second may be claimed."""
    sent = epoch((BRAVO, CHARLIE), suite=suite)
    insider = Insider(sent, CHARLIE)
    told = insider.announcement
    slots = schedule.slots_digest(told.slots)
    context = schedule.box_context(suite, told.rnd, slots)
    cipher = AESGCM(schedule.box_key(insider.chain, told.rnd))
    terms, quick, lasting = msgpack.unpackb(cipher.decrypt(told.nonce, told.box, context))
    stripped = {
        "ed25519": Attested(terms, b"", lasting),
        "mldsa": Attested(terms, quick, b"" if suite == HYBRID else bytes(3309)),
        "both": Attested(terms, b"", b""),
    }[which]

    box = cipher.encrypt(told.nonce, pack_attested(stripped), context)

    with refuses(Refusal.BAD_SIGNATURE):
        inbox().accept(pack_announcement(told._replace(box=box)), NOW)


def announced(sent: Epoch, packed: bytes) -> bytes:
    """An announcement of other terms, signed by whom the epoch is of."""
    told = sent._announcement
    slots = schedule.slots_digest(told.slots)
    signed = schedule.announcement_signed(packed, slots)
    key = keys(ALPHA).signing
    box = AESGCM(schedule.box_key(sent._chain, sent.rnd)).encrypt(
        bytes(12),
        pack_attested(Attested(packed, key.sign(signed), key.sign_lasting(signed))),
        schedule.box_context(HYBRID, sent.rnd, slots),
    )
    return pack_announcement(told._replace(nonce=bytes(12), box=box))


def test_an_unknown_critical_extension_is_never_ignored() -> None:
    sent = epoch()
    fields = msgpack.unpackb(pack_terms(sent._terms))
    fields[13] = {"relay": "allowed"}
    packed = msgpack.packb(fields)

    with refuses(Refusal.CRITICAL_EXTENSION):
        inbox().accept(announced(sent, packed), NOW)


def test_a_removed_member_reads_nothing_that_is_sealed_later() -> None:
    before = epoch((BRAVO, CHARLIE))
    removed = reader(before, CHARLIE)
    removed.open(before.seal([b"x"], NOW), NOW)
    after = epoch((BRAVO,))

    with refuses(Refusal.NOT_FOR_ME):
        removed.accept(after.announcement(), NOW)
    with refuses(Refusal.UNKNOWN_EPOCH):
        removed.open(after.seal([b"x"], NOW), NOW)


def test_a_late_joiner_reads_nothing_that_was_sealed_earlier() -> None:
    sent = epoch()
    earlier = [sent.seal([b"x"], NOW + 61 * i) for i in range(3)]
    sent.reannounce(roster().recipients([BRAVO, CHARLIE], HYBRID, NOW), NOW + 200)
    joiner = reader(sent, CHARLIE, NOW + 200)

    for envelope in earlier:
        with refuses(Refusal.GENERATION_TOO_OLD):
            joiner.open(envelope, NOW + 200)
    assert joiner.open(sent.seal([b"y"], NOW + 200), NOW + 200).messages == [b"y"]


def test_a_forged_far_generation_costs_one_pass_and_moves_nothing() -> None:
    sent = epoch()
    victim = reader(sent)
    genuine = sent.seal([b"x"], NOW)
    far = [pack_envelope(pack_header(HYBRID, 2, sent.eid, AHEAD_MAX, seq), bytes(110)) for seq in range(50)]

    started = time.thread_time()
    for envelope in far:
        with refuses(Refusal.BAD_TAG):
            victim.open(envelope, NOW)
    spent = time.thread_time() - started

    assert spent < 0.25  # one pass over 2 048 generations, then next to nothing
    too_far = pack_header(HYBRID, 2, sent.eid, AHEAD_MAX + 1, 0)
    with refuses(Refusal.GENERATION_TOO_FAR):
        victim.open(pack_envelope(too_far, bytes(110)), NOW)
    assert victim.open(genuine, NOW).messages == [b"x"]


def test_key_compromise_impersonation_works_in_pairwise_mode_only() -> None:
    """Who stole Bravo's sealing key can forge others to Bravo, but only where Bravo alone was the audience."""
    pairwise, signed = epoch(mode=Mode.PAIRWISE), epoch()
    thief = Insider(pairwise, BRAVO)
    header = pack_header(HYBRID, 2, pairwise.eid, 0, 0)
    forged = pack_envelope(header, thief.keys.cipher.encrypt(thief.keys.nonce(0), pack_body(0, [b"lie"]), header))

    assert reader(pairwise).open(forged, NOW).messages == [b"lie"]
    with refuses(Refusal.BAD_SIGNATURE):
        reader(signed).open(Insider(signed, BRAVO).forge([b"lie"], 0, keys(BRAVO).signing), NOW)


def test_a_pairwise_epoch_for_two_would_let_one_forge_to_the_other() -> None:
    sent = epoch((BRAVO, CHARLIE))
    insider = Insider(sent, CHARLIE)

    with refuses(Refusal.PAIRWISE_AUDIENCE):
        inbox().accept(insider.announce(sent._terms._replace(mode=Mode.PAIRWISE), keys(ALPHA).signing), NOW)


def test_the_mode_comes_from_the_announcement_and_never_from_the_envelope() -> None:
    """An unsigned body in a SIGNED epoch, a signed one in a PAIRWISE epoch, a slice's proof in either."""
    signed, pairwise = epoch(), epoch(mode=Mode.PAIRWISE)
    for sent in (signed, pairwise):
        header = pack_header(HYBRID, 2, sent.eid, 0, 0)
        body = pack_body(0, [b"x"])
        other = body if sent is signed else bytes(64) + body
        envelope = pack_envelope(header, sent._keys.cipher.encrypt(sent._keys.nonce(0), other, header))
        with pytest.raises(Reject):
            reader(sent).open(envelope, NOW)


def test_a_partner_signs_only_for_its_own_units() -> None:
    sent = epoch((BRAVO, CHARLIE))
    insider = Insider(sent, CHARLIE)
    pretended = sent._terms._replace(sig_kid=keys(CHARLIE).signing.kid)

    with refuses(Refusal.SIGNER_MISMATCH):
        inbox().accept(insider.announce(pretended, keys(CHARLIE).signing), NOW)


def test_a_stranger_and_a_revoked_signer_are_refused() -> None:
    with refuses(Refusal.UNKNOWN_SIGNER):
        inbox(known=roster([BRAVO])).accept(epoch().announcement(), NOW)
    with refuses(Refusal.REVOKED):
        inbox(known=roster(revoked=[keys(ALPHA).signing.kid])).accept(epoch().announcement(), NOW)


def test_the_broker_learns_no_name_and_no_content() -> None:
    """Canaries: ids of units, policy and content, raw, in hexadecimal and in base64."""
    profile = Profile(HYBRID, policy="CANARY-POLICY")
    sent = Epoch(
        Signer(ALPHA, keys(ALPHA).signing),
        roster().recipients((BRAVO, BRAVO_2, CHARLIE), HYBRID, NOW),
        profile,
        NOW,
        os.urandom,
    )
    seen = sent.announcement() + b"".join(sent.announcement_for(p) for p in sent.partners())
    seen += sent.seal([b"CANARY-CONTENT" * 20], NOW) + sent.head(NOW)

    canaries = [b"CANARY-CONTENT", b"CANARY-POLICY", *(uid.encode() for uid in (ALPHA, BRAVO, BRAVO_2, CHARLIE))]
    canaries += [keys(uid).signing.kid for uid in (ALPHA, BRAVO)] + [keys(BRAVO).sealing[0].kid]
    for canary in canaries:
        assert canary not in seen
        assert canary.hex().encode() not in seen


@pytest.mark.parametrize(
    "bomb",
    [
        b"\xdd\xff\xff\xff\xff" + b"\x80" * 1000,
        b"\xdc\xff\xff" + b"\x80" * 65_535,
        b"\xdf\x00\xff\xff\xff",
        b"\x91" * 100_000,
        b"\xc6\x7f\xff\xff\xff",
    ],
)
def test_msgpack_bombs_cost_next_to_nothing(bomb: bytes) -> None:
    tracemalloc.start()
    started = time.thread_time()
    with refuses(Refusal.MALFORMED):
        inbox().accept(bomb, NOW)
    spent, peak = time.thread_time() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert spent < 0.05
    assert peak < 4 << 20


def test_bombs_inside_of_a_partners_envelope_cost_next_to_nothing() -> None:
    sent = epoch(mode=Mode.PAIRWISE)
    victim = reader(sent)
    for seq, body in enumerate((b"\x92\x00\xdd\xff\xff\xff\xff", b"\x91" * 500_000, b"\x80" * 900_000)):
        header = pack_header(HYBRID, 2, sent.eid, 0, seq)
        envelope = pack_envelope(header, sent._keys.cipher.encrypt(sent._keys.nonce(seq), body, header))
        started = time.thread_time()
        with refuses(Refusal.MALFORMED_BODY):
            victim.open(envelope, NOW)
        assert time.thread_time() - started < 0.05


@pytest.mark.parametrize("size", [0, 1, 1000, ENVELOPE_MAX, ENVELOPE_MAX + 1, 1 << 26])
def test_a_ladder_of_sizes_is_refused_without_being_parsed(size: int) -> None:
    code = Refusal.TOO_LARGE if size > ENVELOPE_MAX else Refusal.MALFORMED

    with refuses(code):
        inbox().open(bytes(size), NOW)


def test_duplicate_keys_are_refused_wherever_maps_are_read() -> None:
    sent = epoch()
    packed = pack_terms(sent._terms)[:-1] + b"\x82\xa1a\x01\xa1a\x01"

    with refuses(Refusal.MALFORMED):
        inbox().accept(announced(sent, packed), NOW)


def test_a_lost_receiver_key_does_not_open_what_was_sealed_to_another() -> None:
    sent = epoch((BRAVO,))

    with refuses(Refusal.NOT_FOR_ME):
        Inbox(roster(), {BRAVO: keys(CHARLIE).sealing}).accept(sent.announcement(), NOW)


def test_a_message_is_disclosed_with_its_signature_and_without_the_others() -> None:
    """An inquiry gets header, time, leaves, one salt, one message; the other messages cannot be guessed."""
    sent = epoch()
    messages = [b"first", b"second", b"third"]
    draft = sent.draft(messages, NOW)
    signature = keys(ALPHA).signing.sign(schedule.DATA_SIGNED + draft.root)
    salts = schedule.leaf_salts(sent._keys.salt, 0, 3)
    leaves = [schedule.leaf(salts[16 * i : 16 * i + 16], message) for i, message in enumerate(messages)]

    shown = [leaves[0], schedule.leaf(salts[16:32], b"second"), leaves[2]]

    verifier = roster().signer(keys(ALPHA).signing.kid, NOW)
    verifier.verify(signature, schedule.DATA_SIGNED + schedule.root(draft.header, 0, shown))
    guessed = [schedule.leaf(bytes(16), b"first"), *shown[1:]]
    with refuses(Refusal.BAD_SIGNATURE):
        verifier.verify(signature, schedule.DATA_SIGNED + schedule.root(draft.header, 0, guessed))
