"""The Merkle tree over the lines of a log, as in Certificate Transparency: RFC 6962, section 2.1; RFC 9162, 2.1. Pure.

``Range`` keeps what is needed of the leaves from one number to another: a hash for each largest whole subtree among
them, so about two for each doubling. A log grows one; two that adjoin prove that what a root covered is still there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

DIGEST: Final = 32
SIZE_MAX: Final = 1 << 48  # leaves; a log of this many lines fits on no disk
EMPTY: Final = hashlib.sha256().digest()  # the root of no leaf at all: RFC 9162, 2.1.1

_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf: RFC 9162, 2.1.1. Data that somebody could guess has to be salted by the caller."""
    return _sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: RFC 9162, 2.1.1."""
    return _sha256(b"\1" + left + right).digest()


class Range:
    """The hashes of the largest whole subtrees over the leaves ``begin`` to ``end``, the last one not among them."""

    __slots__ = ("begin", "end", "hashes")

    def __init__(self, begin: int = 0, end: int | None = None, hashes: Iterable[bytes] = ()) -> None:
        """A range with its hashes, from left to right. Raise ValueError when their number or size is wrong."""
        self.begin = begin
        self.end = begin if end is None else end
        self.hashes = list(hashes)
        if not 0 <= begin <= self.end <= SIZE_MAX or len(self.hashes) != sum(1 for _ in _blocks(begin, self.end)):
            raise ValueError("not the hashes of this range")
        if any(len(each) != DIGEST for each in self.hashes):
            raise ValueError("a hash has 32 bytes")

    def push(self, leaf: bytes) -> None:
        """One more leaf, by its hash."""
        self._join(leaf, self.end, 0)
        self.end += 1

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Several more leaves, by their hashes; half the cost of one after the other."""
        row, at, level = leaves, self.end, 0
        over: list[tuple[bytes, int, int]] = []  # at the right end of their level, without a sibling yet
        while row:
            if at & 1:
                self._join(row[0], at, level)
                row, at = row[1:], at + 1
            if len(row) & 1:
                over.append((row[-1], at + len(row) - 1, level))
            row = [_sha256(b"\1" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)]
            at, level = at >> 1, level + 1
        for each in reversed(over):
            self._join(*each)
        self.end += len(leaves)

    def joined(self, later: Range) -> Range:
        """The range of both. Raise ValueError when the later one does not begin where this one ends."""
        if later.begin != self.end:
            raise ValueError("the ranges do not adjoin")
        whole = Range(self.begin, self.end, self.hashes)
        for (begin, level), each in zip(_blocks(later.begin, later.end), later.hashes, strict=True):
            whole._join(each, begin >> level, level)
        whole.end = later.end
        return whole

    def root(self) -> bytes:
        """The root of the tree of all leaves so far: RFC 9162, 2.1.1. Raise ValueError unless they begin at 0."""
        if self.begin:
            raise ValueError("the first leaves are not here")
        if not self.hashes:
            return EMPTY
        *earlier, root = self.hashes
        for each in reversed(earlier):
            root = node_hash(each, root)
        return root

    def _join(self, found: bytes, index: int, level: int) -> None:
        """Append a subtree, ``index``-th of its level; as long as its left sibling is here they become one."""
        hashes, begin = self.hashes, self.begin
        while index & 1 and (index - 1) << level >= begin:
            found = _sha256(b"\1" + hashes.pop() + found).digest()
            index >>= 1
            level += 1
        hashes.append(found)


def follows(before: bytes, past: Range, growth: Range, after: bytes) -> bool:
    """Whether a tree with the root ``after`` still holds, unchanged, every leaf of the one with the root ``before``.

    This is the consistency proof of RFC 9162, 2.1.4, with the subtrees that it leaves out: ``past`` over the leaves of
    the earlier tree, ``growth`` over those that came since.
    """
    try:
        return past.root() == before and past.joined(growth).root() == after
    except ValueError:
        return False


def paths(leaves: Sequence[bytes], wanted: Iterable[int]) -> dict[int, tuple[bytes, ...]]:
    """The audit paths of some leaves, by number from 0, in the tree of all: RFC 9162, 2.1.3.1. Raise IndexError."""
    found: dict[int, list[bytes]] = {}
    for index in wanted:
        if not 0 <= index < len(leaves):
            raise IndexError(index)
        found[index] = []
    level, row = 0, leaves
    while len(row) > 1:
        for index, path in found.items():
            sibling = (index >> level) ^ 1
            if sibling < len(row):  # the last of an odd row has none and goes up as it is
                path.append(row[sibling])
        pairs = zip(row[::2], row[1::2], strict=False)
        row = [_sha256(b"\1" + left + right).digest() for left, right in pairs] + list(row[len(row) & ~1 :])
        level += 1
    return {index: tuple(path) for index, path in found.items()}


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root that an audit path leads to: RFC 9162, 2.1.3.2. Raise ValueError when the path has not its length."""
    if not 0 <= index < size <= SIZE_MAX:
        raise ValueError("no such leaf")
    root, left = leaf, list(reversed(path))
    while size > 1:
        if index & 1 or index + 1 < size:
            if not left or len(left[-1]) != DIGEST:
                raise ValueError("the path is too short, or not of hashes")
            sibling = left.pop()
            root = node_hash(sibling, root) if index & 1 else node_hash(root, sibling)
        index, size = index >> 1, (size + 1) >> 1
    if left:
        raise ValueError("the path is too long")
    return root


def _blocks(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The largest whole subtrees over these leaves, from left to right: first leaf and level."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield begin, level
        begin += 1 << level
