"""Why a message would, or would not, reach a unit: the rules in the order in which the straight line applies them.

The steps call the very functions that the line calls (``stamped``, ``objection``, ``STANDING`` and ``CONTENT``,
``transform``, ``encode``), so an explanation cannot say anything else than what would happen. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from gateway.config import Config, LocalUnit
from gateway.decisions import Decisions
from gateway.dispatch import Copy, Unsent, encode
from gateway.intake import Report, stamped
from gateway.release import CONTENT, STANDING, facts
from gateway.repeats import Repeats
from gateway.review.keys import OPENING, SEALING, Keys, unopened, unsealed
from gateway.routing import Table, Way
from gateway.transform import transform
from protocols.labelling import Labelling
from protocols.message import MESSAGE_MAX, Authenticity, Message, pack
from protocols.quantity import Value
from protocols.record import Refused, Withheld

_KEY = bytes(32)  # of pseudonyms: what they are does not change whether a message passes


class Situation(NamedTuple):
    """What an explanation is about: a table, the agreements that are signed, and a message of a unit at a moment.

    ``before`` are messages that the gateway has taken from units before, each with its ``origin``. ``through``: the
    partner that passed the message on, when its originator did not send it to us. Without ``keys`` nobody looks whether
    it can be opened and sealed; ``renewed``: partners whose bundles were taken anew.
    """

    config: Config
    signed: frozenset[str]
    source: str
    message: Message
    now: datetime
    before: tuple[Message, ...] = ()
    through: str | None = None
    keys: Keys | None = None
    renewed: frozenset[str] = frozenset()


class Step(Value, frozen=True):
    """One rule that was applied; ``reason`` is None when it let the message pass."""

    rule: str
    asks: str
    reason: str | None = None
    agreement: str | None = None


class Course(NamedTuple):
    """The steps towards one destination, the one that decided, and the way that it belongs to, if any."""

    steps: Sequence[Step]
    end: Step
    way: Way | None = None

    @property
    def reason(self) -> str | None:
        """Why the message does not arrive, or None."""
        return self.end.reason


def destinations(situation: Situation) -> Sequence[str]:
    """Every unit that a route leads a message of this kind to."""
    ways = Table(situation.config, situation.signed).ways(situation.source, situation.message.kind, situation.through)
    return list(dict.fromkeys(way.destination.id for way in ways))


def course(situation: Situation, to: str) -> Course:
    """What happens to the message on its way to one unit."""
    steps = list(_opened(situation))
    if steps and steps[-1].reason:
        return Course(steps, steps[-1])
    report = vouched(situation)
    steps.append(_step("marking", "is its marking one that the unit's label table knows?", report.objection))
    if report.objection:
        return Course(steps, steps[-1])
    memory = Repeats()
    for earlier in situation.before:
        memory.objection(earlier)
    objection = memory.objection(report.message)
    steps.append(_step("subject", "is it new, and may this unit speak about its subject?", objection))
    if objection:
        return Course(steps, steps[-1])
    decisions = Decisions(Table(situation.config, situation.signed))
    taken = decisions.table.ways(situation.source, report.message.kind, situation.through)
    ways = [each for each in taken if each.destination.id == to]
    missing = None if ways else decisions.without_way(situation.source, to, situation.through)
    steps.append(_step("route", "does a route lead there from this unit, for this kind?", missing))
    if missing:
        return Course(steps, steps[-1])
    return _released(situation, report.message, ways, steps)


def vouched(situation: Situation) -> Report:
    """The message as the gateway would vouch for it: stamped for a unit of ours, verified for a partner's."""
    labelling = Labelling({policy.name: policy for policy in situation.config.policies})
    unit = next((unit for unit in situation.config.units if unit.id == situation.source), None)
    if unit is not None:
        return stamped(situation.message, unit, situation.now, labelling)
    message = replace(situation.message, origin=situation.source, authenticity=Authenticity.VERIFIED)
    bound = labelling.is_bound(message, situation.now)
    return Report(message, objection=None if bound else Withheld.UNKNOWN_LABEL)


def _released(situation: Situation, message: Message, ways: Sequence[Way], steps: list[Step]) -> Course:
    """The release rules of each way in turn, until one lets the message pass; then its form.

    Where none does, what is told is why the first does not, as the straight line tells it.
    """
    kept: tuple[Step, Way] | None = None
    for way in ways:
        judged = list(_judged(situation, message, way))
        steps += judged
        if judged[-1].reason is None:
            steps.append(_formed(message, way))
            if steps[-1].reason is None:
                steps += _sealed(situation, way)
            return Course(steps, steps[-1], way)
        kept = kept or (judged[-1], way)
    return Course(steps, *(kept or (steps[-1], None)))


def _judged(situation: Situation, message: Message, way: Way) -> Iterator[Step]:
    """The rules of one way up to the first that keeps the message back."""
    policies = {policy.name: policy for policy in situation.config.policies}
    for rule in STANDING:
        reason = rule.keeps(facts(message, situation.through), way, policies, situation.now)
        yield _step(rule.name, rule.asks, reason, rule.under(way).id)
        if reason:
            return
    for each in CONTENT:
        reason = each.keeps(message, way, situation.now)
        yield _step(each.name, each.asks, reason, each.under(way).id)
        if reason:
            return


def _formed(message: Message, way: Way) -> Step:
    """Whether the form that the agreement lets out can be said: in the unit's format, or in an envelope."""
    copy = Copy(transform(message, way.agreement, _KEY), way)
    if isinstance(way.destination, LocalUnit):
        made = encode(copy, way.destination)
        reason = made.reason if isinstance(made, Unsent) else None
        return _step("format", f"can {way.destination.adapter} say it?", reason, way.agreement.id)
    reason = Refused.TOO_LARGE if len(pack(copy.message)) > MESSAGE_MAX else None
    return _step("size", "does it fit into an envelope?", reason, way.agreement.id)


def _opened(situation: Situation) -> Iterator[Step]:
    """Whether what a partner's unit signs is opened: asked where the keys are here."""
    if situation.keys is not None and situation.source not in {unit.id for unit in situation.config.units}:
        keys = situation.keys._replace(renewed=situation.renewed)
        reason = unopened(keys, situation.source, situation.now)
        yield _step(OPENING, "does a pinned bundle vouch for who signs it?", reason)


def _sealed(situation: Situation, way: Way) -> Iterator[Step]:
    """Whether it can be sealed for a partner's unit: asked where the keys are here."""
    if situation.keys is not None and not isinstance(way.destination, LocalUnit):
        keys = situation.keys._replace(renewed=situation.renewed)
        reason = unsealed(keys, situation.config, situation.source, way.destination.id, situation.now)
        yield _step(SEALING, "does a key of it hold, so that it can be sealed?", reason, way.agreement.id)


def _step(rule: str, asks: str, reason: str | None, agreement: str | None = None) -> Step:
    return Step(rule=rule, asks=asks, reason=None if reason is None else str(reason), agreement=agreement)
