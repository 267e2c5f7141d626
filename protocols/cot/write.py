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
from protocols.cot.event import CannotSayError, Draft, Element, Part, is_how
from protocols.cot.extras import point_kept, qos_of, write_extras
from protocols.cot.medevac import write_medevac
from protocols.cot.notice import write_delete, write_report, write_status
from protocols.cot.order import write_file, write_task
from protocols.cot.track import write_contact, write_track
from protocols.ledger import Ledger
from protocols.message import LossReason, Message, Mode
from protocols.quantity import AltitudeDatum, Position, Value
from protocols.xml import carries

_WRITERS: Mapping[type[Value], Callable[[Message, Any, Ledger], Part]] = {
    Track: lambda _, body, ledger: write_track(body, ledger),
    Contact: write_contact,
    Chat: write_chat,
    Receipt: lambda _, body, __: write_receipt(body),
    Alert: lambda message, body, _: write_alert(message, body),
    Medevac: lambda _, body, __: write_medevac(body),
    Report: lambda _, body, __: write_report(body),
    Delete: write_delete,
    Status: lambda _, body, __: write_status(body),
    Graphic: write_graphic,
    Task: lambda _, body, __: write_task(body),
    FileReference: lambda _, body, ledger: write_file(body, ledger),
}
KINDS = frozenset(str(body.__struct_config__.tag) for body in _WRITERS) | {"opaque"}
_OPEX = {Mode.OPERATION: "o", Mode.EXERCISE: "e", Mode.SIMULATION: "s", Mode.UNSTATED: None}


def draft_event(message: Message, ledger: Ledger) -> Draft:
    """The event of a message. Raise CannotSayError."""
    writer = _WRITERS.get(type(message.body))
    if writer is None:
        raise CannotSayError(f"CoT has no event for {message.kind}")
    part = writer(message, message.body, ledger)
    time = _time(message, ledger)
    start, stale = _validity(message, part, time, ledger)
    _account(message, ledger)
    position = part.position
    if position is not None:
        position = _account_position(position, ledger)
    details = _with_links(part, message, ledger)
    if "" in message.addressees:
        ledger.approximate("addressees", LossReason.NO_CODE)
    if message.addressees:
        dests = "".join(Element("dest", {"callsign": name}).xml() for name in message.addressees if name)
        details.append(Element("marti", inner=dests))
    details += write_provenance(message, ledger)
    qos = None
    if message.extras:
        write_extras(message, details, ledger)
        qos = qos_of(message)
        position = point_kept(message) or position
    return Draft(
        type=part.type,
        uid=part.uid or message.subject,
        time=time,
        start=start,
        stale=stale,
        how=_how(message, part, ledger),
        position=position,
        details=details,
        opex=_opex(message),
        qos=qos,
    )


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


def _time(message: Message, ledger: Ledger) -> datetime:
    times = message.times
    if times.observed is not None:
        if times.created is None:
            ledger.derive("times.created", "times.observed", "the-only-time-known")
        elif times.created != times.observed:
            ledger.drop("times.created")
        return times.observed
    for name in ("created", "received"):
        time: datetime | None = getattr(times, name)
        if time is not None:
            ledger.derive("times.observed", f"times.{name}", "the-only-time-known")
            return time
    raise CannotSayError("CoT needs a time")


def _validity(message: Message, part: Part, time: datetime, ledger: Ledger) -> tuple[datetime, datetime]:
    start, stale = message.times.valid_from, message.times.valid_until
    if start is None:
        start = time
        ledger.derive("times.valid_from", "times.observed", "valid-from-the-start")
    if stale is None:
        try:
            stale = time + timedelta(seconds=part.stale_s)
        except OverflowError:
            stale = time
        ledger.derive("times.valid_until", "times.observed", f"stale-after-{part.stale_s}-s")
    return start, stale


def _how(message: Message, part: Part, ledger: Ledger) -> str:
    how = message.quality.how
    if how is not None and (how in ("m-g", "h-e") or is_how(how)):
        return how
    if how is not None:
        ledger.drop("quality.how", LossReason.NO_CODE)
    ledger.derive("quality.how", "kind", "usual-for-the-kind")
    return part.how


def _opex(message: Message) -> str | None:
    if message.mode not in _OPEX:
        raise CannotSayError("CoT cannot mark a message as a test")
    opex = _OPEX[message.mode]
    return opex if opex is None or message.exercise is None else f"{opex}-{message.exercise}"


def _account(message: Message, ledger: Ledger) -> None:
    quality = message.quality
    if quality.reliability is not None or quality.credibility is not None:
        ledger.drop_given("quality", quality, "reliability", "credibility")
    ledger.drop_given("", message, "precedence", "label")
    if message.exercise is not None and message.mode is Mode.UNSTATED:
        ledger.drop("exercise")
    if not carries(message.subject):
        raise CannotSayError("XML cannot carry the subject")


def _account_position(position: Position, ledger: Ledger) -> Position:
    if position.altitude_m is not None and position.altitude_datum is not AltitudeDatum.HAE:
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
