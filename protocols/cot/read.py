"""A CoT event to a Message: the type decides the kind, the details fill it. Pure, no clock.

What has no kind here (weather, imagery, capability, reservation, detections, range lines) is carried whole as Opaque.
Commands to weapons and the protocol's own negotiation are refused.
"""

from __future__ import annotations

from protocols.alphabet import bounded_hint
from protocols.body import Body, Opaque, Status
from protocols.cot.alert import CANCEL, alert_subject, is_alert, read_alert
from protocols.cot.chat import chat_sender, chat_subject, read_chat, read_receipt, says_more
from protocols.cot.detail import addressees_of, read_provenance, read_references
from protocols.cot.drawing import read_graphic
from protocols.cot.event import CotError, CotFault, Details, Event
from protocols.cot.extras import KIND_OF, read_extras
from protocols.cot.medevac import TYPE as MEDEVAC
from protocols.cot.medevac import read_medevac
from protocols.cot.notice import DELETE, heartbeat, read_delete, read_report
from protocols.cot.order import ENGAGE, FILE, is_weapon, read_file, read_task
from protocols.cot.track import read_atom
from protocols.message import (
    UNGRADED,
    Derived,
    Loss,
    LossReason,
    Message,
    Mode,
    Quality,
    Reference,
    Source,
    Times,
    message_id,
)

HINT_MAX = 256  # characters of the format's own marking that are kept
_MODES = {"o": Mode.OPERATION, "e": Mode.EXERCISE, "s": Mode.SIMULATION}
_POSITION_KINDS = frozenset({"track", "contact"})
_NOTHING_DERIVED: tuple[Derived, ...] = ()
_NOTHING_LOST: tuple[Loss, ...] = ()
_NO_PLACE = frozenset({"event", "point", "detail"})  # where an event has what no event has
_UID_LOST = (Loss(field="event@uid", reason=LossReason.NO_FIELD),)
_STATE_LOST = (Loss(field="state", reason=LossReason.NO_CODE, approximated=True),)


def read_message(event: Event, form: str, raw: bytes) -> Message:
    """Read an event that came as ``form``; ``raw`` is its XML, kept where the kind is not known. Raise CotError."""
    details = event.details
    unread = list(event.unread)
    try:
        if event.type[:2] == "a-":
            return _message(event, read_atom(event, details, unread), form, unread)
        refuse_commands(event, details)
        return _message(event, _body(event, details, unread) or Opaque(format="cot", data=raw), form, unread)
    except CotError:
        raise
    except ValueError:  # a struct refused a value: the model's bounds hold for every format
        raise CotError(CotFault.OUT_OF_RANGE, "event") from None


def refuse_commands(event: Event, details: Details) -> None:
    """Raise CotError for what a gateway never carries: commands to weapons, and the link's own negotiation."""
    if not event.type.startswith("t-"):
        return
    if is_weapon(event.type):
        raise CotError(CotFault.UNSUPPORTED, "event@type: command to a weapon")
    if (details.get("task", "type") or "").lower() in ENGAGE:
        raise CotError(CotFault.UNSUPPORTED, "detail/task@type: command to a weapon")
    if event.type.startswith("t-x-takp"):
        raise CotError(CotFault.UNSUPPORTED, "event@type: protocol negotiation")


def _body(event: Event, details: Details, unread: list[str]) -> Body | None:  # noqa: PLR0911  # one return a kind
    kind = event.type
    if kind == "b-t-f":
        return read_chat(event, details)
    if kind in ("b-t-f-d", "b-t-f-r") or kind.startswith("y-"):
        return read_receipt(event, details)
    if kind == MEDEVAC or "_medevac_" in details.first:
        return read_medevac(event, details, unread)
    if is_alert(event):
        return read_alert(event, details)
    beat = heartbeat(event, details)
    if beat is not None:
        return Status(technical=beat)
    if kind == DELETE:
        return read_delete(details)
    if kind == FILE:
        return read_file(details, unread)
    if kind.startswith("t-") and not kind.startswith("t-x"):
        return read_task(event, details, unread)
    return read_report(event, details) or read_graphic(event, details)


def _message(event: Event, body: Body, form: str, unread: list[str]) -> Message:
    kind, details = KIND_OF[type(body)], event.details
    time, how, opex = event.time, event.how, event.opex
    mode, exercise = _mode(opex) if opex else (Mode.UNSTATED, None)
    provenance = read_provenance(details, unread)
    extras = read_extras(event, body, unread)
    marti = details.first.get("marti")
    references, derived = read_references(details) if details.links else (), _NOTHING_DERIVED
    lost = _STATE_LOST if kind == "receipt" and says_more(event.type) else _NOTHING_LOST
    if kind in _POSITION_KINDS:
        subject = event.uid
        name = message_id("position", subject, time)
    else:
        subject = _subject(event, details, kind)
        if subject != event.uid and (kind == "alert" or (kind == "delete" and event.uid != f"{subject}.delete")):
            lost = _UID_LOST
        cancelled = ("cancelled",) if kind == "alert" and body.cancelled else ()  # type: ignore[union-attr]  # an Alert
        name = message_id(kind, subject, time, *cancelled)
        if kind == "chat" and not any(reference.relation == "p-p" for reference in references):
            references, derived = _with_sender(references, details)
    return Message(
        id=name,
        subject=subject,
        body=body,
        source=_source(event, form),
        times=Times(observed=time, created=time, valid_from=event.start, valid_until=event.stale),
        mode=mode,
        exercise=exercise,
        addressees=() if marti is None else addressees_of(marti),
        references=references,
        provenance=provenance,
        quality=UNGRADED if how is None else Quality(how=how),
        extras=extras,
        derived=derived,
        loss=(*lost, *[_unread(field) for field in dict.fromkeys(unread)]) if unread else lost,
    )


def _unread(field: str) -> Loss:
    if field == "remarks":  # read from two places
        return Loss(field=field, reason=LossReason.STRUCTURE, approximated=True)
    return Loss(field=field, reason=LossReason.NO_FIELD if field in _NO_PLACE else LossReason.UNREADABLE)


def _with_sender(
    references: tuple[Reference, ...], details: Details
) -> tuple[tuple[Reference, ...], tuple[Derived, ...]]:
    """Who sent a chat, where only the chat group says it."""
    uid = chat_sender(details)
    if uid is None:
        return references, ()
    derived = Derived(field="references", source="detail/__chat/chatgrp@uid0", rule="the-first-is-the-sender")
    return (*references, Reference(relation="p-p", subject=uid)), (derived,)


def _mode(opex: str) -> tuple[Mode, str | None]:
    letter, _, name = opex.partition("-")
    mode = _MODES.get(letter)
    if mode is None:
        raise CotError(CotFault.OUT_OF_RANGE, "event@opex")
    return mode, name or None


def _source(event: Event, form: str) -> Source:
    """What was read; ``label_hint`` is the event's own marking as one bounded text, and never a label."""
    given = (("access", event.access), ("caveat", event.caveat), ("releasableTo", event.releasable_to))
    hint = ";".join([f"{name}={value.replace(';', ',')}" for name, value in given if value])
    return Source(format=form, version=event.version, label_hint=bounded_hint(hint, HINT_MAX))


def _subject(event: Event, details: Details, kind: str) -> str:
    if kind == "alert" and event.type == CANCEL:
        return alert_subject(event, details)
    if kind == "delete":  # a delete is about its target, so that only the target's originator may send it
        return read_delete(details).target
    return chat_subject(event.uid) if kind == "chat" else event.uid
