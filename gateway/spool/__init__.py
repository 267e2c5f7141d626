"""The spool's contract: opaque bytes that wait on disk until their destination has taken them, and nothing forgotten.

``put`` returns once what it was given survives a power cut. A row waits until ``done``, ``settle``, its end of
validity, or until something newer about all of its subjects waits in the same lane. Never a readable copy: whoever
calls has sealed or wrapped the bytes before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from gateway.errors import OperatorError

DATA_MAX: Final = 1 << 26  # bytes of one thing
SUBJECT_BYTES: Final = 16


class Kept(NamedTuple):
    """One thing to keep.

    ``lane``: where it goes, a partner or a unit of ours. ``precedence``: 0 to 5, higher goes first. ``facts``: what the
    caller wants back when it ends unseen. ``key``: by which ``settle`` finds it; bytes that sort. ``note``: the note
    that must wait with it. ``expires_s``, ``due_s``: Unix seconds; None: the lane's limit of age; at once.
    ``subjects``: 16 bytes each; when all of them have something newer in the lane, this is superseded. ``in_hand``:
    the caller is sending it already, so that ``take`` leaves it out until ``release``.
    """

    lane: str
    precedence: int
    data: bytes
    facts: bytes = b""
    key: bytes = b""
    note: bytes = b""
    expires_s: float | None = None
    due_s: float | None = None
    subjects: tuple[bytes, ...] = ()
    in_hand: bool = False


class Row(NamedTuple):
    """One thing that waits, as ``take`` gives it. ``id`` never changes; ``waited_s``: since when it is here."""

    id: int
    lane: str
    precedence: int
    data: bytes
    facts: bytes
    key: bytes
    note: bytes
    expires_s: float | None
    waited_s: float


class Why(StrEnum):
    """Why a row waits no longer, other than by ``done``."""

    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    SETTLED = "settled"
    DAMAGED = "damaged"  # both copies on disk are


class Ended(NamedTuple):
    """A row that waits no longer. Of a damaged one the key and the facts are lost too."""

    id: int
    lane: str
    precedence: int
    key: bytes
    facts: bytes
    why: Why


class Put(NamedTuple):
    """What a ``put`` did: the rows in the order of what was given, and what they superseded."""

    ids: tuple[int, ...]
    superseded: tuple[Ended, ...]


class Note(NamedTuple):
    """What several rows need to be of use, kept once: until ``expires_s``, and while a row that names it waits."""

    eid: bytes
    partner: str
    data: bytes
    expires_s: float


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one lane may hold. ``bytes_max`` counts one copy with its facts; ``warn_at``: a share of either."""

    rows_max: int = 1_000_000
    bytes_max: int = 2 << 30
    age_max_s: float = 7 * 86_400.0
    warn_at: float = 0.8


class Trouble(StrEnum):
    """Why the spool cannot do what it is asked. Bounded."""

    DISK_FULL = "disk-full"
    READ_ONLY = "read-only"
    DAMAGED = "damaged"
    IO = "io"
    IN_USE = "in-use"  # another process has the folder
    CLOSED = "closed"
    LANE_FULL = "lane-full"
    UNKNOWN_NOTE = "unknown-note"


class SpoolError(OperatorError):
    """Nothing of what was asked has happened; one line."""

    def __init__(self, reason: Trouble, where: str = "") -> None:
        super().__init__(f"spool: {reason}: {where}" if where else f"spool: {reason}")
        self.reason = reason


class SpoolFull(SpoolError):  # noqa: N818 - what to do about it differs: stop reading, try again
    """A lane holds what it may: stop reading, and try again when some of it has gone."""

    def __init__(self, lane: str) -> None:
        super().__init__(Trouble.LANE_FULL, lane)
        self.lane = lane


class Count(NamedTuple):
    """What waits in one lane at one precedence. ``oldest_s``: how long its oldest row has waited."""

    rows: int
    bytes: int
    in_hand: int
    oldest_s: float


class Health(NamedTuple):
    """How the spool is. ``trouble``: of the last write or read. ``repaired``: damages made good; ``lost``: not."""

    trouble: Trouble | None
    repaired: int
    lost: int
    commits: int
    disk_bytes: int


class Clock(NamedTuple):
    """Two clocks: Unix seconds, which somebody may set, and seconds that only go forward, in sleep too."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]


def _awake_and_asleep() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


SYSTEM: Final = Clock(time.time, _awake_and_asleep)
