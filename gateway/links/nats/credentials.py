"""A NATS credentials file: a user's JWT, and the seed of the key that proves it is ours."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.links import LinkError

FILE_MAX = 65_536  # bytes
_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----\s*([A-Za-z0-9_.=-]+)\s*-+END \1-+")
_SEED_SIZE = 36  # two bytes of type, 32 of seed, two of CRC-16
_CRC_POLYNOMIAL = 0x1021  # CCITT, as the nkeys format has it


class Credentials:
    """Signs the nonce that a server sends."""

    def __init__(self, jwt: str, key: Ed25519PrivateKey) -> None:
        self._jwt = jwt
        self._key = key

    @classmethod
    def read(cls, file: str) -> Credentials:
        """Read a file. Raise LinkError when it is missing or is none."""
        try:
            text = Path(file).read_bytes()[:FILE_MAX].decode()
        except (OSError, UnicodeDecodeError) as error:
            raise LinkError(f"credentials_file {file}: cannot be read") from error
        blocks = dict(_BLOCK.findall(text))
        jwt, seed = blocks.get("NATS USER JWT"), blocks.get("USER NKEY SEED")
        if jwt is None or seed is None:
            raise LinkError(f"credentials_file {file}: holds no JWT and seed")
        try:
            return cls(jwt, Ed25519PrivateKey.from_private_bytes(_seed(seed)))
        except (ValueError, binascii.Error) as error:
            raise LinkError(f"credentials_file {file}: the seed is not one") from error

    def prove(self, nonce: str) -> dict[str, Any]:
        """What CONNECT carries."""
        signature = base64.urlsafe_b64encode(self._key.sign(nonce.encode())).rstrip(b"=")
        return {"jwt": self._jwt, "sig": signature.decode()}


def _seed(text: str) -> bytes:
    raw = base64.b32decode(text + "=" * (-len(text) % 8))
    if len(raw) != _SEED_SIZE or not text.startswith("SU") or _crc(raw[:-2]) != int.from_bytes(raw[-2:], "little"):
        raise ValueError("not a user's seed")
    return raw[2:-2]


def _crc(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (_CRC_POLYNOMIAL if crc & 0x8000 else 0)) & 0xFFFF
    return crc
