"""Countersignatures: the partners' root keys under the exact words of an agreement. Pure.

What is signed is the agreement in its canonical form, so every partner's table says the same or the signature does not
hold. The file is a signed statement (``protocols.statement``) whose payload is the agreement itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from protocols.agreement import Agreement
from protocols.envelope import Reject
from protocols.identity import SigningKey
from protocols.partner import Pin
from protocols.schedule import AGREEMENT_SIGNED
from protocols.statement import decode, open_statement, sign, verify


class AgreementFault(StrEnum):
    """Why a countersignature is refused, beyond the faults of a signed statement. Bounded."""

    OTHER_WORDS = "agreement-in-other-words"
    STRANGER = "agreement-signed-by-nobody-it-names"


def canonical(agreement: Agreement) -> bytes:
    """The bytes that partners sign: the same for every table that says the same, in whatever order it lists things."""
    clearance = agreement.highest
    same = replace(
        agreement,
        partners=tuple(sorted(set(agreement.partners))),
        kinds=tuple(sorted(set(agreement.kinds))),
        modes=tuple(sorted(set(agreement.modes))),
        onward=tuple(sorted(set(agreement.onward))),
        directions=tuple(sorted(set(agreement.directions), key=lambda each: (each.sender, each.to))),
        highest=replace(clearance, restrictive=tuple(sorted(set(clearance.restrictive)))),
        transformation=replace(agreement.transformation, strip=tuple(sorted(set(agreement.transformation.strip)))),
    )
    return msgspec.msgpack.encode(same)


def countersign(agreement: Agreement, roots: Sequence[SigningKey]) -> bytes:
    """The file by which a partner says that it has agreed, signed by these roots of it."""
    return sign(canonical(agreement), AGREEMENT_SIGNED, roots)


def read_countersigned(data: bytes) -> Agreement:
    """The agreement that a file is about, not yet verified. Raise Reject."""
    return decode(open_statement(data)[0], Agreement)


def verify_countersigned(data: bytes, agreement: Agreement, pin: Pin) -> None:
    """Whether a partner signed this agreement, word for word. Raise Reject."""
    payload, signatures = open_statement(data)
    if payload != canonical(agreement):
        raise Reject(AgreementFault.OTHER_WORDS)
    verify(AGREEMENT_SIGNED + payload, signatures, [root.public for root in pin.roots], pin.threshold)
