"""How much may wait on disk for each destination, as the table says and the spool takes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import asdict, replace

from gateway.config import Config, WaitingTerms
from gateway.spool import Limits


class WaitingLimits(NamedTuple):
    """Those of destinations without terms of their own, and those of the others by name."""

    others: Limits
    destinations: Mapping[str, Limits]


def limits_of(config: Config, workers: int) -> WaitingLimits:
    """The limits of one of several workers, each of which keeps its part of what waits."""
    others = _limits(config.waiting, Limits())
    named = {name: _limits(terms, others) for name, terms in config.waiting.destinations.items()}
    return WaitingLimits(_part(others, workers), {name: _part(each, workers) for name, each in named.items()})


def _limits(terms: WaitingTerms, others: Limits) -> Limits:
    """What the terms say, and what holds otherwise."""
    said = {name: value for name, value in asdict(terms).items() if name != "destinations" and value is not None}
    if "parcels_max" in said:
        said["rows_max"] = said.pop("parcels_max")
    return replace(others, **said)


def _part(limits: Limits, workers: int) -> Limits:
    return replace(limits, rows_max=-(-limits.rows_max // workers), bytes_max=-(-limits.bytes_max // workers))
