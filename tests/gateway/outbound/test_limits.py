"""How much may wait is what the table says for all destinations, and for those that it names."""

from __future__ import annotations

from gateway.outbound.limits import limits_of
from gateway.spool import Limits
from tests.gateway.tables import a_config

TERMS = """
[waiting]
parcels_max = 1001
age_max_s = 3600.0

[waiting.destinations.bravo]
bytes_max = 5_000_000
warn_at = 0.5

[gateway]
"""


def test_what_is_not_said_is_as_the_spool_has_it() -> None:
    assert limits_of(a_config(), 1) == (Limits(), {})


def test_terms_of_a_destination_stand_on_those_of_all() -> None:
    limits = limits_of(a_config(("\n[gateway]\n", TERMS)), 1)

    assert limits.others == Limits(rows_max=1001, age_max_s=3600.0)
    assert limits.destinations == {
        "bravo": Limits(rows_max=1001, bytes_max=5_000_000, age_max_s=3600.0, warn_at=0.5),
    }


def test_each_worker_has_its_part_of_sizes_and_all_of_the_time() -> None:
    limits = limits_of(a_config(("\n[gateway]\n", TERMS)), 2)

    assert (limits.others.rows_max, limits.others.age_max_s) == (501, 3600.0)
    assert limits.destinations["bravo"].bytes_max == 2_500_000
