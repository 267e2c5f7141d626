"""CAP 1.2 and 1.1 to Messages: one for each info block of an alert, one for each alert that a Cancel or Ack names.

A missing mandatory element of the alert refuses it. A malformed optional one (a polygon that does not close, an empty
severity) is set aside as a loss: a warning is not withheld because its sender's software is careless.
"""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from adapters import DecodeError, Fault
from adapters.cap.head import Head
from adapters.cap.info import Info
from adapters.cap.names import NAMESPACES, RELAY
from protocols.body import Body, Receipt, ReceiptState
from protocols.message import Loss, LossReason, Message, Reference, Times, message_id
from protocols.moment import is_whole
from protocols.xml import XmlElement, XmlError, parse

_ATTRIBUTES = etree.XPath("boolean(//@*)")
CANCELLED_MAX = 400  # alerts that one document ends: references times info blocks


def decode(data: bytes) -> Sequence[Message]:
    """Read one alert document. Raise DecodeError when it is refused."""
    try:
        root = parse(data)
    except XmlError as error:
        raise DecodeError(Fault(error.fault.value), "document") from None
    kind = etree.QName(root)
    version = NAMESPACES.get(kind.namespace or "")
    if kind.localname != "alert" or version is None:
        raise DecodeError(Fault.UNSUPPORTED, "alert")
    try:
        head = Head(root, kind.namespace or "", version)
        if _has_attributes(root, data):
            head.losses.append(Loss(field="attribute", reason=LossReason.NO_FIELD))
        return _alert(head)
    except DecodeError:
        raise
    except (ValueError, ArithmeticError):  # the model's own bounds
        raise DecodeError(Fault.OUT_OF_RANGE, "alert") from None


def _has_attributes(root: XmlElement, data: bytes) -> bool:
    """Whether there is an attribute anywhere, which CAP has none of. A look at the bytes spares most the search."""
    rest = data[data.find(b">", data.find(b"alert")) :]
    return len(root.attrib) > 0 or ((b'="' in rest or b"='" in rest or b"= " in rest) and bool(_ATTRIBUTES(root)))


def _alert(head: Head) -> Sequence[Message]:
    if head.kind in ("Ack", "Error"):
        return [_receipt(head, reference) for reference in _referenced(head)]
    blocks = list(enumerate(head.infos or [None], 1))
    if head.kind == "Cancel":
        if len(head.references) * len(blocks) > CANCELLED_MAX:
            raise DecodeError(Fault.TOO_LARGE, "references")
        read = [(place, Info(head, element, cancelled=True)) for place, element in blocks]
        return [_cancelled(head, each, info, place) for each in _referenced(head) for place, info in read]
    return [_message(head, info, place) for place, info in blocks]


def _referenced(head: Head) -> tuple[Reference, ...]:
    if not head.references:
        raise DecodeError(Fault.MISSING, "references")
    return head.references


def _message(head: Head, element: XmlElement | None, place: int) -> Message:
    info, subject = Info(head, element), _block(head.subject, place)
    ident = message_id(_kind(info.body), subject, info.observed or head.sent)
    return _built(head, ident, info, subject=subject, references=head.references)


def _cancelled(head: Head, reference: Reference, info: Info, place: int) -> Message:
    """The end of one alert. The Cancel's own name is kept, so that it can be written again."""
    subject = _block(reference.subject, place)
    ident = message_id("alert", subject, info.observed or head.sent, "cancelled")
    own: tuple[Reference, ...] = ()
    if head.sender != RELAY:
        own = (Reference(relation=reference.relation, subject=subject),)
        own += (Reference(relation="identifier", subject=head.subject),) if place == 1 else ()
    return _built(head, ident, info, subject=subject, references=own)


def _block(subject: str, place: int) -> str:
    """Each info block is shown, updated and ended by itself: those after the first have a number in their subject."""
    return subject if place == 1 else f"{subject},{place}"


def _receipt(head: Head, reference: Reference) -> Message:
    state = ReceiptState.ACCEPTED if head.kind == "Ack" else ReceiptState.REFUSED
    lost = [Loss(field=extra.name, reason=LossReason.NO_FIELD) for extra in head.extras if extra.name != "note"]
    body = Receipt(of=reference.subject, state=state, reason=head.note)
    return Message(
        id=message_id("receipt", head.subject, head.sent, reference.subject),
        subject=head.subject,
        body=body,
        source=head.source,
        times=_times(head, None),
        mode=head.mode,
        addressees=head.addressees,
        loss=tuple(dict.fromkeys([*head.losses, *lost])),
    )


def _built(head: Head, ident: str, info: Info, *, references: tuple[Reference, ...], subject: str) -> Message:
    return Message(
        id=ident,
        subject=subject,
        body=info.body,
        source=head.source,
        times=_times(head, info),
        mode=head.mode,
        addressees=head.addressees,
        references=references,
        extras=info.extras,
        loss=tuple(dict.fromkeys(info.losses)),
        derived=tuple(info.derived),
    )


def _times(head: Head, info: Info | None) -> Times:
    """CAP has whole seconds; a gateway's own parameter adds what a relayed report had more."""
    finer = None if info is None else info.observed
    created = finer if finer is not None and finer.replace(microsecond=0) == head.sent else head.sent
    return Times(
        observed=finer or head.sent,
        created=created,
        valid_from=None if info is None else info.valid_from,
        valid_until=None if info is None else info.valid_until,
        whole_seconds=is_whole(head.sent) and finer is None,
    )


def _kind(body: Body) -> str:
    return str(type(body).__struct_config__.tag)
