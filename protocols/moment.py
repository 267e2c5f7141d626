"""Times as formats write them, to aware UTC datetimes and back; a time that cannot be is refused, never repaired.

``read_iso`` and ``write_iso`` for xs:dateTime (CoT, CAP), ``read_digits`` and ``write_digits`` for the fourteen digits
of NFFI, ``read_epoch`` for milliseconds since 1970 (SEDAP-Express, TAK Protocol). Pure: no clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHORTEST = len("2026-03-15T14:22:10")
_json = msgspec.json.Encoder().encode  # ``"2026-05-04T09:10:11.120000Z"``, at a tenth of what isoformat() takes
_LONGEST = 64  # characters; XML Schema sets no end to the digits of a fraction, honest senders use at most nine


def read_iso(text: str, *, zone: timezone | None = UTC) -> datetime:
    """Read an xs:dateTime. ``zone`` is what a time without one is in; with None it is refused. Raise ValueError.

    Stricter than ISO 8601 (no week dates, no basic form, no comma); digits beyond the microsecond are cut.
    """
    if not _SHORTEST <= len(text) <= _LONGEST or text[4:17:3] != "--T::" or "," in text:
        raise ValueError("not an xs:dateTime")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        if zone is None:
            raise ValueError("a time without its zone")
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("time outside the calendar") from None


def write_iso(moment: datetime, *, zone: str = "Z") -> str:
    """Write an aware UTC time as xs:dateTime with milliseconds, or microseconds where there are any."""
    text, fraction = _json(moment).decode(), moment.microsecond
    if fraction == 0:
        return f"{text[1:20]}.000{zone}"
    return f"{text[1:27] if fraction % 1000 else text[1:24]}{zone}"


def write_iso_seconds(moment: datetime, *, zone: str = "Z") -> str:
    """Write an aware UTC time as xs:dateTime in whole seconds; a fraction is cut, see ``is_whole``."""
    return _json(moment)[1:20].decode() + zone


def read_digits(text: str) -> datetime:
    """Read ``YYYYMMDDhhmmss`` in UTC. Raise ValueError."""
    if len(text) != 14 or not (text.isascii() and text.isdigit()):
        raise ValueError("not fourteen digits")
    return datetime.fromisoformat(f"{text[:8]}T{text[8:]}+00:00")


def write_digits(moment: datetime) -> str:
    """Write an aware UTC time as ``YYYYMMDDhhmmss``; a fraction is cut, see ``is_whole``."""
    return _json(moment)[1:20].translate(None, b"-:T").decode()


def read_epoch(milliseconds: int) -> datetime:
    """Read milliseconds since 1970 in UTC. Raise ValueError when no calendar has that time."""
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise ValueError("time outside the calendar") from None


def is_whole(moment: datetime) -> bool:
    """Whether a time has no fraction of a second, so that writing whole seconds loses nothing."""
    return moment.microsecond == 0
