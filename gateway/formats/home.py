"""The way home: a report goes back into the format it came from as the bytes that it was, where nothing changed."""

from __future__ import annotations

from msgspec.structs import replace

from adapters import DecodeError, Encoded, load
from protocols.message import Message, Original


def keep(message: Message, form: str, data: bytes) -> Message:
    """The message with the bytes it was read from, alone in its frame."""
    return replace(message, original=Original(format=form, data=data))


def restored(message: Message, form: str) -> Encoded | None:
    """The kept bytes, if they are of this format and still say exactly this message; else None."""
    original = message.original
    if original is None or original.format != form:
        return None
    try:
        again = load(form).decode(original.data)
    except DecodeError:
        return None
    same = len(again) == 1 and again[0] == replace(message, original=None)
    return Encoded(original.data) if same else None
