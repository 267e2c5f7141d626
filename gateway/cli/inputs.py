"""What commands read: one frame from a file or standard input, in an adapter's format or as canonical JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from adapters import INPUT_MAX, DecodeError, Fault, load
from gateway.config import ConfigError
from protocols.message import Message, from_json

AT: Final = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"]  # how a moment is given, in UTC
JSON: Final = "json"  # the canonical Message, beside the adapters


def read_input(path: Path) -> bytes:
    """The bytes of a file, or of standard input for ``-``, one more than is allowed at most. Raise ConfigError."""
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(INPUT_MAX + 1)
        with path.open("rb") as file:
            return file.read(INPUT_MAX + 1)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from None


def decode_input(form: str, data: bytes) -> Sequence[Message]:
    """The messages in a frame. Raise DecodeError, UnknownFormatError."""
    if len(data) > INPUT_MAX:
        raise DecodeError(Fault.TOO_LARGE, "input")
    if form != JSON:
        return load(form).decode(data)
    try:
        return [from_json(data)]
    except ValueError as error:
        raise DecodeError(Fault.MALFORMED, str(error).partition(" - at ")[2].strip("`") or "$") from None
