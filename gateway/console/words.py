"""The words of the console, by key: one file a language, read once. Text from outside is made safe to look at here."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files

LANGUAGE = "en"
TEXT_SHOWN = 8000  # characters of one text from outside that a page shows

# Not printable by Unicode, and yet part of honest text: line breaks, no-break spaces, the joiners of Persian and Hindi.
_HONEST = frozenset("\n\t\u00a0\u202f\u3000\u200c\u200d")


class Words:
    """A language: ``words("reason", "duplicate")``. A code that has no words yet stands for itself."""

    def __init__(self, tables: Mapping[str, Mapping[str, str]]) -> None:
        self._tables = tables

    def __call__(self, table: str, code: object) -> str:
        """The words for a code of one table."""
        return self._tables.get(table, {}).get(str(code), str(code))

    def has(self, table: str, code: object) -> bool:
        """Whether there are words for a code."""
        return str(code) in self._tables.get(table, {})

    def table(self, name: str) -> Mapping[str, str]:
        """All words of one table."""
        return self._tables[name]


def load(language: str = LANGUAGE) -> Words:
    """Read one language's file. Raise FileNotFoundError when there is none."""
    source = files("gateway.console").joinpath("languages", f"{language}.toml")
    return Words(tomllib.loads(source.read_text(encoding="utf-8")))


def plain(text: str, limit: int = TEXT_SHOWN) -> str:
    """Text from outside as it may be shown: bounded, and every invisible or direction-changing character made visible.

    Escaping keeps markup inert; this keeps a right-to-left override from turning one callsign into another.
    """
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() or c in _HONEST else f"⟨U+{ord(c):04X}⟩" for c in shown)
