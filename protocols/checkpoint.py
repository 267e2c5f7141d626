"""HEAD, the checkpoint of an epoch: what was sent so far, under a signature that outlasts quantum computers. Pure.

It gives lasting non-repudiation of every envelope before it, the exact list of what is missing, and proof of a tail
that was dropped.
"""

from __future__ import annotations

import hashlib
from collections import deque
from enum import StrEnum
from typing import Final, NamedTuple

from protocols.envelope import (
    DIGEST,
    ED25519_SIGNATURE,
    ENVELOPES_MAX,
    MLDSA_SIGNATURE,
    Header,
    Refusal,
    Reject,
    pack,
    unpack_strict,
)
from protocols.identity import SigningKey, Verifier
from protocols.replay import Gap, Received
from protocols.schedule import HEAD_SIGNED, digest

ROOTS_MAX: Final = 16_384  # roots kept for a HEAD to come; senders give one every 4 096 envelopes
PENDING_MAX: Final = 16  # HEADs that wait for missing envelopes
GAPS_MAX: Final = 256  # gaps that one checkpoint lists
_PROOF = ED25519_SIGNATURE + MLDSA_SIGNATURE


class Head(NamedTuple):
    """The body of a HEAD: absolute time in Unix milliseconds, the numbers it covers, the digest of their roots."""

    t_ms: int
    start: int
    seq: int
    roots: bytes
    final: bool


class Standing(StrEnum):
    """What a HEAD says of what was received."""

    WHOLE = "whole"  # everything it covers was received, and is what was signed
    GAPS = "gaps"  # something it covers is missing
    UNKNOWN = "unknown"  # too much lies between two HEADs to tell
    CONTRADICTED = "contradicted"  # the signer stated one thing in its envelopes and another in its HEAD: an alarm


class Checkpoint(NamedTuple):
    """What one HEAD proved. ``missing`` lists the gaps, as many as are listed at most."""

    start: int
    seq: int
    final: bool
    standing: Standing
    missing: tuple[Gap, ...] = ()


def seal_head(header: bytes, head: Head, key: SigningKey) -> bytes:
    """The plaintext of a HEAD, signed twice. Takes about a millisecond."""
    body = pack(tuple(head))
    signed = _signed(header, body)
    return key.sign(signed) + key.sign_lasting(signed) + body


def open_head(header: Header, plain: bytes, verifier: Verifier) -> Head:
    """Read a HEAD and check both signatures. Raise Reject: malformed-body, bad-signature, head-mismatch."""
    body = plain[_PROOF:]
    head = _unpack(body)
    signed = _signed(header.raw, body)
    verifier.verify(plain[:ED25519_SIGNATURE], signed)
    verifier.verify_lasting(plain[ED25519_SIGNATURE:_PROOF], signed)
    if head.seq != header.seq or head.start > head.seq:
        raise Reject(Refusal.HEAD_MISMATCH)
    return head


def _unpack(body: bytes) -> Head:
    fields = unpack_strict(body, Refusal.MALFORMED_BODY)
    if type(fields) is not list or [type(field) for field in fields] != [int, int, int, bytes, bool]:
        raise Reject(Refusal.MALFORMED_BODY)
    head = Head(*fields)
    if min(head[:3]) < 0 or len(head.roots) != DIGEST or head.seq >= ENVELOPES_MAX:
        raise Reject(Refusal.MALFORMED_BODY)
    return head


def _signed(header: bytes, body: bytes) -> bytes:
    return HEAD_SIGNED + digest(header) + body


class Ledger:
    """A receiver's roots of one epoch, kept until a HEAD has proved them."""

    __slots__ = ("_pending", "_roots")

    def __init__(self) -> None:
        self._roots: dict[int, bytes] = {}
        self._pending: deque[Head] = deque(maxlen=PENDING_MAX)

    def note(self, seq: int, root: bytes, received: Received) -> Checkpoint | None:
        """An envelope came (and is marked in ``received``); gives the checkpoint that it completes, if it does."""
        self._roots[seq] = root
        if len(self._roots) > ROOTS_MAX:
            del self._roots[next(iter(self._roots))]
        for head in self._pending:
            if head.start <= seq < head.seq and not received.gaps(head.start, head.seq, 1):
                self._pending.remove(head)
                return self.prove(head, received)
        return None

    def prove(self, head: Head, received: Received) -> Checkpoint:
        """What a HEAD proves of what was received so far."""
        told = head.start, head.seq, head.final
        missing = tuple(received.gaps(head.start, head.seq, GAPS_MAX))
        if missing:
            self._pending.append(head)
            return Checkpoint(*told, Standing.GAPS, missing)
        covered = range(head.start, head.seq)
        roots = [self._roots.get(seq, b"") for seq in covered] if len(covered) <= ROOTS_MAX else [b""]
        if not all(roots):
            return Checkpoint(*told, Standing.UNKNOWN)
        if hashlib.sha256(b"".join(roots)).digest() != head.roots:
            return Checkpoint(*told, Standing.CONTRADICTED)
        for seq in covered:
            del self._roots[seq]
        return Checkpoint(*told, Standing.WHOLE)
