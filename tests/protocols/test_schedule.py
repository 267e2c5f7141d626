from __future__ import annotations

import hashlib
import hmac
from itertools import combinations

from protocols import schedule

EID = bytes(range(8))


def hkdf_expand(key: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869, 2.3, written out."""
    block, output = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.new(key, block + info + bytes((counter,)), hashlib.sha256).digest()
        output += block
    return output[:length]


def test_every_derivation_is_hkdf_expand_with_its_own_label() -> None:
    key = bytes(range(32))

    assert schedule.next_chain(key, EID, 6) == hkdf_expand(key, b"CSE1 chain" + EID + b"\0\0\0\x07", 32)
    assert schedule.generation_keys(key, EID, 6) == hkdf_expand(key, b"CSE1 key" + EID + b"\0\0\0\x06", 76)
    assert schedule.commitment(key, EID, 258) == hkdf_expand(key, b"CSE1 commit" + EID + b"\0\0\x01\x02", 32)
    assert schedule.box_key(key, bytes(16)) == hkdf_expand(key, b"CSE1 ann" + bytes(16) + bytes(4), 32)
    assert schedule.leaf_salts(key, 9, 5) == hkdf_expand(key, b"CSE1 leaf" + bytes(7) + b"\x09", 80)


def test_a_nonce_is_the_base_xor_the_sequence_number() -> None:
    keys = schedule.load_generation(bytes(32) + bytes.fromhex("00112233445566778899aabb") + bytes(32))

    assert keys.nonce(0) == bytes.fromhex("00112233445566778899aabb")
    assert keys.nonce(0x01FF) == bytes.fromhex("00112233445566778899ab44")


def test_ids_are_hashes_with_their_own_context() -> None:
    sha256 = hashlib.sha256

    assert schedule.epoch_id(b"kid", b"rnd") == sha256(b"CSE1 eidkidrnd").digest()[:8]
    assert schedule.signing_key_id(b"ed", b"ml") == sha256(b"CSE1 sigedml").digest()
    assert schedule.sealing_key_id(2, b"pk") == sha256(b"CSE1 kem\x02pk").digest()


def test_a_root_binds_header_time_count_and_every_salted_message() -> None:
    sha256 = hashlib.sha256
    salts = hkdf_expand(b"s" * 32, b"CSE1 leaf" + bytes(8), 32)
    leaves = b"".join(sha256(b"\0" + salts[16 * i : 16 * i + 16] + m).digest() for i, m in enumerate((b"one", b"two")))
    start = b"CSE1 root" + sha256(b"header").digest() + (5).to_bytes(8, "big") + (2).to_bytes(4, "big")

    root = schedule.envelope_root(b"header", 5, [b"one", b"two"], b"s" * 32, 0)

    assert root == sha256(start + leaves).digest()
    assert schedule.leaf(salts[:16], b"one") == leaves[:32]


def test_a_split_announcement_has_the_digest_of_the_whole_one() -> None:
    whole = (b"a" * 80, b"b" * 80)
    split = (b"a" * 80, hashlib.sha256(b"b" * 80).digest())

    assert schedule.slots_digest(whole) == schedule.slots_digest(split)
    assert schedule.slots_digest(whole) != schedule.slots_digest(whole[::-1])


def test_no_context_of_a_signature_or_hash_begins_another() -> None:
    for group in (schedule.SIGNATURE_CONTEXTS, schedule.HASH_CONTEXTS, schedule.DERIVATIONS):
        assert len(set(group)) == len(group)
        for one, other in combinations(group, 2):
            assert not one.startswith(other)
            assert not other.startswith(one)


def test_every_context_of_the_module_is_in_the_lists() -> None:
    listed = {*schedule.SIGNATURE_CONTEXTS, *schedule.HASH_CONTEXTS}
    defined = {value for name, value in vars(schedule).items() if name.isupper() and isinstance(value, bytes)}
    # the context of ML-DSA itself, the info of a slot and the leaves of a root are inputs of other functions
    assert defined - listed == {schedule.MLDSA_CONTEXT, schedule.SLOT_INFO, schedule.LEAF}
