"""What was asked before is known again, and a stranger cannot fill the memory."""

from __future__ import annotations

import pytest

from protocols.remembered import KEY_MAX, ROOM, Remembered


def test_asks_once_for_what_comes_again() -> None:
    asked = []

    def double(text: str) -> str:
        asked.append(text)
        return text * 2

    known = Remembered(double)

    assert [known["a"], known["b"], known["a"]] == ["aa", "bb", "aa"]
    assert asked == ["a", "b"]


def test_is_bounded_in_number_and_in_size() -> None:
    known = Remembered(len)
    for number in range(3 * ROOM):
        assert known[str(number)] == len(str(number))
        assert len(known) <= ROOM
    known.clear()

    assert known["x" * KEY_MAX] == KEY_MAX
    assert not known
    assert known["x" * (KEY_MAX - 8)] == KEY_MAX - 8
    assert len(known) == 1


def test_answers_about_any_text() -> None:
    known = Remembered(len)

    assert known["\ud800"] == 1
    assert not known


def test_does_not_remember_what_was_refused() -> None:
    known = Remembered(int)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            known["x"]
    assert not known
