"""One line of the log: ``<chain> <salt> <record as JSON>``, and how each is chained to the one before.

The leaf of a line in the tree is SHA-256(00 || salt and record, as they stand): sixteen random bytes for each line
keep others from guessing a record by its hash, since records are short and much alike. The chain is
SHA-256(02 || chain of the line before || leaf), so that it tells no more than the leaves do.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import Final, NamedTuple

from gateway.errors import OperatorError

CHAIN: Final = 64  # characters of a chain's value, hexadecimal
SALT: Final = 32  # characters of a salt
LINE_MIN: Final = CHAIN + 1 + SALT + 1 + 2 + 1  # characters of a line with the shortest record there could be
GENESIS: Final = bytes(32)  # the chain before the first line
_DRAWN = 256  # salts drawn at once: one call of the kernel for each is the dearest part of a line


class AuditError(OperatorError):
    """The audit cannot be written or does not hold; one line."""

    refused = True


class Line(NamedTuple):
    """A line that follows from the one before. ``text`` is what the leaf covers: salt and record."""

    number: int
    chain: bytes
    leaf: bytes
    text: bytes

    @property
    def record(self) -> bytes:
        """The record, as JSON."""
        return self.text[SALT + 1 :]


def leaf_of(text: bytes) -> bytes:
    """The leaf of a line (RFC 9162, 2.1.1)."""
    return sha256(b"\0" + text).digest()


def link(chain: bytes, leaf: bytes) -> bytes:
    """The next value of the chain."""
    return sha256(b"\2" + chain + leaf).digest()


class Salts:
    """Sixteen random bytes for each line, in hexadecimal."""

    def __init__(self) -> None:
        self._drawn: list[bytes] = []

    def draw(self) -> bytes:
        """A salt that was never given before."""
        if not self._drawn:
            drawn = os.urandom(_DRAWN * SALT // 2).hex().encode()
            self._drawn = [drawn[at : at + SALT] for at in range(0, len(drawn), SALT)]
        return self._drawn.pop()
