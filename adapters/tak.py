"""TAK Protocol version 1 (protobuf), as TAK Server and ATAK speak it; version 0, bare CoT XML, is read too.

One frame is one TakMessage with its mesh (``bf 01 bf``) or stream (``bf`` length) header; mesh is written. Units are
those of CoT. Times are whole milliseconds; proto3 cannot tell zero from not given, so zero is zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters import INPUT_MAX, DecodeError, Encoded, EncodeError, Fault
from protocols.body import Opaque
from protocols.cot.event import CotError, parse_event
from protocols.cot.markup import CannotSayError, Draft, write_event
from protocols.cot.read import read_message, refuse_commands
from protocols.cot.whole import redraft
from protocols.cot.write import KINDS, draft_event, losses_of
from protocols.ledger import Ledger
from protocols.message import LossReason, Message
from protocols.tak import event_of, mesh, read_frame, write_message
from protocols.tak import split as split_stream
from protocols.tak_report import FORM, report_of
from protocols.xml import REPLACEMENT, carries

EDITION = "TAK Protocol version 1 (TAK Server takmessage.proto); version 0 read"
MEDIA_TYPE = "application/x-protobuf"
READS = KINDS
WRITES = KINDS
WRITES_STREAM = False  # on a stream both sides first agree on version 1, and until then speak bare XML: write with cot
_REPLACED = REPLACEMENT.encode()


def decode(data: bytes) -> Sequence[Message]:
    """Read one frame: no Message where it only negotiates versions. Raise DecodeError."""
    if len(data) > INPUT_MAX:
        raise DecodeError(Fault.TOO_LARGE, "frame")
    try:
        if data[:1] == b"<":
            return (read_message(parse_event(data), FORM, data),)
        found = read_frame(data)
        if found is None:
            return ()
        report = report_of(*found, len(data))
        if report is not None:
            return (report,)
        event = event_of(*found)
        message = read_message(event, FORM, b"")
        if isinstance(message.body, Opaque):
            message = read_message(event, FORM, write_event(redraft(event)))
    except CotError as error:
        raise DecodeError(Fault(error.fault), error.where) from None
    return (message,)


def encode(message: Message) -> Encoded:
    """Write one mesh frame. Raise EncodeError when CoT cannot say the message."""
    ledger = Ledger()
    try:
        if isinstance(message.body, Opaque):
            draft = _opaque(message.body)
            for field in ("data", "times.valid_from", "times.valid_until", "quality.how"):
                ledger.derive(field, "data", "the-same-event-in-protobuf")
        else:
            draft = draft_event(message, ledger)
        data = mesh(write_message(draft))
    except CannotSayError as error:
        raise EncodeError(str(error)) from None
    _account_milliseconds(draft, ledger)
    if _REPLACED in data:
        ledger.approximate_texts(message, carries)
    return Encoded(data, losses_of(message, ledger), ledger.derived)


def _account_milliseconds(draft: Draft, ledger: Ledger) -> None:
    said = (
        ("observed", draft.time),
        ("created", draft.time),
        ("valid_from", draft.start),
        ("valid_until", draft.stale),
    )
    for field, moment in said:
        if moment.microsecond % 1000:
            ledger.approximate(f"times.{field}", LossReason.PRECISION)


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Cut a stream into frames and the rest. Raise DecodeError where it is no TAK stream."""
    try:
        return split_stream(buffer)
    except CotError as error:
        raise DecodeError(Fault(error.fault), error.where) from None


def _opaque(body: Opaque) -> Draft:
    """An event that was carried whole: checked again, because the bytes come from another gateway."""
    if body.format != "cot":
        raise EncodeError("not a CoT event")
    try:
        event = parse_event(body.data)
        refuse_commands(event, event.details)
        return redraft(event)
    except CotError:
        raise EncodeError("not a CoT event that may be carried") from None
