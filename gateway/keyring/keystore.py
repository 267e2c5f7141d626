"""Secrets at rest: one encrypted, authenticated file under a passphrase or a key, written whole or not at all.

AES-256-GCM under a key from Argon2id (64 MiB, 3 passes) for a passphrase, or from HKDF for a key file or a systemd
credential. Wrong secret and damaged file are one error on purpose. Files are 0600.
"""

from __future__ import annotations

import os
import stat
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import msgpack
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.durable import write_private
from gateway.errors import OperatorError

MAGIC: Final = b"comity keystore 1"
STORE_MAX: Final = 1 << 24  # bytes
SECRET_MIN, SECRET_MAX = 8, 4096  # bytes of a passphrase or key
KEY_MIN: Final = 32  # bytes of a key
ARGON2_MEMORY_KIB: Final = 64 * 1024
ARGON2_PASSES: Final = 3
ARGON2_LANES: Final = 4
_SALT = 16
KEY_FILE: Final = "secret.key"
CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"  # where systemd puts a service's credentials
CREDENTIAL_KEY: Final = "comity.key"
CREDENTIAL_PASSPHRASE: Final = "comity.passphrase"  # noqa: S105 - the name of a file


class KeyringError(OperatorError):
    """Keys or bundles cannot be used; one line that says what and what to do, and never part of a secret."""


class SecretKind(StrEnum):
    """What unlocks a keystore."""

    PASSPHRASE = "passphrase"  # noqa: S105 - the word itself
    KEY = "key"


class Secret(NamedTuple):
    """A passphrase, or a key of at least 32 random bytes."""

    kind: SecretKind
    value: bytes

    def __repr__(self) -> str:
        return f"Secret({self.kind})"


def find_secret(directory: Path, credentials: Path | None = None) -> Secret | None:
    """The secret of a keystore: a systemd credential first, then the key file beside it; None when there is neither.

    ``credentials`` is systemd's CREDENTIALS_DIRECTORY. Raise KeyringError for a file that others may read.
    """
    if credentials is not None:
        if (credentials / CREDENTIAL_KEY).is_file():
            return read_secret(credentials / CREDENTIAL_KEY, SecretKind.KEY)
        if (credentials / CREDENTIAL_PASSPHRASE).is_file():
            return read_secret(credentials / CREDENTIAL_PASSPHRASE, SecretKind.PASSPHRASE)
    beside = directory / KEY_FILE
    return read_secret(beside, SecretKind.KEY) if beside.exists() else None


def read_secret(path: Path, kind: SecretKind) -> Secret:
    """A secret from a file that only its owner may read. Raise KeyringError."""
    try:
        mode = path.stat().st_mode
        value = path.read_bytes()[: SECRET_MAX + 1]
    except OSError as error:
        raise KeyringError(f"the secret {path} cannot be read: {error.strerror}") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyringError(f"the secret {path} can be read by others: chmod 600 it")
    if kind is SecretKind.PASSPHRASE:
        value = value.rstrip(b"\r\n")
    return check_secret(Secret(kind, value))


def key_file(path: Path) -> Secret:
    """The key in a file of its own, made with 32 random bytes when there is none. Raise KeyringError."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, os.urandom(KEY_MIN))
    return read_secret(path, SecretKind.KEY)


def check_secret(secret: Secret) -> Secret:
    """The secret, when its length will do. Raise KeyringError."""
    shortest = KEY_MIN if secret.kind is SecretKind.KEY else SECRET_MIN
    if not shortest <= len(secret.value) <= SECRET_MAX:
        raise KeyringError(f"a {secret.kind} has {shortest} to {SECRET_MAX} bytes")
    return secret


def save(path: Path, content: bytes, secret: Secret) -> None:
    """Encrypt ``content`` into a file that replaces the old one as a whole.

    The salt of a passphrase stays, so that a running gateway derives its key once and not for 0.2 s at each change.
    """
    salt, nonce = _salt(path) or os.urandom(_SALT), os.urandom(12)
    head: bytes = msgpack.packb((MAGIC, str(secret.kind), salt, nonce))
    box = AESGCM(_key(secret, salt)).encrypt(nonce, content, head)
    write_private(path, msgpack.packb((head, box)))


def load(path: Path, secret: Secret) -> bytes:
    """The content of a keystore. Raise KeyringError: one for a wrong secret and for a damaged file alike."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise KeyringError(f"the keystore {path} cannot be read: {error.strerror}") from None
    try:
        return _open(data, secret)
    except (ValueError, TypeError, InvalidTag):
        raise KeyringError(f"the keystore {path} does not open: wrong passphrase or key, or a damaged file") from None


def _open(data: bytes, secret: Secret) -> bytes:
    """Decrypt a keystore. Raise ValueError, TypeError or InvalidTag for whatever is wrong."""
    head, box, salt, nonce = _parts(data)
    return AESGCM(_key(secret, salt)).decrypt(nonce, box, head)


def _parts(data: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Head, box, salt and nonce of a keystore. Raise ValueError or TypeError when it is none."""
    if len(data) > STORE_MAX:
        raise ValueError("too large")
    head, box = msgpack.unpackb(data, max_bin_len=STORE_MAX, max_array_len=4, max_map_len=0, max_ext_len=0)
    magic, _, salt, nonce = msgpack.unpackb(head, max_bin_len=64, max_array_len=4, max_map_len=0, max_ext_len=0)
    if magic != MAGIC or type(salt) is not bytes or len(salt) != _SALT:
        raise ValueError("not a keystore")
    return head, box, salt, nonce


def _salt(path: Path) -> bytes | None:
    """The salt of the keystore that is there, if one is."""
    try:
        return _parts(path.read_bytes())[2]
    except (OSError, ValueError, TypeError):
        return None


@lru_cache(maxsize=4)
def _key(secret: Secret, salt: bytes) -> bytes:
    """The key of a keystore. The parameters are fixed by its version, so a tampered file cannot make them costly."""
    if secret.kind is SecretKind.KEY:
        return HKDF(SHA256(), 32, salt, MAGIC).derive(secret.value)
    derivation = Argon2id(
        salt=salt, length=32, iterations=ARGON2_PASSES, lanes=ARGON2_LANES, memory_cost=ARGON2_MEMORY_KIB
    )
    return derivation.derive(secret.value)
