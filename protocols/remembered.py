"""A pure function that knows again what it was asked before, for what comes again and again in a feed.

Bounded in number and in size, so that a stranger cannot fill the memory: big questions are answered and forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

KEY_MAX = 1024  # bytes of a question that is remembered, packed
ROOM = 1024  # answers

K = TypeVar("K")
V = TypeVar("V")
_pack = msgspec.msgpack.Encoder().encode


class Remembered(dict[K, V]):
    """The answers of one function; ``known[question]`` is an answer, computed only where it is not known.

    A dictionary, because that is what Python asks fastest. A full one begins anew. Questions are of texts and the like:
    two that are equal must mean the same (0.0 and -0.0 do not).
    """

    __slots__ = ("_answer",)

    def __init__(self, answer: Callable[[K], V]) -> None:
        super().__init__()
        self._answer = answer

    def __missing__(self, question: K) -> V:
        """Answer for the first time."""
        answer = self._answer(question)
        try:
            size = len(_pack(question))
        except ValueError:  # a text that no encoding has: half a surrogate pair
            return answer
        if size <= KEY_MAX:
            if len(self) >= ROOM:
                self.clear()
            self[question] = answer
        return answer
