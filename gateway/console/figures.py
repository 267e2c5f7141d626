"""Figures as people on watch read them, always with their unit. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.console.words import Words
from protocols.quantity import Position

MPS_TO_KMH = 3.6
MPS_TO_KNOTS = 3600 / 1852  # the international nautical mile is exactly 1852 m


def place(latitude: float, longitude: float, digits: int = 5) -> str:
    """A point in decimal degrees; five places are a metre."""
    north, east = f"{abs(latitude):.{digits}f}°", f"{abs(longitude):.{digits}f}°"
    return f"{north} {'S' if latitude < 0 else 'N'}  {east} {'W' if longitude < 0 else 'E'}"


def place_to(position: Position) -> str:
    """A position with no more digits than it was coarsened to."""
    step_m = position.coarsened_to_m
    if step_m is None or step_m < 10:
        return place(position.latitude, position.longitude)
    return place(position.latitude, position.longitude, digits=4 if step_m < 100 else 3 if step_m < 1000 else 2)


def altitude(position: Position, words: Words) -> str | None:
    """Height in metres above its datum."""
    if position.altitude_m is None:
        return None
    datum = position.altitude_datum
    text = words("value", datum)
    return f"{number(position.altitude_m)} m ({text if datum == 'unknown' else words('value', 'above') + ' ' + text})"


def bearing(degrees: float | None, words: Words) -> str | None:
    """A direction, always three digits, degrees true."""
    return None if degrees is None else f"{round(degrees) % 360:03d}° {words('value', 'true-north')}"


def speed(metres_a_second: float | None) -> str | None:
    """A speed in the three units that forces use."""
    if metres_a_second is None:
        return None
    kmh, knots = metres_a_second * MPS_TO_KMH, metres_a_second * MPS_TO_KNOTS
    return f"{metres_a_second:.1f} m/s  ·  {kmh:.0f} km/h  ·  {knots:.0f} kn"


def length(metres: float) -> str:
    """A distance in metres, or kilometres from ten on."""
    return f"{metres / 1000:.0f} km" if metres >= 10_000 else f"{number(metres)} m"


def number(value: float) -> str:
    """A number without a tail of zeros."""
    return f"{value:.1f}".rstrip("0").rstrip(".")


def moment(time: datetime) -> str:
    """A time in UTC, to the millisecond where it says any."""
    utc = time.astimezone(UTC)
    fraction = f".{utc.microsecond // 1000:03d}" if utc.microsecond else ""
    return f"{utc:%Y-%m-%d %H:%M:%S}{fraction}Z"
