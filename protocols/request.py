"""A key request: envelopes came whose announcement did not, and a unit asks for it under its signature. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from protocols.envelope import ED25519_SIGNATURE, SKEW_S, UID_MAX, Refusal, Reject, pack, unpack_strict
from protocols.identity import SigningKey
from protocols.roster import Roster
from protocols.schedule import REQUEST_SIGNED

REQUEST_MAX: Final = 512  # bytes


class KeyRequest(NamedTuple):
    """Which epoch is asked for, by whom (the id of a signing key), and when (Unix seconds)."""

    eid: bytes
    uid: str
    sig_kid: bytes
    asked: int

    def pack(self, key: SigningKey) -> bytes:
        """The request as it is sent: ``92 bin(payload) bin(Ed25519 signature)``."""
        payload = pack(tuple(self))
        return pack((payload, key.sign(REQUEST_SIGNED + payload)))


def unpack_request(data: bytes, roster: Roster, now_s: float) -> KeyRequest:
    """A request of somebody we know. Raise Reject."""
    if len(data) > REQUEST_MAX:
        raise Reject(Refusal.TOO_LARGE)
    outer = unpack_strict(data, Refusal.MALFORMED)
    if type(outer) is not list or [type(part) for part in outer] != [bytes, bytes]:
        raise Reject(Refusal.MALFORMED)
    payload, signature = outer
    fields = unpack_strict(payload, Refusal.MALFORMED)
    if type(fields) is not list or [type(field) for field in fields] != [bytes, str, bytes, int]:
        raise Reject(Refusal.MALFORMED)
    request = KeyRequest(*fields)
    if (len(request.eid), len(request.sig_kid), len(signature)) != (8, 8, ED25519_SIGNATURE):
        raise Reject(Refusal.MALFORMED)
    if not 0 < len(request.uid) <= UID_MAX:
        raise Reject(Refusal.MALFORMED)
    verifier = roster.signer(request.sig_kid, now_s)
    if verifier.uid != request.uid:
        raise Reject(Refusal.SIGNER_MISMATCH)
    verifier.verify(signature, REQUEST_SIGNED + payload)
    if abs(now_s - request.asked) > SKEW_S:
        raise Reject(Refusal.EXPIRED)
    return request
