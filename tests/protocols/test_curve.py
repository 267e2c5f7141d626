from __future__ import annotations

import os

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from protocols.curve import is_sound

P = 2**255 - 19
# The eight points of low order (RFC 7748 calls the group's cofactor 8), by y and the sign of x; the two y of order 8
# are the roots of the curve equation for x = +-y, computed with another program.
ORDER_8 = (
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
)


def encoded(y: int, sign: int = 0) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


def flipped(key: bytes) -> bytes:
    return key[:31] + bytes((key[31] ^ 0x80,))


def low_order() -> list[bytes]:
    """All fourteen encodings of points of low order, canonical or not."""
    canonical = [encoded(1), encoded(P - 1), encoded(0), encoded(0, 1)]
    for text in ORDER_8:
        canonical += [bytes.fromhex(text), flipped(bytes.fromhex(text))]
    other = [encoded(1, 1), encoded(P - 1, 1), encoded(P), encoded(P, 1), encoded(P + 1), encoded(P + 1, 1)]
    return canonical + other


def test_all_fourteen_encodings_of_low_order_are_refused() -> None:
    keys = low_order()

    assert len(set(keys)) == 14
    assert not any(is_sound(key) for key in keys)


def test_a_low_order_key_lets_anyone_sign_which_is_why() -> None:
    """The library accepts such keys: with the neutral point as key, R = 1 and S = 0 fit whatever message."""
    neutral = encoded(1)
    fits = 0
    for number in range(50):
        try:
            Ed25519PublicKey.from_public_bytes(neutral).verify(neutral + bytes(32), f"message {number}".encode())
            fits += 1
        except InvalidSignature:
            continue

    assert fits == 50


def test_the_keys_of_order_eight_are_what_they_are_said_to_be() -> None:
    """x = +-y up to the root of minus one, and the curve equation holds."""
    d = -121665 * pow(121666, -1, P) % P
    for text in ORDER_8:
        y = int.from_bytes(bytes.fromhex(text), "little") & ((1 << 255) - 1)
        x_squared = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
        # doubling a point of order 8 gives one of order 4, whose y is 0: y^2 = -x^2
        assert (y * y + x_squared) % P == 0


def test_honest_keys_are_sound() -> None:
    for _ in range(20):
        assert is_sound(Ed25519PrivateKey.from_private_bytes(os.urandom(32)).public_key().public_bytes_raw())


def test_non_canonical_and_impossible_encodings_are_refused() -> None:
    assert not is_sound(encoded(P + 3))  # canonical it would be a point
    assert is_sound(encoded(3)) != is_sound(encoded(2))  # of the two only y = 3 is on the curve
    assert not is_sound(encoded(2))
    assert not is_sound(bytes(31))
    assert not is_sound(b"\xff" * 32)
