"""Positions, movement and symbols: every unit is in the name, and unknown is None.

WGS84 degrees, metres, metres a second, degrees true. Values that cannot be are refused on construction and on
decoding alike, so NaN, infinities and sentinels (9999999, 511, 91/181) never get past an adapter.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import inf, isfinite

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """The common shape of everything that travels: frozen, keyword-only, unknown fields refused.

    Not tracked by the garbage collector: a frozen struct can only hold what was there before it, so it is in no cycle.
    """


class AltitudeDatum(StrEnum):
    """What an altitude is measured from. Never converted without a geoid: a change of datum is a loss."""

    HAE = "hae"
    MSL = "msl"
    AGL = "agl"
    UNKNOWN = "unknown"


class Affiliation(StrEnum):
    """Standard identity as the originator sees it (APP-6). Relative, so it is carried unchanged."""

    PENDING = "pending"
    UNKNOWN = "unknown"
    ASSUMED_FRIEND = "assumed-friend"
    FRIEND = "friend"
    NEUTRAL = "neutral"
    SUSPECT = "suspect"
    HOSTILE = "hostile"
    JOKER = "joker"
    FAKER = "faker"
    NONE = "none"
    OTHER = "other"


class Position(Value, frozen=True):
    """A point on or above WGS84."""

    latitude: float
    longitude: float
    altitude_m: float | None = None
    altitude_datum: AltitudeDatum = AltitudeDatum.UNKNOWN
    circular_error_m: float | None = None
    linear_error_m: float | None = None
    fix_source: str | None = None
    coarsened_to_m: float | None = None

    def __post_init__(self) -> None:
        # Bounds are written as floats here and below: comparing a float with an int costs three times as much, and
        # every Message passes here.
        if not -90.0 <= self.latitude <= 90.0 or not -180.0 <= self.longitude <= 180.0:
            raise ValueError("position outside WGS84")
        if (altitude := self.altitude_m) is not None and not -12_000.0 <= altitude <= 100_000_000.0:
            raise ValueError("altitude_m out of range")
        # Asked here and only then there: a call costs more than the check.
        if (error := self.circular_error_m) is not None and not 0.0 <= error < inf:
            at_least_zero("circular_error_m", error)
        if (error := self.linear_error_m) is not None and not 0.0 <= error < inf:
            at_least_zero("linear_error_m", error)
        if (radius := self.coarsened_to_m) is not None and not 0.0 <= radius < inf:
            at_least_zero("coarsened_to_m", radius)


class Kinematics(Value, frozen=True):
    """How something moves. Course is over ground, heading is where it points, both degrees true in [0, 360)."""

    course_deg: float | None = None
    heading_deg: float | None = None
    speed_mps: float | None = None
    climb_mps: float | None = None

    def __post_init__(self) -> None:
        if (course := self.course_deg) is not None and not 0.0 <= course < 360.0:
            bearing("course_deg", course)
        if (heading := self.heading_deg) is not None and not 0.0 <= heading < 360.0:
            bearing("heading_deg", heading)
        if (speed := self.speed_mps) is not None and not 0.0 <= speed < inf:
            at_least_zero("speed_mps", speed)
        if (climb := self.climb_mps) is not None and not isfinite(climb):
            raise ValueError("climb_mps is not finite")


STILL = Kinematics()  # of whose movement nothing is said; the same object everywhere, like ``body.NOBODY``


class Symbol(Value, frozen=True):
    """What something is: any of the three codings the originator used, as it wrote them.

    ``sidc15`` is MIL-STD-2525C (15 characters), ``sidc20`` 2525D (20 digits), ``cot_type`` a CoT type.
    """

    affiliation: Affiliation
    sidc15: str | None = None
    sidc20: str | None = None
    cot_type: str | None = None


def at_least_zero(name: str, value: float | None) -> None:
    """Refuse a negative or not finite quantity (also NaN, for which every comparison is false); None is "not said"."""
    if value is not None and not 0 <= value < inf:
        raise ValueError(f"{name} must be finite and not negative")


def bearing(name: str, value: float | None) -> None:
    """Refuse a direction outside [0, 360)."""
    if value is not None and not 0 <= value < 360:
        raise ValueError(f"{name} must be in [0, 360)")


def percent(name: str, value: float | None) -> None:
    """Refuse a share outside [0, 100]."""
    if value is not None and not 0 <= value <= 100:
        raise ValueError(f"{name} must be in [0, 100]")


def in_utc(*times: datetime | None) -> None:
    """Refuse a time without a zone or in another zone than UTC; None is "not said"."""
    for time in times:
        if time is not None and time.tzinfo is not UTC and time.utcoffset() != timedelta(0):
            raise ValueError("a time must be in UTC (written with Z)")


def whole_counts(*counts: int | None) -> None:
    """Refuse a count of people that is negative or absurd; None is "not said"."""
    if any(count is not None and not 0 <= count <= 1_000_000_000 for count in counts):
        raise ValueError("a count must not be negative")
