"""What was seen before, and who may speak about a subject: duplicates, loops, replays, authority. Bounded memory.

Canonical ids decide, not bytes, so a report that comes back in another format is still the same report. A format with
whole seconds cannot repeat the original's milliseconds, so such a copy is compared at whole seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple, TypeVar

from protocols.body import Alert, Contact, Delete, Track
from protocols.message import Authenticity, Message, message_id
from protocols.record import Refused, Withheld

REMEMBERED = 200_000  # ids and subjects kept; the least recently used are forgotten first
_T = TypeVar("_T")


class _Subject(NamedTuple):
    owner: str
    newest: datetime | None
    foreign: bool  # a partner's: verified by its signature, not by a link of ours


class Repeats:
    """The gateway's memory of ids and subjects."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._limit = remembered
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._subjects: OrderedDict[str, _Subject] = OrderedDict()

    def objection(self, message: Message) -> Refused | Withheld | None:
        """Why this message must not pass, or None; a message that passes is remembered at once."""
        coarse, whole = _whole_second_id(message), message.times.whole_seconds
        if message.id in self._ids or (whole and coarse in self._ids):
            return Refused.DUPLICATE
        origin, moment = message.origin or "", message.times.observed
        owned = self._subjects.get(_owned(message))
        if (owned is None or owned.owner != origin) and not _may_claim(message, owned):
            return Withheld.NOT_ORIGINATOR
        if owned is not None and _is_position(message) and moment and owned.newest and moment < owned.newest:
            return Refused.SUPERSEDED
        self._keep(self._ids, message.id, None)
        if not whole:
            self._keep(self._ids, coarse, None)
        times = [time for time in (moment, owned and owned.newest) if time]
        self._keep(self._subjects, _owned(message), _Subject(origin, max(times, default=None), _is_foreign(message)))
        return None

    def _keep(self, memory: OrderedDict[str, _T], key: str, value: _T) -> None:
        memory[key] = value
        memory.move_to_end(key)
        if len(memory) > self._limit:
            memory.popitem(last=False)


def _may_claim(message: Message, owned: _Subject | None) -> bool:
    """Whether a unit may speak about a subject that is not its own yet; nobody deletes what it never spoke of.

    A unit of ours, vouched for by its link, takes a subject back from a partner that named it first: else a partner
    could silence our own units here by squatting on their names. A partner never takes one over.
    """
    if isinstance(message.body, Delete):
        return False
    return owned is None or (owned.foreign and not _is_foreign(message))


def _is_foreign(message: Message) -> bool:
    return message.authenticity is Authenticity.VERIFIED


def _is_position(message: Message) -> bool:
    return isinstance(message.body, Track | Contact)


def _owned(message: Message) -> str:
    """The subject that the message speaks about: a delete speaks about its target."""
    return message.body.target if isinstance(message.body, Delete) else message.subject


def _whole_second_id(message: Message) -> str:
    family = "position" if _is_position(message) else message.kind
    cancelled = "cancelled" if isinstance(message.body, Alert) and message.body.cancelled else ""
    if message.times.observed is None:
        return message.id
    return message_id(family, message.subject, message.times.observed.replace(microsecond=0), "whole", cancelled)
