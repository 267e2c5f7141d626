from __future__ import annotations

import hashlib

import pytest

from protocols.envelope import Refusal
from protocols.tick import DEPTH_MAX, SLICE_MAX, Proof, leaf, tree, unpack_proof
from tests.protocols.cast import refuses


def root(number: int) -> bytes:
    return hashlib.sha256(number.to_bytes(4, "big")).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def test_a_tree_of_five_by_hand() -> None:
    a, b, c, d, e = (hashlib.sha256(b"\0" + root(n)).digest() for n in range(5))

    top, paths = tree([root(n) for n in range(5)])

    assert top == node(node(node(a, b), node(c, d)), e)
    assert paths[0] == (b, node(c, d), e)
    assert paths[3] == (c, node(a, b), e)
    assert paths[4] == (bytes(32), bytes(32), node(node(a, b), node(c, d)))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 33, 64, 65])
def test_every_path_leads_to_the_top(size: int) -> None:
    roots = [root(number) for number in range(size)]

    top, paths = tree(roots)

    for place, path in enumerate(paths):
        proof, rest = unpack_proof(Proof(bytes(64), place, path).pack() + b"body")
        assert rest == b"body"
        assert proof.top(roots[place]) == top
        assert size == 1 or proof.top(root(size + 1)) != top


def test_a_single_envelope_is_its_own_tree() -> None:
    assert tree([root(0)]) == (leaf(root(0)), [()])


def test_a_slice_is_bounded() -> None:
    for roots in ([], [bytes(32)] * (SLICE_MAX + 1)):
        with refuses(Refusal.TOO_LARGE):
            tree(roots)


def test_a_place_outside_the_tree_is_a_bad_path() -> None:
    _, paths = tree([root(number) for number in range(5)])

    for place, path in ((8, paths[0]), (5, paths[4]), (1, ())):
        with refuses(Refusal.BAD_PATH):
            Proof(bytes(64), place, path).top(root(0))


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        bytes(66),
        bytes(66) + bytes((DEPTH_MAX + 1,)) + bytes(32 * (DEPTH_MAX + 1)),
        bytes(66) + b"\x02" + bytes(63),
    ],
)
def test_a_cut_or_deep_path_is_refused(plain: bytes) -> None:
    with refuses(Refusal.BAD_PATH):
        unpack_proof(plain)


def test_a_path_of_sixteen_is_read() -> None:
    proof, rest = unpack_proof(bytes(64) + b"\xff\xff\x10" + bytes(32 * 16) + b"rest")

    assert (proof.place, len(proof.path), rest) == (65535, 16, b"rest")
