"""The path of the chaos runs finds the records of TLS, however the stream is cut up."""

from __future__ import annotations

import pytest

from tests.gateway.links.proxy import Records


def record(size: int) -> bytes:
    return b"\x17\x03\x03" + size.to_bytes(2, "big") + bytes(size)


@pytest.mark.parametrize(("part", "at"), [(0.0, 6), (0.5, 10), (0.9, 14), (1.0, 14)])
def test_a_record_is_torn_within_its_body(part: float, at: int) -> None:
    assert Records().within(record(10), part) == at


def test_a_record_that_began_earlier_is_torn_where_it_goes_on() -> None:
    records = Records()
    assert records.within(record(10)[:5], 0.5) is None
    assert records.within(record(10)[5:], 0.5) == 5
    assert records.within(record(8), 0.5) == 9


def test_a_header_may_come_byte_by_byte() -> None:
    records = Records()
    whole = record(4)
    assert [records.within(whole[at : at + 1], 0.5) for at in range(9)] == [None] * 5 + [1, 1, 1, None]
    assert records.within(record(6), 0.5) == 8
