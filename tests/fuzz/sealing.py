"""Coverage-guided fuzzing of the sealing layer: whatever comes in, only a Reject comes out, and nothing is accepted.

``python -m tests.fuzz.sealing TARGET -max_total_time=60``, with TARGET one of envelope, announcement (outside: bytes of
a broker), inner, box (inside: a partner's plaintext under the real keys), statement, request. Further arguments are
libFuzzer's; a finding stops the run with the input in a ``crash-*`` file of the working directory.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]  # published without types
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

with atheris.instrument_imports(include=["protocols"]):
    from protocols import schedule
    from protocols.enrolment import read_enrolment, sign_enrolment
    from protocols.envelope import Mode, Refusal, Reject, pack_announcement, pack_body, pack_envelope, pack_header
    from protocols.identity import CLASSIC
    from protocols.partner import read_bundle, sign_bundle
    from protocols.request import KeyRequest, unpack_request
    from tests.protocols.cast import ALPHA, BRAVO, CHARLIE, NOW, bundle, epoch, inbox, keys, reader, roster, unit

Try = Callable[[bytes], object]


def envelope() -> tuple[Try, list[bytes]]:
    """A broker's envelopes against an inbox that holds epochs of every mode."""
    sent = [epoch(mode=mode, suite=CLASSIC) for mode in Mode]
    opened = inbox()
    for each in sent:
        opened.accept(each.announcement(), NOW)
    seeds = [each.seal([b"message"], NOW) for each in sent] + [each.head(NOW) for each in sent]
    for seed in seeds:
        opened.open(seed, NOW)  # so that the seeds themselves are refused as replays
    return lambda data: opened.open(data, NOW), seeds


def announcement() -> tuple[Try, list[bytes]]:
    """A broker's announcements; the genuine one is of an epoch that was closed."""
    sent = epoch((BRAVO, CHARLIE), suite=CLASSIC)
    opened = inbox()
    opened.accept(sent.announcement(), NOW)
    opened.close(sent.eid, Refusal.EPOCH_CLOSED)
    return lambda data: opened.accept(data, NOW), [sent.announcement(), sent.announcement_for("bravo")]


def inner() -> tuple[Try, list[bytes]]:
    """What a co-recipient seals with the real chain key but not the signing key: the first byte picks mode and type."""
    sent = [epoch((BRAVO, CHARLIE), mode=mode, suite=CLASSIC) for mode in (Mode.SIGNED, Mode.TICK)]
    opened = [reader(each) for each in sent]

    def attempt(data: bytes) -> object:
        which, kind = data[0] & 1, 2 + (data[0] >> 1 & 1)
        each = sent[which]
        header = pack_header(CLASSIC, kind, each.eid, 0, 5)
        sealed = each._keys.cipher.encrypt(each._keys.nonce(5), data[1:], header)
        return opened[which].open(pack_envelope(header, sealed), NOW)

    body = pack_body(7, [b"message", b""])
    head = bytes(64 + 3309) + b"\x95\x00\x00\x05\xc4\x20" + bytes(32) + b"\xc2"
    return attempt, [b"\0" + bytes(64) + body, b"\1" + bytes(66) + b"\2" + bytes(64) + body, b"\2" + head]


def box() -> tuple[Try, list[bytes]]:
    """What a co-recipient puts into the box of an announcement."""
    sent = epoch((BRAVO, CHARLIE), suite=CLASSIC)
    told = sent._announcement
    slots = schedule.slots_digest(told.slots)
    cipher = AESGCM(schedule.box_key(sent._chain, sent.rnd))
    context = schedule.box_context(CLASSIC, sent.rnd, slots)
    seed = cipher.decrypt(told.nonce, told.box, context)
    opened = inbox()
    opened.accept(sent.announcement(), NOW)
    opened.close(sent.eid, Refusal.EPOCH_CLOSED)

    def attempt(data: bytes) -> object:
        nonce = os.urandom(12)
        return opened.accept(
            pack_announcement(told._replace(nonce=nonce, box=cipher.encrypt(nonce, data, context))), NOW
        )

    return attempt, [seed]


def statement() -> tuple[Try, list[bytes]]:
    """Bundles and enrolments; a bundle that only reads well is no finding, it is not verified yet."""
    root = keys(ALPHA).signing
    seeds = [
        sign_bundle(bundle("bravo", [unit(keys(BRAVO))]), [root]),
        sign_enrolment(unit(keys(BRAVO)), keys(BRAVO).signing),
    ]

    def attempt(data: bytes) -> None:
        for read in (read_bundle, read_enrolment):
            try:
                read(data)
            except Reject:
                continue

    return attempt, seeds


def request() -> tuple[Try, list[bytes]]:
    """Key requests; the genuine one is too old."""
    known, key = roster(), keys(BRAVO).signing
    return lambda data: unpack_request(data, known, NOW + 9999), [KeyRequest(bytes(8), BRAVO, key.kid, NOW).pack(key)]


TARGETS = {each.__name__: each for each in (envelope, announcement, inner, box, statement, request)}


def main(name: str, options: list[str]) -> None:
    """Fuzz one target until libFuzzer has enough."""
    attempt, seeds = TARGETS[name]()

    def try_one(data: bytes) -> None:
        try:
            accepted = attempt(data) if data else None
        except Reject:
            return
        if accepted is not None:
            raise AssertionError("accepted")

    found = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    for number, seed in enumerate(seeds):
        (found / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *options, str(found)], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
