"""The tree of a growing log: the same root however it is cut up, and growth counted from the last checkpoint."""

from __future__ import annotations

import pytest

from gateway.audit.tree import Tree
from protocols.log_checkpoint import Growth
from protocols.transparency import Range, leaf_hash

LEAVES = [leaf_hash(b"%d" % number) for number in range(40)]


def over(begin: int, end: int) -> Range:
    found = Range(begin)
    found.extend(LEAVES[begin:end])
    return found


def spans(growth: Growth) -> tuple[int, int, int]:
    """Where the past ends, and where what is recent begins and ends; its root is checked on the way."""
    past, recent = growth
    assert past.joined(recent).root() == over(0, recent.end).root()
    return past.end, recent.begin, recent.end


def grown(size: int) -> Tree:
    tree = Tree()
    tree.extend(LEAVES[:size])
    return tree


def test_what_comes_while_a_checkpoint_is_made_belongs_to_the_next() -> None:
    tree = grown(5)
    assert spans(tree.split()) == (0, 0, 5)
    tree.extend(LEAVES[5:9])
    tree.push(LEAVES[9])
    tree.settle(5)

    assert (tree.size, spans(tree.growth())) == (10, (5, 5, 10))
    assert spans(tree.split()) == (5, 5, 10)


def test_a_checkpoint_that_was_not_made_changes_nothing() -> None:
    tree = grown(5)
    tree.split()
    tree.extend(LEAVES[5:9])

    assert spans(tree.split()) == (0, 0, 9)
    tree.settle(9)
    assert spans(tree.growth()) == (9, 9, 9)


@pytest.mark.parametrize("size", [4, 6, 9])
def test_only_the_size_that_was_split_off_is_settled(size: int) -> None:
    tree = grown(5)
    tree.split()
    tree.extend(LEAVES[5:9])
    tree.settle(size)

    assert spans(tree.growth()) == (0, 0, 9)


def test_without_a_split_nothing_is_settled() -> None:
    tree = grown(5)
    tree.settle(5)

    assert spans(tree.growth()) == (0, 0, 5)


def test_growth_is_a_copy() -> None:
    tree = grown(5)
    before = tree.growth()
    tree.extend(LEAVES[5:9])

    assert spans(before) == (0, 0, 5)
    assert spans(tree.growth()) == (0, 0, 9)


def test_it_goes_on_where_it_was_left() -> None:
    tree = Tree(over(0, 5), over(5, 9))
    tree.push(LEAVES[9])

    assert spans(tree.growth()) == (5, 5, 10)
    with pytest.raises(ValueError, match="adjoin"):
        Tree(over(0, 5), over(6, 9))
    with pytest.raises(ValueError, match="adjoin"):
        Tree(over(1, 5), over(5, 9))
