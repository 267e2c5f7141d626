"""Hostile bytes: every bit flip, mutants from outside (the broker) and from inside (a partner with the real keys)."""

from __future__ import annotations

import os
import random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols import schedule
from protocols.envelope import Mode, Refusal, Reject, pack_announcement, pack_body, pack_envelope, pack_header
from protocols.identity import CLASSIC, HYBRID
from protocols.opening import Inbox
from protocols.sealing import Epoch
from tests.protocols.cast import BRAVO, CHARLIE, NOW, epoch, inbox, keys, reader, roster

OUTER = int(os.environ.get("COMITY_MUTANTS", "200000"))
INNER = OUTER // 4
SPLICES = (b"", b"\x00", b"\xff", b"\x92", b"\xc4\x00", b"\xcf" + b"\xff" * 8, b"\xdd\xff\xff\xff\xff", bytes(64))


def bounded(refusal: Reject) -> bool:
    """A refusal counts as one when its code is of the bounded set."""
    assert isinstance(refusal.code, Refusal)
    return False


def accepted(opened: Inbox, data: bytes) -> bool:
    """Whether an envelope opens; anything but a Reject fails the test."""
    try:
        opened.open(data, NOW)
    except Reject as refusal:
        return bounded(refusal)
    return True


def announced(data: bytes, opened: Inbox | None = None) -> bool:
    try:
        (opened or inbox()).accept(data, NOW)
    except Reject as refusal:
        return bounded(refusal)
    return True


def mutant(data: bytes, generator: random.Random) -> bytes:
    """One to three changes: a byte, a cut, a splice, a repetition, two parts swapped."""
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 1, 2, 3))):
        at = generator.randrange(len(changed) + 1)
        match generator.randrange(6):
            case 0 | 1 if at < len(changed):
                changed[at] = generator.randrange(256)
            case 2:
                del changed[at : at + generator.choice((1, 2, 16, 100))]
            case 3:
                changed[at:at] = generator.choice(SPLICES)
            case 4:
                changed[at:at] = changed[at : at + generator.choice((1, 16, 64))]
            case _:
                changed = changed[at:] + changed[:at]
    return bytes(changed)


@pytest.mark.parametrize("suite", [HYBRID, CLASSIC])
def test_every_bit_flip_of_an_envelope_is_refused(suite: int) -> None:
    sent = epoch(suite=suite)
    opened = reader(sent)
    envelope = sent.seal([b"one", b"two"], NOW + 0.3)

    for bit in range(8 * len(envelope)):
        flipped = bytearray(envelope)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        assert not accepted(opened, bytes(flipped)), bit

    assert accepted(opened, envelope)


@pytest.mark.parametrize(("suite", "audience"), [(CLASSIC, (BRAVO, CHARLIE)), (HYBRID, (BRAVO,))])
def test_every_bit_flip_of_an_announcement_is_refused(suite: int, audience: tuple[str, ...]) -> None:
    sent = epoch(audience, suite=suite)
    announcement = sent.announcement_for("bravo")
    opened = inbox()

    for bit in range(8 * len(announcement)):
        flipped = bytearray(announcement)
        flipped[bit >> 3] ^= 1 << (bit & 7)
        assert not announced(bytes(flipped), opened), bit

    assert announced(announcement, opened)


def test_mutants_of_envelopes_from_outside_are_refused() -> None:
    generator = random.Random(5)  # noqa: S311 - not a secret
    sent = [epoch(mode=mode, suite=suite) for mode in Mode for suite in (HYBRID, CLASSIC)]
    opened = inbox()
    for each in sent:
        opened.accept(each.announcement(), NOW)
    genuine = [each.seal([b"message", bytes(50)], NOW) for each in sent] + [each.head(NOW) for each in sent]

    for number in range(OUTER):
        original = genuine[number % len(genuine)]
        changed = mutant(original, generator)
        assert changed == original or not accepted(opened, changed)

    assert all(accepted(opened, envelope) for envelope in genuine)


def test_mutants_of_announcements_from_outside_are_refused() -> None:
    generator = random.Random(6)  # noqa: S311 - not a secret
    sent = [epoch((BRAVO, CHARLIE), suite=suite) for suite in (HYBRID, CLASSIC)]
    genuine = [each.announcement_for("bravo") for each in sent] + [each.announcement() for each in sent]
    opened = inbox()

    for number in range(OUTER // 20):
        original = genuine[number % len(genuine)]
        changed = mutant(original, generator)
        assert changed == original or not announced(changed, opened)


def hostile_plaintext(sent: Epoch, generator: random.Random) -> bytes:
    """What a malicious partner puts under the real key: mutants of a good plaintext, of a good proof, of nothing."""
    body = pack_body(generator.randrange(1000), [os.urandom(generator.randrange(40))])
    start = generator.choice((64, 64 + 3309, 67, 99))
    plain = generator.choice((os.urandom(start) + body, body, os.urandom(generator.randrange(200))))
    return mutant(plain, generator) if sent.profile.mode is not Mode.PAIRWISE else mutant(body, generator)


@pytest.mark.parametrize("mode", [Mode.SIGNED, Mode.TICK])
def test_mutants_of_a_partner_with_the_real_keys_are_refused(mode: Mode) -> None:
    """Co-recipients hold the chain key but not the signing key: nothing that they seal may pass."""
    generator = random.Random(7)  # noqa: S311 - not a secret
    sent = epoch((BRAVO, CHARLIE), mode=mode)
    opened = reader(sent)
    sealing = sent._keys

    for number in range(INNER // 2):
        seq = generator.randrange(2000)
        header = pack_header(HYBRID, generator.choice((2, 2, 3)), sent.eid, 0, seq)
        plain = hostile_plaintext(sent, generator)
        assert not accepted(opened, pack_envelope(header, sealing.cipher.encrypt(sealing.nonce(seq), plain, header))), (
            number
        )


def test_a_signers_own_hostile_bodies_raise_nothing_but_reject() -> None:
    """In a PAIRWISE epoch the only other holder of the key is the signer: what it says may pass, or is refused."""
    generator = random.Random(8)  # noqa: S311 - not a secret
    sent = epoch(mode=Mode.PAIRWISE)
    opened = reader(sent)
    sealing = sent._keys

    for _ in range(INNER // 2):
        seq = generator.randrange(1 << 20)
        header = pack_header(HYBRID, 2, sent.eid, 0, seq)
        plain = hostile_plaintext(sent, generator)
        accepted(opened, pack_envelope(header, sealing.cipher.encrypt(sealing.nonce(seq), plain, header)))


def test_a_signers_own_hostile_boxes_are_refused() -> None:
    generator = random.Random(9)  # noqa: S311 - not a secret
    sent = epoch(suite=CLASSIC)
    told = sent._announcement
    slots = schedule.slots_digest(told.slots)
    cipher = AESGCM(schedule.box_key(sent._chain, sent.rnd))
    context = schedule.box_context(CLASSIC, sent.rnd, slots)
    plain = cipher.decrypt(told.nonce, told.box, context)
    opened = Inbox(roster(), {BRAVO: keys(BRAVO).sealing})

    for _ in range(INNER // 20):
        changed = mutant(plain, generator)
        nonce = generator.randbytes(12)
        data = pack_announcement(told._replace(nonce=nonce, box=cipher.encrypt(nonce, changed, context)))
        assert changed == plain or not announced(data, opened)
