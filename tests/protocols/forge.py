"""What a signer could say with its real keys and an honest sender never says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols import schedule
from protocols.envelope import (
    Attested,
    Terms,
    pack_announcement,
    pack_attested,
    pack_envelope,
    pack_header,
    pack_terms,
)
from protocols.identity import HYBRID
from protocols.sealing import Epoch


def restated(sent: Epoch, change: Callable[[Terms], Terms], **other: Any) -> bytes:
    """An epoch's announcement with other terms, signed by its sender all the same."""
    terms = change(sent._terms)
    announcement = sent._announcement
    packed = other.get("packed", pack_terms(terms))
    slots = schedule.slots_digest(announcement.slots)
    signed = schedule.announcement_signed(packed, slots)
    lasting = sent.signer.key.sign_lasting(signed) if announcement.suite == HYBRID else b""
    attested = Attested(packed, sent.signer.key.sign(signed), other.get("lasting", lasting))
    cipher = AESGCM(schedule.box_key(sent._chain, sent.rnd))
    context = schedule.box_context(announcement.suite, sent.rnd, slots)
    box = cipher.encrypt(announcement.nonce, other.get("box", pack_attested(attested)), context)
    return pack_announcement(announcement._replace(box=box))


def forged(sent: Epoch, plain: bytes, seq: int | None = None, kind: int = 2, generation: int = 0) -> bytes:
    """An envelope with any plaintext under the real key."""
    number = sent.seq if seq is None else seq
    header = pack_header(sent.profile.suite, kind, sent.eid, generation, number)
    return pack_envelope(header, sent._keys.cipher.encrypt(sent._keys.nonce(number), plain, header))
