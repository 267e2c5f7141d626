"""One message of an envelope, passed on to somebody it was not sealed for, with its originator's proof. Pure.

What travels is the message as it was sealed, with all that its originator's signature covers: the signed terms of the
epoch, the envelope's header and time, the salt of this message's leaf and the leaves of the others. Whoever has pinned
the originator's bundle can tell that it said this, when, and for whom; the word of whoever passes it on counts for
nothing. Of the envelope's other messages nothing can be told or guessed, for their salts stay where they are.

The proof is as lasting as one envelope is: Ed25519. It ends with its epoch. Whoever may read the envelope may disclose
it; whether it may pass it on is for agreements to say.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

from protocols import schedule, tick
from protocols.envelope import (
    DATA,
    DIGEST,
    ED25519_SIGNATURE,
    LIFE_MAX_S,
    RECORD_MAX,
    RECORDS_MAX,
    SKEW_S,
    Header,
    Mode,
    Refusal,
    Reject,
    Terms,
    pack,
    unpack_header,
    unpack_strict,
    unpack_terms,
)
from protocols.identity import Verifier
from protocols.opening import Opened
from protocols.roster import Roster
from protocols.unit import partner_of

PROOF: Final = b"\xc1\x01"  # a byte that no MessagePack object begins with, and the version of this form
SALT: Final = 16  # bytes
_FIELDS: Final = 10


class ProofFault(StrEnum):
    """Why a proof is refused or cannot be given, beyond the refusals of the sealing layer. Bounded."""

    NO_PROOF = "no-proof"  # the key alone vouches for the envelope (PAIRWISE), so it convinces nobody else
    OTHER_EPOCH = "proof-of-another-epoch"
    NOT_A_RECIPIENT = "passed-on-by-no-recipient"


class Proven(NamedTuple):
    """A message that its originator said, by its own signature; ``sealed_at`` is its word too."""

    sender: str
    audience: tuple[str, ...]
    message: bytes
    sealed_at: datetime
    eid: bytes
    seq: int


class _Proof(NamedTuple):
    """The fields of a proof; ``others`` are the leaves beside this message's, one after another."""

    terms: bytes
    slots: bytes
    signature: bytes
    header: bytes
    t_ms: int
    place: int
    others: bytes
    salt: bytes
    vouches: bytes
    message: bytes


def is_proof(record: bytes) -> bool:
    """Whether a record of an envelope is a message that somebody passes on, with its proof."""
    return record.startswith(PROOF)


def disclose(opened: Opened, place: int) -> bytes:
    """The message at a place of an envelope that was sealed for us, with its proof, as a record to be sealed.

    Raise Reject: no-proof for what nobody signed, too-large for one record.
    """
    evidence, messages = opened.evidence, opened.messages
    if evidence is None or not 0 <= place < len(messages):
        raise Reject(ProofFault.NO_PROOF)
    mode = unpack_terms(evidence.attested.terms).mode
    if mode is Mode.PAIRWISE:
        raise Reject(ProofFault.NO_PROOF)
    body = tick.unpack_proof(evidence.plain)[1] if mode is Mode.TICK else evidence.plain[ED25519_SIGNATURE:]
    salts = schedule.leaf_salts(evidence.salt, opened.seq, len(messages))
    salt = [salts[at : at + SALT] for at in range(0, len(salts), SALT)]
    others = [schedule.leaf(salt[at], each) for at, each in enumerate(messages) if at != place]
    proof = _Proof(
        terms=evidence.attested.terms,
        slots=evidence.attested.slots,
        signature=evidence.attested.ed25519,
        header=evidence.header,
        t_ms=evidence.t_ms,
        place=place,
        others=b"".join(others),
        salt=salt[place],
        vouches=evidence.plain[: -len(body)],
        message=messages[place],
    )
    record = PROOF + pack(tuple(proof))
    if len(record) > RECORD_MAX:
        raise Reject(Refusal.TOO_LARGE)
    return record


def verify(record: bytes, roster: Roster, passer: str, now_s: float) -> Proven:
    """What an originator said and a partner, ``passer``, passes on, held to the bundles that we have pinned.

    Raise Reject: too-large, malformed, unknown-signer, revoked, expired, suite-below-floor, signer-mismatch,
    bad-signature, unknown-type, suite-mismatch, seq-over-limit, bad-path, and those of ``ProofFault``.
    """
    proof = _unpack(record)
    terms = unpack_terms(proof.terms)
    verifier = _signer(terms, roster, now_s)
    verifier.verify_once(proof.signature, schedule.announcement_signed(proof.terms, proof.slots))
    header = _header(proof, terms)
    audience = tuple(entry.uid for entry in terms.audience)
    if passer == verifier.partner or passer not in {partner_of(uid) for uid in audience}:
        raise Reject(ProofFault.NOT_A_RECIPIENT)
    sealed_ms = terms.created * 1000 + proof.t_ms
    if sealed_ms > (terms.not_after + SKEW_S) * 1000:
        raise Reject(Refusal.EXPIRED)
    _hold(verifier, terms.mode, proof)
    sealed_at = datetime.fromtimestamp(sealed_ms / 1000, UTC)
    return Proven(verifier.uid, audience, proof.message, sealed_at, header.eid, header.seq)


def _unpack(record: bytes) -> _Proof:
    """The fields, each of its type and within its bounds."""
    if len(record) > RECORD_MAX:
        raise Reject(Refusal.TOO_LARGE)
    fields = unpack_strict(record[len(PROOF) :], Refusal.MALFORMED) if is_proof(record) else None
    if type(fields) is not list or len(fields) != _FIELDS:
        raise Reject(Refusal.MALFORMED)
    proof = _Proof(*fields)
    numbers, bins = (proof.t_ms, proof.place), (*proof[:4], *proof[6:])
    if not all(type(each) is int and each >= 0 for each in numbers) or not all(type(each) is bytes for each in bins):
        raise Reject(Refusal.MALFORMED)
    sizes = (len(proof.slots), len(proof.signature), len(proof.salt), len(proof.others) % DIGEST)
    if sizes != (DIGEST, ED25519_SIGNATURE, SALT, 0) or not proof.place <= _others(proof) < RECORDS_MAX:
        raise Reject(Refusal.MALFORMED)
    return proof


def _others(proof: _Proof) -> int:
    return len(proof.others) // DIGEST


def _signer(terms: Terms, roster: Roster, now_s: float) -> Verifier:
    """Who signed the epoch's terms, if that key is known and may, and if the epoch lives."""
    verifier = roster.signer(terms.sig_kid, now_s)
    if terms.suite not in roster.floor(verifier.partner):
        raise Reject(Refusal.SUITE_BELOW_FLOOR)
    if terms.sender != verifier.uid:
        raise Reject(Refusal.SIGNER_MISMATCH)
    lives = 0 < terms.not_after - terms.created <= LIFE_MAX_S
    if not lives or not terms.created - SKEW_S <= now_s <= terms.not_after + SKEW_S:
        raise Reject(Refusal.EXPIRED)
    return verifier


def _header(proof: _Proof, terms: Terms) -> Header:
    """The envelope's header, if it is one of that epoch."""
    header = unpack_header(proof.header)
    if header.type != DATA:
        raise Reject(Refusal.UNKNOWN_TYPE)
    if header.suite != terms.suite:
        raise Reject(Refusal.SUITE_MISMATCH)
    if header.seq >= terms.envelopes:
        raise Reject(Refusal.SEQ_OVER_LIMIT)
    if header.eid != schedule.epoch_id(terms.sig_kid, terms.rnd):
        raise Reject(ProofFault.OTHER_EPOCH)
    return header


def _hold(verifier: Verifier, mode: Mode, proof: _Proof) -> None:
    """Whether the envelope that this message completes is what the originator signed. Raise Reject."""
    leaves = [proof.others[at : at + DIGEST] for at in range(0, len(proof.others), DIGEST)]
    leaves.insert(proof.place, schedule.leaf(proof.salt, proof.message))
    if proof.t_ms >= 1 << 64:
        raise Reject(Refusal.MALFORMED)
    root = schedule.root(proof.header, proof.t_ms, leaves)
    if mode is Mode.SIGNED:
        if len(proof.vouches) != ED25519_SIGNATURE:
            raise Reject(Refusal.BAD_SIGNATURE)
        verifier.verify_once(proof.vouches, schedule.DATA_SIGNED + root)
        return
    if mode is not Mode.TICK:
        raise Reject(ProofFault.NO_PROOF)
    path, rest = tick.unpack_proof(proof.vouches)
    if rest:
        raise Reject(Refusal.BAD_PATH)
    verifier.verify_once(path.signature, tick.signed(path.top(root)))
