"""Which sequence numbers of an epoch were received: one bit each, for the whole epoch, with no window edge. Pure."""

from __future__ import annotations

from typing import NamedTuple

from protocols.envelope import ENVELOPES_MAX

_GROWTH = 512  # bytes; at most 128 KiB for the longest epoch
_FULL, _EMPTY = 0xFF, 0


class Gap(NamedTuple):
    """Sequence numbers that were not received: from ``start`` up to but not including ``stop``."""

    start: int
    stop: int


class Received:
    """An exact replay bitmap. It grows with the highest number marked."""

    __slots__ = ("_bits", "contiguous", "count", "highest")

    def __init__(self, bits: bytes = b"") -> None:
        self._bits = bytearray(bits)
        self.count = sum(byte.bit_count() for byte in self._bits)
        self.highest = int.from_bytes(bits, "little").bit_length() - 1
        self.contiguous = 0  # every number below this one was received
        self._advance()

    def __contains__(self, seq: int) -> bool:
        at = seq >> 3
        return at < len(self._bits) and self._bits[at] >> (seq & 7) & 1 == 1

    def mark(self, seq: int) -> None:
        """Take note of a sequence number. Raise ValueError outside an epoch's limits."""
        if not 0 <= seq < ENVELOPES_MAX:
            raise ValueError("sequence number outside an epoch")
        if seq in self:
            return
        at = seq >> 3
        if at >= len(self._bits):
            self._bits.extend(bytes((at // _GROWTH + 1) * _GROWTH - len(self._bits)))
        self._bits[at] |= 1 << (seq & 7)
        self.count += 1
        self.highest = max(self.highest, seq)
        if seq == self.contiguous:
            self._advance()

    def _advance(self) -> None:
        while self.contiguous in self:
            self.contiguous += 1

    def gaps(self, start: int, stop: int, limit: int) -> list[Gap]:
        """The runs of ``[start, stop)`` that were not received, in order, as many as ``limit``."""
        found: list[Gap] = []
        at = max(start, self.contiguous)
        while len(found) < limit:
            first = self._skip(at, stop, _FULL)
            if first >= stop:
                break
            at = self._skip(first, stop, _EMPTY)
            found.append(Gap(first, at))
        return found

    def _skip(self, at: int, stop: int, over: int) -> int:
        """The first number from ``at`` whose bit is not as in the byte ``over``, or ``stop``; whole bytes at a time."""
        bits = self._bits
        while at < stop:
            byte = bits[at >> 3] if at >> 3 < len(bits) else _EMPTY
            if byte == over:
                at = (at | 7) + 1
            elif byte >> (at & 7) & 1 == over & 1:
                at += 1
            else:
                return at
        return stop

    def bits(self) -> bytes:
        """The bitmap, least significant bit first, without trailing zeros."""
        return bytes(self._bits[: (self.highest >> 3) + 1])
