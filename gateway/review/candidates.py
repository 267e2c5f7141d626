"""Changes that may undo what a rule says, least first; ``remedy`` tries them. Pure.

Changes to an agreement are for its partners to make: they all sign it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType

import msgspec
from msgspec.structs import replace

from adapters import names as formats
from gateway.release import delay, places
from gateway.review.explain import Course, Situation, vouched
from gateway.review.keys import OPENING, SEALING, mend
from gateway.review.marks import (
    Change,
    admitting,
    agreement_at,
    heights,
    label_of,
    marks,
    unit_at,
    unknown,
)
from protocols.agreement import Direction
from protocols.body import Status
from protocols.label import Label
from protocols.message import Message, Source, message_id
from protocols.record import Refused, Withheld
from protocols.unit import partner_of

_YEAR = timedelta(days=365)
_AROUND_M = 1_000.0


def _sooner(situation: Situation, _to: str, ends: Course) -> Iterator[Change]:
    """It has to be valid still when it leaves, which may be a while after it came."""
    if (last := situation.message.times.valid_until) is not None and ends.way is not None:
        until = last - delay(vouched(situation).message, ends.way)
        yield Change(at="now", value=until.isoformat(), say=f"had it come by {until:%Y-%m-%dT%H:%M:%SZ}")


def _in_time(situation: Situation, _to: str, ends: Course) -> Iterator[Change]:
    """A report of a time that cannot be, or too old: at another moment it would do."""
    at, agreement = agreement_at(situation, ends)
    times = situation.message.times
    moment = times.observed or times.created or situation.now
    if moment > situation.now:
        yield Change(
            at="now", value=moment.isoformat(), say=f"set the clock that says {moment:%Y-%m-%dT%H:%M:%SZ} right"
        )
        return
    until = moment + agreement.oldest
    yield Change(at="now", value=until.isoformat(), say=f"had it come by {until:%Y-%m-%dT%H:%M:%SZ}")
    older = (situation.now - moment).total_seconds() + 1
    yield Change(
        at=f"{at}.oldest_s", value=older, say=f'agree in "{agreement.id}" on reports that are {older:.0f} s old'
    )


def _whole(situation: Situation, _to: str, ends: Course) -> Iterator[Change]:
    at, agreement = agreement_at(situation, ends)
    for terms, what in (({}, "as they are"), ({"keep_extras": True}, "with what no field holds")):
        say = f'agree in "{agreement.id}" that messages go {what}'
        yield Change(at=f"{at}.transformation", value=terms, say=say)


def _passage(situation: Situation, to: str, ends: Course) -> Iterator[Change]:
    """The originator lets us pass it on; or a partner passes it on to us; or somebody else says it."""
    us, origin, third = situation.config.gateway.partner, partner_of(situation.source), partner_of(to)
    by = situation.through or us
    for index, agreement in enumerate(situation.config.agreements):
        at = f"$.agreements[{index}].onward"
        if third not in {us, origin} and agreement.goes(origin, us) and third not in agreement.onward:
            say = f'{origin} agrees in "{agreement.id}" that {us} passes it on to {third}'
            yield Change(at=at, value=[*agreement.onward, third], say=say)
    if ends.way is None:
        yield from _routes(situation, to, by)
    yield from _ourselves(situation, to, ends)


def _first(_situation: Situation, _to: str, _ends: Course) -> Iterator[Change]:
    yield Change(at="before", value=[], say="had it come first; what came before it stands")


def _ourselves(situation: Situation, _to: str, _ends: Course) -> Iterator[Change]:
    for unit in situation.config.units:
        yield Change(at="source", value=unit.id, say=f"let {unit.id} report it itself, or its originator send it")


def _formats(situation: Situation, to: str, _ends: Course) -> Iterator[Change]:
    at = unit_at(situation.config, to)
    for name in formats():
        yield Change(at=f"{at}.adapter", value=name, say=f"give {to} the format {name}")


def _signatures(situation: Situation, _to: str, ends: Course) -> Iterator[Change]:
    _, agreement = agreement_at(situation, ends)
    signed = sorted({*situation.signed, agreement.id})
    yield Change(at="signed", value=signed, say=f'have "{agreement.id}" signed by {", ".join(agreement.partners)}')


def _later(situation: Situation, _to: str, ends: Course) -> Iterator[Change]:
    _, agreement = agreement_at(situation, ends)
    begin = agreement.valid_from
    yield Change(
        at="now", value=begin.isoformat(), say=f'wait until "{agreement.id}" begins, {begin:%Y-%m-%dT%H:%M:%SZ}'
    )


def _renewal(situation: Situation, _to: str, ends: Course) -> Iterator[Change]:
    at, agreement = agreement_at(situation, ends)
    until = (situation.now + _YEAR).isoformat()
    yield Change(at=f"{at}.valid_until", value=until, say=f'renew "{agreement.id}"')


def _directions(situation: Situation, to: str, ends: Course) -> Iterator[Change]:
    at, agreement = agreement_at(situation, ends)
    way = Direction(sender=partner_of(situation.source), to=partner_of(to))
    terms = replace(
        agreement,
        partners=tuple(sorted({*agreement.partners, way.sender, way.to})),
        directions=(*agreement.directions, way),
    )
    say = f'agree in "{agreement.id}" that {way.sender} tells {way.to}'
    yield Change(at=at, value=msgspec.to_builtins(terms), say=say)


def _kinds(situation: Situation, _to: str, ends: Course) -> Iterator[Change]:
    at, agreement = agreement_at(situation, ends)
    kind = situation.message.kind
    yield Change(at=f"{at}.kinds", value=[*agreement.kinds, kind], say=f'agree in "{agreement.id}" on {kind}')


def _modes(situation: Situation, _to: str, ends: Course) -> Iterator[Change]:
    _, agreement = agreement_at(situation, ends)
    for mode in agreement.modes:
        say = f'"{agreement.id}" is for {mode}; {situation.message.mode} needs an agreement of its own'
        yield Change(at="message.mode", value=mode, say=say)


def _precedence(situation: Situation, _to: str, ends: Course) -> Iterator[Change]:
    _, agreement = agreement_at(situation, ends)
    most = agreement.precedence
    yield Change(at="message.precedence", value=int(most.precedence), say=f"send it as {most} at most")


def _areas(situation: Situation, _to: str, ends: Course) -> Iterator[Change]:
    at, agreement = agreement_at(situation, ends)
    more = [(place.latitude, place.longitude, _AROUND_M) for place in places(situation.message.body)]
    circles = [*(agreement.area.circles if agreement.area else ()), *more]
    yield Change(at=f"{at}.area.circles", value=circles, say=f'agree in "{agreement.id}" on an area that covers it')


def without_route(situation: Situation, to: str) -> Iterator[Change]:
    """The table without any route from the message's unit to another."""
    source = situation.source
    routes = [
        replace(route, to=tuple(unit for unit in route.to if unit != to)) if source in route.sources else route
        for route in situation.config.routes
    ]
    kept = msgspec.to_builtins([route for route in routes if route.to])
    yield Change(at="$.routes", value=kept, say=f"take {to} out of the routes from {source}")


def _new_routes(situation: Situation, to: str, _ends: Course) -> Iterator[Change]:
    """A route, through us where both ends are others'; or a topic, where a unit of ours has none."""
    yield from _routes(situation, to, _teller(situation, to))
    if (at := unit_at(situation.config, to)).startswith("$.units"):
        yield Change(at=f"{at}.deliver", value=f"to/{to}", say=f"give {to} a topic to be answered on")


def _teller(situation: Situation, to: str) -> str:
    """The partner that tells whoever it is for: the originator, or ourselves where both ends are others'."""
    origin, us = partner_of(situation.source), situation.config.gateway.partner
    return us if us not in {origin, partner_of(to)} else origin


def _routes(situation: Situation, to: str, by: str) -> Iterator[Change]:
    """A route under an agreement by which a partner tells another; first those that name the kind."""
    kind, origin = situation.message.kind, partner_of(situation.source)
    having = [each for each in situation.config.agreements if each.goes(by, partner_of(to))]
    for agreement in sorted(having, key=lambda each: kind not in each.kinds):
        route = {"from": [situation.source], "to": [to], "agreement": agreement.id}
        passing = {} if by == origin else {"through": by}
        at = f"$.routes[{len(situation.config.routes)}]"
        say = f'a route from {situation.source} to {to} under "{agreement.id}"' + (f" through {by}" if passing else "")
        yield Change(at=at, value=route | passing, say=say)


def _new_agreement(situation: Situation, to: str, _ends: Course) -> Iterator[Change]:
    """What others tell each other goes through us, if we may tell whoever it is for; else it takes an agreement."""
    if (by := _teller(situation, to)) != partner_of(situation.source):
        yield from _routes(situation, to, by)
    ours, theirs = _teller(situation, to), partner_of(to)
    label = label_of(situation)
    policy = situation.config.policies[0]
    highest = label or Label(policy=policy.name, classification=policy.classifications[0])
    terms = {
        "id": f"{ours}-{theirs}-new",
        "partners": sorted({ours, theirs}),
        "kinds": [situation.message.kind],
        "directions": [{"from": ours, "to": theirs}],
        "highest": {"policy": highest.policy, "classification": highest.classification},
        "valid_from": situation.now.isoformat(),
        "valid_until": (situation.now + _YEAR).isoformat(),
    }
    at = f"$.agreements[{len(situation.config.agreements)}]"
    yield Change(at=at, value=terms, say=f"an agreement by which {ours} tells {theirs} of {situation.message.kind}")


def _owners(situation: Situation, _to: str, _ends: Course) -> Iterator[Change]:
    """The unit that spoke about the subject first; for a subject that is unknown, a report of it before."""
    message = situation.message
    about = {message.subject, getattr(message.body, "target", message.subject)}
    for earlier in situation.before:
        if earlier.subject in about and earlier.origin:
            yield Change(
                at="source", value=earlier.origin, say=f"only {earlier.origin} may speak about it: it spoke first"
            )
    subject = getattr(message.body, "target", message.subject)
    number = message_id("status", subject, None, "before")
    first = Message(
        id=number, subject=subject, body=Status(), source=Source(format="canonical"), origin=situation.source
    )
    before = msgspec.to_builtins((first, *situation.before))
    yield Change(at="before", value=before, say=f"had {situation.source} itself reported the subject before")


def _budgets(situation: Situation, to: str, ends: Course) -> Iterator[Change]:
    """The routes that let nothing go without what the format cannot carry."""
    _, agreement = agreement_at(situation, ends)
    for index, route in enumerate(situation.config.routes):
        leads = situation.source in route.sources and to in route.to and route.agreement == agreement.id
        if leads and route.never_lose:
            say = f"if the route let it go without: {', '.join(route.never_lose)}"
            yield Change(at=f"$.routes[{index}].never_lose", value=[], say=say)


def _bundles(situation: Situation, to: str, ends: Course) -> Iterator[Change]:
    """A bundle that states keys which hold: of the unit that is sealed for, of the one that signs."""
    for unit in (to, situation.source) if ends.end.rule == SEALING else (situation.source,):
        if situation.keys is not None and ends.reason is not None:
            renewed = sorted({*situation.renewed, partner_of(unit)})
            say = mend(situation.keys, unit, ends.reason, situation.config)
            yield Change(at="renewed", value=renewed, say=say)


def _nothing(_situation: Situation, _to: str, _ends: Course) -> Iterator[Change]:
    yield from ()


CANDIDATES: Mapping[str, Callable[[Situation, str, Course], Iterator[Change]]] = MappingProxyType(
    {
        Withheld.NO_AGREEMENT: _new_agreement,
        Withheld.NO_ROUTE: _new_routes,
        Withheld.UNLABELLED: marks,
        Withheld.UNKNOWN_LABEL: unknown,
        Withheld.NOT_RELEASABLE_TO: admitting,
        Withheld.ABOVE_CEILING: heights,
        Withheld.CATEGORY_NOT_HELD: heights,
        Withheld.NOT_ORIGINATOR: _owners,
        Withheld.REEXPORT_DENIED: _passage,
        Withheld.PROOF_LOST: _whole,
        Withheld.AGREEMENT_UNSIGNED: _signatures,
        Withheld.AGREEMENT_NOT_YET: _later,
        Withheld.AGREEMENT_EXPIRED: _renewal,
        Withheld.DIRECTION_NOT_AGREED: _directions,
        Withheld.KIND_NOT_AGREED: _kinds,
        Withheld.TASK_DENIED: _kinds,
        Withheld.MODE_MISMATCH: _modes,
        Withheld.PRECEDENCE_TOO_HIGH: _precedence,
        Withheld.OUTSIDE_AREA: _areas,
        Withheld.EXPIRED: _sooner,
        Withheld.TOO_OLD: _in_time,
        Withheld.IN_THE_FUTURE: _in_time,
        Withheld.FORMAT_CANNOT_SAY: _formats,
        Withheld.WOULD_LOSE: _budgets,
        Refused.DUPLICATE: _first,
        Refused.SUPERSEDED: _first,
    }
)


def candidates(ends: Course) -> Callable[[Situation, str, Course], Iterator[Change]]:
    """What may undo the rule that decides: keys have reasons of their own, which are spelt as others are."""
    if ends.end.rule in {OPENING, SEALING}:
        return _bundles
    return CANDIDATES.get(ends.reason or "", _nothing)
