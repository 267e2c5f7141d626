"""What may be told to whom: the rules, by name and in their order. Pure decisions; fails closed.

``STANDING`` rules look at facts that many messages share, so that decisions can be compiled once; ``CONTENT`` rules
look at one message. The first rule that keeps a message back is the one that is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple, TypeAlias

from gateway.routing import Way
from protocols.agreement import Agreement
from protocols.body import Area, Body
from protocols.equivalence import label_under
from protocols.geometry import rim, within
from protocols.label import Clearance, Label, Policy, permits
from protocols.message import Authenticity, Message, Mode, Precedence
from protocols.quantity import Position
from protocols.record import Withheld
from protocols.unit import partner_of

Policies: TypeAlias = Mapping[str, Policy]


class Facts(NamedTuple):
    """What the standing rules know of a message; a Record says all of it but ``alternatives``.

    ``verified``: a partner sealed it; only then are the alternatives to its label believed.
    """

    origin: str
    kind: str
    mode: Mode
    verified: bool
    label: Label | None
    precedence: Precedence | None
    alternatives: tuple[Label, ...] = ()


class Standing(NamedTuple):
    """A rule about facts: its name, what it asks, and why it keeps a message back (None: it does not)."""

    name: str
    asks: str
    keeps: Callable[[Facts, Way, Policies, datetime], Withheld | None]


class Content(NamedTuple):
    """A rule about one message: its name, what it asks, and why it keeps the message back (None: it does not)."""

    name: str
    asks: str
    keeps: Callable[[Message, Agreement, datetime], Withheld | None]


class Verdict(NamedTuple):
    """Released when ``reason`` is None; otherwise the one rule that keeps it back."""

    reason: Withheld | None

    @property
    def released(self) -> bool:
        """Whether the message may go."""
        return self.reason is None


def facts(message: Message) -> Facts:
    """The facts of a message. ``message.origin`` is the unit that the gateway vouches for."""
    verified = message.authenticity is Authenticity.VERIFIED
    beside = message.alternatives if verified else ()
    return Facts(message.origin or "", message.kind, message.mode, verified, message.label, message.precedence, beside)


def check(message: Message, way: Way, policies: Policies, now: datetime) -> Verdict:
    """Whether a message may go this way, by every rule."""
    return Verdict(standing(facts(message), way, policies, now) or content(message, way.agreement, now))


def standing(known: Facts, way: Way, policies: Policies, now: datetime) -> Withheld | None:
    """What the standing rules say: the first reason, or None."""
    for rule in STANDING:
        if (reason := rule.keeps(known, way, policies, now)) is not None:
            return reason
    return None


def content(message: Message, agreement: Agreement, now: datetime) -> Withheld | None:
    """What the rules about one message say: the first reason, or None."""
    for rule in CONTENT:
        if (reason := rule.keeps(message, agreement, now)) is not None:
            return reason
    return None


def _reexport(known: Facts, way: Way, _policies: Policies, _now: datetime) -> Withheld | None:
    """What a partner sealed is for the units that it was sealed for."""
    return Withheld.REEXPORT_DENIED if known.verified and way.local is None else None


def _signed(_known: Facts, way: Way, _policies: Policies, _now: datetime) -> Withheld | None:
    return None if way.signed else Withheld.AGREEMENT_UNSIGNED


def _begun(_known: Facts, way: Way, _policies: Policies, now: datetime) -> Withheld | None:
    return Withheld.AGREEMENT_NOT_YET if now < way.agreement.valid_from else None


def _lasts(_known: Facts, way: Way, _policies: Policies, now: datetime) -> Withheld | None:
    return Withheld.AGREEMENT_EXPIRED if now >= way.agreement.valid_until else None


def _direction(known: Facts, way: Way, _policies: Policies, _now: datetime) -> Withheld | None:
    agreed = way.agreement.goes(partner_of(known.origin), way.destination.partner)
    return None if agreed else Withheld.DIRECTION_NOT_AGREED


def _kind(known: Facts, way: Way, _policies: Policies, _now: datetime) -> Withheld | None:
    if known.kind in way.agreement.kinds:
        return None
    return Withheld.TASK_DENIED if known.kind == "task" else Withheld.KIND_NOT_AGREED


def _mode(known: Facts, way: Way, _policies: Policies, _now: datetime) -> Withheld | None:
    return None if known.mode in way.agreement.modes else Withheld.MODE_MISMATCH


def _precedence(known: Facts, way: Way, _policies: Policies, _now: datetime) -> Withheld | None:
    """A message that does not say its precedence is routine."""
    precedence = Precedence.ROUTINE if known.precedence is None else known.precedence
    return Withheld.PRECEDENCE_TOO_HIGH if precedence > way.agreement.precedence.precedence else None


def _labelled(known: Facts, _way: Way, policies: Policies, _now: datetime) -> Withheld | None:
    if known.label is None:
        return Withheld.UNLABELLED
    known_policies = {known.label.policy, *(label.policy for label in known.alternatives)} & policies.keys()
    return None if known_policies else Withheld.UNKNOWN_LABEL


def _ceiling(known: Facts, way: Way, policies: Policies, _now: datetime) -> Withheld | None:
    return _permitted(known, way.agreement.highest, way, policies)


def _clearance(known: Facts, way: Way, policies: Policies, _now: datetime) -> Withheld | None:
    return _permitted(known, way.destination.clearance, way, policies)


def _permitted(known: Facts, clearance: Clearance, way: Way, policies: Policies) -> Withheld | None:
    """By the originator's label, or where the clearance is of another policy, by what that label is there."""
    if known.label is None or clearance.policy not in policies:
        return Withheld.UNKNOWN_LABEL
    label = label_under(clearance.policy, known.label, known.alternatives, policies)
    if label is None:
        return Withheld.UNKNOWN_LABEL
    refusal = permits(policies[clearance.policy], label, clearance, way.destination.partner)
    return None if refusal is None else Withheld(refusal)


def _current(message: Message, _agreement: Agreement, now: datetime) -> Withheld | None:
    until = message.times.valid_until
    return Withheld.EXPIRED if until is not None and until < now else None


def _area(message: Message, agreement: Agreement, _now: datetime) -> Withheld | None:
    """A body that names no place has none to be outside of; every place that it names must lie in the area."""
    if agreement.area is None or all(within(place, agreement.area) for place in places(message.body)):
        return None
    return Withheld.OUTSIDE_AREA


def places(body: Body) -> Iterator[Position]:
    """Every place that a report names; of a circle its centre and its outermost points."""
    if (position := getattr(body, "position", None)) is not None:
        yield position
    radius_m = max(getattr(body, "major_m", None) or 0.0, getattr(body, "minor_m", None) or 0.0)
    for point in getattr(body, "points", ()):
        yield from rim(point.latitude, point.longitude, radius_m)
    reach: Area | None = getattr(body, "area", None)
    if reach is not None:
        for ring in reach.polygons:
            yield from (Position(latitude=north, longitude=east) for north, east in ring)
        for circle in reach.circles:
            yield from rim(*circle)


STANDING = (
    Standing("re-export", "is it our own report, or does it stay with us?", _reexport),
    Standing("countersigned", "did every partner that the agreement names sign it as it stands?", _signed),
    Standing("begun", "is the agreement in force already?", _begun),
    Standing("in force", "is the agreement still in force?", _lasts),
    Standing("direction", "is this way between the two partners agreed?", _direction),
    Standing("kind", "is this kind of message agreed?", _kind),
    Standing("mode", "is live traffic, or this exercise, agreed?", _mode),
    Standing("labelled", "does it have a label of a policy that we know?", _labelled),
    Standing("ceiling", "does the agreement reach as high as the label?", _ceiling),
    Standing("clearance", "is the receiving unit cleared for the label?", _clearance),
    Standing("precedence", "does the agreement let this precedence pass?", _precedence),
)
CONTENT = (
    Content("current", "is it still valid?", _current),
    Content("area", "does every place in it lie in the agreed area?", _area),
)
