"""What links without a broker share: frames that nobody sends again, and where they are counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.links import Settings, Statistics

Split = Callable[[bytes], tuple[Sequence[bytes], bytes]]
"""An adapter's ``split``: the whole frames at the front of a buffer, and the rest of it. ValueError: not its format."""


def lines(buffer: bytes) -> tuple[Sequence[bytes], bytes]:
    """Frames that end with a line feed; empty ones are none."""
    *whole, rest = buffer.split(b"\n")
    return [line.rstrip(b"\r") for line in whole if line.strip()], rest


def topic_of(settings: Settings, name: str) -> str:
    """The topic that frames carry: the first subscription's, where it names one; else the link's name."""
    for subscription in settings.subscriptions:
        if not set(subscription.filter) & set("+#"):
            return subscription.filter
    return name


class Tally:
    """Counts of one link; ``open`` frames wait for the relay."""

    __slots__ = (
        "acknowledged",
        "bytes_received",
        "bytes_sent",
        "dropped",
        "open",
        "received",
        "refused",
        "resent",
        "sent",
    )

    def __init__(self) -> None:
        self.received = self.acknowledged = self.refused = self.sent = self.resent = 0
        self.bytes_received = self.bytes_sent = self.dropped = self.open = 0

    def statistics(self, connects: int) -> Statistics:
        """In the contract's form."""
        return Statistics(
            received=self.received,
            acknowledged=self.acknowledged,
            refused=self.refused,
            sent=self.sent,
            resent=self.resent,
            connects=connects,
            bytes_received=self.bytes_received,
            bytes_sent=self.bytes_sent,
            dropped=self.dropped,
        )


class PlainFrame:
    """Bytes that came by themselves: acknowledging makes room, refusing is only counted."""

    __slots__ = ("_answered", "_done", "_tally", "data", "topic")

    def __init__(self, topic: str, data: bytes, tally: Tally, answered: Callable[[], None]) -> None:
        self.topic = topic
        self.data = data
        self._tally = tally
        self._answered = answered
        self._done = False
        tally.received += 1
        tally.open += 1

    def ack(self) -> None:
        """See Frame."""
        if not self._done:
            self._done = True
            self._tally.acknowledged += 1
            self._close()

    def refuse(self, reason: str) -> None:  # noqa: ARG002 - there is nobody to tell
        """See Frame."""
        if not self._done:
            self._done = True
            self._tally.refused += 1
            self._close()

    def _close(self) -> None:
        self._tally.open -= 1
        self._answered()
