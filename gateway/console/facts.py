"""Facts and sections: what every telling of a message is made of. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.console.words import Words, plain
from protocols.quantity import Value


class Fact(Value, frozen=True):
    """One thing that a message says: a name in the reader's language, and a value with its unit."""

    name: str
    value: str
    strong: bool = False


class Section(Value, frozen=True):
    """Facts that belong together. ``style`` is a hint for the page: ``list``, ``text`` or ``lines``."""

    title: str
    facts: tuple[Fact, ...]
    style: str = "list"


class Teller:
    """Puts values into words. What is not reported gives no fact, never a zero."""

    def __init__(self, words: Words) -> None:
        self.words = words

    def fact(self, name: str, value: str | float | None, unit: str = "", *, strong: bool = False) -> Fact | None:
        """One fact, or None when there is no value."""
        if value is None or value == "":
            return None
        text = value if isinstance(value, str) else f"{value:g}"
        return Fact(name=self.words("fact", name), value=plain(text) + unit, strong=strong)

    def answer(self, name: str, value: bool | None, *, strong: bool = False) -> Fact | None:  # noqa: FBT001 - a value to tell
        """A yes or a no."""
        return None if value is None else self.fact(name, self.words("value", "yes" if value else "no"), strong=strong)

    def word(self, name: str, table: str, code: str | None, *, strong: bool = False) -> Fact | None:
        """A code in words."""
        return None if code is None else self.fact(name, self.words(table, code), strong=strong)

    def several(self, name: str, values: Iterable[str]) -> Fact | None:
        """Several values in one line."""
        return self.fact(name, ", ".join(values))

    def section(self, title: str, *facts: Fact | None, style: str = "list") -> tuple[Section, ...]:
        """The facts that there are under one title; nothing when there are none."""
        told = tuple(fact for fact in facts if fact is not None)
        return (Section(title=self.words("section", title), facts=told, style=style),) if told else ()
