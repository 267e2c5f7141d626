"""What does not work on the way out: said once when it begins, and once when it is over."""

from __future__ import annotations

from gateway.stream import About, Stream
from protocols.record import Event


class Faults:
    """The faults that there are now, by their reason."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._there: set[str] = set()

    def say(self, reason: str, destination: str | None = None) -> None:
        """Something does not work."""
        if reason not in self._there:
            self._there.add(reason)
            self._stream.about(Event.FAULT, About(reason=reason, destination=destination))

    def mended(self, what: str) -> None:
        """Everything of which the reason begins so works again."""
        for reason in [each for each in self._there if each.startswith(what)]:
            self._there.discard(reason)
            self._stream.about(Event.MENDED, About(reason=reason))
