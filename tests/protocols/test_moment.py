"""Times as formats write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from protocols.moment import (
    is_whole,
    read_digits,
    read_epoch,
    read_iso,
    write_digits,
    write_iso,
    write_iso_seconds,
)

NOON = datetime(2026, 3, 15, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-15T12:00:00Z", NOON),
        ("2026-03-15T12:00:00.5Z", NOON.replace(microsecond=500_000)),
        ("2026-03-15T12:00:00.123456Z", NOON.replace(microsecond=123_456)),
        ("2026-03-15T12:00:00.123456789Z", NOON.replace(microsecond=123_456)),
        ("2026-03-15T14:00:00+02:00", NOON),
        ("2026-03-15T05:00:00-07:00", NOON),
        ("2026-03-15T12:00:00-00:00", NOON),
        ("2026-03-15T12:00:00", NOON),
    ],
)
def test_reads_xs_datetime(text: str, expected: datetime) -> None:
    moment = read_iso(text)

    assert moment == expected
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-03-15",
        "2026-03-15 12:00:00Z",
        "20260315T120000Z",
        "2026-W11-7T12:00:00Z",
        "2026-03-15T12:00:00,5Z",
        "2026-02-30T12:00:00Z",
        "2026-03-15T25:00:00Z",
        "2026-03-15T12:61:00Z",
        "0001-01-01T00:00:00+14:00",
        "2026-03-15T12:00:00Z" + " " * 90,
        "2026-03-15T12:00:00Zulu",
    ],
)
def test_refuses_what_is_not_a_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_iso(text)


def test_takes_the_zone_from_the_caller_or_refuses() -> None:
    assert read_iso("2026-03-15T14:00:00", zone=timezone(timedelta(hours=2))) == NOON
    with pytest.raises(ValueError, match="zone"):
        read_iso("2026-03-15T14:00:00", zone=None)


def test_writes_milliseconds_and_microseconds_only_where_needed() -> None:
    assert write_iso(NOON) == "2026-03-15T12:00:00.000Z"
    assert write_iso(NOON.replace(microsecond=7000)) == "2026-03-15T12:00:00.007Z"
    assert write_iso(NOON.replace(microsecond=7001)) == "2026-03-15T12:00:00.007001Z"
    assert write_iso_seconds(NOON.replace(microsecond=7), zone="-00:00") == "2026-03-15T12:00:00-00:00"


def test_fourteen_digits_both_ways() -> None:
    assert read_digits("20050305091023") == datetime(2005, 3, 5, 9, 10, 23, tzinfo=UTC)
    assert write_digits(datetime(2005, 3, 5, 9, 10, 23, 999_999, tzinfo=UTC)) == "20050305091023"


@pytest.mark.parametrize("text", ["2005030509102", "200503050910234", "20051305091023", "2005030509102x", "٢" * 14])
def test_refuses_wrong_digits(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_digits(text)


def test_reads_milliseconds() -> None:
    assert read_epoch(1_581_185_444_000) == datetime(2020, 2, 8, 18, 10, 44, tzinfo=UTC)
    with pytest.raises(ValueError, match="calendar"):
        read_epoch(2**63)


def test_tells_whole_seconds_from_fractions() -> None:
    assert is_whole(NOON)
    assert not is_whole(NOON + timedelta(milliseconds=1))
