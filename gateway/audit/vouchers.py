"""The bundles by which an auditor checks signatures, offline: any number, also several of one partner. No keys needed.

A checkpoint of last year was signed with a key of last year's bundle. A bundle here has to hold by its own roots;
whether those are the partner's is for two persons to compare, by the forty digits of its fingerprint.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gateway.audit.lines import AuditError
from protocols.envelope import Refusal, Reject
from protocols.log_checkpoint import Attested, verify_checkpoint
from protocols.partner import Bundle, fingerprint, first_contact, read_bundle
from protocols.roster import Roster
from protocols.statement import STATEMENT_MAX, open_statement


class Vouchers:
    """Who can vouch for what."""

    def __init__(self, bundles: Iterable[Bundle]) -> None:
        self._bundles = list(bundles)
        self._rosters = [Roster([bundle]) for bundle in self._bundles]

    def __len__(self) -> int:
        return len(self._bundles)

    @classmethod
    def read(cls, paths: Iterable[Path]) -> Vouchers:
        """From bundle files. Raise AuditError for one that does not hold."""
        return cls(_read(path) for path in paths)

    def attest(self, statement: bytes) -> Attested:
        """Verify a checkpoint by the bundle that names its key. Raise Reject."""
        refusal = Reject(Refusal.UNKNOWN_SIGNER)
        for roster in self._rosters:
            try:
                return verify_checkpoint(statement, roster)
            except Reject as error:
                if error.code is not Refusal.UNKNOWN_SIGNER:
                    refusal = error
        raise refusal

    def withdrawn(self, statement: bytes) -> bool:
        """Whether one of the bundles withdraws the key that signed. Raise Reject."""
        _, signatures = open_statement(statement)
        return any(roster.is_revoked(each.kid) for roster in self._rosters for each in signatures)

    def fingerprints(self, partner: str) -> list[str]:
        """The digits to compare for a partner, one set for each set of roots."""
        return sorted({fingerprint(partner, each.roots) for each in self._bundles if each.partner == partner})


def _read(path: Path) -> Bundle:
    try:
        with path.open("rb") as file:
            data = file.read(STATEMENT_MAX + 1)
        bundle = read_bundle(data)
        return first_contact(data, fingerprint(bundle.partner, bundle.roots), bundle.issued)[0]
    except OSError as error:
        raise AuditError(f"{path}: {error.strerror}") from None
    except Reject as refusal:
        raise AuditError(f"{path}: not a bundle that holds: {refusal}") from None
