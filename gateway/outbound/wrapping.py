"""What a waiting parcel looks like on disk: sealed bytes as they are, a local unit's bytes wrapped under a local key.

Facts beside it are Records to be: ids of units, a message id, codes; never payload.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.dispatch import Copy
from gateway.keyring.keystore import key_file
from gateway.links import Parcel
from protocols.body import Contact, Track
from protocols.message import Message
from protocols.record import Record

KEY: Final = "spool.key"
_NONCE = 12
_MAGIC = b"comity spool 1"


class _Form(msgspec.Struct, frozen=True, array_like=True):
    """One parcel at rest; ``messages`` are what it says to a unit of ours, for those who watch the stream."""

    topic: Annotated[str, msgspec.Meta(max_length=65_535)]
    data: bytes
    media_type: str | None = None
    id: str | None = None
    messages: tuple[Message, ...] = ()


class Unwrapped(NamedTuple):
    """A parcel that waited."""

    parcel: Parcel
    messages: tuple[Message, ...]


_write = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder(_Form).decode
_read_facts = msgspec.msgpack.Decoder(tuple[Record, ...]).decode


class Wrapping:
    """The local key, and both forms. Raise KeyringError when the key file cannot be used."""

    def __init__(self, state: Path) -> None:
        self._box = AESGCM(key_file(state / KEY).value[:32])

    def sealed(self, parcel: Parcel) -> bytes:
        """An envelope as it is: only its audience reads it."""
        return _write(_Form(parcel.topic, parcel.data))

    def wrapped(self, parcel: Parcel, messages: Sequence[Message]) -> bytes:
        """What a unit of ours will be told, readable under the local key only."""
        nonce = os.urandom(_NONCE)
        form = _write(_Form(parcel.topic, parcel.data, parcel.media_type, parcel.id, tuple(messages)))
        return nonce + self._box.encrypt(nonce, form, _MAGIC)

    def open(self, data: bytes, *, wrapped: bool) -> Unwrapped:
        """The parcel. Raise ValueError when it is damaged, or was wrapped under another key."""
        try:
            plain = self._box.decrypt(data[:_NONCE], data[_NONCE:], _MAGIC) if wrapped else data
        except InvalidTag:
            raise ValueError("wrapped under another key, or damaged") from None
        form = _read(plain)
        return Unwrapped(Parcel(form.topic, form.data, media_type=form.media_type, id=form.id), form.messages)


def sealed_parcel(data: bytes) -> Parcel:
    """A parcel that waited under seal, without the local key. Raise ValueError when it is damaged."""
    form = _read(data)
    return Parcel(form.topic, form.data)


def pack_facts(records: Sequence[Record]) -> bytes:
    """Records to be, one for each copy."""
    return _write(tuple(records))


def unpack_facts(data: bytes) -> tuple[Record, ...]:
    """The same again. Raise ValueError when they are damaged."""
    return _read_facts(data)


def subjects(copies: Sequence[Copy]) -> tuple[bytes, ...]:
    """What the copies are about, where a newer report makes an older one worthless: positions; else nothing."""
    if not all(isinstance(copy.message.body, Track | Contact) for copy in copies):
        return ()
    named = (f"{copy.message.subject}\0{copy.way.destination.id}" for copy in copies)
    return tuple(hashlib.sha256(name.encode()).digest()[:16] for name in named)
