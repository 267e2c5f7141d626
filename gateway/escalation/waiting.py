"""What waits for an acknowledgement: who was asked, until when, and who is next. Pure; the clock is an argument.

A step is one unit that has been given a message and must acknowledge it. Each step ends in exactly one way: it is
acknowledged, somebody who stands in is given the message (the next step), or nobody is left and the origin is told.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from protocols.agreement import Transformation
from protocols.body import Receipt, ReceiptState
from protocols.custody import OURS
from protocols.duty import on_duty, stand_ins
from protocols.message import Authenticity, Message, Source, Times, message_id
from protocols.quantity import Value
from protocols.record import Attention
from protocols.unit import LiaisonUnit

WAITING_MAX = 1000  # messages that wait at a time; past that the oldest goes to everybody who stands in, at once
_MOMENT = re.compile(r"-[0-9A-F]{12,}$")  # which SEDAP-Express leaves out when it acknowledges by type and number


class Waiting(Value, frozen=True):
    """A message that must be acknowledged, in the form in which its agreement let it out.

    ``asked`` are the units that were given it, the route's destination first; the last one must acknowledge by
    ``due``. ``names`` is what they may call it in a receipt.
    """

    message: Message
    agreement: str
    transformation: Transformation
    asked: tuple[str, ...]
    names: tuple[str, ...]
    within_s: float
    since: datetime
    due: datetime

    @property
    def key(self) -> str:
        """The same for one message and one destination of its route."""
        return hashlib.sha256(f"{self.message.id}\0{self.asked[0]}".encode()).hexdigest()[:24]

    @property
    def unit(self) -> str:
        """Who must acknowledge now."""
        return self.asked[-1]

    def passed_to(self, unit: str, names: Iterable[str], now: datetime) -> Waiting:
        """The next step: a unit that stands in has been given the message, and has as long."""
        known = tuple(dict.fromkeys((*self.names, *names)))
        due = now + timedelta(seconds=self.within_s)
        return replace(self, asked=(*self.asked, unit), names=known, due=due)


class Turn(NamedTuple):
    """Who is given the message when a step ends without acknowledgement: one of ``units``, or ``everybody``."""

    units: tuple[str, ...]
    everybody: bool


class Due(NamedTuple):
    """A step that has ended without acknowledgement, and why."""

    case: Waiting
    reason: Attention


def turn(case: Waiting, reason: Attention, units: Mapping[str, LiaisonUnit], now: datetime) -> Turn:
    """Who is next: those on duty, in order; everybody when nobody at all is on duty, or there is no time to wait."""
    left = tuple(name for name in stand_ins(case.asked[0], units) if name in units and name not in case.asked)
    on = tuple(name for name in left if on_duty(units[name], now))
    if on:
        return Turn(on, everybody=reason is Attention.TOO_MANY_WAITING)
    if any(name in units and on_duty(units[name], now) for name in case.asked):
        return Turn((), everybody=False)
    return Turn(left, everybody=True)


def names_of(subjects: Iterable[str], alias: Callable[[str], str]) -> tuple[str, ...]:
    """What a unit may call a message whose subject it knows as one of these, in whatever form it may be released."""
    plain = [name for subject in subjects for name in (subject, _MOMENT.sub("", subject))]
    return tuple(dict.fromkeys((*plain, *map(alias, plain))))


def receipt(case: Waiting, state: ReceiptState, reason: str, now: datetime) -> Message:
    """What the origin is told, on behalf of the unit that its message was for. Labelled as that message is."""
    told = case.message
    subject = f"{OURS}:{message_id('receipt', told.id, None, case.asked[0], state)}"
    return Message(
        id=message_id("receipt", subject, None),
        subject=subject,
        body=Receipt(of=told.subject, state=state, reason=reason),
        source=Source(format=OURS),
        times=Times(observed=now, created=now, received=now),
        origin=case.asked[0],
        authenticity=Authenticity.ASSERTED,
        label=told.label,
        precedence=told.precedence,
        mode=told.mode,
        exercise=told.exercise,
    )


class Book:
    """Everything that waits, oldest first. Bounded."""

    def __init__(self, limit: int = WAITING_MAX) -> None:
        self._limit = limit
        self._cases: dict[str, Waiting] = {}
        self._named: dict[tuple[str, str], list[str]] = {}
        self._hurried: dict[str, Attention] = {}

    def __len__(self) -> int:
        return len(self._cases)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(tuple(self._cases.values()))

    def find(self, key: str) -> Waiting | None:
        """One that waits, or None."""
        return self._cases.get(key)

    def open(self, case: Waiting) -> Waiting | None:
        """One more waits. The oldest is hurried when there are too many; it is given up, and returned, at twice that.

        Twice as many are there only while the links take nothing.
        """
        self._put(case)
        given_up = next(iter(self._cases.values())) if len(self._cases) > 2 * self._limit else None
        if given_up is not None:
            self.close(given_up.key)
        too_many = len(self._cases) - self._limit
        for key in [key for key, _ in zip(self._cases, range(too_many), strict=False)]:
            self._hurried.setdefault(key, Attention.TOO_MANY_WAITING)
        return given_up

    def replace(self, case: Waiting) -> None:
        """The next step of one that waits, in its place."""
        self._forget_names(self._cases[case.key])
        self._hurried.pop(case.key, None)
        self._put(case)

    def close(self, key: str) -> Waiting | None:
        """One that waits no longer; None when it did not."""
        case = self._cases.pop(key, None)
        self._hurried.pop(key, None)
        if case is not None:
            self._forget_names(case)
        return case

    def called(self, unit: str, name: str) -> Waiting | None:
        """The newest that a unit was given and calls so, or None."""
        found = [self._cases[key] for key in reversed(self._named.get((unit, name), ()))]
        return max(found, key=lambda case: case.since, default=None)

    def before(self, case: Waiting, unit: str) -> Sequence[Waiting]:
        """What a unit was given earlier of the same subject: who acknowledges the newest state of it has these too."""
        told = case.message
        found = {key: self._cases[key] for name in case.names for key in self._named.get((unit, name), ())}
        return [
            each
            for each in found.values()
            if each is not case
            and each.since <= case.since
            and (each.message.origin, each.message.subject) == (told.origin, told.subject)
        ]

    def hurry(self, key: str, reason: Attention) -> None:
        """This step ends now."""
        self._hurried[key] = reason

    def due(self, now: datetime, units: Mapping[str, LiaisonUnit]) -> Sequence[Due]:
        """Every step that has ended without acknowledgement, oldest first."""
        on = {name: on_duty(units[name], now) for name in {case.unit for case in self._cases.values()} & units.keys()}
        found = []
        for key, case in self._cases.items():
            reason = self._hurried.get(key)
            if reason is None and not on.get(case.unit, False):
                reason = Attention.OFF_DUTY
            if reason is None and now >= case.due:
                reason = Attention.NOT_IN_TIME
            if reason is not None:
                found.append(Due(case, reason))
        return found

    def _put(self, case: Waiting) -> None:
        self._cases[case.key] = case
        for unit in case.asked:
            for name in case.names:
                self._named.setdefault((unit, name), []).append(case.key)

    def _forget_names(self, case: Waiting) -> None:
        for unit in case.asked:
            for name in case.names:
                keys = self._named[unit, name]
                keys.remove(case.key)
                if not keys:
                    del self._named[unit, name]
