"""What may be told to whom: the rules, by name and in their order. Pure decisions; fails closed.

``STANDING`` rules look at facts that many messages share, so that decisions can be compiled once; ``CONTENT`` rules
look at one message. The first rule that keeps a message back is the one that is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
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
AHEAD = timedelta(minutes=5)  # that a report may be of a later time than ours: clocks differ


_AT_ONCE = timedelta()


class Facts(NamedTuple):
    """What the standing rules know of a message; a Record says all of it but ``alternatives`` and ``through``.

    ``verified``: a partner sealed it; only then are the alternatives to its label believed. ``through``: the partner
    that passed it on, when it did not come from its originator itself.
    """

    origin: str
    kind: str
    mode: Mode
    verified: bool
    label: Label | None
    precedence: Precedence | None
    alternatives: tuple[Label, ...] = ()
    through: str | None = None


def _own(way: Way) -> Agreement:
    return way.agreement


def _originators(way: Way) -> Agreement:
    return way.basis.agreement if way.basis else way.agreement


class Standing(NamedTuple):
    """A rule about facts: its name, what it asks, and why it keeps a message back (None: it does not).

    ``under``: the agreement whose words it holds the facts against.
    """

    name: str
    asks: str
    keeps: Callable[[Facts, Way, Policies, datetime], Withheld | None]
    under: Callable[[Way], Agreement] = _own


class Content(NamedTuple):
    """A rule about one message: its name, what it asks, and why it keeps the message back (None: it does not)."""

    name: str
    asks: str
    keeps: Callable[[Message, Way, datetime], Withheld | None]
    under: Callable[[Way], Agreement] = _own


class Verdict(NamedTuple):
    """Released when ``reason`` is None; otherwise the one rule that keeps it back."""

    reason: Withheld | None

    @property
    def released(self) -> bool:
        """Whether the message may go."""
        return self.reason is None


def facts(message: Message, through: str | None = None) -> Facts:
    """The facts of a message. The gateway vouches for ``message.origin``; ``through`` passed it on, if anybody did."""
    verified = message.authenticity is Authenticity.VERIFIED
    beside = message.alternatives if verified else ()
    origin, precedence = message.origin or "", message.precedence
    return Facts(origin, message.kind, message.mode, verified, message.label, precedence, beside, through)


def check(message: Message, way: Way, policies: Policies, now: datetime, through: str | None = None) -> Verdict:
    """Whether a message may go this way, by every rule."""
    return Verdict(standing(facts(message, through), way, policies, now) or content(message, way, now))


def standing(known: Facts, way: Way, policies: Policies, now: datetime) -> Withheld | None:
    """What the standing rules say: the first reason, or None."""
    for rule in STANDING:
        if (reason := rule.keeps(known, way, policies, now)) is not None:
            return reason
    return None


def content(message: Message, way: Way, now: datetime) -> Withheld | None:
    """What the rules about one message say: the first reason, or None."""
    for rule in CONTENT:
        if (reason := rule.keeps(message, way, now)) is not None:
            return reason
    return None


def _reexport(known: Facts, way: Way, _policies: Policies, _now: datetime) -> Withheld | None:
    """What a partner sealed is for the units that it was sealed for; a third is told only where its originator lets us.

    What was passed on to us is for units of ours and goes no further, and only by way of whom the table names.
    """
    if way.through is None:
        denied = known.through is not None or (known.verified and way.local is None)
    elif way.local is not None:
        denied = known.through != way.through
    else:
        denied = known.through is not None or not known.verified or way.basis is None
    return Withheld.REEXPORT_DENIED if denied else None


def _originator(known: Facts, way: Way, policies: Policies, now: datetime) -> Withheld | None:
    """Whether the originator's own words with us reach as far; its label has to reach the third party by them too."""
    if way.basis is None:
        return None
    agreement = way.basis.agreement
    if way.destination.partner not in agreement.onward or not agreement.goes(
        partner_of(known.origin), way.through or ""
    ):
        return Withheld.REEXPORT_DENIED
    under = Way(way.destination, *way.basis)
    told = (rule(known, under, policies, now) for rule in _TERMS)
    return next((reason for reason in told if reason is not None), None)


def _signed(_known: Facts, way: Way, _policies: Policies, _now: datetime) -> Withheld | None:
    return None if way.signed else Withheld.AGREEMENT_UNSIGNED


def _begun(_known: Facts, way: Way, _policies: Policies, now: datetime) -> Withheld | None:
    return Withheld.AGREEMENT_NOT_YET if now < way.agreement.valid_from else None


def _lasts(_known: Facts, way: Way, _policies: Policies, now: datetime) -> Withheld | None:
    return Withheld.AGREEMENT_EXPIRED if now >= way.agreement.valid_until else None


def _direction(known: Facts, way: Way, _policies: Policies, _now: datetime) -> Withheld | None:
    agreed = way.agreement.goes(way.through or partner_of(known.origin), way.destination.partner)
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


def delay(message: Message, way: Way) -> timedelta:
    """How long a message waits before it goes this way. What a partner sent us has waited there."""
    seconds = way.agreement.transformation.delay_s
    if seconds is None or (way.local is not None and message.authenticity is Authenticity.VERIFIED):
        return _AT_ONCE
    return timedelta(seconds=seconds)


def _current(message: Message, way: Way, now: datetime) -> Withheld | None:
    until = message.times.valid_until
    return Withheld.EXPIRED if until is not None and until < now + delay(message, way) else None


def _timely(message: Message, way: Way, now: datetime) -> Withheld | None:
    """What says until when it holds is judged by that; else by when it was observed, or made; else by nothing."""
    moment = message.times.observed or message.times.created
    if moment is None or message.times.valid_until is not None:
        return None
    if moment > now + AHEAD:
        return Withheld.IN_THE_FUTURE
    return Withheld.TOO_OLD if moment < now - way.agreement.oldest else None


def _area(message: Message, way: Way, _now: datetime) -> Withheld | None:
    return _placed(message, way.agreement)


def _originators_area(message: Message, way: Way, _now: datetime) -> Withheld | None:
    return None if way.basis is None else _placed(message, way.basis.agreement)


def _placed(message: Message, agreement: Agreement) -> Withheld | None:
    """A body that names no place has none to be outside of; every place that it names must lie in the area."""
    if agreement.area is None or all(within(place, agreement.area) for place in places(message.body)):
        return None
    return Withheld.OUTSIDE_AREA


def _as_it_is(message: Message, way: Way, _now: datetime) -> Withheld | None:
    """The originator signed what it sealed, and nothing else: what is passed on is that."""
    changed = way.local is None and way.through is not None and way.agreement.transformation.changes(message)
    return Withheld.PROOF_LOST if changed else None


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


_TERMS = (_signed, _begun, _lasts, _kind, _mode, _labelled, _ceiling, _precedence)
STANDING = (
    Standing("re-export", "is it our own report, does it stay with us, or may we pass it on?", _reexport),
    Standing("originator", "does what the originator agreed with us cover it?", _originator, _originators),
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
    Content("current", "is it still valid when it leaves?", _current),
    Content("timely", "is it of a time that can be, and not too old?", _timely),
    Content("area", "does every place in it lie in the agreed area?", _area),
    Content("originator's area", "and in the area agreed with its originator?", _originators_area, _originators),
    Content("as it is", "can it go as its originator signed it?", _as_it_is),
)
