"""NFFI, the NATO Friendly Force Information message: 1.3 read and written by its schema, 1.4 read leniently.

One frame is one NFFIMessage of any number of tracks. Altitudes are metres above mean sea level, speeds kilometres an
hour, bearings degrees true, times whole seconds. Nothing but positions of friendly forces and their distress flag can
be said; a hostile contact is refused rather than shown on a friendly force picture.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters import INPUT_MAX, DecodeError, Encoded, EncodeError, Fault
from adapters.nffi.read import has_unknown_attributes, read_tracks
from adapters.nffi.write import write_track
from protocols.body import Contact, Track
from protocols.ledger import Ledger
from protocols.message import Message
from protocols.xml import XmlError, parse

EDITION = "NFFI 1.3 (urn:nato:fft:protocols:nffi13); 1.4 read leniently"
MEDIA_TYPE = "application/xml"
READS = frozenset({"track", "contact"})
WRITES = READS
_DECLARATION_MAX = 128  # bytes


def decode(data: bytes) -> Sequence[Message]:
    """Read one NFFIMessage: a Message for every track in it. Raise DecodeError."""
    if len(data) > INPUT_MAX:
        raise DecodeError(Fault.TOO_LARGE, "frame")
    try:
        root = parse(data)
    except XmlError as error:
        raise DecodeError(Fault(error.fault), "document") from None
    usual = data.count(b"=", 0, data.find(b"?>", 0, _DECLARATION_MAX) + 1) + 1  # of XML's declaration, and a namespace
    are_more = data.count(b"=") > usual + data.count(b" accuracy=") + data.count(b" sec")
    return read_tracks(root, strange=are_more and has_unknown_attributes(root))


def encode(message: Message) -> Encoded:
    """Write an NFFIMessage of one track. Raise EncodeError when NFFI cannot say the message."""
    body = message.body
    if not isinstance(body, Track | Contact):
        raise EncodeError(f"NFFI carries positions only, not {message.kind}")
    ledger = Ledger()
    data = write_track(message, body, ledger)
    return Encoded(data, ledger.loss, ledger.derived)
