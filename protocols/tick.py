"""MODE_TICK: one signature over a tree of all envelopes of a slice of time. Pure (trees as in RFC 9162, 2.1).

Leaves and nodes are hashed with different prefixes. A node without a neighbour is carried up unchanged; its place in a
path is 32 zero bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from protocols.envelope import DIGEST, ED25519_SIGNATURE, Refusal, Reject
from protocols.schedule import TICK_SIGNED, digest

DEPTH_MAX: Final = 16
SLICE_MAX: Final = 1 << DEPTH_MAX  # envelopes of one slice
_CARRIED: Final = bytes(DIGEST)
_FIXED: Final = ED25519_SIGNATURE + 3  # signature, place, depth


class Proof(NamedTuple):
    """What an envelope of a slice carries: the signature of the slice and the way from its root to the top."""

    signature: bytes
    place: int
    path: tuple[bytes, ...]

    def pack(self) -> bytes:
        """The proof as it stands before the body."""
        start = self.signature + self.place.to_bytes(2, "big") + bytes((len(self.path),))
        return start + b"".join(self.path)

    def top(self, root: bytes) -> bytes:
        """The top of the tree that this proof leads to. Raise Reject (bad-path)."""
        node, index = leaf(root), self.place
        for neighbour in self.path:
            if neighbour != _CARRIED:
                node = _node(neighbour, node) if index & 1 else _node(node, neighbour)
            elif index & 1:
                raise Reject(Refusal.BAD_PATH)
            index >>= 1
        if index:
            raise Reject(Refusal.BAD_PATH)
        return node


def unpack_proof(plain: bytes) -> tuple[Proof, bytes]:
    """The proof before a body, and the body. Raise Reject (bad-path)."""
    if len(plain) < _FIXED:
        raise Reject(Refusal.BAD_PATH)
    depth = plain[_FIXED - 1]
    end = _FIXED + depth * DIGEST
    if depth > DEPTH_MAX or len(plain) < end:
        raise Reject(Refusal.BAD_PATH)
    path = tuple(plain[at : at + DIGEST] for at in range(_FIXED, end, DIGEST))
    place = int.from_bytes(plain[ED25519_SIGNATURE : _FIXED - 1], "big")
    return Proof(plain[:ED25519_SIGNATURE], place, path), plain[end:]


def tree(roots: Sequence[bytes]) -> tuple[bytes, list[tuple[bytes, ...]]]:
    """The top over these roots, and the path of each. Raise Reject (too-large) beyond a slice."""
    if not 0 < len(roots) <= SLICE_MAX:
        raise Reject(Refusal.TOO_LARGE)
    levels = [[leaf(root) for root in roots]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [_node(*below[at : at + 2]) for at in range(0, len(below) - 1, 2)]
        levels.append(pairs + below[len(pairs) * 2 :])
    return levels[-1][0], [_path(levels[:-1], index) for index in range(len(roots))]


def signed(top: bytes) -> bytes:
    """What the signature of a slice covers."""
    return TICK_SIGNED + top


def leaf(root: bytes) -> bytes:
    """The leaf of one envelope."""
    return digest(b"\0" + root)


def _node(left: bytes, right: bytes) -> bytes:
    return digest(b"\1" + left + right)


def _path(levels: Sequence[Sequence[bytes]], index: int) -> tuple[bytes, ...]:
    """The neighbour at every level below the top."""
    path = []
    for level in levels:
        neighbour = index ^ 1
        path.append(level[neighbour] if neighbour < len(level) else _CARRIED)
        index >>= 1
    return tuple(path)
