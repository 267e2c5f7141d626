"""What the tests of SEDAP-Express share: a line read, a message written, and what that lost."""

from __future__ import annotations

import zlib
from base64 import b64encode
from datetime import UTC, datetime

import msgspec

from adapters import sedap
from protocols.body import (
    Alert,
    Contact,
    Identity,
    Track,
)
from protocols.message import Message, Source, Times, message_id
from protocols.quantity import Position

AT = datetime(2024, 9, 6, 7, 36, 48, 559_000, tzinfo=UTC)  # 0191C643A8AF milliseconds: 1 725 608 208 559


COT = Source(format="cot", version="2.0")


def read(line: str) -> Message:
    (message,) = sedap.decode(line.encode("latin-1"))
    return message


def written(message: Message) -> list[str]:
    return sedap.encode(message).data.decode("latin-1").split(";")


def again(message: Message) -> Message:
    (back,) = sedap.decode(sedap.encode(message).data)
    return back


def lost(message: Message) -> set[tuple[str, str]]:
    return {(loss.field, loss.reason.value) for loss in sedap.encode(message).loss}


def report(body: object, subject: str = "ANDROID-3f2a", **more: object) -> Message:
    ended = ("cancelled",) if isinstance(body, Alert) and body.cancelled else ()
    family = "position" if isinstance(body, Track | Contact) else type(body).__struct_config__.tag  # type: ignore[attr-defined]
    fields = {"source": COT, "times": Times(observed=AT, created=AT), **more}
    return msgspec.convert(
        {"id": message_id(str(family), subject, AT, *ended), "subject": subject, "body": body, **fields}, Message
    )


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return b64encode(stream.compress(data) + stream.flush())


TRACK = Track(position=Position(latitude=34.5, longitude=69.2), identity=Identity(callsign="ALPHA 1"))
