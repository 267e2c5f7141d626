"""Bare CoT XML in a stream: one event after the other, each as far as its end tag, as TAK clients write them. Pure."""

from __future__ import annotations

from protocols.cot.event import CotError, CotFault
from protocols.xml import SIZE_MAX

_END = b"</event>"


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Cut a stream into events and what is left over for the next time. Raise CotError where it is none of events."""
    frames: list[bytes] = []
    start = 0
    while True:
        while start < len(buffer) and buffer[start] in b"\r\n\t ":
            start += 1
        if start < len(buffer) and buffer[start] != ord("<"):
            raise CotError(CotFault.MALFORMED, "stream: not XML")
        end = buffer.find(_END, start)
        if (end if end >= 0 else len(buffer)) - start > SIZE_MAX:
            raise CotError(CotFault.TOO_LARGE, "stream: frame")
        if end < 0:
            return frames, buffer[start:]
        frames.append(buffer[start : end + len(_END)])
        start = end + len(_END)
