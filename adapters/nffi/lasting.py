"""What stays the same from one track of a unit to its next: its source, its symbol and names, its device.

A feed is the same units over and over, so this part is written once and then known again, together with the account of
what of it could not be said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from adapters import EncodeError
from adapters.nffi.names import RELAY, TrackSource, source_of
from protocols.alphabet import narrow
from protocols.body import Identity
from protocols.ledger import Ledger
from protocols.message import LossReason
from protocols.quantity import Symbol
from protocols.remembered import Remembered
from protocols.symbols import to_sidc15

SHORT_NAME_MAX = 15
FIELD_MAX = 30


class Lasting(NamedTuple):
    """Elements by name, and the account of them."""

    source: str
    identification: Mapping[str, str]
    device: Mapping[str, str]
    account: Ledger


_Unit: TypeAlias = tuple[str, Symbol | None, Identity, bool]


def write_lasting(subject: str, symbol: Symbol | None, identity: Identity, *, exercise: bool) -> Lasting:
    """The lasting part of a unit's tracks. Raise EncodeError where its symbol cannot be said."""
    return _known[subject, symbol, identity, exercise]


def _write(unit: _Unit) -> Lasting:
    subject, symbol, identity, exercise = unit
    ledger = Ledger()
    source = source_of(subject)
    written = _source(source, subject, ledger)
    identification = _identification(subject, symbol, identity.callsign, ledger, exercise=exercise)
    device = _device(identity, ledger, relayed=source.system == RELAY, identified=bool(identification))
    ledger.drop_given("identity", identity, "team", "role", "system", "endpoint")
    return Lasting(written, identification, device, ledger)


_known: Remembered[_Unit, Lasting] = Remembered(_write)


def _source(source: TrackSource, subject: str, ledger: Ledger) -> str:
    if source.transponder.startswith("**"):
        ledger.approximate("subject", LossReason.TOO_LONG)
    if source.system == RELAY and subject.startswith("nffi:"):  # a source that does not fit its own schema
        ledger.approximate("extras", LossReason.TOO_LONG)
        ledger.approximate("identity.callsign", LossReason.STRUCTURE)
    country = f"<country>{source.country}</country>" if source.country else ""
    subsystem = f"<subsystem>{source.subsystem}</subsystem>" if source.subsystem else ""
    return (
        f"<trackSource><sourceSystem>{country}<system>{source.system}</system>{subsystem}</sourceSystem>"
        f"<transponderId>{source.transponder}</transponderId></trackSource>"
    )


def _identification(
    subject: str, symbol: Symbol | None, callsign: str | None, ledger: Ledger, *, exercise: bool
) -> dict[str, str]:
    if symbol is None:
        return {}
    coded = to_sidc15(symbol, exercise=exercise)
    if coded is None:
        raise EncodeError("2525C has no letter for the affiliation")
    if not coded.exact:
        ledger.approximate("symbol", LossReason.NO_CODE)
    if not callsign:
        callsign = subject[-SHORT_NAME_MAX:]
        ledger.derive("identity.callsign", "subject", "end-of-the-subject")
    return {
        "unitSymbol": f"<unitSymbol>{coded.code}</unitSymbol>",
        "unitShortName": f"<unitShortName>{narrow(callsign)[:SHORT_NAME_MAX]}</unitShortName>",
    }


def _device(identity: Identity, ledger: Ledger, *, relayed: bool, identified: bool) -> dict[str, str]:
    found = _long_name(identity.callsign, ledger, relayed=relayed, identified=identified)
    if identity.phone is not None:
        phone = "".join(c for c in identity.phone if c in "0123456789+")[:FIELD_MAX]
        found |= {"phoneNumber": f"<phoneNumber>{phone}</phoneNumber>"} if phone else {}
        if phone != identity.phone:
            ledger.approximate("identity.phone", LossReason.CHARSET)
    if identity.device is not None:
        device = "".join(c for c in identity.device if c.isascii() and c.isalnum())[:FIELD_MAX]
        found |= {"terminalType": f"<terminalType>{device}</terminalType>"} if device else {}
        if device != identity.device:
            ledger.approximate("identity.device", LossReason.CHARSET)
    return found


def _long_name(callsign: str | None, ledger: Ledger, *, relayed: bool, identified: bool) -> dict[str, str]:
    """A callsign that unitShortName is missing or too short for goes into additionalId."""
    if callsign is None:
        return {}
    name = narrow(callsign)
    if name != callsign:
        ledger.approximate("identity.callsign", LossReason.CHARSET)
    if len(name) > SHORT_NAME_MAX:
        ledger.approximate("identity.callsign", LossReason.TOO_LONG)
    elif identified:
        return {}
    if not relayed:  # there additionalId is not ours
        ledger.approximate("identity.callsign", LossReason.STRUCTURE)
        return {}
    return {"additionalId": f"<additionalId>{name[:FIELD_MAX]}</additionalId>"} if name else {}
