"""The messages of TAK Protocol version 1 for the protobuf library, reading one out of hostile bytes, and writing. Pure.

TAK Server, src/takserver-protobuf: takmessage.proto, cotevent.proto, detail.proto. The messages in a Detail are read as
bytes: a client sends most of them unchanged again and again, so what they say can be remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, TypeAlias

# The library is published without types.
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto  # type: ignore[import-untyped]
from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped]
from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]

from protocols.wire import WireError

UNREAD_MAX = 16_384  # bytes of fields that are not understood in one message

# Of an event, as proto3 has them (0 and "" are absent): type access qos opex uid, send start stale time in ms, how,
# lat lon hae ce le, caveat releaseableTo.
Said: TypeAlias = tuple[
    str, str, str, str, str, int, int, int, str, float, float, float, float, float, str, str
]  # fmt: skip
Parts: TypeAlias = tuple[bytes | None, ...]  # of a Detail by number: the XML, then its messages; None: absent

_Message: TypeAlias = Any  # of a class that the library makes at run time
_PARTS = ("xml", "contact", "group", "precision", "status", "takv", "track")
_TEXT, _BYTES, _WHOLE, _DOUBLE = (
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_BYTES,
    FieldDescriptorProto.TYPE_UINT64,
    FieldDescriptorProto.TYPE_DOUBLE,
)
_TEXTS = {1: "type", 2: "access", 3: "qos", 4: "opex", 5: "uid", 9: "how", 16: "caveat", 17: "releasable_to"}
_TIMES = {6: "sent", 7: "start", 8: "stale"}
_NUMBERS = {10: "lat", 11: "lon", 12: "hae", 13: "ce", 14: "le"}
_SAID = {**_TEXTS, **_TIMES, **_NUMBERS}
_GROUP = 3  # wire type: gone from proto3


def read_tak(data: bytes) -> tuple[Said, Parts] | None:
    """Read a TakMessage: what its event says and the parts of its detail, or None without event. Raise WireError.

    Unknown fields are passed over; known ones of another type, groups, and unknown fields without end are refused.
    """
    try:
        message = _read(data)
    except DecodeError:
        raise WireError("protobuf") from None
    if len(data) > UNREAD_MAX:
        _refuse_flood(message)
    _refuse_misread(message, _KNOWN_TAK)
    if not message.HasField("event"):
        return None
    event = message.event
    _refuse_misread(event, _KNOWN_EVENT)
    detail = event.detail
    _refuse_misread(detail, _KNOWN_DETAIL)
    parts = _parts(detail)
    if not all(parts):
        parts = tuple(
            [part if part or detail.HasField(name) else None for name, part in zip(_PARTS, parts, strict=True)]
        )
    return _said(event), parts


def write_tak(said: Said, parts: Parts) -> bytes:
    """A TakMessage of one event. What UTF-8 cannot carry becomes a question mark."""
    message = _TAK()
    event = message.event
    for name, value in zip(_ORDER, said, strict=True):
        if value:  # proto3 does not send a zero
            setattr(event, name, value if not isinstance(value, str) or value.isascii() else _carried(value))
    detail = event.detail
    for name, part in zip(_PARTS, parts, strict=True):
        if part is not None:
            setattr(detail, name, part)
    written: bytes = message.SerializeToString()
    return written


def _carried(text: str) -> str:
    return text.encode(errors="replace").decode()


def _refuse_misread(message: _Message, known: Iterable[int]) -> None:
    unread = UnknownFieldSet(message)
    if len(unread) and any(field.field_number in known or field.wire_type == _GROUP for field in unread):
        raise WireError("wire type")


def _refuse_flood(message: _Message) -> None:
    """Unknown fields are looked at one by one, so that their number must have an end."""
    understood = type(message)()
    understood.CopyFrom(message)
    understood.DiscardUnknownFields()
    if message.ByteSize() - understood.ByteSize() > UNREAD_MAX:
        raise WireError("unknown fields")


def _declare() -> type[_Message]:
    file = FileDescriptorProto(name="protocols/tak.proto", package="tak", syntax="proto3")
    _add(file, "Detail", {number: (name, _BYTES) for number, name in enumerate(_PARTS, start=1)}, optional=True)
    event = {number: (name, _TEXT) for number, name in _TEXTS.items()}
    event |= {number: (name, _WHOLE) for number, name in _TIMES.items()}
    event |= {number: (name, _DOUBLE) for number, name in _NUMBERS.items()}
    _add(file, "Event", {**event, 15: ("detail", "Detail")})
    times = {3: ("submitted", _WHOLE), 4: ("created", _WHOLE)}
    _add(file, "TakMessage", {1: ("control", _BYTES), 2: ("event", "Event"), **times})
    pool = DescriptorPool()
    pool.Add(file)
    made: type[_Message] = GetMessageClass(pool.FindMessageTypeByName("tak.TakMessage"))
    return made


def _add(
    file: FileDescriptorProto, name: str, fields: Mapping[int, tuple[str, int | str]], *, optional: bool = False
) -> None:
    """Add a message; where its fields are ``optional``, an empty one is told from an absent one."""
    message = file.message_type.add(name=name)
    for number, (field_name, kind) in fields.items():
        field = message.field.add(name=field_name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        if isinstance(kind, str):
            field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".tak.{kind}"
        else:
            field.type = kind
        if optional:  # proto3 says so by a oneof of one
            field.oneof_index, field.proto3_optional = len(message.oneof_decl), True
            message.oneof_decl.add(name=f"_{field_name}")


_TAK = _declare()
_read = _TAK.FromString
_ORDER = tuple(_SAID[number] for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17))
_said = attrgetter(*_ORDER)
_parts = attrgetter(*_PARTS)
_KNOWN_TAK = frozenset({1, 2, 3, 4})
_KNOWN_EVENT = frozenset({*_SAID, 15})
_KNOWN_DETAIL = frozenset(range(1, len(_PARTS) + 1))
