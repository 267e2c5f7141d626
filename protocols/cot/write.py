"""A Message to a CoT event, with an account of what CoT could not carry. Pure, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from protocols.body import (
    Alert,
    Chat,
    Contact,
    Delete,
    FileReference,
    Graphic,
    Medevac,
    Receipt,
    Report,
    Status,
    Task,
    Track,
)
from protocols.cot.alert import write_alert
from protocols.cot.chat import write_chat, write_receipt
from protocols.cot.detail import write_provenance, write_references
from protocols.cot.drawing import write_graphic
from protocols.cot.event import is_how
from protocols.cot.extras import addressed, kind_of, name_of, point_kept, qos_of, type_of, write_extras
from protocols.cot.markup import CannotSayError, Draft, Element, Part
from protocols.cot.medevac import write_medevac
from protocols.cot.notice import write_delete, write_report, write_status
from protocols.cot.order import write_file, write_task
from protocols.cot.track import write_contact, write_track
from protocols.ledger import Ledger
from protocols.message import Loss, LossReason, Message, Mode, Times
from protocols.quantity import AltitudeDatum, Position, Value
from protocols.xml import carries

_WRITERS: Mapping[type[Value], Callable[[Message, Any, Ledger], Part]] = {
    Track: write_track,
    Contact: write_contact,
    Chat: write_chat,
    Receipt: lambda message, body, _: write_receipt(body, type_of(message)),
    Alert: lambda message, body, _: write_alert(message, body),
    Medevac: lambda _, body, __: write_medevac(body),
    Report: lambda _, body, __: write_report(body),
    Delete: write_delete,
    Status: lambda _, body, __: write_status(body),
    Graphic: write_graphic,
    Task: lambda _, body, __: write_task(body),
    FileReference: lambda message, body, ledger: write_file(body, name_of(message), ledger),
}
KINDS = frozenset(str(body.__struct_config__.tag) for body in _WRITERS) | {"opaque"}
_HAE = AltitudeDatum.HAE
_HINT_LOST = (Loss(field="source.label_hint", reason=LossReason.NO_FIELD),)
_OPEX = {Mode.OPERATION: "o", Mode.EXERCISE: "e", Mode.SIMULATION: "s"}


def draft_event(message: Message, ledger: Ledger) -> Draft:
    """The event of a message. Raise CannotSayError."""
    body = message.body
    writer = _WRITERS.get(type(body))
    if writer is None:
        raise CannotSayError(f"CoT has no event for {message.kind}")
    part = writer(message, body, ledger)
    time, start, stale = _times(message, part, ledger)
    _account(message, ledger)
    position, details, qos = part.position, part.details, None
    if position is not None and (position.altitude_datum is not _HAE or position.coarsened_to_m is not None):
        position = _account_position(position, ledger)
    if message.references or part.extras is None:
        details = _with_links(part, message, ledger)
    if message.addressees:
        details.append(_addressed(message, ledger))
    if message.provenance:
        details += write_provenance(message, ledger)
    if part.extras is not None:
        details += part.extras
    elif message.extras:
        write_extras(kind_of(body), message.extras, details, ledger)
        qos = qos_of(message)
        position = point_kept(message) or position
    how, uid = _how(message, part, ledger), part.uid or message.subject
    return Draft(part.type, uid, time, start, stale, how, position, details, _opex(message), qos)


def _addressed(message: Message, ledger: Ledger) -> Element:
    kept = addressed(message) if message.extras else None
    if kept is not None:
        return Element("marti", {}, kept)
    if "" in message.addressees:
        ledger.approximate("addressees", LossReason.NO_CODE)
    inner = [Element("dest", {"callsign": name}).xml() for name in message.addressees if name]
    return Element("marti", {}, "".join(inner))


def _with_links(part: Part, message: Message, ledger: Ledger) -> list[Element]:
    """The part's details and a link for every reference; the part's own link only where none says the same."""
    if not message.references and "link" not in [element.tag for element in part.details]:
        return part.details
    referred = {reference.subject for reference in message.references}
    details = []
    for element in part.details:
        if element.tag != "link":
            details.append(element)
        elif "point" in element.attributes or element.attributes.get("uid") not in referred:
            details.append(element)
            if "point" in element.attributes:
                continue
            ledger.derive("references", "body", "linked-by-the-body")
    return details + write_references(message, ledger)


def _times(message: Message, part: Part, ledger: Ledger) -> tuple[datetime, datetime, datetime]:
    """When the event is of, when it begins to hold, and when it ends."""
    times = message.times
    time, start, stale = times.observed, times.valid_from, times.valid_until
    if time is None or times.created != time:
        time = _time(times, ledger)
    if start is None:
        start = time
        ledger.derive("times.valid_from", "times.observed", "valid-from-the-start")
    if stale is None:
        try:
            stale = time + timedelta(seconds=part.stale_s)
        except OverflowError:
            stale = time
        ledger.derive("times.valid_until", "times.observed", f"stale-after-{part.stale_s}-s")
    return time, start, stale


def _time(times: Times, ledger: Ledger) -> datetime:
    if times.observed is not None:
        if times.created is None:
            ledger.derive("times.created", "times.observed", "the-only-time-known")
        else:
            ledger.drop("times.created")
        return times.observed
    for name in ("created", "received"):
        time: datetime | None = getattr(times, name)
        if time is not None:
            ledger.derive("times.observed", f"times.{name}", "the-only-time-known")
            return time
    raise CannotSayError("CoT needs a time")


def _how(message: Message, part: Part, ledger: Ledger) -> str:
    how = message.quality.how
    if how is not None and is_how(how):
        return how
    if how is not None:
        ledger.drop("quality.how", LossReason.NO_CODE)
    ledger.derive("quality.how", "kind", "usual-for-the-kind")
    return part.how


def _opex(message: Message) -> str | None:
    mode, exercise = message.mode, message.exercise
    if mode is Mode.UNSTATED:
        return None
    opex = _OPEX.get(mode)
    if opex is None:
        raise CannotSayError("CoT cannot mark a message as a test")
    return opex if exercise is None else f"{opex}-{exercise}"


def _account(message: Message, ledger: Ledger) -> None:
    quality, subject = message.quality, message.subject
    if quality.reliability is not None:
        ledger.drop("quality.reliability")
    if quality.credibility is not None:
        ledger.drop("quality.credibility")
    if message.precedence is not None:
        ledger.drop("precedence")
    if message.label is not None:
        ledger.drop("label")
    if message.exercise is not None and message.mode is Mode.UNSTATED:
        ledger.drop("exercise")
    if not subject.isprintable() and not carries(subject):
        raise CannotSayError("XML cannot carry the subject")


def losses_of(message: Message, ledger: Ledger) -> tuple[Loss, ...]:
    """What the ledger says, and the format's own marking, which is not written again: a label stands for it."""
    return ledger.loss if message.source.label_hint is None else ledger.loss + _HINT_LOST


def _account_position(position: Position, ledger: Ledger) -> Position:
    if position.altitude_datum is not _HAE and position.altitude_m is not None:
        ledger.drop("position.altitude_m", LossReason.DATUM)
    coarse = position.coarsened_to_m
    if coarse is None:
        return position
    ledger.approximate("position.coarsened_to_m", LossReason.STRUCTURE)
    if position.circular_error_m is not None and position.circular_error_m >= coarse:
        return position
    ledger.derive("position.circular_error_m", "position.coarsened_to_m", "error-is-at-least-the-coarsening")
    return Position(
        latitude=position.latitude,
        longitude=position.longitude,
        altitude_m=position.altitude_m,
        altitude_datum=position.altitude_datum,
        circular_error_m=coarse,
        linear_error_m=position.linear_error_m,
    )
