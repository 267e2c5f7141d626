"""A Cursor on Target 2.0 event to write, and as XML, valid by the MITRE base event schema.

Escaping is asked for once for all texts of an element, because hardly any needs it; numbers and times need none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from protocols.moment import write_iso
from protocols.quantity import AltitudeDatum, Position
from protocols.remembered import Remembered
from protocols.xml import escape, is_plain

UNKNOWN = "9999999.0"  # metres; hae, ce and le in XML
UNKNOWN_M = float(UNKNOWN)
_HAE = AltitudeDatum.HAE
_json = msgspec.json.Encoder().encode  # writes numbers as repr() does, at a tenth of what that takes


class CannotSayError(ValueError):
    """CoT cannot say this message; the text says what it lacks."""


class Element(msgspec.Struct, frozen=True, gc=False):
    """One detail element to write. ``inner`` is XML, already escaped; ``written`` all of it, where that is known."""

    tag: str
    attributes: Mapping[str, str] = {}
    inner: str = ""
    written: str | None = None

    def xml(self) -> str:
        """The element as XML."""
        if self.written is not None:
            return self.written
        given, inner = self.attributes, self.inner
        if not is_plain("".join(given.values())):  # asked once for all of them, because hardly any needs to be escaped
            given = {name: escape(value) for name, value in given.items()}
        begun = _begun(self.tag, given)
        return f"{begun}>{inner}</{self.tag}>" if inner else begun + "/>"


def plain_element(tag: str, attributes: Mapping[str, str]) -> Element:
    """An element of which nothing has to be escaped: numbers, times, words of ours."""
    return Element(tag, attributes, "", _begun(tag, attributes) + "/>")


def _begun(tag: str, attributes: Mapping[str, str]) -> str:
    text = "<" + tag
    for name, value in attributes.items():  # longer and longer, which for a few takes half the time of a join
        text += f' {name}="{value}"'
    return text


class Part(msgspec.Struct, frozen=True, gc=False):
    """What one kind of body puts into an event; ``uid`` where it is not the subject itself.

    ``extras`` are the elements of what was kept for the way home; None where they are still to be written.
    """

    type: str
    details: list[Element]
    position: Position | None = None
    how: str = "m-r"  # machine, relayed
    stale_s: int = 300
    uid: str | None = None
    extras: Sequence[Element] | None = None


class Draft(msgspec.Struct, frozen=True, gc=False):
    """One event to write."""

    type: str
    uid: str
    time: datetime
    start: datetime
    stale: datetime
    how: str
    position: Position | None
    details: Sequence[Element]
    opex: str | None = None
    qos: str | None = None


def decimal(value: float) -> str:
    """A number as xs:decimal, which has no exponent, losing nothing."""
    text = _json(value).decode()
    return text if "e" not in text else format(Decimal(text), "f")


def write_event(draft: Draft) -> bytes:
    """Write an event as XML, valid by the MITRE base event schema."""
    named, more = _names[draft.uid, draft.type, draft.opex, draft.qos]
    time = write_iso(draft.time)
    start = time if draft.start == draft.time else write_iso(draft.start)
    latitude, longitude, hae, ce, le = point_of(draft.position)
    details = "".join([element.written or element.xml() for element in draft.details])
    return (
        "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>\n"
        f'<event version="2.0"{named} time="{time}"'
        f' start="{start}" stale="{write_iso(draft.stale)}" how="{draft.how}"{more}>'
        f'<point lat="{latitude}" lon="{longitude}" hae="{hae}" ce="{ce}" le="{le}"/>'
        f"<detail>{details}</detail></event>"
    ).encode()


def _name(said: tuple[str, str, str | None, str | None]) -> tuple[str, str]:
    """The attributes of an event that stay the same from one report of a device to its next."""
    uid, cot_type, opex, qos = said
    more = f' opex="{escape(opex)}"' if opex else ""
    return f' uid="{escape(uid)}" type="{escape(cot_type)}"', more + (f' qos="{qos}"' if qos else "")


_names: Remembered[tuple[str, str, str | None, str | None], tuple[str, str]] = Remembered(_name)


def write_details(details: Sequence[Element]) -> str:
    """Elements as XML."""
    return "".join([element.xml() for element in details])


def decimals(values: Sequence[float]) -> list[str]:
    """Several numbers as ``decimal`` writes them, in one step."""
    texts = _json(values).decode()
    return texts[1:-1].split(",") if "e" not in texts else [decimal(value) for value in values]


def point_of(position: Position | None) -> list[str]:
    """The attributes of a point: lat, lon, hae, ce, le. No position is written 0, 0, as ATAK does."""
    if position is None:
        return ["0.0", "0.0", UNKNOWN, UNKNOWN, UNKNOWN]
    hae, ce, le = position.altitude_m, position.circular_error_m, position.linear_error_m
    return decimals(
        (
            position.latitude,
            position.longitude,
            UNKNOWN_M if hae is None or position.altitude_datum is not _HAE else hae,
            UNKNOWN_M if ce is None else ce,
            UNKNOWN_M if le is None else le,
        )
    )
