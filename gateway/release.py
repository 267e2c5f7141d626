"""What may be told to whom. Pure decisions; fails closed.

``check`` applies the rules in a fixed order and gives the first that keeps the message back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from gateway.routing import Way
from protocols.agreement import Agreement
from protocols.body import Area, Body
from protocols.geometry import rim, within
from protocols.label import Label, Policy, permits
from protocols.message import Authenticity, Message
from protocols.quantity import Position
from protocols.record import Withheld
from protocols.unit import partner_of


class Verdict(NamedTuple):
    """Released when ``reason`` is None; otherwise the one rule that keeps it back."""

    reason: Withheld | None

    @property
    def released(self) -> bool:
        """Whether the message may go."""
        return self.reason is None


def check(message: Message, way: Way, policies: Mapping[str, Policy], now: datetime) -> Verdict:
    """Whether a message may go this way. ``message.origin`` is the unit that the gateway vouches for."""
    return Verdict(
        _agreed(message, way, now) or _label(message.label, way, policies) or _content(message, way.agreement, now)
    )


def _agreed(message: Message, way: Way, now: datetime) -> Withheld | None:
    agreement = way.agreement
    if message.authenticity is Authenticity.VERIFIED and way.local is None:
        return Withheld.REEXPORT_DENIED  # what a partner sealed is for the units that it was sealed for
    if now < agreement.valid_from:
        return Withheld.AGREEMENT_NOT_YET
    if now >= agreement.valid_until:
        return Withheld.AGREEMENT_EXPIRED
    if not agreement.goes(partner_of(message.origin or ""), way.destination.partner):
        return Withheld.DIRECTION_NOT_AGREED
    if message.kind not in agreement.kinds:
        return Withheld.TASK_DENIED if message.kind == "task" else Withheld.KIND_NOT_AGREED
    return None if message.mode in agreement.modes else Withheld.MODE_MISMATCH


def _label(label: Label | None, way: Way, policies: Mapping[str, Policy]) -> Withheld | None:
    if label is None:
        return Withheld.UNLABELLED
    policy = policies.get(label.policy)
    if policy is None:
        return Withheld.UNKNOWN_LABEL
    holder = way.destination.partner
    refusal = permits(policy, label, way.agreement.highest, holder)
    refusal = refusal or permits(policy, label, way.destination.clearance, holder)
    return Withheld(refusal) if refusal else None


def _content(message: Message, agreement: Agreement, now: datetime) -> Withheld | None:
    if message.times.valid_until is not None and message.times.valid_until < now:
        return Withheld.EXPIRED
    if message.precedence is not None and message.precedence > agreement.precedence:
        return Withheld.PRECEDENCE_TOO_HIGH
    if agreement.area is not None and not _inside(message.body, agreement.area):
        return Withheld.OUTSIDE_AREA
    return None


def _inside(body: Body, area: Area) -> bool:
    """A body that names no place has none to be outside of; every place that it names must lie in the area."""
    return all(within(place, area) for place in _places(body))


def _places(body: Body) -> Iterator[Position]:
    if (position := getattr(body, "position", None)) is not None:
        yield position
    radius_m = max(getattr(body, "major_m", None) or 0.0, getattr(body, "minor_m", None) or 0.0)
    for point in getattr(body, "points", ()):
        yield from rim(point.latitude, point.longitude, radius_m)
    if (reach := getattr(body, "area", None)) is not None:
        for ring in reach.polygons:
            yield from (Position(latitude=north, longitude=east) for north, east in ring)
        for circle in reach.circles:
            yield from rim(*circle)
