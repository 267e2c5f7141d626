"""Messages to NFFI 1.3 tracks, valid by its schema."""

from __future__ import annotations

from adapters import EncodeError
from adapters.nffi.extras import FORMAT, restored
from adapters.nffi.names import CREDIBILITY, ENEMY, NFFI_13, ORDER, OWN, READY, RELAY, RELIABILITY, SECURITY, source_of
from protocols.alphabet import narrow
from protocols.body import Contact, Track
from protocols.label import Label
from protocols.ledger import Ledger
from protocols.message import LossReason, Message, Mode
from protocols.moment import is_whole, write_digits
from protocols.quantity import AltitudeDatum, Kinematics, Position
from protocols.symbols import to_sidc15
from protocols.units import kmh_from_mps
from protocols.xml import carries, escape

SHORT_NAME_MAX = 15
FIELD_MAX = 30
REMARK_MAX, REMARKS_MAX = 60, 4
_RELIABILITY = {code: words for words, code in RELIABILITY.items()}
_CREDIBILITY = {code: words for words, code in CREDIBILITY.items()}
_READY = {flag: words for words, flag in READY.items()}


def write_track(message: Message, body: Track | Contact, ledger: Ledger) -> bytes:
    """One NFFIMessage of one track. Raise EncodeError."""
    _refuse_what_would_mislead(message, body)
    marking = _marking(message.label, ledger)
    identification = _identification(message, body, ledger)
    sections = {
        "positionalData": _positional(message, body, ledger),
        "identificationData": identification,
        "operStatusData": _status(body),
        "deviceSpecificData": _device(message, body, ledger, identified=bool(identification)),
    }
    if message.extras:
        for section, kept in restored(message).items():
            sections[section] = kept | sections.get(section, {})
            if any(sections[section][name] != element for name, element in kept.items()):
                ledger.drop("extras")
    track = "".join(
        [
            f"<{section}{marking}>{''.join([found[name] for name in ORDER[section] if name in found])}</{section}>"
            for section, found in sections.items()
            if found
        ]
    )
    _account(message, body, ledger)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<NFFIMessage xmlns="{NFFI_13}"><track>{track}</track></NFFIMessage>'
    ).encode()


def _marking(label: Label | None, ledger: Ledger) -> str:
    """The label as the security attributes of a section; one that does not fit is no reason to leave it out."""
    if label is None:
        return ""
    categories = ";".join(f"{c.tag}={','.join(c.values)}" for c in label.categories)
    marks = (label.policy, label.classification, categories)
    if any(len(mark) > limit for mark, limit in zip(marks, (256, 30, 256), strict=True)):
        raise EncodeError("the label does not fit into NFFI's security attributes")
    if not all(carries(mark) for mark in marks):
        raise EncodeError("XML cannot carry the label")
    ledger.approximate("label", LossReason.STRUCTURE)
    return "".join(f' {name}="{escape(mark)}"' for name, mark in zip(SECURITY, marks, strict=True) if mark)


def _refuse_what_would_mislead(message: Message, body: Track | Contact) -> None:
    symbol = body.symbol
    if symbol is None and isinstance(body, Contact):
        raise EncodeError("a contact without an affiliation would be shown as a friend")
    if symbol is not None and symbol.affiliation in ENEMY:
        raise EncodeError("NFFI carries friendly forces, not a suspect or hostile contact")
    if message.mode in (Mode.SIMULATION, Mode.TEST):
        raise EncodeError(f"NFFI cannot mark a {message.mode} track")
    if message.mode is Mode.EXERCISE and symbol is None:
        raise EncodeError("NFFI marks an exercise track by its symbol only, and there is none")


def _positional(message: Message, body: Track | Contact, ledger: Ledger) -> dict[str, str]:
    source = source_of(message.subject)
    if source.transponder.startswith("**"):
        ledger.approximate("subject", LossReason.TOO_LONG)
    if source.system == RELAY and message.subject.startswith("nffi:"):  # a source that does not fit its own schema
        ledger.approximate("extras", LossReason.TOO_LONG)
        ledger.approximate("identity.callsign", LossReason.STRUCTURE)
    country = f"<country>{source.country}</country>" if source.country else ""
    subsystem = f"<subsystem>{source.subsystem}</subsystem>" if source.subsystem else ""
    quality = message.quality
    reliability = _RELIABILITY.get(quality.reliability or "")
    credibility = _CREDIBILITY.get(quality.credibility or "")
    found = {
        "trackSource": f"<trackSource><sourceSystem>{country}<system>{source.system}</system>{subsystem}</sourceSystem>"
        f"<transponderId>{source.transponder}</transponderId></trackSource>",
        "dateTime": f"<dateTime>{_time(message, ledger)}</dateTime>",
        "coordinates": _coordinates(body.position, ledger),
    }
    found |= _movement(body.kinematics, ledger)
    if reliability is not None:
        found["reliability"] = f"<reliability>{reliability}</reliability>"
    if credibility is not None:
        found["credibility"] = f"<credibility>{credibility}</credibility>"
    return found


def _time(message: Message, ledger: Ledger) -> str:
    times = message.times
    if times.observed is not None:
        time = times.observed
        ledger.drop_given("times", times, "created")
    elif times.created is not None or times.received is not None:
        known = "created" if times.created is not None else "received"
        time = getattr(times, known)
        ledger.derive("times.observed", f"times.{known}", "the-only-time-known")
    else:
        raise EncodeError("NFFI needs a time")
    if not is_whole(time):
        ledger.approximate("times.observed", LossReason.PRECISION)
    return write_digits(time)


def _coordinates(position: Position, ledger: Ledger) -> str:
    longitude, error_m = position.longitude, position.circular_error_m
    if longitude == -180:  # the schema leaves out -180, which is the same meridian
        longitude = 180.0
        ledger.derive("position.longitude", "position.longitude", "same-meridian")
    if position.coarsened_to_m is not None:
        error_m = max(error_m or 0.0, position.coarsened_to_m)
        ledger.approximate("position.coarsened_to_m", LossReason.STRUCTURE)
        ledger.derive("position.circular_error_m", "position.coarsened_to_m", "error-is-at-least-coarsening")
    accuracy = "" if error_m is None else f' accuracy="{error_m!r}"'
    altitude = ""
    if position.altitude_m is not None and position.altitude_datum is AltitudeDatum.MSL:
        linear = "" if position.linear_error_m is None else f' accuracy="{position.linear_error_m!r}"'
        altitude = f"<altitude{linear}>{position.altitude_m!r}</altitude>"
    else:
        if position.altitude_m is not None:
            ledger.drop("position.altitude_m", LossReason.DATUM)
        ledger.drop_given("position", position, "linear_error_m")
    ledger.drop_given("position", position, "fix_source")
    return (
        f"<coordinates><latitude{accuracy}>{position.latitude!r}</latitude>"
        f"<longitude{accuracy}>{longitude!r}</longitude>{altitude}</coordinates>"
    )


def _movement(kinematics: Kinematics, ledger: Ledger) -> dict[str, str]:
    ledger.drop_given("kinematics", kinematics, "heading_deg", "climb_mps")
    found = {}
    if kinematics.course_deg is not None:
        found["bearing"] = f"<bearing>{kinematics.course_deg!r}</bearing>"
    if kinematics.speed_mps is not None:
        found["speed"] = f"<speed>{kmh_from_mps(kinematics.speed_mps)!r}</speed>"
    return found


def _identification(message: Message, body: Track | Contact, ledger: Ledger) -> dict[str, str]:
    if body.symbol is None:
        return {}
    coded = to_sidc15(body.symbol, exercise=message.mode is Mode.EXERCISE)
    if coded is None:
        raise EncodeError("2525C has no letter for the affiliation")
    if not coded.exact:
        ledger.approximate("symbol", LossReason.NO_CODE)
    callsign = body.identity.callsign
    if not callsign:
        callsign = message.subject[-SHORT_NAME_MAX:]
        ledger.derive("identity.callsign", "subject", "end-of-the-subject")
    return {
        "unitSymbol": f"<unitSymbol>{coded.code}</unitSymbol>",
        "unitShortName": f"<unitShortName>{narrow(callsign)[:SHORT_NAME_MAX]}</unitShortName>",
    }


def _status(body: Track | Contact) -> dict[str, str]:
    if not isinstance(body, Track) or body.ready is None:
        return {}
    return {"statusCode": f"<statusCode>{_READY[body.ready]}</statusCode>"}


def _device(message: Message, body: Track | Contact, ledger: Ledger, *, identified: bool) -> dict[str, str]:
    identity = body.identity
    found = _long_name(message, identity.callsign, ledger, identified=identified)
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
    if isinstance(body, Track) and body.in_distress is not None:
        found["alert"] = f"<alert>{'true' if body.in_distress else 'false'}</alert>"
    remarks = "".join(f"<remarks>{line}</remarks>" for line in _remarks(body.remarks, ledger))
    return found | ({"remarks": remarks} if remarks else {})


def _long_name(message: Message, callsign: str | None, ledger: Ledger, *, identified: bool) -> dict[str, str]:
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
    if source_of(message.subject).system != RELAY:  # there additionalId is not ours
        ledger.approximate("identity.callsign", LossReason.STRUCTURE)
        return {}
    return {"additionalId": f"<additionalId>{name[:FIELD_MAX]}</additionalId>"} if name else {}


def _remarks(text: str | None, ledger: Ledger) -> list[str]:
    """At most four lines of sixty: the text's own lines where they fit, else cut without regard to words."""
    if not text:
        return []
    lines = [narrow(line) for line in text.split("\n")]
    if "\n".join(lines) != text:
        ledger.approximate("remarks", LossReason.CHARSET)
    if len(lines) > REMARKS_MAX or any(len(line) > REMARK_MAX for line in lines):
        flat = "-".join(lines)
        lines = [flat[at : at + REMARK_MAX] for at in range(0, len(flat), REMARK_MAX)]
        ledger.approximate("remarks", LossReason.TOO_LONG if len(lines) > REMARKS_MAX else LossReason.STRUCTURE)
    return lines[:REMARKS_MAX]


def _account(message: Message, body: Track | Contact, ledger: Ledger) -> None:
    """What NFFI has no place for."""
    ledger.drop_given("identity", body.identity, "team", "role", "system", "endpoint")
    if isinstance(body, Track):
        ledger.drop_given("", body, "battery_percent")
        if body.symbol is not None and body.symbol.affiliation not in OWN:
            ledger.approximate("kind", LossReason.STRUCTURE)
            ledger.drop_given("", body, "ready", "in_distress")
    else:
        ledger.drop_given("", body, "sensors", "mmsi", "icao", "length_m", "width_m", "height_m")
        if body.symbol is not None and body.symbol.affiliation in OWN:
            ledger.approximate("kind", LossReason.STRUCTURE)
    ledger.drop_given("times", message.times, "valid_from", "valid_until")
    ledger.drop_given("", message, "exercise", "addressees", "references", "provenance", "precedence")
    if any(extra.format != FORMAT for extra in message.extras):
        ledger.drop("extras")
    if message.mode is Mode.OPERATION:
        ledger.drop("mode")
    quality = message.quality
    ledger.drop_given("quality", quality, "how")
    if quality.reliability is not None and quality.reliability not in _RELIABILITY:
        ledger.drop("quality.reliability", LossReason.NO_CODE)
    if quality.credibility is not None and quality.credibility not in _CREDIBILITY:
        ledger.drop("quality.credibility", LossReason.NO_CODE)
