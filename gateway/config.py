"""The gateway's one TOML file: parsed once, at the edge, into one frozen struct; every fault has its path.

What may stand in it is in ``entries``, what has to hold between entries in ``table_check``. Relative paths are relative
to the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import tomli

from gateway.errors import OperatorError
from gateway.table.check import faults
from gateway.table.entries import (
    EMBEDDED,
    STATE,
    Config,
    Gateway,
    Http,
    LabelRule,
    LinkEntry,
    LocalUnit,
    Route,
    Waiting,
    WaitingTerms,
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
    "Waiting",
    "WaitingTerms",
    "faults",
    "host_and_port",
    "load",
    "parse",
    "spifs",
]

CONFIG_MAX = 8_388_608  # bytes
SPIF_SAYS_NOT = frozenset({"ignores_case", "degraded"})  # how a policy is used; a table may say it beside a SPIF


class ConfigError(OperatorError):
    """The configuration cannot be used; ``faults`` has one line for each reason."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)

    @property
    def lines(self) -> tuple[str, ...]:
        """Each fault is told."""
        return self.faults


class Loaded(NamedTuple):
    """A configuration that passed every check, and its file: relative paths are relative to that.

    ``text`` is what was read, ``beside`` the SPIFs that it names, by name.
    """

    config: Config
    file: Path
    text: bytes = b""
    beside: Mapping[str, bytes] = MappingProxyType({})

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
    beside: dict[str, bytes] = {}
    config = parse(text, file.resolve().parent, beside)
    if found := list(faults(config)):
        raise ConfigError(found)
    return Loaded(config, file.resolve(), text, beside)


def spifs(text: bytes) -> Sequence[str]:
    """The names of the SPIFs that a table names, in their order; none of what is no table."""
    try:
        entries = tomli.loads(text.decode()).get("policies")
    except ValueError:
        return ()
    names = [each.get("spif") for each in entries if isinstance(each, dict)] if isinstance(entries, list) else ()
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))


def state_of(text: bytes, folder: Path) -> Path | None:
    """The state folder that a file names, also where it has faults; None where that cannot be read."""
    try:
        gateway = tomli.loads(text.decode()).get("gateway")
    except ValueError:
        return None
    name = gateway.get("state", STATE) if isinstance(gateway, dict) else None
    return folder / name if isinstance(name, str) else None


def parse(text: bytes, folder: Path | None = None, beside: dict[str, bytes] | None = None) -> Config:
    """Decode a configuration, types and single values only. Raise ConfigError with the path of the first fault.

    A policy that names a SPIF is read from ``beside``, by that name; else from that file, relative to ``folder``, and
    then put there.
    """
    held = {} if beside is None else beside
    if len(text) > CONFIG_MAX:
        raise ConfigError(["the file is larger than 8 MiB"])
    try:
        table: dict[str, object] = tomli.loads(text.decode())
        entries = table.get("policies")
        if isinstance(entries, list):
            table["policies"] = [_policy(f"$.policies[{n}]", each, folder, held) for n, each in enumerate(entries)]
        return msgspec.convert(table, Config, builtin_types=(datetime, date, time))
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at ")
        raise ConfigError([f"{path.strip('`') or '$'}: {message}"]) from None
    except ValueError as error:
        raise ConfigError([f"not TOML: {str(error).splitlines()[0]}"]) from None


def _policy(at: str, entry: object, folder: Path | None, beside: dict[str, bytes]) -> object:
    """A policy as the table has it; one from a SPIF may say beside it only how it is used (``SPIF_SAYS_NOT``)."""
    if not isinstance(entry, dict) or "spif" not in entry:
        return entry
    name = entry.pop("spif")
    if not isinstance(name, str) or (folder is None and name not in beside):
        raise ConfigError([f"{at}.spif: not the name of a file beside this one"])
    if said := set(entry) - SPIF_SAYS_NOT:
        raise ConfigError([f"{at}.{min(said)}: stands in the SPIF; leave it out here"])
    try:
        if folder is not None and name not in beside:
            with (folder / name).open("rb") as file:
                beside[name] = file.read(SIZE_MAX + 1)
        policy = read_spif(beside[name])
    except OSError as error:
        raise ConfigError([f"{at}.spif: {error.strerror or 'cannot be read'}"]) from None
    except SpifError as error:
        raise ConfigError([f"{at}.spif: not a policy that can be relied on ({error})"]) from None
    return msgspec.to_builtins(policy) | entry
