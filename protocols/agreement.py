"""Agreements: what partners undertook to exchange, and how a message changes on its way. Pure.

Nothing is exchanged without one; routes say where traffic goes, agreements say what may.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, get_args

import msgspec

from protocols.anonymity import can_be_anonymous
from protocols.body import Area, Body
from protocols.label import Clearance
from protocols.message import Message, Mode, Precedence
from protocols.quantity import Value, in_utc
from protocols.unit import is_partner_id

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
OLDEST_MAX_S = 366 * 86_400.0
DELAY_MAX_S = 21_600.0  # six hours: an epoch opens for twelve more after it was last sealed in
KINDS = {str(body.__struct_config__.tag): body for body in get_args(Body)}


class Ceiling(StrEnum):
    """The highest precedence that may pass, by its name."""

    DEFERRED = "deferred"
    ROUTINE = "routine"
    PRIORITY = "priority"
    IMMEDIATE = "immediate"
    FLASH = "flash"
    OVERRIDE = "override"

    @property
    def precedence(self) -> Precedence:
        """The same, to compare with."""
        return _PRECEDENCES[self]


_PRECEDENCES = {ceiling: Precedence[ceiling.name] for ceiling in Ceiling}


class Transformation(Value, frozen=True):
    """What an agreement takes from a message before it leaves.

    ``coarsen_m`` snaps positions to a grid of that many metres, ``grid_square_m`` to the centre of their MGRS square;
    both drop altitude. ``drop_identities`` removes callsigns, patients' data, all free text and provenance, and
    replaces subjects by pseudonyms; ``strip`` empties named optional fields of the body. What the sender's format
    said that no field holds (``Message.extras``) has been looked at by nobody: it stays, unless ``keep_extras``.
    ``delay_s``: seconds that everything waits before it leaves.
    """

    coarsen_m: float | None = None
    grid_square_m: Literal[10, 100, 1_000, 10_000, 100_000] | None = None
    drop_identities: bool = False
    strip: tuple[str, ...] = ()
    keep_extras: bool = False
    delay_s: float | None = None

    def __post_init__(self) -> None:
        if self.keep_extras and self.alters:
            raise ValueError("keep_extras passes on what no other part of a transformation can change")
        if self.coarsen_m is not None and not 1 <= self.coarsen_m <= 100_000:
            raise ValueError("coarsen_m must be 1 to 100 000 metres")
        if self.coarsen_m is not None and self.grid_square_m is not None:
            raise ValueError("coarsen_m or grid_square_m, not both")
        if self.delay_s is not None and not 1 <= self.delay_s <= DELAY_MAX_S:
            raise ValueError("delay_s must be 1 second to 6 hours")

    @property
    def alters(self) -> bool:
        """Whether it takes anything from any message."""
        return bool(self.drop_identities or self.strip or self.coarsen_m or self.grid_square_m)

    def changes(self, message: Message) -> bool:
        """Whether what leaves differs from the message as it is here."""
        if self.keep_extras:
            return False
        return self.alters or bool(message.extras) or message.original is not None


class Direction(Value, frozen=True, rename={"sender": "from"}):
    """One way of an agreement."""

    sender: str
    to: str


class Agreement(Value, frozen=True):
    """An undertaking between partners. Everything not named is not agreed.

    ``highest`` is the most that may pass, caveats included. ``modes`` never mix; ``unstated`` must be named to pass.
    Valid in [valid_from, valid_until). ``onward``: partners to whom a receiver may pass on what it was sent, as it is
    and with its originator's proof. A report that says no end of its validity may be ``oldest_s`` seconds old.
    """

    id: str
    partners: tuple[str, ...]
    kinds: tuple[str, ...]
    directions: tuple[Direction, ...]
    highest: Clearance
    valid_from: datetime
    valid_until: datetime
    review: datetime | None = None
    modes: tuple[Mode, ...] = (Mode.OPERATION, Mode.UNSTATED)
    area: Area | None = None
    precedence: Ceiling = Ceiling.OVERRIDE
    transformation: Transformation = msgspec.field(default_factory=Transformation)
    onward: tuple[str, ...] = ()
    oldest_s: float = 86_400.0

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError("an agreement's id is a-z, 0-9 and -, at most 63 characters")
        if not all(is_partner_id(partner) for partner in self.partners) or not self.partners:
            raise ValueError("an agreement names its partners")
        in_utc(self.valid_from, self.valid_until, self.review)
        if self.valid_from >= self.valid_until:
            raise ValueError("valid_until must come after valid_from")
        ends = {end for direction in self.directions for end in (direction.sender, direction.to)}
        if not ends <= set(self.partners):
            raise ValueError("a direction names a partner that is not of the agreement")
        for fault in self._faults():
            raise ValueError(fault)

    def _faults(self) -> Iterator[str]:
        """What of the kinds and of the transformation cannot be kept: nothing undertaken is passed over in silence."""
        if not all(is_partner_id(partner) for partner in self.onward) or set(self.onward) & set(self.partners):
            yield "onward: names partners beside those of the agreement; these have directions"
        if not 1 <= self.oldest_s <= OLDEST_MAX_S:
            yield "oldest_s: 1 second to a year"
        if (self.transformation.delay_s or 0.0) >= self.oldest_s:
            yield "transformation.delay_s: everything would be older than oldest_s when it leaves"
        if unknown := set(self.kinds) - set(KINDS):
            yield f"no such kind: {', '.join(sorted(unknown))}"
            return
        named = sorted(kind for kind in self.kinds if not can_be_anonymous(KINDS[kind]))
        if named and self.transformation.drop_identities:
            yield f"drop_identities: nothing of these kinds can go without names: {', '.join(named)}"
        if Mode.OPERATION in self.modes and set(self.modes) & {Mode.EXERCISE, Mode.SIMULATION, Mode.TEST}:
            yield "modes: live traffic and exercises need an agreement each"
        if self.area is not None and not (self.area.polygons or self.area.circles):
            yield "area: names no polygon and no circle, so nothing lies in it"
        for name in self.transformation.strip:
            found = [
                field for kind in self.kinds for field in msgspec.structs.fields(KINDS[kind]) if field.name == name
            ]
            if not found or any(field.required for field in found):
                yield "transformation.strip: not an optional field of the kinds agreed"

    @property
    def oldest(self) -> timedelta:
        """How old a report may be that says no end of its validity."""
        return timedelta(seconds=self.oldest_s)

    def goes(self, sender: str, to: str) -> bool:
        """Whether this way between two partners is agreed."""
        return any(direction.sender == sender and direction.to == to for direction in self.directions)
