"""Which sequence numbers of an epoch were received: one bit each, for the whole epoch, with no window edge. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from protocols.envelope import ENVELOPES_MAX

_GROWTH = 512  # bytes; at most 128 KiB for the longest epoch


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

    def missing(self, start: int, stop: int) -> Iterator[int]:
        """The numbers of ``[start, stop)`` that were not received, in order."""
        return (seq for seq in range(max(start, self.contiguous), stop) if seq not in self)

    def bits(self) -> bytes:
        """The bitmap, least significant bit first, without trailing zeros."""
        return bytes(self._bits[: (self.highest >> 3) + 1])
