"""The narrow alphabet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.alphabet import bounded_hint, escape_narrow, is_narrow, narrow, unescape_narrow


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HERON-21", "HERON-21"),
        ("HERON 21", "HERON-21"),
        ("Çiğdem Ünal", "Cigdem-Unal"),
        ("a_b/c(d)", "a-b-c-d-"),
        ("Ж", "-"),
        ("", ""),
    ],
)
def test_transliterates_as_near_as_it_gets(text: str, expected: str) -> None:
    assert narrow(text) == expected


@given(st.text(max_size=40))
def test_an_identifier_that_fits_comes_back(text: str) -> None:
    escaped = escape_narrow(text, 1000)

    assert is_narrow(escaped)
    assert unescape_narrow(escaped) == text


@given(st.text(min_size=1, max_size=300))
def test_an_identifier_that_does_not_fit_is_shortened(text: str) -> None:
    escaped = escape_narrow(text, 60)

    assert is_narrow(escaped)
    assert 0 < len(escaped) <= 60
    assert unescape_narrow(escaped) in (text, None)


def test_shortened_identifiers_differ() -> None:
    assert escape_narrow("x" * 100, 60) != escape_narrow("x" * 101, 60)


@pytest.mark.parametrize("text", ["a*", "a*Z1", "a*4", "*FF", "plain"])
def test_what_was_never_escaped_stays(text: str) -> None:
    assert unescape_narrow(text) == text


def test_a_cut_hint_is_marked() -> None:
    assert bounded_hint("abc", 3) == "abc"
    assert bounded_hint("abcd", 3) == "ab\u2026"
    assert bounded_hint("", 3) is None
