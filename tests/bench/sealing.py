"""How fast envelopes are sealed and opened, and what they weigh: ``python -m tests.bench.sealing [--json]``.

Microseconds of processor time a message of 300 bytes, the best of several rounds; overhead in bytes a message.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
from collections.abc import Callable
from time import process_time
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols.envelope import Mode, Reject, unpack_envelope
from protocols.identity import CLASSIC, HYBRID, UnitKeys, Verifier
from protocols.opening import Inbox
from protocols.roster import Roster
from protocols.sealing import Epoch, Profile, Signer, seal_slice
from tests.protocols.cast import ALPHA, NOW, bundle, keys, roster, unit

MESSAGE = 300  # bytes
SIZES = (1, 8, 32, 128)
AUDIENCES = (1, 5, 20)
ROUNDS = 30  # short ones: on a shared machine the best is the one that nobody disturbed
ENVELOPES = 60  # in a round, of one message; fewer of more
BARS = {"seal_us": 5.0, "open_us": 8.0, "overhead_bytes": 8.0, "forged_us": 6.0, "recipients_ratio": 1.10}


def best(rounds: list[float], count: int) -> float:
    return min(rounds) / count * 1e6


def timed(run: Callable[[], object]) -> float:
    started = process_time()
    run()
    return process_time() - started


class Pair:
    """An epoch for so many recipients, and one of them."""

    def __init__(self, recipients: int, mode: Mode = Mode.SIGNED, suite: int = HYBRID) -> None:
        uids = [f"bravo/unit-{number:02}" for number in range(recipients)]
        known = Roster([bundle("bravo", [unit(keys(uid)) for uid in uids])])
        to = known.recipients(uids, suite, NOW)
        self.epoch = Epoch(Signer(ALPHA, keys(ALPHA).signing), to, Profile(suite, mode), NOW, os.urandom)
        self.inbox = Inbox(roster([ALPHA]), {uids[-1]: keys(uids[-1]).sealing})
        self.inbox.accept(self.epoch.announcement_for("bravo"), NOW)


def measure(pairs: dict[str, Pair], size: int) -> dict[str, dict[str, float]]:
    """All pairs in turn, round by round, so that what disturbs the machine disturbs all of them alike."""
    messages = [os.urandom(MESSAGE) for _ in range(size)]
    envelopes = max(5, ENVELOPES // size)
    seals: dict[str, list[float]] = {name: [] for name in pairs}
    opens: dict[str, list[float]] = {name: [] for name in pairs}
    weights: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, pair in pairs.items():
            started = process_time()
            sealed = [pair.epoch.seal(messages, NOW) for _ in range(envelopes)]
            between = process_time()
            for envelope in sealed:
                pair.inbox.open(envelope, NOW)
            seals[name].append(between - started)
            opens[name].append(process_time() - between)
            weights[name] = sum(len(envelope) for envelope in sealed) / envelopes
    return {
        name: {
            "seal_us": round(best(seals[name], envelopes * size), 2),
            "open_us": round(best(opens[name], envelopes * size), 2),
            "overhead_bytes": round((weights[name] - size * MESSAGE) / size, 2),
        }
        for name in pairs
    }


def primitives() -> dict[str, float]:
    """What the library itself takes on this machine at this moment: everything above is to be read against it."""
    key, text = keys(ALPHA).signing, os.urandom(MESSAGE)
    signature, verifier = key.sign(text), Verifier(ALPHA, key.public)
    cipher, nonce = AESGCM(bytes(32)), bytes(12)

    def refuse() -> None:
        try:
            cipher.decrypt(nonce, text, None)
        except InvalidTag:
            return

    runs: dict[str, Callable[[], object]] = {
        "ed25519 sign": lambda: key.sign(text),
        "ed25519 verify": lambda: verifier.verify(signature, text),
        "sha-256 of 300 bytes": lambda: hashlib.sha256(text).digest(),
        "aes-gcm refused": refuse,
    }
    return {name: each(run) for name, run in runs.items()}


def each(run: Callable[[], object]) -> float:
    return round(best([timed(lambda: [run() for _ in range(50)]) for _ in range(ROUNDS)], 50), 2)


def forged(pair: Pair, *, known: bool) -> float:
    """Microseconds to refuse an envelope of 300 bytes with a bad tag, or of an unknown epoch."""
    pair.inbox.open(pair.epoch.seal([b"first"], NOW), NOW)
    genuine = pair.epoch.seal([os.urandom(200)], NOW)
    header = unpack_envelope(genuine)[0]
    changed = genuine[:-1] + bytes((genuine[-1] ^ 1,))
    if not known:
        changed = changed.replace(header.eid, bytes(8))

    def refuse() -> None:
        for _ in range(200):
            try:
                pair.inbox.open(changed, NOW)
            except Reject:
                continue

    return round(best([timed(refuse) for _ in range(ROUNDS)], 200), 2)


def garbage_announcement(pair: Pair) -> float:
    """Microseconds to refuse an announcement for somebody else."""
    other = Inbox(roster([ALPHA]), {"bravo/else": UnitKeys.new("bravo/else", os.urandom).sealing})
    data = pair.epoch.announcement()

    def refuse() -> None:
        for _ in range(10):
            try:
                other.accept(data, NOW)
            except Reject:
                continue

    return round(best([timed(refuse) for _ in range(ROUNDS)], 10), 1)


def slices(audiences: int, size: int) -> dict[str, float]:
    """MODE_TICK: so many audiences with so many messages each under one signature."""
    pairs = [Pair(1, Mode.TICK, CLASSIC) for _ in range(audiences)]
    inbox = pairs[0].inbox
    for pair in pairs:
        inbox.accept(pair.epoch.announcement(), NOW)
    messages = [os.urandom(MESSAGE) for _ in range(size)]
    seals: list[float] = []
    opens: list[float] = []
    envelopes: list[bytes] = []
    for _ in range(ROUNDS):
        started = process_time()
        drafts = [pair.epoch.draft(messages, NOW) for pair in pairs]
        envelopes = seal_slice(drafts, keys(ALPHA).signing)
        seals.append(process_time() - started)
        started = process_time()
        for envelope in envelopes:
            inbox.open(envelope, NOW)
        opens.append(process_time() - started)
    weight = sum(len(envelope) for envelope in envelopes) / audiences
    return {
        "seal_us": round(best(seals, audiences * size), 2),
        "open_us": round(best(opens, audiences * size), 2),
        "overhead_bytes": round((weight - size * MESSAGE) / size, 2),
    }


def run() -> dict[str, Any]:
    gc.disable()  # the pauses of a collection are not what is measured
    results: dict[str, Any] = {}
    results["primitives, us"] = primitives()
    pairs = {f"recipients {recipients}": Pair(recipients) for recipients in AUDIENCES}
    pairs["pairwise"] = Pair(1, Mode.PAIRWISE)
    results.update({name: {} for name in pairs})
    for size in SIZES:
        for name, told in measure(pairs, size).items():
            results[name][f"messages {size}"] = told
    signed = Pair(1)
    results["forged_us"] = {"bad tag": forged(signed, known=True), "unknown epoch": forged(signed, known=False)}
    results["announcement"] = {
        "bytes for one of 20, hybrid": len(Pair(20).epoch.announcement_for("nobody")) + 1168 - 32,
        "bytes for one of 20, classic": len(Pair(20, suite=CLASSIC).epoch.announcement_for("nobody")) + 80 - 32,
        "not for us, us": garbage_announcement(Pair(1)),
    }
    results["slice of 20 audiences, 8 messages"] = slices(20, 8)
    at_32 = [results[f"recipients {recipients}"]["messages 32"] for recipients in AUDIENCES]
    spread = max(
        max(each[what] for each in at_32) / min(each[what] for each in at_32) for what in ("seal_us", "open_us")
    )
    got = {
        "seal_us": at_32[0]["seal_us"],
        "open_us": at_32[0]["open_us"],
        "overhead_bytes": at_32[0]["overhead_bytes"],
        "forged_us": max(results["forged_us"].values()),
        "recipients_ratio": round(spread, 3),
    }
    results["bars"] = {name: {"bar": bar, "got": got[name], "met": got[name] <= bar} for name, bar in BARS.items()}
    return results


def main(arguments: list[str]) -> int:
    results = run()
    if "--json" in arguments:
        sys.stdout.write(json.dumps(results) + "\n")
    else:
        for name, told in results.items():
            sys.stdout.write(f"{name}\n")
            for key, value in told.items():
                sys.stdout.write(f"  {key:32} {value}\n")
    return 0 if all(each["met"] for each in results["bars"].values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
