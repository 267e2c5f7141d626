"""The adapter contract: a partner format is one module here with ``decode`` and ``encode``.

An adapter is pure: bytes in, Messages out, and back. It does no I/O, knows no partners, has no clock, and raises
nothing but DecodeError (their fault) and EncodeError (the format cannot say it). The gateway finds it by name; another
package offers one as an entry point of the group ``comity.adapters``. See README.md beside this file.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple, Protocol, cast

from protocols.message import Derived, Loss, Message

INPUT_MAX = 1_048_576  # bytes of one frame; bigger input is refused before it is looked at
ENTRY_POINTS = "comity.adapters"  # the group in which other packages name their adapters
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_CONTRACT = ("EDITION", "MEDIA_TYPE", "READS", "WRITES", "decode", "encode")


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

    A format that comes in byte streams has ``split(buffer) -> (frames, rest)`` besides, which raises DecodeError where
    it is no such stream. ``WRITES_STREAM = False`` says that what encode writes does not belong into one.
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
    """The formats there are, in alphabetical order: the modules here, and what others installed. Imports none."""
    return tuple(sorted({*_own(), *(entry.name for entry in _installed())}))


@cache
def load(name: str) -> Adapter:
    """Import one adapter by name, and only that one, once. Raise UnknownFormatError when there is none.

    A format of our own cannot be replaced by an installed one of the same name.
    """
    if not _NAME.fullmatch(name):
        raise UnknownFormatError(f"not the name of a format: {name[:32]!r}")
    if name in _own():
        return cast("Adapter", importlib.import_module(f"adapters.{name}"))
    found = [entry for entry in _installed() if entry.name == name]
    if len(found) != 1:
        why = f"{len(found)} packages have one" if found else f"have {', '.join(names())}"
        raise UnknownFormatError(f"no adapter {name!r}: {why}")
    try:
        adapter = found[0].load()
    except Exception as error:  # a stranger's module may fail in any way on import
        raise UnknownFormatError(f"adapter {name!r} cannot be loaded: {type(error).__name__}") from error
    lacking = [part for part in _CONTRACT if not hasattr(adapter, part)]
    if lacking:
        raise UnknownFormatError(f"adapter {name!r} has no {', '.join(lacking)}")
    return cast("Adapter", adapter)


def _own() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(__path__)}


def _installed() -> list[EntryPoint]:
    return [entry for entry in entry_points(group=ENTRY_POINTS) if _NAME.fullmatch(entry.name)]
