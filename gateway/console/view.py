"""Outcomes as a page shows them: a row for each, and the whole story of one. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.console.facts import Section
from gateway.console.feed import Entry
from gateway.console.figures import moment
from gateway.console.meaning import gist, meaning
from gateway.console.words import Words, plain
from protocols.label import Label
from protocols.message import Loss, Message
from protocols.quantity import Value
from protocols.record import Event, Record

_FIELDS_SHOWN = 200  # losses listed for one outcome


class Row(Value, frozen=True):
    """One outcome in one line. Codes, not words: the page has the words. Times are UTC, ISO 8601."""

    seq: int
    at: str
    event: str
    reason: str | None = None
    source: str | None = None
    destination: str | None = None
    kind: str | None = None
    format_in: str | None = None
    format_out: str | None = None
    marking: str | None = None
    caveats: str | None = None
    gist: str | None = None
    precedence: int | None = None
    mode: str | None = None
    losses: int = 0
    latency_ms: float | None = None
    id: str | None = None


class Verdict(Value, frozen=True):
    """What became of a message for one destination, why, and what would help."""

    event: str
    title: str
    means: str
    reason: str | None = None
    why: str | None = None
    hint: str | None = None
    agreement: str | None = None


class Marking(Value, frozen=True):
    """A label, part by part."""

    text: str
    policy: str
    classification: str
    categories: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


class Lost(Value, frozen=True):
    """One field that did not come through whole."""

    field: str
    reason: str
    text: str
    approximated: bool = False


class Computed(Value, frozen=True):
    """One field that a translation computed."""

    field: str
    source: str
    rule: str


class Detail(Value, frozen=True):
    """One outcome with all that is known of it, and the other outcomes of the same message."""

    row: Row
    at: str
    verdict: Verdict
    marking: Marking | None = None
    sections: tuple[Section, ...] = ()
    losses: tuple[Lost, ...] = ()
    derived: tuple[Computed, ...] = ()
    journey: tuple[Row, ...] = ()
    received: str | None = None
    bytes_out: int | None = None
    age_ms: float | None = None
    changes: tuple[str, ...] = ()


def row(entry: Entry, words: Words) -> Row:
    """One line for an outcome."""
    record, message = entry.record, entry.message
    about = record if message is None else message
    label, precedence = record.label or about.label, about.precedence
    return Row(
        seq=entry.sequence,
        at=f"{record.at:%H:%M:%S}.{record.at.microsecond // 1000:03d}",
        event=record.event,
        reason=record.reason,
        source=record.source,
        destination=record.destination,
        kind=record.subject_kind,
        format_in=record.format_in,
        format_out=record.format_out,
        marking=None if label is None else plain(label.classification, 80),
        caveats=None if label is None else _caveats(label),
        gist=None if message is None else gist(message, words),
        precedence=None if precedence is None else int(precedence),
        mode=about.mode,
        losses=len(record.losses),
        latency_ms=None if record.latency_ms is None else round(record.latency_ms, 2),
        id=record.message,
    )


def detail(entry: Entry, journey: Iterable[Entry], words: Words) -> Detail:
    """All that is known of one outcome; ``journey`` are the outcomes of the same message, this one among them."""
    record, message = entry.record, entry.message
    label = record.label or (message.label if message is not None else None)
    return Detail(
        row=row(entry, words),
        at=moment(record.at),
        verdict=_verdict(record, words),
        marking=None if label is None else _marking(label),
        sections=() if message is None else meaning(message, words),
        losses=_losses(record, message, words),
        derived=() if message is None else _derived(message),
        journey=tuple(row(each, words) for each in journey),
        received=_received(entry),
        bytes_out=record.bytes_out,
        age_ms=None if record.age_ms is None else round(record.age_ms, 1),
        changes=tuple(plain(line) for line in record.changes[:_FIELDS_SHOWN]),
    )


def _verdict(record: Record, words: Words) -> Verdict:
    reason = record.reason
    hint = words("hint", reason) if reason is not None and words.has("hint", reason) else None
    return Verdict(
        event=record.event,
        title=words("event", record.event),
        means=words("event-means", record.event),
        reason=reason,
        why=None if reason is None else words("reason", reason),
        hint=hint,
        agreement=record.agreement,
    )


def _caveats(label: Label) -> str | None:
    return plain("; ".join(f"{c.tag} {', '.join(c.values)}" for c in label.categories), 160) or None


def _marking(label: Label) -> Marking:
    categories = ((c.type.value, plain(c.tag), tuple(plain(value) for value in c.values)) for c in label.categories)
    return Marking(
        text=plain(str(label)),
        policy=plain(label.policy),
        classification=plain(label.classification),
        categories=tuple(categories),
    )


def _losses(record: Record, message: Message | None, words: Words) -> tuple[Lost, ...]:
    """Losses of reading (known in full), then those that the record alone knows: of policy and of writing."""
    read = {} if message is None else {f"{loss.field}:{loss.reason}": loss for loss in message.loss}
    written = {text: text.rpartition(":") for text in record.losses if text not in read}
    losses = [_lost(loss.field, loss.reason, words, loss) for loss in read.values()]
    losses += [_lost(field, reason, words) for field, _, reason in written.values()]
    return tuple(losses[:_FIELDS_SHOWN])


def _lost(field: str, reason: str, words: Words, loss: Loss | None = None) -> Lost:
    approximated = loss is not None and loss.approximated
    return Lost(field=plain(field), reason=reason, text=words("loss", reason), approximated=approximated)


def _derived(message: Message) -> tuple[Computed, ...]:
    return tuple(
        Computed(field=plain(each.field), source=plain(each.source), rule=plain(each.rule)) for each in message.derived
    )


def _received(entry: Entry) -> str | None:
    """What a local unit received, when it is text; an envelope is nothing to look at."""
    if entry.data is None or entry.record.event is not Event.DELIVERED:
        return None
    # A cut may fall inside a character; four bytes are the longest one.
    for cut in range(4):
        try:
            return plain(entry.data[: len(entry.data) - cut].decode())
        except UnicodeDecodeError:
            continue
    return None
