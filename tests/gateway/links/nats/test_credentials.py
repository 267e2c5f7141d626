from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.links import LinkError, Parcel, Settings, Subscription
from gateway.links.nats.credentials import Credentials
from gateway.links.urls import open_link
from tests.gateway.links.life import alive, take
from tests.servers import nats_server, running

PREFIX = {"operator": 14 << 3, "account": 0, "user": 20 << 3}  # the first letters O, A, U (nkeys)
SEED = 18 << 3


def crc(data: bytes) -> bytes:
    """CRC-16/XMODEM, bit by bit from its definition."""
    register = 0
    for bit in "".join(f"{byte:08b}" for byte in data):
        top = register >> 15 ^ int(bit)
        register = register << 1 & 0xFFFF
        if top:
            register ^= 0x1021
    return register.to_bytes(2, "little")


def b32(data: bytes) -> str:
    return base64.b32encode(data + crc(data)).decode().rstrip("=")


class Key:
    """A key of the NATS hierarchy."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._key = Ed25519PrivateKey.generate()
        self.public = b32(bytes((PREFIX[kind],)) + self._key.public_key().public_bytes_raw())

    @property
    def seed(self) -> str:
        prefix = PREFIX[self.kind]
        return b32(bytes((SEED | prefix >> 5, (prefix & 31) << 3)) + self._key.private_bytes_raw())

    def sign(self, subject: Key, name: str, nats: dict[str, Any]) -> str:
        claims = {"iat": 1_700_000_000, "iss": self.public, "name": name, "sub": subject.public}
        claims["nats"] = {**nats, "type": subject.kind, "version": 2}
        claims["jti"] = hashlib.sha256(json.dumps(claims).encode()).hexdigest()
        parts = [_part({"typ": "JWT", "alg": "ed25519-nkey"}), _part(claims)]
        signature = base64.urlsafe_b64encode(self._key.sign(".".join(parts).encode())).decode().rstrip("=")
        return ".".join([*parts, signature])


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def credentials(folder: Path, jwt: str, seed: str) -> str:
    file = folder / "user.creds"
    rule = "-" * 5
    file.write_text(
        f"{rule}BEGIN NATS USER JWT{rule}\n{jwt}\n------END NATS USER JWT------\n\n"
        f"{rule}BEGIN USER NKEY SEED{rule}\n{seed}\n------END USER NKEY SEED------\n"
    )
    return str(file)


async def test_a_credentials_file_gets_into_a_server_that_knows_the_operator(tmp_path: Path) -> None:
    operator, account, system, user = Key("operator"), Key("account"), Key("account"), Key("user")
    limits = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True, "conn": -1}
    limits |= {"leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    preload = {
        account.public: operator.sign(account, "A", {"limits": limits}),
        system.public: operator.sign(system, "SYS", {"limits": {**limits, "mem_storage": 0, "disk_storage": 0}}),
    }
    lines = "\n".join(f"{name}: {token}" for name, token in preload.items())
    server = nats_server(
        tmp_path / "server",
        f"operator: {operator.sign(operator, 'O', {'system_account': system.public})}",
        f"system_account: {system.public}",
        f"resolver: MEMORY\nresolver_preload {{\n{lines}\n}}",
        mqtt=False,
    )
    jwt = account.sign(user, "gateway", {"subs": -1, "data": -1, "payload": -1})
    file = credentials(tmp_path, jwt, user.seed)
    with running(server):
        url = f"nats://127.0.0.1:{server.port}"
        settings = Settings(url, "gateway", (Subscription("t/#"),), credentials_file=file)
        async with alive(open_link("x", settings)) as link:
            await link.send(Parcel("t/x", b"let in"))
            (frame,) = await take(link, 1)
            frame.ack()
            assert frame.data == b"let in"


@pytest.mark.parametrize("seed", ["", "SUAAAA", Key("account").seed, Key("user").seed[:-3] + "AAA", "S" + "1" * 57])
def test_a_seed_that_is_none_of_a_user_is_one_line(seed: str, tmp_path: Path) -> None:
    with pytest.raises(LinkError) as caught:
        Credentials.read(credentials(tmp_path, "x.y.z", seed))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="cannot be read"):
        Credentials.read(str(tmp_path / "none"))
