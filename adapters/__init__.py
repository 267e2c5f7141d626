"""The adapter contract: a partner format is one module here with ``decode`` and ``encode``.

An adapter is pure: bytes in, Messages out, and back. It does no I/O, knows no partners, has no clock, and raises
nothing but DecodeError (their fault) and EncodeError (the format cannot say it). The gateway finds it by name.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import NamedTuple, Protocol, cast

from protocols.message import Derived, Loss, Message

INPUT_MAX = 1_048_576  # bytes of one frame; bigger input is refused before it is looked at
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


class Fault(StrEnum):
    """Why input is refused. Bounded: it becomes a metric label."""

    TOO_LARGE = "too-large"
    MALFORMED = "malformed"  # not this format's grammar
    UNSAFE = "unsafe"  # a DOCTYPE, an entity, nesting or repetition that no honest sender needs
    MISSING = "missing-field"
    OUT_OF_RANGE = "out-of-range"  # a value that cannot be: wrong unit, swapped coordinates, NaN
    UNSUPPORTED = "unsupported"  # well formed, but a kind, version or dialect that is not read
    WRITE_ONLY = "write-only"  # the adapter only writes


class DecodeError(ValueError):
    """The input is refused. ``fault`` is bounded; the text says where (a path), never what the input held."""

    def __init__(self, fault: Fault, where: str) -> None:
        super().__init__(f"{fault}: {where}")
        self.fault = fault


class EncodeError(ValueError):
    """The format cannot say this message; the text says what it lacks, never what the message holds."""


class Encoded(NamedTuple):
    """One written frame, and what it could not carry or had to compute."""

    data: bytes
    loss: tuple[Loss, ...] = ()
    derived: tuple[Derived, ...] = ()


class Adapter(Protocol):
    """What an adapter module provides.

    ``EDITION`` names the specification. ``READS`` and ``WRITES`` are the kinds (``track``, ``chat``, ...) that decode
    can yield and encode accepts; both are checked by the conformance tests. ``MEDIA_TYPE`` is the MQTT content type.
    """

    EDITION: str
    MEDIA_TYPE: str
    READS: frozenset[str]
    WRITES: frozenset[str]

    def decode(self, data: bytes, /) -> Sequence[Message]:
        """Read one frame. Raise DecodeError, and nothing else, when it is refused."""

    def encode(self, message: Message, /) -> Encoded:
        """Write one message. Raise EncodeError, and nothing else, when the format cannot say it."""


class UnknownFormatError(LookupError):
    """No adapter has this name."""


def names() -> tuple[str, ...]:
    """The formats there are, in alphabetical order. Imports none of them."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


@cache
def load(name: str) -> Adapter:
    """Import one adapter by name, and only that one, once. Raise UnknownFormatError when there is none."""
    if not _NAME.fullmatch(name) or name not in names():
        raise UnknownFormatError(f"no adapter {name!r}: have {', '.join(names())}")
    return cast("Adapter", importlib.import_module(f"adapters.{name}"))
