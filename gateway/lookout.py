"""What a gateway needs and what becomes of it: links, disk, audit, clock. A change for the worse, or back, is a Record.

Looked at once a second. A link counts as broken when it has been away for a while, or at once where the far side
refuses us; the clock when it runs differently from the time that passes. Pages of the disk that were damaged are told
once a minute at most, with what became of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from time import monotonic
from typing import Final, NamedTuple, Protocol

from gateway.links import LinkState
from gateway.spool import Health
from gateway.stream import About, Stream
from protocols.record import Event, Trouble

LOOK_S: Final = 1.0
AWAY_S: Final = 5.0  # that a link may be away before it is told: every broker restarts
JUMP_S: Final = 30.0  # by which the clock may differ from the time that passed since the last look
DAMAGE_S: Final = 60.0  # between two times that damaged pages are told


class Connected(Protocol):
    """Of a link, what is looked at."""

    @property
    def state(self) -> LinkState:
        """Where it stands now."""


class Needs(NamedTuple):
    """What is looked at: links by name, how the spool is, whether the audit cannot be written, the clock.

    ``astray``: links that are up, as far as they know, and by which nothing arrives.
    """

    links: Mapping[str, Connected]
    spool: Callable[[], Health]
    audit: Callable[[], bool]
    clock: Callable[[], datetime]
    astray: Callable[[], Collection[str]] = tuple


class Lookout:
    """Tells what is wrong at one gateway, once, and when it is right again."""

    def __init__(self, needs: Needs, stream: Stream, passed: Callable[[], float] = monotonic) -> None:
        self._needs = needs
        self._stream = stream
        self._passed = passed
        self._away: dict[str, float] = {}  # links, and since when
        self._wrong: dict[str, About] = {}
        self._last = (needs.clock().timestamp(), passed())
        self._damage = (0, 0)  # pages that were put right, and lost, as far as they were told
        self._damage_at: float | None = None

    @property
    def wrong(self) -> list[str]:
        """What is wrong now, by reason."""
        return sorted({about.reason or "" for about in self._wrong.values()})

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Compare what is wrong now with what was."""
        now = dict(self._found())
        for key, about in now.items():
            if key not in self._wrong:
                self._stream.about(Event.FAULT, about)
        for key, about in self._wrong.items():
            if key not in now:
                self._stream.about(Event.MENDED, about)
        self._wrong = now
        self._damaged()
        self._clock()

    def _found(self) -> Iterator[tuple[str, About]]:
        passed, astray = self._passed(), self._needs.astray()
        for name, link in self._needs.links.items():
            if link.state is LinkState.UP:
                self._away.pop(name, None)
                if name in astray:
                    yield f"silent {name}", About(Trouble.LINK_SILENT, name)
            elif link.state is LinkState.REFUSED:
                yield f"refused {name}", About(Trouble.LINK_REFUSED, name)
            elif passed - self._away.setdefault(name, passed) > AWAY_S:
                yield f"away {name}", About(Trouble.LINK_AWAY, name)
        if (trouble := self._needs.spool().trouble) is not None:
            yield f"spool {trouble}", About(f"spool-{trouble}")
        if self._needs.audit():
            yield "audit", About(Trouble.AUDIT_NOT_WRITABLE)

    def _damaged(self) -> None:
        """A damaged page that was put right is mended as it is told; one that was lost is not."""
        passed, health = self._passed(), self._needs.spool()
        (repaired, lost), now = self._damage, (health.repaired, health.lost)
        if now == self._damage or (self._damage_at is not None and passed - self._damage_at < DAMAGE_S):
            return
        self._damage, self._damage_at = now, passed
        if health.repaired > repaired:
            self._stream.about(Event.FAULT, About(Trouble.SPOOL_PAGE_DAMAGED))
            self._stream.about(Event.MENDED, About(Trouble.SPOOL_PAGE_DAMAGED))
        if health.lost > lost:
            self._stream.about(Event.FAULT, About(Trouble.SPOOL_PAGE_LOST))

    def _clock(self) -> None:
        """A clock that was put forward or back is told each time; it is right again from then on."""
        (wall, passed), self._last = self._last, (self._needs.clock().timestamp(), self._passed())
        if abs((self._last[0] - wall) - (self._last[1] - passed)) > JUMP_S:
            self._stream.about(Event.FAULT, About(Trouble.CLOCK_JUMPED))


def levels(stream: Stream) -> Callable[[str, bool], None]:
    """Tell when what waits for a destination passes its warning level; for ``Spool.open(on_level=)``."""

    def passed(lane: str, up: bool) -> None:  # noqa: FBT001 - as it is called there
        destination = lane.rpartition(":")[2]  # what is in quarantine is a unit's too
        stream.about(Event.FAULT if up else Event.MENDED, About(Trouble.SPOOL_NEARLY_FULL, destination))

    return passed
