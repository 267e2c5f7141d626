"""Units there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.units import kmh_from_mps, mps_from_kmh


@pytest.mark.parametrize(("mps", "kmh"), [(0.0, 0.0), (1.0, 3.6), (8.5, 30.6), (10.0, 36.0), (223.58, 804.888)])
def test_known_speeds(mps: float, kmh: float) -> None:
    assert kmh_from_mps(mps) == kmh
    assert mps_from_kmh(kmh) == mps


@given(st.decimals(min_value=0, max_value=100_000, places=6).map(float))
def test_speeds_as_devices_write_them_come_back_exactly(speed: float) -> None:
    assert mps_from_kmh(kmh_from_mps(speed)) == speed
    assert kmh_from_mps(mps_from_kmh(speed)) == speed


@given(st.floats(min_value=0, max_value=1e5))
def test_any_speed_comes_back_as_near_as_binary_fractions_are(mps: float) -> None:
    assert mps_from_kmh(kmh_from_mps(mps)) == pytest.approx(mps, rel=1e-14, abs=1e-300)
