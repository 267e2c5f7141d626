"""A checkpoint of an audit log: how long it is and its root, signed twice by a unit of its partner. Pure.

A partner that holds one is a witness: whatever is done to the log afterwards, that state can no longer be denied. It
says nothing of what the log holds: the leaves of the tree are salted. It goes out with its growth since an earlier
checkpoint, by which the witness sees at once that nothing was rewritten in between.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from protocols.envelope import SKEW_S, Refusal, Reject, pack, unpack_strict
from protocols.quantity import Value
from protocols.roster import Roster
from protocols.schedule import LOG_SIGNED
from protocols.statement import decode, open_statement
from protocols.transparency import DIGEST, SIZE_MAX, Range
from protocols.unit import is_partner_id

FORMAT: Final = 1
LOG_ID: Final = 16
CHECKPOINT_MAX: Final = 16_384  # bytes with the growth; 4 kB and 32 for each doubling, twice


class LogCheckpoint(Value, frozen=True):
    """What is signed. ``size`` in lines, ``at`` in Unix seconds.

    ``log`` begins the chain's value at the first line, which is salted, so that no two logs have the same; ``chain``
    is its value at the last line covered, ``root`` the one of the tree.
    """

    format: int
    partner: str
    log: bytes
    size: int
    root: bytes
    chain: bytes
    at: int

    def __post_init__(self) -> None:
        if self.format != FORMAT or not is_partner_id(self.partner):
            raise ValueError("a checkpoint has format 1 and is of a partner")
        if len(self.log) != LOG_ID or len(self.root) != DIGEST or len(self.chain) != DIGEST:
            raise ValueError("a checkpoint has an id of 16 bytes and hashes of 32")
        if not 0 < self.size <= SIZE_MAX or not 0 <= self.at < 1 << 32:
            raise ValueError("a checkpoint covers a line at least, at some moment")


class Growth(NamedTuple):
    """A log at an earlier checkpoint, and what came since: ``past`` begins at 0, and ``recent`` where that ends."""

    past: Range
    recent: Range


class Attested(NamedTuple):
    """A checkpoint whose signatures hold: by which unit, and the signed statement itself."""

    checkpoint: LogCheckpoint
    signer: str
    statement: bytes


class CheckpointFault(StrEnum):
    """Why a checkpoint is refused, beyond the codes of the sealing layer. Bounded."""

    MALFORMED = "checkpoint-malformed"
    WRONG_PARTNER = "checkpoint-of-another-partner"
    FROM_THE_FUTURE = "checkpoint-from-the-future"
    TOO_MANY = "checkpoints-too-many"


def payload_of(checkpoint: LogCheckpoint) -> bytes:
    """The bytes that are signed, under the context ``LOG_SIGNED``."""
    return msgspec.msgpack.encode(checkpoint)


def pack_checkpoint(statement: bytes, growth: Growth) -> bytes:
    """What is handed to witnesses."""
    past, recent = (b"".join(each.hashes) for each in growth)
    return pack((statement, growth.past.end, past, recent))


def since(earlier: bytes, later: bytes) -> bytes:
    """The later of two checkpoints of one log with its growth since before the earlier one, which nobody was sent.

    Raise Reject (malformed) when they do not follow each other.
    """
    before, after = unpack_checkpoint(earlier)[1], unpack_checkpoint(later)
    try:
        return pack_checkpoint(after[0], Growth(before.past, before.recent.joined(after[1].recent)))
    except ValueError:
        raise Reject(CheckpointFault.MALFORMED) from None


def unpack_checkpoint(data: bytes) -> tuple[bytes, Growth]:
    """The statement, not yet verified, and the growth up to it. Raise Reject (malformed)."""
    if len(data) > CHECKPOINT_MAX:
        raise Reject(CheckpointFault.MALFORMED)
    fields = unpack_strict(data, CheckpointFault.MALFORMED)
    if type(fields) is not list or [type(field) for field in fields] != [bytes, int, bytes, bytes]:
        raise Reject(CheckpointFault.MALFORMED)
    statement, begin, past, recent = fields
    size = read_checkpoint(statement).size
    try:
        return statement, Growth(Range(0, begin, _hashes(past)), Range(begin, size, _hashes(recent)))
    except ValueError:
        raise Reject(CheckpointFault.MALFORMED) from None


def read_checkpoint(statement: bytes) -> LogCheckpoint:
    """What a statement says, not yet verified. Raise Reject."""
    return decode(open_statement(statement)[0], LogCheckpoint)


def verify_checkpoint(statement: bytes, roster: Roster) -> Attested:
    """Whether a unit of the log's partner signed it with a key that held at that time.

    Raise Reject: a key that is unknown, was revoked or had expired, a unit of another partner, a bad signature.
    """
    payload, signatures = open_statement(statement)
    checkpoint = decode(payload, LogCheckpoint)
    if len(signatures) != 1:
        raise Reject(CheckpointFault.MALFORMED)
    (signature,) = signatures
    verifier = roster.signer(signature.kid, checkpoint.at)
    if verifier.partner != checkpoint.partner:
        raise Reject(Refusal.SIGNER_MISMATCH)
    verifier.verify(signature.ed25519, LOG_SIGNED + payload)
    verifier.verify_lasting(signature.mldsa, LOG_SIGNED + payload)
    return Attested(checkpoint, verifier.uid, statement)


def unpack_verify(data: bytes, roster: Roster, now_s: float) -> tuple[Attested, Growth]:
    """A checkpoint that a partner sent, and how its log grew. Raise Reject, also for one of the future."""
    statement, growth = unpack_checkpoint(data)
    attested = verify_checkpoint(statement, roster)
    if attested.checkpoint.at > now_s + SKEW_S:
        raise Reject(CheckpointFault.FROM_THE_FUTURE)
    return attested, growth


def _hashes(data: bytes) -> list[bytes]:
    """Hashes that stand one after the other."""
    return [data[at : at + DIGEST] for at in range(0, len(data), DIGEST)]
