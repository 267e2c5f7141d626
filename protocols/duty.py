"""Duty hours: when a liaison unit is on, by the clock on its wall; and who stands in for whom. Pure.

Hours are local wall-clock times. Where the clock is put back, a time that comes twice begins a shift the first time
and ends one the second time, so that nobody goes home in between; a time that the clock skips is the moment at which
it is put forward.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from typing import Protocol
from zoneinfo import ZoneInfo, available_timezones

from protocols.quantity import Value

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class Day(StrEnum):
    """A day of the week."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


_DAYS = tuple(Day)  # in the order of ``date.weekday``


class Shift(Value, frozen=True, rename={"begins": "from"}):
    """Hours of duty, [from, until), ``HH:MM``, on the days on which they begin.

    ``until`` at or before ``from`` is on the next day, so 00:00 to 00:00 is the whole day.
    """

    days: tuple[Day, ...]
    begins: str
    until: str

    def __post_init__(self) -> None:
        if not self.days:
            raise ValueError("a shift names its days: mon, tue, wed, thu, fri, sat, sun")
        if not (_CLOCK.fullmatch(self.begins) and _CLOCK.fullmatch(self.until)):
            raise ValueError("hours of duty are from 00:00 to 23:59, as HH:MM")


class Unit(Protocol):
    """What is asked here of a liaison unit."""

    @property
    def id(self) -> str:
        """Its id, ``partner/unit``."""

    @property
    def duty(self) -> tuple[Shift, ...]:
        """Its shifts; none means always."""

    @property
    def time_zone(self) -> str | None:
        """By whose clock, an IANA name."""

    @property
    def alternates(self) -> tuple[str, ...]:
        """Who stands in for it, in order."""


def on_duty(unit: Unit, now: datetime) -> bool:
    """Whether somebody is on duty at an aware time. Raise KeyError for a time zone that does not exist."""
    if not unit.duty:
        return True
    here = now.astimezone(ZoneInfo(unit.time_zone or "UTC"))
    days = (here.date() - timedelta(days=1), here.date())
    return any(_runs(shift, day, here) for shift in unit.duty for day in days if _DAYS[day.weekday()] in shift.days)


def _runs(shift: Shift, day: date, here: datetime) -> bool:
    """Whether a shift that begins on a day runs at a local time. ``here.fold`` is 1 the second time that it comes."""
    begins = datetime.combine(day, time.fromisoformat(shift.begins), here.tzinfo)
    until = datetime.combine(day, time.fromisoformat(shift.until), here.tzinfo)
    if until <= begins:
        until += timedelta(days=1)
    has_begun = begins <= here or (here.fold == 1 and _comes_twice(begins))
    comes_again = here.fold == 0 and _comes_twice(here) and _comes_twice(until)
    return has_begun and (here < until or comes_again)


def _comes_twice(wall: datetime) -> bool:
    first, second = wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)
    return first < second


def stand_ins(unit: str, units: Mapping[str, Unit]) -> Sequence[str]:
    """Who stands in for a unit, in order: its own alternates, then theirs; nobody twice, and not itself."""
    found: list[str] = [unit]
    for each in found:  # grows while it is walked, at most to all units
        known = units.get(each)
        found += [name for name in dict.fromkeys(known.alternates if known else ()) if name not in found]
    return found[1:]


def faults(at: str, unit: Unit, units: Mapping[str, Unit]) -> Iterator[str]:
    """What is wrong with the hours and the alternates of a unit: path, what, what to do."""
    if unit.duty and unit.time_zone is None:
        yield f'{at}.time_zone: duty hours need a clock; say which, for example "Europe/Zurich" or "UTC"'
    if unit.time_zone is not None and unit.time_zone not in _zones():
        near = get_close_matches(unit.time_zone, sorted(_zones()), 1)
        yield f"{at}.time_zone: no such time zone; " + (f'did you mean "{near[0]}"?' if near else "have Europe/Zurich")
    partner = unit.id.partition("/")[0]
    for place, name in enumerate(unit.alternates):
        here = f"{at}.alternates[{place}]"
        if name not in units:
            near = get_close_matches(name, [each for each in units if each.startswith(f"{partner}/")], 1)
            yield f"{here}: not one of $.units or $.peers" + (f'; did you mean "{near[0]}"?' if near else "")
        elif name.partition("/")[0] != partner:
            yield f"{here}: a unit of another partner; only its own partner's units stand in for a unit"
        elif name == unit.id:
            yield f"{here}: a unit does not stand in for itself; remove it"
        elif name in unit.alternates[:place]:
            yield f"{here}: is named twice; remove one"
        elif unit.id in stand_ins(name, units):
            yield f"{here}: it stands in for this unit, and this unit for it; break the circle"


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
