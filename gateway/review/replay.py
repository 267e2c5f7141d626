"""The recorded outcomes of past days against another table: who would gain or lose which messages. Pure.

A Record holds no content. What can be judged again is what the standing rules look at: origin, kind, mode, label,
precedence, route, agreement. What cannot is told as unsure: areas, the validity of a message, whether a format can say
it, and, for what a partner sealed, whether it would have sealed it for the unit that gains it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from gateway.decisions import Decided, Decisions
from gateway.release import Facts
from protocols.labelling import Labelling
from protocols.message import Mode
from protocols.quantity import Value
from protocols.record import Attention, Event, Record, Withheld
from protocols.unit import partner_of

OPEN_MAX = 100_000  # messages whose records are still being gathered; the oldest are judged first
CONTENT = frozenset(
    {
        Withheld.OUTSIDE_AREA,
        Withheld.EXPIRED,
        Withheld.TOO_OLD,
        Withheld.IN_THE_FUTURE,
        Withheld.PROOF_LOST,
        Withheld.FORMAT_CANNOT_SAY,
        Withheld.WOULD_LOSE,
    }
)
BESIDE = frozenset({Withheld.NOT_ORIGINATOR, Withheld.REEXPORT_DENIED})  # altogether: what no table decides


class Change(Value, frozen=True):
    """What a unit would gain or lose of another's messages; ``reason`` is why it would lose them."""

    source: str
    destination: str
    kind: str
    gained: int = 0
    lost: int = 0
    unsure: int = 0
    agreement: str | None = None
    reason: str | None = None


class Heard(NamedTuple):
    """A message as the records tell of it: its facts, who got it, and why others did not."""

    facts: Facts
    had: frozenset[str]
    kept: dict[str, str]


def heard(records: Iterable[Record], alias: Callable[[str], str]) -> Iterator[Heard]:
    """The messages that records are about, each once.

    ``alias`` gives the pseudonym under which a copy without identities was recorded, so that it counts as a copy.
    """
    gathered: OrderedDict[tuple[str, str], list[Record]] = OrderedDict()
    known: dict[tuple[str, str], tuple[str, str]] = {}
    for record in records:
        if record.message is None or record.source is None or record.subject_kind is None:
            continue
        if record.event in _LATER or record.reason == Attention.STANDS_IN:
            continue  # what became of a message after it was decided on
        if record.destination is None and (record.event is Event.REFUSED or record.reason in BESIDE):
            continue  # a repeat, or a report by the wrong unit: no table would have let it in
        name = (record.source, record.message)
        report = known.get(name, name)
        if report not in gathered:
            copy = (record.source, alias(record.message))
            known[copy] = report
            gathered[report] = gathered.pop(copy, [])
        gathered[report].append(record)
        if len(gathered) > OPEN_MAX:
            yield _heard(gathered.popitem(last=False)[1])
    for each in gathered.values():
        yield _heard(each)


def compare(messages: Iterable[Heard], decisions: Decisions, now: datetime) -> tuple[int, list[Change]]:
    """How many messages there were, and every change that the table of these decisions would have made to them."""
    count, labelling = 0, Labelling(decisions.table.policies)
    found: Counter[tuple[str, ...]] = Counter()
    for message in messages:
        count += 1
        known = message.facts
        if known.verified:  # its sender will have said what its label is in other policies
            known = known._replace(alternatives=labelling.alternatives(known.label))
        decided = {each.way.destination.id: each for each in decisions.foresee(known, now)}
        for unit in sorted(message.had | decided.keys()):
            if (what := _change(message, unit, decided.get(unit), decisions)) is not None:
                found[message.facts.origin, unit, message.facts.kind, *what] += 1
    changes = []
    for (source, to, kind, word, agreement, reason), number in found.items():
        terms = {"agreement": agreement or None, "reason": reason or None, word: number}
        changes.append(msgspec.convert({"source": source, "destination": to, "kind": kind} | terms, Change))
    return count, sorted(changes, key=lambda each: (each.source, each.destination, each.kind))


def _heard(records: list[Record]) -> Heard:
    first = records[0]
    source = first.source or ""
    verified = partner_of(source) != first.gateway
    kind, mode = first.subject_kind or "", first.mode or Mode.UNSTATED
    through = next((each.through for each in records if each.through not in {None, each.gateway}), None)
    return Heard(
        Facts(source, kind, mode, verified, first.label, first.precedence, through=through),
        frozenset(each.destination for each in records if each.destination and each.event in _GIVEN),
        {each.destination: each.reason or "" for each in records if each.destination and each.event not in _GIVEN},
    )


_LATER = frozenset({Event.ACKNOWLEDGED, Event.ESCALATED, Event.NOT_ACKNOWLEDGED})
_GIVEN = frozenset({Event.DELIVERED, Event.FORWARDED})


def _change(message: Heard, unit: str, decided: Decided | None, decisions: Decisions) -> tuple[str, str, str] | None:
    """What changes for one unit: a word, under which agreement, and why; None when nothing does."""
    if decided is None:
        why = decisions.without_way(message.facts.origin, unit, message.facts.through)
        return ("lost", "", why) if unit in message.had else None
    agreement = decided.way.agreement
    if decided.reason is not None:
        return ("lost", agreement.id, decided.reason) if unit in message.had else None
    if unit in message.had:
        return ("unsure", agreement.id, Withheld.OUTSIDE_AREA) if agreement.area is not None else None
    before = message.kept.get(unit)
    if before in CONTENT:
        return "unsure", agreement.id, str(before)
    if agreement.area is not None or decided.way.basis is not None:
        return "unsure", agreement.id, Withheld.PROOF_LOST if agreement.area is None else Withheld.OUTSIDE_AREA
    return "gained", agreement.id, ""
