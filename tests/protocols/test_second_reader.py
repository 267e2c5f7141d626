"""The published vectors read by a second, minimal reader: plain HMAC and SHA-256, straight from the specification."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import msgpack
import pytest
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa, mlkem, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VECTORS = sorted((Path(__file__).parents[1] / "vectors" / "cse1").glob("open-*.json"))


def expand(key: bytes, info: bytes, length: int) -> bytes:
    block, output = b"", b""
    for counter in range(1, 256):
        if len(output) >= length:
            break
        block = hmac.digest(key, block + info + bytes((counter,)), "sha256")
        output += block
    return output[:length]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def chain_key(vector: dict[str, Any], rnd: bytes, slots: list[bytes]) -> bytes:
    seed, suite = bytes.fromhex(vector["recipient"]["kem_seed"]), vector["recipient"]["suite"]
    private: Any
    if suite == 1:
        expanded = hashlib.shake_256(seed).digest(96)
        lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        curve = x25519.X25519PrivateKey.from_private_bytes(expanded[64:])
        private, kem = hpke.MLKEM768X25519PrivateKey(lattice, curve), hpke.KEM.MLKEM768_X25519
        public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    else:
        private, kem = x25519.X25519PrivateKey.from_private_bytes(seed), hpke.KEM.X25519
        public = private.public_key().public_bytes_raw()
    kid = sha256(b"CSE1 kem" + bytes((suite,)) + public)[:8]
    opener = hpke.Suite(kem, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    for slot in slots:
        try:
            return opener.decrypt(slot, private, b"CSE1 ann" + rnd + kid)
        except Exception:  # noqa: BLE001, S112 - any failure means: not ours
            continue
    raise AssertionError("no slot opens")


def signer_of(vector: dict[str, Any], uid: str) -> tuple[ed25519.Ed25519PublicKey, mldsa.MLDSA65PublicKey, bytes]:
    told = next(signer for signer in vector["signers"] if signer["uid"] == uid)
    raw = bytes.fromhex(told["ed25519"]), bytes.fromhex(told["mldsa65"])
    kid = sha256(b"CSE1 sig" + raw[0] + raw[1])[:8]
    return ed25519.Ed25519PublicKey.from_public_bytes(raw[0]), mldsa.MLDSA65PublicKey.from_public_bytes(raw[1]), kid


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_a_second_reader_opens_it(path: Path) -> None:
    vector = json.loads(path.read_bytes())
    suite, kind, rnd, slots, nonce, box = msgpack.unpackb(bytes.fromhex(vector["announcements"][-1]))
    ck = chain_key(vector, rnd, slots)
    d = sha256(b"".join(slot if len(slot) == 32 else sha256(slot) for slot in slots))
    plain = AESGCM(expand(ck, b"CSE1 ann" + rnd + u32(0), 32)).decrypt(nonce, box, bytes((suite,)) + rnd + d)
    ahdr, quick, lasting = msgpack.unpackb(plain)
    terms = msgpack.unpackb(ahdr)
    ed, ml, kid = signer_of(vector, terms[4])
    signed = b"CSE1 ann\0" + sha256(ahdr) + d
    ed.verify(quick, signed)
    if suite == 1:
        ml.verify(lasting, signed, b"CSE1")
    eid = sha256(b"CSE1 eid" + kid + rnd)[:8]
    assert (kind, terms[0], terms[1], terms[2], terms[5]) == (1, suite, 1, rnd, kid)
    assert terms[10] == expand(ck, b"CSE1 commit" + eid + u32(terms[3]), 32)

    header, ciphertext = msgpack.unpackb(bytes.fromhex(vector["envelope"]))
    fields = msgpack.unpackb(header)
    assert fields[0] == suite
    assert fields[2] == eid
    for generation in range(terms[3], fields[3]):
        ck = expand(ck, b"CSE1 chain" + eid + u32(generation + 1), 32)
    keys = expand(ck, b"CSE1 key" + eid + u32(fields[3]), 76)
    number = (int.from_bytes(keys[32:44], "big") ^ fields[4]).to_bytes(12, "big")
    opened = AESGCM(keys[:32]).decrypt(number, ciphertext, header)

    if fields[1] == 3:
        assert len(msgpack.unpackb(opened[64 + 3309 :])) == 5
        ed.verify(opened[:64], b"CSE1 head\0" + sha256(header) + opened[64 + 3309 :])
        ml.verify(opened[64 : 64 + 3309], b"CSE1 head\0" + sha256(header) + opened[64 + 3309 :], b"CSE1")
        return
    start = {0: 64, 1: 0, 2: 67 + 32 * opened[66]}[terms[9]]
    t_ms, messages = msgpack.unpackb(opened[start:])
    salts = expand(keys[44:], b"CSE1 leaf" + fields[4].to_bytes(8, "big"), 16 * len(messages))
    leaves = b"".join(sha256(b"\0" + salts[16 * i : 16 * i + 16] + m) for i, m in enumerate(messages))
    root = sha256(b"CSE1 root" + sha256(header) + t_ms.to_bytes(8, "big") + u32(len(messages)) + leaves)
    if terms[9] == 0:
        ed.verify(opened[:64], b"CSE1 data\0" + root)
    elif terms[9] == 2:
        node, place = sha256(b"\0" + root), int.from_bytes(opened[64:66], "big")
        for at in range(67, start, 32):
            neighbour = opened[at : at + 32]
            if neighbour != bytes(32):
                node = sha256(b"\1" + (neighbour + node if place & 1 else node + neighbour))
            place >>= 1
        ed.verify(opened[:64], b"CSE1 tick\0" + node)
    assert messages == [bytes.fromhex(message) for message in vector["messages"]]
