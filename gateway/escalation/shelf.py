"""What waits for an acknowledgement, on disk: encrypted under a key of this gateway, so that a restart forgets nothing.

An append reaches the kernel before the call returns, which outlives the process; a power cut may lose the newest. Each
entry is ``length (4) | nonce (12) | AES-256-GCM``, and says that something waits, or that it no longer does.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters import INPUT_MAX
from gateway.durable import write_private
from gateway.escalation.waiting import Waiting
from gateway.keyring.keystore import KeyringError, key_file

LOG: Final = "waiting.log"
KEY: Final = "waiting.key"
LOG_MAX: Final = 1 << 24  # bytes after which it is written anew
_ENTRY_MAX = 8 * INPUT_MAX  # a message with its original bytes beside it, and then some
_MAGIC = b"comity waiting 1"
_LENGTH = struct.Struct(">I")
_NONCE = 12  # bytes; random, so at most 2^32 entries under one key
_PUT, _DROP = b"+", b"-"
_read = msgspec.msgpack.Decoder(Waiting).decode
_write = msgspec.msgpack.Encoder().encode


class Shelf:
    """The file of one gateway."""

    def __init__(self, directory: Path) -> None:
        """Read what is there. Raise KeyringError when it was written under another key, or is damaged."""
        self._path = directory / LOG
        self._box = AESGCM(key_file(directory / KEY).value[:32])
        self._log = -1
        try:
            data = self._path.read_bytes() if self._path.exists() else b""
            self._kept = self._replayed(data)
        except (InvalidTag, ValueError, OSError) as error:
            what = (
                f"cannot be read ({type(error).__name__}): remove it, and what waited for acknowledgement is forgotten"
            )
            raise KeyringError(f"{self._path} {what}") from None
        self.renew(self._kept.values())

    def kept(self) -> Iterable[Waiting]:
        """What waited when the gateway stopped, oldest first."""
        return tuple(self._kept.values())

    def put(self, case: Waiting) -> None:
        """This waits now, instead of what waited under its key. Raise OSError when it cannot be kept."""
        self._append(_PUT + _write(case))

    def drop(self, key: str) -> None:
        """This waits no longer. Raise OSError when that cannot be kept."""
        self._append(_DROP + key.encode())

    @property
    def worn(self) -> bool:
        """Whether so much was written that it should be written anew."""
        return self._size > LOG_MAX

    def renew(self, cases: Iterable[Waiting]) -> None:
        """Write the file anew, as a whole, with what waits."""
        data = b"".join(self._sealed(_PUT + _write(case)) for case in cases)
        write_private(self._path, data)
        self.close()
        self._log = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._size = len(data)

    def close(self) -> None:
        """Let go of the file."""
        if self._log >= 0:
            os.close(self._log)
        self._log = -1

    def _append(self, entry: bytes) -> None:
        data = self._sealed(entry)
        while data:
            written = os.write(self._log, data)
            self._size += written
            data = data[written:]

    def _sealed(self, entry: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        box = self._box.encrypt(nonce, entry, _MAGIC)
        return _LENGTH.pack(_NONCE + len(box)) + nonce + box

    def _replayed(self, data: bytes) -> dict[str, Waiting]:
        kept: dict[str, Waiting] = {}
        for entry in self._entries(data):
            if entry.startswith(_PUT):
                case = _read(entry[1:])
                kept[case.key] = case
            else:
                kept.pop(entry[1:].decode(), None)
        return kept

    def _entries(self, data: bytes) -> Iterator[bytes]:
        """Every whole entry. A torn last one is what a crash leaves, and its message was not acknowledged."""
        place = 0
        while len(data) - place >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(data, place)
            if not _NONCE < length <= _ENTRY_MAX:
                raise ValueError("an entry's length")
            place += _LENGTH.size
            sealed = data[place : place + length]
            if len(sealed) < length:
                return
            yield self._box.decrypt(sealed[:_NONCE], sealed[_NONCE:], _MAGIC)
            place += length
