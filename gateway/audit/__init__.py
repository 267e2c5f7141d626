"""The audit: an append-only log of Records that nobody can change unnoticed, and what is read from it.

The writer is the first reader of the Record stream: what cannot be accounted for is not passed on. Everything else
here is for afterwards: signed checkpoints and their witnesses, verification offline, proof of one message, its trace.
"""

from __future__ import annotations

from gateway.audit.lines import AuditError
from gateway.audit.reading import Entry, read
from gateway.audit.writer import Audit

__all__ = ["Audit", "AuditError", "Entry", "read"]
