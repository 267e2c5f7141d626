"""Which properties a parcel may carry beside its payload: the same on every transport.

MQTT 5 calls them user properties (3.3.2.3.7) and allows any text; a NATS header is a line with a name. What fits both
is carried. Nothing in the gateway reads what arrives: properties stand outside the seal, where brokers change them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

COUNT_MAX = 16
BYTES_MAX = 1024  # names and values together
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_RESERVED = "nats-"  # a header that begins so is an instruction to the server


def carried(properties: Sequence[tuple[str, str]]) -> bool:
    """Whether every transport that has properties can carry these unchanged."""
    if len(properties) > COUNT_MAX:
        return False
    size = 0
    for name, value in properties:
        if not _NAME.fullmatch(name) or name.lower().startswith(_RESERVED):
            return False
        if not value.isprintable() or value != value.strip():
            return False
        size += len(name) + len(value.encode())
        if size > BYTES_MAX:
            return False
    return True
