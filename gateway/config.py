"""The gateway's one TOML file: parsed once, at the edge, into one frozen struct; every fault has its path.

What may stand in it is in ``entries``, what has to hold between entries in ``table_check``. Relative paths are relative
to the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import NamedTuple

import msgspec
import tomli

from gateway.table.check import faults
from gateway.table.entries import (
    EMBEDDED,
    Config,
    Gateway,
    Http,
    LabelRule,
    LinkEntry,
    LocalUnit,
    Route,
    host_and_port,
)
from protocols.spif import SpifError, read_spif
from protocols.xml import SIZE_MAX

__all__ = [
    "CONFIG_MAX",
    "EMBEDDED",
    "Config",
    "ConfigError",
    "Gateway",
    "Http",
    "LabelRule",
    "LinkEntry",
    "Loaded",
    "LocalUnit",
    "Route",
    "faults",
    "host_and_port",
    "load",
    "parse",
]

CONFIG_MAX = 8_388_608  # bytes
SPIF_SAYS_NOT = frozenset({"ignores_case", "degraded"})  # how a policy is used; a table may say it beside a SPIF


class ConfigError(Exception):
    """The configuration cannot be used; ``faults`` has one line for each reason."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


class Loaded(NamedTuple):
    """A configuration that passed every check, and its file: relative paths are relative to that."""

    config: Config
    file: Path

    @property
    def state(self) -> Path:
        """The folder of the gateway's state."""
        return self.path(self.config.gateway.state)

    def path(self, name: str) -> Path:
        """A path of the configuration, absolute."""
        return self.file.parent / name


def load(file: Path) -> Loaded:
    """Read and check a configuration file. Raise ConfigError with a line for each fault."""
    try:
        text = file.read_bytes()
    except OSError as error:
        raise ConfigError([f"{file}: {error.strerror or 'cannot be read'}"]) from None
    config = parse(text, file.resolve().parent)
    if found := list(faults(config)):
        raise ConfigError(found)
    return Loaded(config, file.resolve())


def parse(text: bytes, folder: Path | None = None) -> Config:
    """Decode a configuration, types and single values only. Raise ConfigError with the path of the first fault.

    A policy that names a SPIF is read from that file, relative to ``folder``.
    """
    if len(text) > CONFIG_MAX:
        raise ConfigError(["the file is larger than 8 MiB"])
    try:
        table: dict[str, object] = tomli.loads(text.decode())
        entries = table.get("policies")
        if isinstance(entries, list):
            table["policies"] = [_policy(f"$.policies[{n}]", each, folder) for n, each in enumerate(entries)]
        return msgspec.convert(table, Config, builtin_types=(datetime, date, time))
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at ")
        raise ConfigError([f"{path.strip('`') or '$'}: {message}"]) from None
    except ValueError as error:
        raise ConfigError([f"not TOML: {str(error).splitlines()[0]}"]) from None


def _policy(at: str, entry: object, folder: Path | None) -> object:
    """A policy as the table has it; one from a SPIF may say beside it only how it is used (``SPIF_SAYS_NOT``)."""
    if not isinstance(entry, dict) or "spif" not in entry:
        return entry
    name = entry.pop("spif")
    if folder is None or not isinstance(name, str):
        raise ConfigError([f"{at}.spif: not the name of a file beside this one"])
    if beside := set(entry) - SPIF_SAYS_NOT:
        raise ConfigError([f"{at}.{min(beside)}: stands in the SPIF; leave it out here"])
    try:
        with (folder / name).open("rb") as file:
            policy = read_spif(file.read(SIZE_MAX + 1))
    except OSError as error:
        raise ConfigError([f"{at}.spif: {error.strerror or 'cannot be read'}"]) from None
    except SpifError as error:
        raise ConfigError([f"{at}.spif: not a policy that can be relied on ({error})"]) from None
    return msgspec.to_builtins(policy) | entry
