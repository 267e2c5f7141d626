"""Cursor on Target 2.0 in XML: MITRE base event schema, with the details of ATAK, WinTAK, iTAK and PyTAK.

One frame is one event. Altitudes are metres above the ellipsoid, speeds metres a second, courses degrees true.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters import INPUT_MAX, DecodeError, Encoded, EncodeError, Fault
from protocols.body import Opaque
from protocols.cot.event import CotError, parse_event
from protocols.cot.markup import CannotSayError, write_event
from protocols.cot.read import refuse_commands
from protocols.cot.report import read_xml
from protocols.cot.stream import split as split_stream
from protocols.cot.write import KINDS, draft_event, losses_of
from protocols.ledger import Ledger
from protocols.message import Message
from protocols.xml import REPLACEMENT, carries

EDITION = "Cursor on Target 2.0 (MITRE base event schema), ATAK details"
MEDIA_TYPE = "application/xml"
READS = KINDS
WRITES = KINDS
_REPLACED = REPLACEMENT.encode()


def decode(data: bytes) -> Sequence[Message]:
    """Read one event. Raise DecodeError."""
    if len(data) > INPUT_MAX:
        raise DecodeError(Fault.TOO_LARGE, "frame")
    try:
        return (read_xml(data, "cot"),)
    except CotError as error:
        raise DecodeError(Fault(error.fault), error.where) from None


def encode(message: Message) -> Encoded:
    """Write one event. Raise EncodeError when CoT cannot say the message."""
    ledger = Ledger()
    try:
        if isinstance(message.body, Opaque):
            return Encoded(_opaque(message.body))
        data = write_event(draft_event(message, ledger))
        if not data.isascii() and _REPLACED in data:
            ledger.approximate_texts(message, carries)
    except CannotSayError as error:
        raise EncodeError(str(error)) from None
    return Encoded(data, losses_of(message, ledger), ledger.derived)


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Cut a stream into events and the rest. Raise DecodeError where it is not one of bare CoT XML."""
    try:
        return split_stream(buffer)
    except CotError as error:
        raise DecodeError(Fault(error.fault), error.where) from None


def _opaque(body: Opaque) -> bytes:
    """An event that was carried whole: checked again, because the bytes come from another gateway."""
    if body.format != "cot":
        raise EncodeError("not a CoT event")
    try:
        event = parse_event(body.data)
        refuse_commands(event, event.details)
    except CotError:
        raise EncodeError("not a CoT event that may be carried") from None
    return body.data
