"""OASIS Common Alerting Protocol: 1.2 read and written, 1.1 read.

Latitude comes first, circles are in kilometres, altitudes in feet above mean sea level, times in whole seconds and
never with ``Z``. Alerts are written, and medical evacuation requests and reports as alerts; no positions, no chats.
 An enveloped signature is not checked here and vouches for nothing.
"""

from __future__ import annotations

from adapters.cap.reader import decode
from adapters.cap.writer import encode

EDITION = "OASIS CAP 1.2 (reads 1.1)"
MEDIA_TYPE = "application/cap+xml"
READS = frozenset({"alert", "medevac", "report", "receipt"})
WRITES = frozenset({"alert", "medevac", "report"})

__all__ = ["EDITION", "MEDIA_TYPE", "READS", "WRITES", "decode", "encode"]
