"""Enrolment: a unit that holds its own keys asks its partner to state them in the bundle. Pure.

The file is signed with the very keys it states, so nobody can enrol a key that somebody else holds.
"""

from __future__ import annotations

import msgspec

from protocols.identity import SigningKey
from protocols.partner import Unit
from protocols.schedule import ENROLMENT_SIGNED
from protocols.statement import decode, open_statement, sign, verify


def sign_enrolment(unit: Unit, *keys: SigningKey) -> bytes:
    """The file by which a unit asks to be stated; ``keys`` are all that it states, one that was rotated too."""
    return sign(msgspec.msgpack.encode(unit), ENROLMENT_SIGNED, keys)


def read_enrolment(data: bytes) -> Unit:
    """The unit that asks, its possession of the signing keys proved. Raise Reject."""
    payload, signatures = open_statement(data)
    unit = decode(payload, Unit)
    verify(ENROLMENT_SIGNED + payload, signatures, [entry.public for entry in unit.signing], max(1, len(unit.signing)))
    return unit
