"""Conversions between units that go there and back: what one format wrote, it reads again unchanged."""

from __future__ import annotations

from math import ulp

_KMH_PER_MPS = 3.6
_DECIMALS = 9  # of a number that people or devices write


def mps_from_kmh(kmh: float) -> float:
    """Metres a second of kilometres an hour."""
    return _meant(kmh / _KMH_PER_MPS)


def kmh_from_mps(mps: float) -> float:
    """Kilometres an hour of metres a second."""
    return _meant(mps * _KMH_PER_MPS)


def _meant(value: float) -> float:
    """The short decimal that a product missed by the rounding of binary fractions: 30.6, not 30.599999999999998."""
    near = round(value, _DECIMALS)
    return near if abs(near - value) <= 4 * ulp(value) else value
