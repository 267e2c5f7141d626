"""SEDAP-Express 1.0 (German Navy, ICD of 20 February 2025): all 14 message types are read, all but COMMAND written.

Semicolon separated lines in ISO-8859-1, SI units, altitude above sea level, times in hexadecimal milliseconds.
MAC and encryption of the document are decoration of an untrusted transport and vouch for nothing here.
COMMAND is read, as a task, and never written: a gateway gives no orders.
"""

from __future__ import annotations

from adapters.sedap.frames import split
from adapters.sedap.reader import decode
from adapters.sedap.writer import encode

EDITION = "SEDAP-Express ICD 1.0, 2025-02-20"
MEDIA_TYPE = "application/vnd.sedap-express"
READS = frozenset(
    {
        "track", "contact", "delete", "chat", "alert", "medevac", "report",
        "graphic", "status", "task", "receipt", "opaque",
    }
)  # fmt: skip
WRITES = READS - {"task"}

__all__ = ["EDITION", "MEDIA_TYPE", "READS", "WRITES", "decode", "encode", "split"]
