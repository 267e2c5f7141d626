"""TAK Protocol version 1: CoT events as protobuf, framed for a mesh or a stream, and how both sides agree on it. Pure.

TAK Server, src/takserver-protobuf: takmessage.proto, cotevent.proto, detail.proto. A detail element becomes a typed
message only whole: with an attribute or a child that the message cannot hold, or met twice, it stays XML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from protocols.cot.event import CotError, CotFault, Details, Event, Point, height, is_how, is_type
from protocols.cot.markup import CannotSayError, Draft, Element, write_details
from protocols.moment import EPOCH, read_epoch
from protocols.quantity import AltitudeDatum, Position
from protocols.remembered import Remembered
from protocols.tak_detail import MOVEMENT, TYPED, read_detail
from protocols.tak_schema import Parts, Said, read_tak, write_tak
from protocols.wire import (
    Value,
    WireError,
    read_fields,
    read_varint,
    write_double,
    write_int,
    write_text,
    write_varint,
)
from protocols.xml import XmlError

MAGIC = 0xBF
MESH = b"\xbf\x01\xbf"
VERSION = 1
FRAME_MAX = 1_048_576  # bytes of one framed message
UNKNOWN_M = 999_999.0  # hae, ce, le

_NUMBERS = {tag: number for number, (tag, _) in TYPED.items()}
_MILLISECOND = timedelta(milliseconds=1)


class Control(NamedTuple):
    """What versions a sender reads (takcontrol.proto); 0 stands for 1."""

    lowest: int
    highest: int
    uid: str


def read_frame(data: bytes) -> tuple[Said, Parts] | None:
    """Read one mesh or stream frame; None where it holds only control information. Raise CotError."""
    message = data[3:] if data[:3] == MESH else _of_stream(data)
    try:
        return read_tak(message)
    except WireError:
        raise CotError(CotFault.MALFORMED, "TakMessage") from None


def event_of(said: Said, parts: Parts) -> Event:
    """The event that was read. Raise CotError."""
    cot_type, access, qos, opex, uid, sent, start, stale, how, latitude, longitude, hae, ce, le, caveat, releasable = (
        said
    )
    if not cot_type or not uid:
        raise CotError(CotFault.MISSING, "CotEvent: type or uid")
    if not is_type(cot_type):
        raise CotError(CotFault.MALFORMED, "CotEvent: type")
    if not sent:
        raise CotError(CotFault.MISSING, "CotEvent: sendTime")
    given = (("quality.how", is_how(how)), ("times.valid_from", start), ("times.valid_until", stale))
    return Event(
        cot_type,
        uid,
        _time(sent),
        _time(start) if start else None,
        _time(stale) if stale else None,
        how if is_how(how) else None,
        Point(latitude, longitude, height(hae), measure(ce), measure(le)),
        _details(parts),
        "2.0",
        access or None,
        qos or None,
        opex or None,
        caveat or None,
        releasable or None,
        tuple([field for field, there in given if not there]),
    )


def measure(metres: float) -> float | None:
    """Metres of ce or le, or None where that is how "unknown" is written."""
    return metres if metres < UNKNOWN_M else None  # NaN is not less than anything


def write_message(draft: Draft) -> bytes:
    """A TakMessage of one event, unframed. Raise CannotSayError."""
    times = _milliseconds(draft.time), _milliseconds(draft.start), _milliseconds(draft.stale)
    said = (draft.type, "", draft.qos or "", draft.opex or "", draft.uid, *times, draft.how, *_point(draft.position))
    return write_tak((*said, "", ""), _parts(draft.details))


def mesh(message: bytes) -> bytes:
    """Frame a TakMessage as one datagram."""
    return MESH + message


def stream(message: bytes) -> bytes:
    """Frame a TakMessage for a stream."""
    return b"\xbf" + write_varint(len(message)) + message


def split(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Cut a stream into frames and what is left over for the next time. Raise CotError where it is no TAK stream.

    Before both sides have agreed on version 1 the stream is bare XML, which ends with ``</event>``.
    """
    frames = []
    while buffer := buffer.lstrip(b"\r\n\t "):
        if buffer[0] == MAGIC:
            try:
                size, at = read_varint(buffer, 1)
            except WireError:
                if len(buffer) > 10:
                    raise CotError(CotFault.MALFORMED, "stream: length") from None
                break
            end = at + size
        elif buffer[:1] == b"<":
            found = buffer.find(b"</event>")
            end = found + len(b"</event>") if found >= 0 else len(buffer) + 1
        else:
            raise CotError(CotFault.MALFORMED, "stream: neither TAK Protocol nor XML")
        if end > FRAME_MAX:
            raise CotError(CotFault.TOO_LARGE, "stream: frame")
        if end > len(buffer):
            break
        frames.append(buffer[:end])
        buffer = buffer[end:]
    return frames, buffer


def read_control(data: bytes) -> Control | None:
    """What versions the sender of a mesh datagram reads, where it says so. Raise CotError."""
    try:
        control = read_fields(data[3:] if data[:3] == MESH else data).get(1)
        if control is None:
            return None
        fields = read_fields(_bytes(control))
        lowest, highest = fields.get(1, 0), fields.get(2, 0)
        uid = _bytes(fields.get(3, b"")).decode()
    except (WireError, UnicodeDecodeError):
        raise CotError(CotFault.MALFORMED, "TakControl") from None
    if not isinstance(lowest, int) or not isinstance(highest, int):
        raise CotError(CotFault.MALFORMED, "TakControl")
    return Control(lowest or VERSION, highest or VERSION, uid)


def _of_stream(data: bytes) -> bytes:
    if data[:1] != b"\xbf":
        raise CotError(CotFault.MALFORMED, "frame: no TAK Protocol header")
    try:
        size, at = read_varint(data, 1)
    except WireError:
        raise CotError(CotFault.MALFORMED, "frame: length") from None
    if size != len(data) - at:
        raise CotError(CotFault.MALFORMED, "frame: length")
    return data[at:]


def _details(parts: Parts) -> Details:
    try:
        return read_detail(parts)
    except (WireError, UnicodeDecodeError):
        raise CotError(CotFault.MALFORMED, "detail") from None
    except XmlError as error:
        raise CotError(CotFault(error.fault), "detail/xmlDetail") from None


def _parts(details: Sequence[Element]) -> Parts:
    """Each element as its message, or as XML where the message cannot hold the whole of it or it is there twice."""
    tags = [element.tag for element in details]
    parts: list[bytes | None] = [None] * 7
    rest = []
    for element in details:
        tag = element.tag
        number = _NUMBERS.get(tag)
        if number is None or element.inner or tags.count(tag) > 1:
            message = None
        elif tag == "track":
            message = _movement(element.attributes)
        else:
            message = _messages[tag, tuple(element.attributes.items())]
        if number is None or message is None:
            rest.append(element)
        else:
            parts[number - 1] = message
    if rest:
        parts[0] = write_details(rest).encode(errors="replace")
    return tuple(parts)


def _movement(given: Mapping[str, str]) -> bytes | None:
    if len(given) != 2 or given.keys() != MOVEMENT:  # absent would read as zero
        return None
    speed, course = given["speed"], given["course"]
    try:
        message = write_double(1, float(speed)) + write_double(2, float(course))
    except ValueError:
        return None
    return None if "_" in speed or "_" in course else message  # Python's numbers may be written so, nobody else's


def _message(element: tuple[str, tuple[tuple[str, str], ...]]) -> bytes | None:
    """An element as its message, or None where the message cannot hold the whole of it."""
    tag, given = element
    attributes, names = dict(given), TYPED[_NUMBERS[tag]][1]
    if not attributes.keys() <= set(names.values()):
        return None
    if tag == "status":
        battery = attributes.get("battery", "")
        return write_int(1, int(battery)) if battery.isascii() and battery.isdigit() and len(battery) < 10 else None
    return b"".join([write_text(at, attributes.get(name)) for at, name in names.items()])


_messages = Remembered(_message)


def _point(position: Position | None) -> tuple[float, float, float, float, float]:
    if position is None:
        return 0.0, 0.0, UNKNOWN_M, UNKNOWN_M, UNKNOWN_M
    hae = position.altitude_m if position.altitude_datum is AltitudeDatum.HAE else None
    known = [UNKNOWN_M if m is None else m for m in (hae, position.circular_error_m, position.linear_error_m)]
    return position.latitude, position.longitude, known[0], known[1], known[2]


def _milliseconds(moment: datetime) -> int:
    milliseconds = (moment - EPOCH) // _MILLISECOND  # cut as message_id cuts
    if milliseconds <= 0:
        raise CannotSayError("TAK Protocol has no time before 1970")
    return milliseconds


def _time(milliseconds: int) -> datetime:
    try:
        return read_epoch(milliseconds)
    except ValueError:
        raise CotError(CotFault.OUT_OF_RANGE, "CotEvent: time") from None


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise WireError("not length-prefixed")
    return value
