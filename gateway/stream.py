"""The Record stream: every outcome goes to audit first, then to every other reader, in the order they were added."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from protocols.message import Message
from protocols.record import Record


class Outcome(NamedTuple):
    """A Record with what it is about. Message and delivered bytes are for eyes that may see them, never for a disk."""

    record: Record
    message: Message | None = None
    data: bytes | None = None


Reader: TypeAlias = Callable[[Outcome], None]


class Stream:
    """Fan-out of Outcomes to readers. The first reader is the audit, whose failure stops the line."""

    def __init__(self, audit: Reader) -> None:
        self._readers = [audit]

    def __call__(self, record: Record, message: Message | None = None, data: bytes | None = None) -> None:
        """Tell every reader. A reader is quick and does not raise; only the audit may, and then nothing is sent on."""
        outcome = Outcome(record, message, data)
        for reader in self._readers:
            reader(outcome)

    def add(self, reader: Reader) -> None:
        """Let one more reader see every Outcome from now on."""
        self._readers.append(reader)
