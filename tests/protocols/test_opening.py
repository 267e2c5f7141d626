from __future__ import annotations

import os
import random
from collections.abc import Callable
from itertools import permutations

import pytest

from protocols.checkpoint import Standing
from protocols.envelope import (
    Announcement,
    Entry,
    Mode,
    Refusal,
    Reject,
    Terms,
    pack_announcement,
    pack_body,
    unpack_envelope,
)
from protocols.identity import CLASSIC, HYBRID, SealingKey
from protocols.opening import TRIALS_MAX, Bounds, Inbox, Tombstone
from protocols.replay import Gap
from protocols.sealing import Profile
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
from tests.protocols.forge import forged, restated


@pytest.mark.parametrize("suite", [HYBRID, CLASSIC])
def test_accepting_twice_changes_nothing(suite: int) -> None:
    sent = epoch((BRAVO, CHARLIE), suite=suite)
    opened = inbox()

    assert opened.accept(sent.announcement(), NOW) == sent.eid
    opened.open(sent.seal([b"x"], NOW), NOW)
    assert opened.accept(sent.announcement(), NOW) == sent.eid
    assert opened.accept(sent.announcement_for("bravo"), NOW) == sent.eid
    assert opened.epoch(sent.eid).received.count == 1


def test_a_unit_without_a_key_of_the_suite_is_not_addressed() -> None:
    only_classic = {BRAVO: [key for key in keys(BRAVO).sealing if key.suite == CLASSIC]}

    with refuses(Refusal.NOT_FOR_ME):
        Inbox(roster(), only_classic).accept(epoch().announcement(), NOW)


def test_another_unit_cannot_open_the_announcement() -> None:
    with refuses(Refusal.NOT_FOR_ME):
        inbox(CHARLIE).accept(epoch().announcement(), NOW)


def test_a_gateway_opens_for_any_of_its_units() -> None:
    both = Inbox(roster(), {uid: keys(uid).sealing for uid in (BRAVO_2, BRAVO)})
    sent = epoch()

    both.accept(sent.announcement(), NOW)

    assert both.open(sent.seal([b"x"], NOW), NOW).messages == [b"x"]


def test_rotated_keys_are_tried_after_those_in_use() -> None:
    fresh = SealingKey.new(HYBRID, os.urandom)
    sent = epoch((BRAVO, BRAVO_2))
    rotated = Inbox(roster(), {BRAVO: [fresh, *keys(BRAVO).sealing], BRAVO_2: keys(BRAVO_2).sealing})

    rotated.accept(sent.announcement(), NOW)

    assert rotated.trials == 4  # two slots, two keys in use: the last of them fits
    only_old = Inbox(roster(), {BRAVO: [fresh, *keys(BRAVO).sealing]})
    only_old.accept(sent.announcement(), NOW)
    assert only_old.trials == 3


def test_garbage_is_tried_only_so_often() -> None:
    many = {f"bravo/unit-{number}": [SealingKey.new(CLASSIC, os.urandom)] for number in range(80)}
    garbage = pack_announcement(Announcement(CLASSIC, bytes(16), (bytes(80),) * 64, bytes(12), bytes(32)))
    opened = Inbox(roster(), many)

    with refuses(Refusal.NOT_FOR_ME):
        opened.accept(garbage, NOW)

    assert opened.trials == TRIALS_MAX


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda t: t._replace(suite=CLASSIC), Refusal.SUITE_MISMATCH),
        (lambda t: t._replace(rnd=bytes(16)), Refusal.MALFORMED),
        (lambda t: t._replace(sig_kid=bytes(8)), Refusal.UNKNOWN_SIGNER),
        (lambda t: t._replace(sender=CHARLIE), Refusal.SIGNER_MISMATCH),
        (lambda t: t._replace(not_after=t.created), Refusal.EXPIRED),
        (lambda t: t._replace(not_after=t.created + DAY + 1), Refusal.EXPIRED),
        (lambda t: t._replace(created=NOW + 301, not_after=NOW + 500), Refusal.EXPIRED),
        (lambda t: t._replace(created=NOW - 900, not_after=NOW - 301), Refusal.EXPIRED),
        (
            lambda t: t._replace(mode=Mode.PAIRWISE, audience=(*t.audience, Entry("x/y", bytes(8)))),
            Refusal.PAIRWISE_AUDIENCE,
        ),
        (lambda t: t._replace(audience=(*t.audience, Entry("x/y", bytes(8)))), Refusal.SLOT_AUDIENCE_MISMATCH),
        (lambda t: t._replace(audience=(Entry(BRAVO, bytes(8)),)), Refusal.SLOT_AUDIENCE_MISMATCH),
        (lambda t: t._replace(audience=(Entry(CHARLIE, t.audience[0].kem_kid),)), Refusal.SLOT_AUDIENCE_MISMATCH),
        (lambda t: t._replace(commitment=bytes(32)), Refusal.BAD_COMMITMENT),
        (lambda t: t._replace(base=1), Refusal.BAD_COMMITMENT),
    ],
)
def test_a_signer_may_not_say_everything(change: Callable[[Terms], Terms], code: Refusal) -> None:
    with refuses(code):
        inbox().accept(restated(epoch(), change), NOW)


@pytest.mark.parametrize(("created", "not_after"), [(NOW + 300, NOW + DAY), (NOW - 1000, NOW - 300)])
def test_clocks_may_differ_by_five_minutes(created: int, not_after: int) -> None:
    assert inbox().accept(restated(epoch(), lambda t: t._replace(created=created, not_after=not_after)), NOW)


def test_a_box_that_holds_something_else_is_malformed() -> None:
    with refuses(Refusal.MALFORMED):
        inbox().accept(restated(epoch(), lambda t: t, box=b"\xc0"), NOW)
    with refuses(Refusal.MALFORMED):
        inbox().accept(restated(epoch(), lambda t: t, packed=b"\xc0"), NOW)


def test_a_suite_below_the_floor_of_its_partner_is_refused() -> None:
    strict = roster(floor=(HYBRID,))

    with refuses(Refusal.SUITE_BELOW_FLOOR):
        inbox(known=strict).accept(epoch(suite=CLASSIC).announcement(), NOW)
    assert inbox(known=strict).accept(epoch().announcement(), NOW)


def test_an_epoch_announced_again_lets_more_units_read_from_then_on() -> None:
    sent = epoch()
    early = sent.seal([b"early"], NOW)
    opened = reader(sent)
    sent.reannounce(roster().recipients([BRAVO, CHARLIE], HYBRID, NOW), NOW)
    late = sent.seal([b"late"], NOW)
    joined = reader(sent, CHARLIE)

    opened.accept(sent.announcement(), NOW)

    assert opened.open(late, NOW).audience == (BRAVO, CHARLIE)
    assert opened.open(early, NOW).messages == [b"early"]
    assert joined.open(late, NOW).messages == [b"late"]
    with refuses(Refusal.GENERATION_TOO_OLD):
        joined.open(early, NOW)


def test_an_older_announcement_does_not_undo_a_newer_one() -> None:
    sent = epoch()
    first = sent.announcement()
    sent.reannounce(roster().recipients([BRAVO, CHARLIE], HYBRID, NOW), NOW)
    opened = reader(sent)

    opened.accept(first, NOW)

    assert opened.open(sent.seal([b"x"], NOW), NOW).audience == (BRAVO, CHARLIE)


def test_announcing_again_may_not_change_what_an_epoch_is() -> None:
    sent = epoch()
    opened = reader(sent)

    for change in (
        lambda t: t._replace(mode=Mode.PAIRWISE),
        lambda t: t._replace(created=t.created + 1),
        lambda t: t._replace(not_after=t.not_after - 1),
        lambda t: t._replace(policy="other"),
    ):
        with refuses(Refusal.BAD_COMMITMENT):
            opened.accept(restated(sent, change), NOW)


def test_announcing_again_may_not_change_the_key() -> None:
    sent = epoch()
    opened = reader(sent)
    sent._step(NOW)
    sent._chain = bytes(32)
    assert list(sent._announce(roster().recipients([BRAVO], HYBRID, NOW))) == []

    with refuses(Refusal.BAD_COMMITMENT):
        opened.accept(sent.announcement(), NOW)


def test_the_257th_epoch_of_a_signer_closes_its_oldest() -> None:
    assert Bounds() == (256, 4096)
    bounded = Inbox(roster(), {BRAVO: keys(BRAVO).sealing}, bounds=Bounds(epochs=2, tombstones=1))
    sent = [epoch_at(NOW + age, [BRAVO], ALPHA, Profile(CLASSIC)) for age in (1, 0, 2)]
    other = epoch(sender=CHARLIE, suite=CLASSIC)
    for each in (other, *sent):
        bounded.accept(each.announcement(), NOW)

    with refuses(Refusal.EPOCH_CLOSED):
        bounded.open(sent[1].seal([b"x"], NOW), NOW)
    with refuses(Refusal.EPOCH_TOMBSTONED):
        bounded.accept(sent[1].announcement(), NOW)
    for each in (other, sent[0], sent[2]):
        assert bounded.open(each.seal([b"x"], NOW), NOW).messages == [b"x"]
    with refuses(Refusal.EPOCH_EXHAUSTED):
        bounded.accept(epoch(suite=CLASSIC).announcement(), NOW)
    assert bounded.accept(epoch(sender=CHARLIE, suite=CLASSIC).announcement(), NOW)


def test_an_unknown_epoch_is_told_apart_from_a_closed_one() -> None:
    sent = epoch()
    opened = inbox()

    with refuses(Refusal.UNKNOWN_EPOCH):
        opened.open(sent.seal([b"x"], NOW), NOW)
    opened.accept(sent.announcement(), NOW)
    opened.close(sent.eid, Refusal.EPOCH_CLOSED)
    with refuses(Refusal.EPOCH_CLOSED):
        opened.open(sent.seal([b"x"], NOW), NOW)
    with refuses(Refusal.EPOCH_TOMBSTONED):
        opened.accept(sent.announcement(), NOW)


def test_an_epoch_closed_before_a_restart_stays_closed() -> None:
    sent = epoch()
    opened = inbox()
    opened.bury(sent.eid, Tombstone(NOW + DAY, b"", Refusal.EPOCH_CLOSED))

    with refuses(Refusal.EPOCH_TOMBSTONED):
        opened.accept(sent.announcement(), NOW)


def test_what_was_received_before_a_restart_is_a_replay() -> None:
    sent = epoch()
    envelopes = [sent.seal([b"x"], NOW) for _ in range(3)]
    opened = inbox()
    opened.remember(sent.eid, b"\x05")
    opened.accept(sent.announcement(), NOW)

    for index in (0, 2):
        with refuses(Refusal.REPLAY):
            opened.open(envelopes[index], NOW)
    assert opened.open(envelopes[1], NOW).seq == 1


def test_the_suite_of_an_envelope_is_the_suite_of_its_epoch() -> None:
    sent = epoch()
    envelope = bytearray(sent.seal([b"x"], NOW))
    envelope[4] = CLASSIC

    with refuses(Refusal.SUITE_MISMATCH):
        reader(sent).open(bytes(envelope), NOW)


def test_a_number_beyond_what_was_announced_is_refused() -> None:
    sent = epoch()
    opened = inbox()
    opened.accept(restated(sent, lambda t: t._replace(envelopes=2)), NOW)

    envelopes = [sent.seal([b"x"], NOW) for _ in range(3)]

    assert [opened.open(envelope, NOW).seq for envelope in envelopes[:2]] == [0, 1]
    with refuses(Refusal.SEQ_OVER_LIMIT):
        opened.open(envelopes[2], NOW)


def test_an_envelope_expires_five_minutes_after_its_epoch() -> None:
    sent = epoch()
    opened = reader(sent)
    first, second = (sent.seal([b"x"], NOW + DAY - 1) for _ in range(2))

    assert opened.open(first, NOW + DAY + 300).messages
    with refuses(Refusal.EXPIRED):
        opened.open(second, NOW + DAY + 301)


def test_an_envelope_that_says_it_was_sealed_after_its_epoch_is_refused() -> None:
    sent = epoch(mode=Mode.PAIRWISE)

    with refuses(Refusal.EXPIRED):
        reader(sent).open(forged(sent, pack_body((DAY + 301) * 1000, [b"x"])), NOW)
    with refuses(Refusal.EXPIRED):
        reader(sent).open(forged(sent, pack_body(2**64 - 1, [b"x"])), NOW)


@pytest.mark.parametrize("plain", [b"", b"x", bytes(64), bytes(64) + b"\x92\x00\x90", bytes(63)])
def test_a_signed_body_of_another_form_is_malformed(plain: bytes) -> None:
    sent = epoch()

    with refuses(Refusal.MALFORMED_BODY):
        reader(sent).open(forged(sent, plain), NOW)


def test_a_refused_envelope_leaves_no_trace() -> None:
    sent = epoch()
    opened = reader(sent)
    good = sent.seal([b"x"], NOW)
    for plain in (bytes(64) + pack_body(0, [b"x"]), b"x"):
        with pytest.raises(Reject):
            opened.open(forged(sent, plain, seq=0, generation=0), NOW)

    assert opened.epoch(sent.eid).received.count == 0
    assert opened.open(good, NOW).messages == [b"x"]


def test_every_order_of_six_envelopes_opens() -> None:
    for number, order in enumerate(permutations(range(6))):
        if number % 24:
            continue
        sent = epoch(mode=Mode.PAIRWISE, suite=CLASSIC)
        opened = reader(sent)
        envelopes = [sent.seal([bytes((i,))], NOW + 61 * i) for i in range(6)]
        assert [opened.open(envelopes[i], NOW).messages for i in order] == [[bytes((i,))] for i in order]


def test_loss_repeats_and_reordering_deliver_each_envelope_once() -> None:
    generator = random.Random(3)  # noqa: S311 - not a secret
    sent = epoch(mode=Mode.PAIRWISE, suite=CLASSIC)
    opened = reader(sent)
    envelopes = [sent.seal([i.to_bytes(4, "big")], NOW) for i in range(2000)]
    arriving = [envelope for envelope in envelopes for _ in range(generator.choice((0, 1, 2, 3)))]
    generator.shuffle(arriving)
    delivered: list[bytes] = []

    for envelope in arriving:
        if unpack_envelope(envelope)[0].seq in opened.epoch(sent.eid).received:
            with refuses(Refusal.REPLAY):
                opened.open(envelope, NOW)
        else:
            delivered += opened.open(envelope, NOW).messages

    assert len(delivered) == len(set(delivered)) == len(set(arriving))


def test_keys_are_forgotten_after_the_late_horizon() -> None:
    sent = epoch()
    short = Inbox(roster(), {BRAVO: keys(BRAVO).sealing}, horizon_s=100)
    short.accept(sent.announcement(), NOW)
    early = [sent.seal([b"x"], NOW) for _ in range(3)]
    late = sent.seal([b"x"], NOW + 60)
    short.open(early[0], NOW + 60)
    short.open(late, NOW + 61)

    assert short.open(early[1], NOW + 160).messages == [b"x"]
    with refuses(Refusal.GENERATION_TOO_OLD):
        short.open(early[2], NOW + 161)
    assert short.open(sent.seal([b"x"], NOW + 60), NOW + 161).messages == [b"x"]


def test_a_sweep_closes_what_has_expired_and_then_forgets_it() -> None:
    sent = epoch()
    opened = reader(sent)
    envelope = sent.seal([b"x"], NOW)

    opened.sweep(NOW + DAY + 300)
    assert opened.epochs() == [sent.eid]
    opened.sweep(NOW + DAY + 300.5)
    assert opened.epochs() == []
    with refuses(Refusal.EXPIRED):
        opened.open(envelope, NOW)
    opened.sweep(NOW + 2 * DAY + 300)
    with refuses(Refusal.EXPIRED):
        opened.open(envelope, NOW)
    opened.sweep(NOW + 2 * DAY + 301)
    with refuses(Refusal.UNKNOWN_EPOCH):
        opened.open(envelope, NOW)


def test_a_revoked_signer_is_closed_at_once() -> None:
    sent, other = epoch(), epoch(sender=CHARLIE)
    opened = reader(sent)
    opened.accept(other.announcement(), NOW)
    waiting = sent.seal([b"x"], NOW)

    gone = opened.adopt(roster(revoked=[keys(ALPHA).signing.kid]), {BRAVO: keys(BRAVO).sealing})

    assert gone == [sent.eid]
    with refuses(Refusal.REVOKED):
        opened.open(waiting, NOW)
    with refuses(Refusal.REVOKED):
        opened.accept(epoch().announcement(), NOW)
    assert opened.open(other.seal([b"y"], NOW), NOW).messages == [b"y"]


@pytest.mark.parametrize("mode", list(Mode))
def test_a_head_proves_what_came_and_lists_what_did_not(mode: Mode) -> None:
    sent = epoch(mode=mode)
    opened = reader(sent)
    envelopes = [sent.seal([b"x"], NOW) for _ in range(6)]
    for index in (0, 3):
        opened.open(envelopes[index], NOW)

    head = opened.open(sent.head(NOW + 2), NOW)

    assert list(head.messages) == []
    assert head.sealed_at.timestamp() == NOW + 2
    assert head.checkpoint is not None
    assert head.checkpoint.standing is Standing.GAPS
    assert head.checkpoint.missing == (Gap(1, 3), Gap(4, 6))
    late = [opened.open(envelopes[index], NOW).checkpoint for index in (5, 1, 4, 2)]
    assert late[:3] == [None, None, None]
    assert late[3] is not None
    assert late[3].standing is Standing.WHOLE
    assert opened.open(sent.seal([b"x"], NOW), NOW).checkpoint is None
    whole = opened.open(sent.head(NOW), NOW).checkpoint
    assert whole is not None
    assert (whole.start, whole.seq, whole.standing) == (7, 8, Standing.WHOLE)


def test_a_head_that_contradicts_its_signer_is_refused_and_leaves_no_trace() -> None:
    sent = epoch()
    opened = reader(sent)
    opened.open(sent.seal([b"x"], NOW), NOW)
    true_roots = sent._roots.copy()
    sent._roots.update(b"another")

    with refuses(Refusal.HEAD_MISMATCH):
        opened.open(sent.head(NOW), NOW)

    sent._roots, sent._rooted, sent.seq = true_roots, 1, 1
    checkpoint = opened.open(sent.head(NOW), NOW).checkpoint
    assert checkpoint is not None
    assert checkpoint.standing is Standing.WHOLE


def test_a_late_envelope_that_contradicts_a_head_raises_the_alarm() -> None:
    sent = epoch()
    opened = reader(sent)
    late = sent.seal([b"x"], NOW)
    sent._roots.update(b"another")
    opened.open(sent.head(NOW), NOW)

    checkpoint = opened.open(late, NOW).checkpoint

    assert checkpoint is not None
    assert checkpoint.standing is Standing.CONTRADICTED


def test_a_final_head_shows_a_dropped_tail_and_ends_the_epoch() -> None:
    sent = epoch()
    opened = reader(sent)
    envelopes = [sent.seal([b"x"], NOW) for _ in range(3)]
    opened.open(envelopes[0], NOW)

    head = opened.open(sent.head(NOW, final=True), NOW)
    sent.closed = False

    assert head.checkpoint is not None
    assert head.checkpoint.final
    assert head.checkpoint.missing == (Gap(1, 3),)
    assert opened.open(envelopes[1], NOW).messages == [b"x"]
    with refuses(Refusal.EPOCH_CLOSED):
        opened.open(sent.seal([b"x"], NOW), NOW)


def test_a_head_sealed_after_its_epoch_is_refused() -> None:
    sent = epoch()
    opened = reader(sent)
    sent.not_after += 2 * DAY

    with refuses(Refusal.EXPIRED):
        opened.open(sent.head(NOW + DAY + 301), NOW)
