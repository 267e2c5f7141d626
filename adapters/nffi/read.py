"""NFFI tracks to Messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from math import isfinite
from typing import TypeAlias

from lxml import etree

from adapters import DecodeError, Fault
from adapters.nffi.extras import KEPT, keep, keep_detail
from adapters.nffi.names import (
    CREDIBILITY,
    KNOWN,
    NFFI_13,
    OWN,
    READY,
    RELAY,
    RELIABILITY,
    SECURITY,
    VERSIONS,
    TrackSource,
    subject_of,
)
from protocols.alphabet import bounded_hint
from protocols.body import NOBODY, Contact, Identity, Track
from protocols.ledger import Ledger
from protocols.message import UNGRADED, Extra, LossReason, Message, Mode, Quality, Source, Times, message_id
from protocols.moment import read_digits
from protocols.quantity import STILL, AltitudeDatum, Kinematics, Position, Symbol
from protocols.symbols import from_sidc15
from protocols.units import mps_from_kmh
from protocols.xml import XmlElement

TRACKS_MAX = 5000  # in one message
HINT_MAX = 600  # characters of a security marking; the schema allows 256 + 30 + 256

Fields: TypeAlias = Mapping[str, XmlElement]
_NOTHING: Fields = {}
_UNKNOWN_ATTRIBUTES = etree.XPath(
    "boolean(//@*[not(../ancestor::*[local-name() = 'detailData'])][not((local-name() = 'accuracy' and "
    "contains('|latitude|longitude|altitude|bearing|speed|inclination|', concat('|', local-name(..), '|'))) or "
    "(local-name(..) != local-name(/*) and contains('|secPolicyName|secClassification|secCategory|', "
    "concat('|', local-name(), '|')) and ../../.. = /))])"
)
_MOVED = frozenset({"alert", "remarks"})  # which 1.4 has in another section
_REMARKS = f"{{{NFFI_13}}}remarks"  # the only element that may be there more than once


def read_tracks(root: XmlElement, *, strange: bool = False) -> tuple[Message, ...]:
    """A Message for every track; ``strange`` where something has attributes that NFFI does not have there.

    Raise DecodeError; an invented namespace or spelling is refused.
    """
    namespace, _, name = str(root.tag)[1:].partition("}")
    if name != "NFFIMessage" or namespace not in VERSIONS:
        raise DecodeError(Fault.UNSUPPORTED, "root is not NFFIMessage of NFFI 1.3 or 1.4")
    if len(root) > TRACKS_MAX:
        raise DecodeError(Fault.TOO_LARGE, "NFFIMessage/track")
    messages = []
    for track in root:
        if track.tag != f"{{{namespace}}}track":
            raise DecodeError(Fault.MALFORMED, "NFFIMessage: not a track")
        try:
            messages.append(_message(track, namespace, strange=strange))
        except DecodeError:
            raise
        except ValueError:  # a struct refused a value: the model's bounds hold for every format
            raise DecodeError(Fault.OUT_OF_RANGE, "track") from None
    return tuple(messages)


def _message(track: XmlElement, namespace: str, *, strange: bool) -> Message:
    sections = _fields(track)
    fields = {name: _fields(sections.get(name)) for name in KNOWN}
    if namespace == NFFI_13:
        _refuse_unknown(track, sections, fields)
    if "positionalData" not in sections:
        raise DecodeError(Fault.MISSING, "track/positionalData")
    ledger = Ledger()
    if strange:
        ledger.drop("attributes")
    if namespace != NFFI_13:
        _account_unknown(sections, fields, ledger)
    positional = fields["positionalData"]
    source = _source(positional)
    subject, observed = subject_of(source), _time(positional)
    symbol, mode = _symbol(fields["identificationData"], ledger)
    own = symbol.affiliation in OWN if symbol is not None else "unitSymbol" not in fields["identificationData"]
    identity = _identity(fields["identificationData"], fields["deviceSpecificData"], source.system == RELAY)
    body = _track(fields, symbol, identity, ledger) if own else _contact(fields, symbol, identity, ledger)
    extras = _extras(sections, fields, ledger, relayed=source.system == RELAY)
    return Message(
        id=message_id("position", subject, observed),
        subject=subject,
        body=body,
        source=Source(
            format="nffi", version=VERSIONS[namespace], system=source.system, label_hint=_hint(sections.values())
        ),
        times=Times(observed=observed, whole_seconds=True),
        mode=mode,
        quality=_quality(positional, ledger),
        extras=extras,
        loss=ledger.loss,
    )


def _extras(sections: Fields, fields: Mapping[str, Fields], ledger: Ledger, *, relayed: bool) -> tuple[Extra, ...]:
    """What no field holds. A status code that says more than ready or not, and accuracies of movement, are such."""
    extras = []
    for section, found in fields.items():
        for name in found:
            text = _text(found, name) or ""
            wanted = name in KEPT or (name == "additionalId" and not relayed)
            if wanted or (name == "statusCode" and text not in READY):
                extra = keep(section, name, text)
                extras.append(extra)
                if extra is None:
                    ledger.drop(f"{section}/{name}", LossReason.UNREADABLE)
            if name in ("bearing", "speed", "inclination") and found[name].get("accuracy") is not None:
                ledger.drop(f"{section}/{name}@accuracy")
    if "detailData" in sections and len(sections["detailData"]):
        extras.append(keep_detail(sections["detailData"]))
        if extras[-1] is None:
            ledger.drop("detailData", LossReason.TOO_LONG)
    return tuple([extra for extra in extras if extra is not None])


def _track(fields: Mapping[str, Fields], symbol: Symbol | None, identity: Identity, ledger: Ledger) -> Track:
    status, device = fields["operStatusData"], fields["deviceSpecificData"]
    return Track(
        position=_position(fields["positionalData"], ledger),
        symbol=symbol,
        identity=identity,
        kinematics=_kinematics(fields["positionalData"]),
        ready=_ready(status),
        in_distress=_flag(device.get("alert", status.get("alert")), ledger),
        remarks=_remarks(fields),
    )


def _contact(fields: Mapping[str, Fields], symbol: Symbol | None, identity: Identity, ledger: Ledger) -> Contact:
    """Something that is no friend, or whose symbol cannot be read, so that nobody knows."""
    if "statusCode" in fields["operStatusData"]:
        ledger.drop("ready")
    if "alert" in fields["operStatusData"] or "alert" in fields["deviceSpecificData"]:
        ledger.drop("in_distress")
    return Contact(
        position=_position(fields["positionalData"], ledger),
        symbol=symbol,
        identity=identity,
        kinematics=_kinematics(fields["positionalData"]),
        remarks=_remarks(fields),
    )


def _remarks(fields: Mapping[str, Fields]) -> str | None:
    """Its place in 1.3, then its place in 1.4."""
    sections = (fields["deviceSpecificData"], fields["operStatusData"])
    return "\n".join([text for section in sections if (text := _text(section, "remarks"))]) or None


def _identity(identification: Fields, device: Fields, relayed: bool) -> Identity:  # noqa: FBT001  # one caller
    """Who: our own writer puts into additionalId a callsign that unitShortName is too short for."""
    callsign, additional = _text(identification, "unitShortName"), _text(device, "additionalId")
    if relayed and additional is not None:
        callsign = additional
    phone, terminal = _text(device, "phoneNumber"), _text(device, "terminalType")
    if callsign is None and phone is None and terminal is None:
        return NOBODY
    return Identity(callsign=callsign, phone=phone, device=terminal)


def _symbol(identification: Fields, ledger: Ledger) -> tuple[Symbol | None, Mode]:
    code = _text(identification, "unitSymbol")
    read = None if code is None else from_sidc15(code)
    if read is None:
        if code is not None:
            ledger.drop("symbol", LossReason.UNREADABLE)
        return None, Mode.UNSTATED
    return read.symbol, Mode.EXERCISE if read.exercise else Mode.UNSTATED


def _position(positional: Fields, ledger: Ledger) -> Position:
    coordinates = _fields(positional.get("coordinates"))
    latitude, longitude = _number(coordinates, "latitude"), _number(coordinates, "longitude")
    if latitude is None or longitude is None:
        raise DecodeError(Fault.MISSING, "positionalData/coordinates")
    altitude_m = _number(coordinates, "altitude")
    errors = [e for name in ("latitude", "longitude") if (e := _accuracy(coordinates, name)) is not None]
    if errors and min(errors) != max(errors):
        ledger.approximate("position.circular_error_m", LossReason.NO_FIELD)
    return Position(
        latitude=latitude,
        longitude=longitude,
        altitude_m=altitude_m,
        altitude_datum=AltitudeDatum.UNKNOWN if altitude_m is None else AltitudeDatum.MSL,
        circular_error_m=max(errors, default=None),
        linear_error_m=_accuracy(coordinates, "altitude"),
    )


def _kinematics(positional: Fields) -> Kinematics:
    course, speed = _number(positional, "bearing"), _number(positional, "speed")
    if course is None and speed is None:
        return STILL
    return Kinematics(course_deg=course, speed_mps=None if speed is None else mps_from_kmh(speed))


def _quality(positional: Fields, ledger: Ledger) -> Quality:
    reliability = _coded(positional, "reliability", RELIABILITY, ledger)
    credibility = _coded(positional, "credibility", CREDIBILITY, ledger)
    if reliability is None and credibility is None:
        return UNGRADED
    return Quality(reliability=reliability, credibility=credibility)


def _source(positional: Fields) -> TrackSource:
    track_source = _fields(positional.get("trackSource"))
    system = _fields(track_source.get("sourceSystem"))
    name, transponder = _text(system, "system"), _text(track_source, "transponderId")
    if name is None or transponder is None:
        raise DecodeError(Fault.MISSING, "positionalData/trackSource")
    return TrackSource(_text(system, "country"), name, _text(system, "subsystem"), transponder)


def _time(positional: Fields) -> datetime:
    text = _text(positional, "dateTime")
    if text is None:
        raise DecodeError(Fault.MISSING, "positionalData/dateTime")
    return read_digits(text)


def _ready(status: Fields) -> bool | None:
    return READY.get(_text(status, "statusCode") or "")


def _coded(fields: Fields, name: str, codes: Mapping[str, str], ledger: Ledger) -> str | None:
    text = _text(fields, name)
    if text is not None and text not in codes:
        ledger.drop(f"quality.{name}", LossReason.UNREADABLE)
    return codes.get(text or "")


def _flag(element: XmlElement | None, ledger: Ledger) -> bool | None:
    text = None if element is None else (element.text or "").strip()
    if text in ("true", "1", "false", "0"):
        return text in ("true", "1")
    if text is not None:
        ledger.drop("in_distress", LossReason.UNREADABLE)
    return None


def _hint(sections: Iterable[XmlElement]) -> str | None:
    """The security markings of the sections. Where sections differ all stand there, so that no table maps them."""
    hints: list[str] = []
    for section in sections:
        hint = ";".join(f"{name}={value.replace(';', ',')}" for name in SECURITY if (value := section.get(name)))
        if hint and hint not in hints:
            hints.append(hint)
    return bounded_hint("|".join(hints), HINT_MAX)


def _refuse_unknown(track: XmlElement, sections: Fields, fields: Mapping[str, Fields]) -> None:
    if len(track) != len(sections):
        raise DecodeError(Fault.MALFORMED, "track: a section twice")
    for name, element in sections.items():
        found = fields.get(name)
        if found is None or len(element) == len(found):
            continue
        if len(element) != len(found) + max(0, len(element.findall(_REMARKS)) - 1):
            raise DecodeError(Fault.MALFORMED, f"{name}: an element twice")
    for name, section in fields.items():
        if not section.keys() <= KNOWN[name]:
            raise DecodeError(Fault.MALFORMED, f"{name}: not an element of NFFI 1.3")
    if not sections.keys() <= KNOWN.keys() | {"detailData"}:
        raise DecodeError(Fault.MALFORMED, "track: not a section of NFFI 1.3")


def has_unknown_attributes(root: XmlElement) -> bool:
    """Whether anything has attributes that NFFI does not have there; ``detailData`` may have any."""
    return bool(_UNKNOWN_ATTRIBUTES(root))


def _account_unknown(sections: Fields, fields: Mapping[str, Fields], ledger: Ledger) -> None:
    """What 1.4 may have more than 1.3."""
    for name in sections.keys() - KNOWN.keys() - {"detailData"}:
        if len(sections[name]) or (sections[name].text or "").strip():
            ledger.drop("track")
    for name, found in fields.items():
        if found.keys() - KNOWN[name] - (_MOVED if name == "operStatusData" else frozenset()):
            ledger.drop(name)


def _fields(element: XmlElement | None) -> Fields:
    """The children of an element by local name; of repeated ones (remarks) the first, with the others' text joined."""
    if element is None:
        return _NOTHING
    found: dict[str, XmlElement] = {}
    more: list[str] = []
    for child in element:
        name = str(child.tag).rpartition("}")[2]
        first = found.setdefault(name, child)
        if first is not child and name == "remarks":
            more.append(child.text or "")
    if more:
        found["remarks"].text = "\n".join([found["remarks"].text or "", *more])
    return found


def _text(fields: Fields, name: str) -> str | None:
    element = fields.get(name)
    return None if element is None else (element.text or "").strip() or None


def _number(fields: Fields, name: str) -> float | None:
    text = _text(fields, name)
    return None if text is None else _double(text, name)


def _accuracy(fields: Fields, name: str) -> float | None:
    element = fields.get(name)
    text = None if element is None else element.get("accuracy")
    return None if text is None else _double(text, f"{name}@accuracy")


def _double(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise DecodeError(Fault.MALFORMED, where) from None
    if "_" in text or not isfinite(value):
        raise DecodeError(Fault.OUT_OF_RANGE, where)
    return value
