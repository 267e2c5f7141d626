"""The countersignatures of agreements, as files in the state directory, and which agreements they put in force.

An agreement is open only while every partner that it names has signed it as it stands, with the root keys that are
pinned now. One file holds one partner's signature: ``agreements/<agreement>.<partner>.signed``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from gateway.durable import write_private
from gateway.keyring.keystore import KeyringError
from protocols.agreement import Agreement
from protocols.countersign import AgreementFault, canonical, verify_countersigned
from protocols.envelope import Reject
from protocols.partner import Pin
from protocols.statement import STATEMENT_MAX

FOLDER = "agreements"
SIGNED = ".signed"


class Signatures(NamedTuple):
    """Who has signed an agreement as it stands, and who has not."""

    signed: tuple[str, ...]
    missing: tuple[str, ...]


class Countersigned:
    """The countersignatures of one state directory. What was verified once is not verified again until it changes."""

    def __init__(self, state: Path, pins: Iterable[Pin]) -> None:
        self._folder = state / FOLDER
        self._pins: Mapping[str, Pin] = {pin.partner: pin for pin in pins}
        self._held: set[bytes] = set()

    def know(self, pins: Iterable[Pin]) -> None:
        """The partners' root keys as they are pinned now."""
        self._pins = {pin.partner: pin for pin in pins}

    def signatures(self, agreement: Agreement) -> Signatures:
        """Who has signed. A file that is absent, unreadable or does not hold is no signature."""
        partners = tuple(sorted(set(agreement.partners)))
        signed = tuple(partner for partner in partners if self._holds(agreement, partner))
        return Signatures(signed, tuple(partner for partner in partners if partner not in signed))

    def in_force(self, agreements: Iterable[Agreement]) -> frozenset[str]:
        """The ids of those agreements that every partner they name has signed."""
        return frozenset(agreement.id for agreement in agreements if not self.signatures(agreement).missing)

    def keep(self, agreement: Agreement, data: bytes) -> str:
        """Keep a partner's signature that holds; give whose it is. Raise Reject, KeyringError."""
        for partner in agreement.partners:
            if partner not in self._pins:
                continue
            try:
                verify_countersigned(data, agreement, self._pins[partner])
            except Reject as refusal:
                if refusal.code is AgreementFault.OTHER_WORDS:
                    raise
                continue
            self._write(self._path(agreement, partner), data)
            return partner
        raise Reject(AgreementFault.STRANGER)

    def _write(self, path: Path, data: bytes) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(path, data)
        except OSError as error:
            raise KeyringError(f"{path}: {error.strerror}") from None

    def _path(self, agreement: Agreement, partner: str) -> Path:
        return self._folder / f"{agreement.id}.{partner}{SIGNED}"

    def _holds(self, agreement: Agreement, partner: str) -> bool:
        pin = self._pins.get(partner)
        if pin is None:
            return False
        try:
            with self._path(agreement, partner).open("rb") as file:
                data = file.read(STATEMENT_MAX + 1)
        except OSError:
            return False
        held_to = msgspec.msgpack.encode((pin.roots, pin.threshold))
        known = b"".join(hashlib.sha256(each).digest() for each in (data, canonical(agreement), held_to))
        if known in self._held:
            return True
        try:
            verify_countersigned(data, agreement, pin)
        except Reject:
            return False
        self._held.add(known)
        return True
