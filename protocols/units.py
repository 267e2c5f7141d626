"""Conversions between units that go there and back exactly: what one format wrote, it reads again unchanged."""

from __future__ import annotations

from math import inf, nextafter

_KMH_PER_MPS = 3.6
_DIGITS = 9  # decimals that are tried first, so that 8.5 m/s is written 30.6 km/h and not 30.599999999999998


def mps_from_kmh(kmh: float) -> float:
    """Metres a second of kilometres an hour."""
    return kmh / _KMH_PER_MPS


def kmh_from_mps(mps: float) -> float:
    """Kilometres an hour that ``mps_from_kmh`` gives back as exactly these metres a second, the shortest near one."""
    kmh = mps * _KMH_PER_MPS
    near = round(kmh, _DIGITS)
    for candidate in (near, kmh, nextafter(kmh, -inf), nextafter(kmh, inf)):
        if mps_from_kmh(candidate) == mps:
            return candidate
    return kmh
