"""Whether an Ed25519 public key is a sound one: OpenSSL accepts keys for which anybody can sign. Pure.

RFC 8032, 5.1.3 and 5.1.7: a key is refused when its encoding is not the canonical one, when it is no point of the
curve, or when its order is low (1, 2, 4 or 8): such a "signature" verifies for any message. Only public bytes come
here, so nothing has to run in constant time.
"""

from __future__ import annotations

from typing import Final

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE: Final = pow(2, (_P - 1) // 4, _P)
_COFACTOR_DOUBLINGS: Final = 3  # the curve's cofactor is 8


def is_sound(key: bytes) -> bool:
    """Whether these 32 bytes are the canonical encoding of a point whose order is not low."""
    if len(key) != 32:
        return False
    number = int.from_bytes(key, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= _P:
        return False
    x = _recover_x(y, sign)
    if x is None:
        return False
    for _ in range(_COFACTOR_DOUBLINGS):
        x, y = _double(x, y)
    return (x, y) != (0, 1)


def _recover_x(y: int, sign: int) -> int | None:
    """The x of a point from its y, or None when there is no such point or the encoding is not canonical."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    return _P - x if x & 1 != sign else x


def _double(x: int, y: int) -> tuple[int, int]:
    """Twice a point (the complete addition law of the curve, affine)."""
    product = _D * x * x * y * y % _P
    doubled_x = 2 * x * y * pow(1 + product, -1, _P) % _P
    doubled_y = (y * y + x * x) * pow(1 - product, -1, _P) % _P
    return doubled_x, doubled_y
