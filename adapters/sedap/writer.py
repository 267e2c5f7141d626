"""Messages to SEDAP-Express lines.

What a SEDAP-Express sender named is written with its own sender and id; everything else has the Sender ``COMITY`` and
its subject as CONTACT id or TEXT reference. No MAC and no request for an acknowledgement is ever written.
"""

from __future__ import annotations

import zlib
from base64 import b64decode
from collections.abc import Callable
from typing import Any

from adapters import DecodeError, Encoded, EncodeError
from adapters.sedap.drawings import write_graphic
from adapters.sedap.fields import Draft, altitude, name, number_or_empty, own_id, sender_of, symbol
from adapters.sedap.grammar import IMAGE_BYTES, OWN, TEXT_BYTES, native, write_base64, write_number
from adapters.sedap.positions import SENSORS
from adapters.sedap.reader import decode
from adapters.sedap.states import write_receipt, write_status
from adapters.sedap.words import write_chat, write_filled
from protocols.body import Alert, Chat, Contact, Delete, Graphic, Medevac, Opaque, Receipt, Report, Status, Track
from protocols.message import LossReason, Message

_ORDER = b"COMMAND"
_LETTERS = {sensor: letter for letter, sensor in SENSORS.items()}
_POSITION = ("position.latitude", "position.longitude")
_MOVEMENT = ("kinematics.speed_mps", "kinematics.course_deg", "kinematics.heading_deg")


def encode(message: Message) -> Encoded:
    """Write one message as one line, without its line feed. Raise EncodeError for what the format must not say."""
    writer = _WRITERS.get(type(message.body))
    if writer is None:
        raise EncodeError(f"SEDAP-Express is not written for a {message.kind}")
    return writer(message, message.body)


def _track(message: Message, body: Track) -> Encoded:
    named = native(message.subject)
    if named is None:
        return _contact(message, body)
    draft = Draft(message)
    sender, unit = named
    unit = "" if unit == OWN and body.identity.callsign != OWN else unit
    if body.identity.callsign != (unit or None):
        draft.lose("identity.callsign", LossReason.NO_FIELD)
    draft.carried.update((*_POSITION, *_MOVEMENT, "identity.callsign"))
    content = [*_place(draft, body), *_movement(body), *_attitude(draft), unit, symbol(draft, body.symbol)]
    return draft.encoded("OWNUNIT", sender, content)


def _contact(message: Message, body: Track | Contact) -> Encoded:
    named = native(message.subject)
    draft = Draft(message)
    draft.carried.update((*_POSITION, *_MOVEMENT))
    callsign = name(draft, "identity.callsign", body.identity.callsign)
    relative = [draft.kept(f"relative_{axis}") for axis in "xyz"]
    content = [own_id(message.subject, named), "FALSE", *_place(draft, body), *relative, *_movement(body)]
    content += _attitude(draft)
    if isinstance(body, Contact):
        content += [number_or_empty(size) for size in (body.width_m, body.length_m, body.height_m)]
        content += [callsign, _sensors(draft, body.sensors), symbol(draft, body.symbol)]
        content += [name(draft, "mmsi", body.mmsi), name(draft, "icao", body.icao)]
        draft.carried.update(("width_m", "length_m", "height_m"))
    else:
        draft.lose("kind", LossReason.STRUCTURE, approximated=True)
        content += ["", "", "", callsign, "", symbol(draft, body.symbol), "", ""]
    content += [draft.kept("image"), _comment(draft, body.remarks)]
    return draft.encoded("CONTACT", sender_of(named), content)


def _delete(message: Message, body: Delete) -> Encoded:
    draft = Draft(message)
    draft.carried.add("target")
    if message.subject != body.target:
        draft.lose("subject", LossReason.NO_FIELD)
    named = native(body.target)
    draft.carried.add("mode" if message.mode == "unstated" else "target")
    return draft.encoded("CONTACT", sender_of(named), [own_id(body.target, named), "TRUE"])


def _opaque(_: Message, body: Opaque) -> Encoded:
    """Lines that were read as opaque go on as they are. Anything else inside, an order above all, is refused."""
    try:
        read = decode(body.data) if body.format == "sedap" else ()
    except DecodeError:
        read = ()
    if len(read) != 1 or not isinstance(read[0].body, Opaque) or read[0].body.data != body.data:
        raise EncodeError("not one line of SEDAP-Express that may be passed on")
    if any(_ORDER in inside.upper() for inside in (body.data, *_unwrapped(body.data))):
        raise EncodeError("an order inside")
    return Encoded(body.data)


def _unwrapped(data: bytes) -> list[bytes]:
    """The fields of a line that are base64, decoded, and inflated where they are that."""
    inner: list[bytes] = []
    for field in data.split(b";"):
        try:
            inner.append(b64decode(field, validate=True))
            inner.append(zlib.decompressobj(-15).decompress(inner[-1], IMAGE_BYTES))
        except (ValueError, zlib.error):
            continue
    return inner


def _place(draft: Draft, body: Track | Contact) -> list[str]:
    position = body.position
    return [write_number(position.latitude), write_number(position.longitude), altitude(draft, position)]


def _attitude(draft: Draft) -> list[str]:
    return [draft.kept("roll"), draft.kept("pitch")]


def _movement(body: Track | Contact) -> list[str]:
    movement = body.kinematics
    return [number_or_empty(value) for value in (movement.speed_mps, movement.course_deg, movement.heading_deg)]


def _sensors(draft: Draft, sensors: tuple[str, ...]) -> str:
    draft.carried.add("sensors")
    letters = [_LETTERS.get(sensor, "") for sensor in sensors]
    if not all(letters):
        draft.lose("sensors", LossReason.NO_CODE, approximated=any(letters))
    return "".join(letters)


def _comment(draft: Draft, remarks: str | None) -> str:
    draft.carried.add("remarks")
    text = remarks or ""
    if len(text.encode()) > TEXT_BYTES * 3 // 4:  # base64 makes four characters of three bytes
        text = text.encode()[: TEXT_BYTES * 3 // 4].decode(errors="ignore")
        draft.lose("remarks", LossReason.TOO_LONG, approximated=True)
    return write_base64(text)


_WRITERS: dict[type, Callable[[Message, Any], Encoded]] = {
    Track: _track,
    Contact: _contact,
    Delete: _delete,
    Opaque: _opaque,
    Chat: write_chat,
    Alert: write_filled,
    Medevac: write_filled,
    Report: write_filled,
    Receipt: write_receipt,
    Status: write_status,
    Graphic: write_graphic,
}
