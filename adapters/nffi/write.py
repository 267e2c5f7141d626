"""Messages to NFFI 1.3 tracks, valid by its schema."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from adapters import EncodeError
from adapters.nffi.extras import FORMAT, restored
from adapters.nffi.lasting import write_lasting
from adapters.nffi.names import CREDIBILITY, ENEMY, NFFI_13, ORDER, OWN, READY, RELIABILITY, SECURITY
from protocols.alphabet import narrow
from protocols.body import Contact, Track
from protocols.label import Label
from protocols.ledger import Ledger
from protocols.message import LossReason, Message, Mode, Times
from protocols.moment import is_whole, write_digits
from protocols.quantity import AltitudeDatum, Position
from protocols.units import kmh_from_mps
from protocols.xml import carries, escape

REMARK_MAX, REMARKS_MAX = 60, 4
_RELIABILITY = {code: words for words, code in RELIABILITY.items()}
_CREDIBILITY = {code: words for words, code in CREDIBILITY.items()}
_READY = {flag: words for words, flag in READY.items()}
_ORDER = ORDER | {"positionalData": ("reported", "inclination")}  # what a report says of itself is written in one
_MISLEADING = frozenset({Mode.SIMULATION, Mode.TEST})
_MSL = AltitudeDatum.MSL
_PLACELESS = (
    "kinematics.heading_deg",
    "kinematics.climb_mps",
    "position.fix_source",
    "battery_percent",
    "times.created",
    "times.valid_from",
    "times.valid_until",
    "mode",
    "exercise",
    "addressees",
    "references",
    "provenance",
    "precedence",
    "quality.how",
    "source.label_hint",
)
_json = msgspec.json.Encoder().encode  # writes numbers as repr() does, at a tenth of what that takes


def write_track(message: Message, body: Track | Contact, ledger: Ledger) -> bytes:
    """One NFFIMessage of one track. Raise EncodeError."""
    _refuse_what_would_mislead(message, body)
    label = message.label
    marking = "" if label is None else _marking(label, ledger)
    unit = write_lasting(message.subject, body.symbol, body.identity, exercise=message.mode is Mode.EXERCISE)
    ledger.repeat(unit.account)
    sections: dict[str, Mapping[str, str]] = {
        "positionalData": {"reported": _positional(message, body, unit.source, ledger)},
        "identificationData": unit.identification,
        "operStatusData": {},
        "deviceSpecificData": unit.device,
    }
    if type(body) is Track:
        sections |= _status(body, sections)
    if body.remarks:
        remarks = "".join(f"<remarks>{line}</remarks>" for line in _remarks(body.remarks, ledger))
        sections["deviceSpecificData"] = {**sections["deviceSpecificData"], "remarks": remarks}
    if message.extras:
        _restore(message, sections, ledger)
    track = ""
    for section, found in sections.items():
        if found:
            track += f"<{section}{marking}>{''.join(found.values())}</{section}>"
    _account(message, body, ledger)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<NFFIMessage xmlns="{NFFI_13}"><track>{track}</track></NFFIMessage>'
    ).encode()


def _restore(message: Message, sections: dict[str, Mapping[str, str]], ledger: Ledger) -> None:
    """Put what was kept for the way home into its places, as far as nothing else stands there."""
    for section, kept in restored(message).items():
        found = kept | dict(sections.get(section, {}))
        sections[section] = {name: found[name] for name in _ORDER[section] if name in found}
        if any(found[name] != element for name, element in kept.items()):
            ledger.drop("extras")


def _marking(label: Label, ledger: Ledger) -> str:
    """The label as the security attributes of a section; one that does not fit is no reason to leave it out."""
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
    if message.mode in _MISLEADING:
        raise EncodeError(f"NFFI cannot mark a {message.mode} track")
    if message.mode is Mode.EXERCISE and symbol is None:
        raise EncodeError("NFFI marks an exercise track by its symbol only, and there is none")


def _positional(message: Message, body: Track | Contact, source: str, ledger: Ledger) -> str:
    kinematics, quality = body.kinematics, message.quality
    course, speed = kinematics.course_deg, kinematics.speed_mps
    text = f"{source}<dateTime>{_time(message.times, ledger)}</dateTime>{_coordinates(body.position, ledger)}"
    if course is not None:
        text += f"<bearing>{_json(course).decode()}</bearing>"
    if speed is not None:
        text += f"<speed>{_json(kmh_from_mps(speed)).decode()}</speed>"
    reliability, credibility = quality.reliability, quality.credibility
    if reliability is not None and reliability in _RELIABILITY:
        text += f"<reliability>{_RELIABILITY[reliability]}</reliability>"
    if credibility is not None and credibility in _CREDIBILITY:
        text += f"<credibility>{_CREDIBILITY[credibility]}</credibility>"
    return text


def _time(times: Times, ledger: Ledger) -> str:
    time = times.observed
    if time is None and (times.created is not None or times.received is not None):
        known = "created" if times.created is not None else "received"
        time = times.created or times.received
        ledger.derive("times.observed", f"times.{known}", "the-only-time-known")
    if time is None:
        raise EncodeError("NFFI needs a time")
    if not is_whole(time):
        ledger.approximate("times.observed", LossReason.PRECISION)
    return write_digits(time)


def _coordinates(position: Position, ledger: Ledger) -> str:
    longitude, error_m, altitude_m = position.longitude, position.circular_error_m, position.altitude_m
    if longitude == -180:  # the schema leaves out -180, which is the same meridian
        longitude = 180.0
        ledger.derive("position.longitude", "position.longitude", "same-meridian")
    if position.coarsened_to_m is not None:
        error_m = max(error_m or 0.0, position.coarsened_to_m)
        ledger.approximate("position.coarsened_to_m", LossReason.STRUCTURE)
        ledger.derive("position.circular_error_m", "position.coarsened_to_m", "error-is-at-least-coarsening")
    altitude = ""
    if altitude_m is not None and position.altitude_datum is _MSL:
        linear = "" if position.linear_error_m is None else f' accuracy="{_json(position.linear_error_m).decode()}"'
        altitude = f"<altitude{linear}>{_json(altitude_m).decode()}</altitude>"
    else:
        if altitude_m is not None:
            ledger.drop("position.altitude_m", LossReason.DATUM)
        if position.linear_error_m is not None:
            ledger.drop("position.linear_error_m")
    latitude_text, longitude_text, error = _json((position.latitude, longitude, error_m)).decode()[1:-1].split(",")
    accuracy = "" if error_m is None else f' accuracy="{error}"'
    return (
        f"<coordinates><latitude{accuracy}>{latitude_text}</latitude>"
        f"<longitude{accuracy}>{longitude_text}</longitude>{altitude}</coordinates>"
    )


def _status(body: Track, sections: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """What only a unit's own track says."""
    found: dict[str, Mapping[str, str]] = {}
    if body.ready is not None:
        found["operStatusData"] = {"statusCode": f"<statusCode>{_READY[body.ready]}</statusCode>"}
    if body.in_distress is not None:
        alert = f"<alert>{'true' if body.in_distress else 'false'}</alert>"
        found["deviceSpecificData"] = {**sections["deviceSpecificData"], "alert": alert}
    return found


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
    friend = body.symbol is None or body.symbol.affiliation in OWN
    if isinstance(body, Track):
        if not friend:
            ledger.approximate("kind", LossReason.STRUCTURE)
            ledger.drop_given("", body, "ready", "in_distress")
    else:
        ledger.drop_given("", body, "sensors", "mmsi", "icao", "length_m", "width_m", "height_m")
        if friend:  # of which there is a symbol, see above
            ledger.approximate("kind", LossReason.STRUCTURE)
    kinematics, times = body.kinematics, message.times
    said = (
        kinematics.heading_deg is not None,
        kinematics.climb_mps is not None,
        body.position.fix_source is not None,
        type(body) is Track and body.battery_percent is not None,
        times.created is not None and times.observed is not None,
        times.valid_from is not None,
        times.valid_until is not None,
        message.mode is Mode.OPERATION,
        message.exercise is not None,
        message.addressees != (),
        message.references != (),
        message.provenance != (),
        message.precedence is not None,
        message.quality.how is not None,
        message.source.label_hint is not None,
    )
    ledger.drop_those(_PLACELESS, said)
    if message.extras and [extra for extra in message.extras if extra.format != FORMAT]:
        ledger.drop("extras")
    quality = message.quality
    if quality.reliability is not None and quality.reliability not in _RELIABILITY:
        ledger.drop("quality.reliability", LossReason.NO_CODE)
    if quality.credibility is not None and quality.credibility not in _CREDIBILITY:
        ledger.drop("quality.credibility", LossReason.NO_CODE)
