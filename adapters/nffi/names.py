"""What NFFI calls things: namespaces, code lists, and the source of a track as a subject."""

from __future__ import annotations

from typing import NamedTuple

from protocols.alphabet import escape_narrow, unescape_narrow
from protocols.quantity import Affiliation

NFFI_13 = "urn:nato:fft:protocols:nffi13"
NFFI_14 = "urn:nato:fft:protocols:nffi14"
VERSIONS = {NFFI_13: "1.3", NFFI_14: "1.4"}

RELIABILITY = {
    "COMPLETELY RELIABLE": "A",
    "USUALLY RELIABLE": "B",
    "FAIRLY RELIABLE": "C",
    "NOT USUALLY RELIABLE": "D",
    "UNRELIABLE": "E",
    "RELIABILITY CANNOT BE JUDGED": "F",
}
CREDIBILITY = {
    "CONFIRMED BY OTHER SOURCES": "1",
    "PROBABLY TRUE": "2",
    "POSSIBLY TRUE": "3",
    "DOUBTFULLY TRUE": "4",
    "IMPROBABLE": "5",
    "TRUTH CANNOT BE JUDGED": "6",
}
SECURITY = ("secPolicyName", "secClassification", "secCategory")
ORDER = {  # of the elements of a section: a sequence
    "positionalData": (
        "trackSource",
        "dateTime",
        "coordinates",
        "bearing",
        "speed",
        "reliability",
        "credibility",
        "inclination",
    ),
    "identificationData": ("unitSymbol", "unitShortName"),
    "operStatusData": ("footprint", "strength", "statusCode"),
    "deviceSpecificData": (
        "additionalId",
        "phoneNumber",
        "serialNumber",
        "terminalType",
        "terminalId",
        "specialUserDefined",
        "alert",
        "remarks",
    ),
    "detailData": ("detailData",),
}
KNOWN = {name: frozenset(names) for name, names in ORDER.items() if name != "detailData"}  # 1.4 has more
OWN = frozenset({Affiliation.FRIEND, Affiliation.ASSUMED_FRIEND})
ENEMY = frozenset({Affiliation.SUSPECT, Affiliation.HOSTILE, Affiliation.JOKER, Affiliation.FAKER})
STATUS_CODES = frozenset(
    {
        "OPERATIONAL",
        "SUBSTANTIALLY OPERATIONAL",
        "MARGINALLY OPERATIONAL",
        "TEMPORARILY NOT OPERATIONAL",
        "NOT OPERATIONAL",
        "NOT KNOWN",
    }
)
READY = {"OPERATIONAL": True, "NOT OPERATIONAL": False}

RELAY = "COMITY"  # the sourceSystem of a track that began in another format
TRANSPONDER_MAX = 60
_PREFIX = "nffi:"
_PARTS = str.maketrans({".": "%2E", ":": "%3A"})


class TrackSource(NamedTuple):
    """What names a track: NFFI 1.3, trackSourceType."""

    country: str | None
    system: str
    subsystem: str | None
    transponder: str


def subject_of(source: TrackSource) -> str:
    """The subject of a track: its source, or what it relays."""
    if source.system == RELAY and source.country is None and source.subsystem is None:
        relayed = unescape_narrow(source.transponder)
        if relayed is not None:
            return relayed
    parts = (source.country, source.system, source.subsystem)
    return f"{_PREFIX}{'.'.join((part or '').translate(_PARTS) for part in parts)}:{source.transponder}"


def source_of(subject: str) -> TrackSource:
    """The track source of a subject: its own where it began as NFFI, else marked as relayed by us."""
    if subject.startswith(_PREFIX):
        path, _, transponder = subject[len(_PREFIX) :].partition(":")
        parts = [part.replace("%2E", ".").replace("%3A", ":") for part in path.split(".")]
        if len(parts) == 3 and parts[1] and 0 < len(transponder) <= TRANSPONDER_MAX:
            return TrackSource(parts[0] or None, parts[1], parts[2] or None, transponder)
    return TrackSource(None, RELAY, None, escape_narrow(subject, TRANSPONDER_MAX))
