"""The kinds of report a Message carries: a closed union, one struct a kind."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from math import inf
from typing import TypeAlias

from protocols.quantity import (
    STILL,
    Kinematics,
    Position,
    Symbol,
    Value,
    at_least_zero,
    bearing,
    in_utc,
    percent,
    whole_counts,
)

TEXT_MAX = 65_536  # characters of free text in one report; more belongs into a file reference


class Identity(Value, frozen=True):
    """Who or what a report names: what the originator calls it, never who sent it."""

    callsign: str | None = None
    team: str | None = None
    role: str | None = None
    system: str | None = None
    device: str | None = None
    phone: str | None = None
    endpoint: str | None = None


NOBODY = Identity()  # of whom nothing is said; the same object everywhere, so that it takes no room on the wire


class Track(Value, frozen=True, tag="track", tag_field="kind"):
    """A unit reports itself (blue force tracking)."""

    position: Position
    symbol: Symbol | None = None
    identity: Identity = NOBODY
    kinematics: Kinematics = STILL
    battery_percent: float | None = None
    ready: bool | None = None
    in_distress: bool | None = None
    remarks: str | None = None

    def __post_init__(self) -> None:
        if (battery := self.battery_percent) is not None and not 0.0 <= battery <= 100.0:
            percent("battery_percent", battery)


class Contact(Value, frozen=True, tag="contact", tag_field="kind"):
    """Something that a sensor or an observer sees."""

    position: Position
    symbol: Symbol | None = None
    identity: Identity = NOBODY
    kinematics: Kinematics = STILL
    sensors: tuple[str, ...] = ()
    mmsi: str | None = None
    icao: str | None = None
    length_m: float | None = None
    width_m: float | None = None
    height_m: float | None = None
    remarks: str | None = None

    def __post_init__(self) -> None:
        if (length := self.length_m) is not None and not 0.0 <= length < inf:
            at_least_zero("length_m", length)
        if (width := self.width_m) is not None and not 0.0 <= width < inf:
            at_least_zero("width_m", width)
        if (height := self.height_m) is not None and not 0.0 <= height < inf:
            at_least_zero("height_m", height)


class Chat(Value, frozen=True, tag="chat", tag_field="kind"):
    """A text between people. ``room`` is None in a direct message; ``to`` names the recipients."""

    text: str
    room: str | None = None
    to: tuple[str, ...] = ()
    sender: Identity = NOBODY
    thread: str | None = None
    language: str | None = None
    position: Position | None = None

    def __post_init__(self) -> None:
        if len(self.text) > TEXT_MAX:
            raise ValueError("text too long")


class ReceiptState(StrEnum):
    """How far a message got, as its recipient says."""

    DELIVERED = "delivered"
    READ = "read"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    FAILED = "failed"
    EXPIRED = "expired"


class Receipt(Value, frozen=True, tag="receipt", tag_field="kind"):
    """What became of another message; ``of`` is that message's subject."""

    of: str
    state: ReceiptState
    reason: str | None = None


class Severity(StrEnum):
    """CAP 1.2, info/severity."""

    EXTREME = "extreme"
    SEVERE = "severe"
    MODERATE = "moderate"
    MINOR = "minor"
    UNKNOWN = "unknown"


class Urgency(StrEnum):
    """CAP 1.2, info/urgency."""

    IMMEDIATE = "immediate"
    EXPECTED = "expected"
    FUTURE = "future"
    PAST = "past"
    UNKNOWN = "unknown"


class Certainty(StrEnum):
    """CAP 1.2, info/certainty."""

    OBSERVED = "observed"
    LIKELY = "likely"
    POSSIBLE = "possible"
    UNLIKELY = "unlikely"
    UNKNOWN = "unknown"


class Area(Value, frozen=True):
    """Where something applies: closed rings of (latitude, longitude), circles of (latitude, longitude, radius_m)."""

    description: str | None = None
    polygons: tuple[tuple[tuple[float, float], ...], ...] = ()
    circles: tuple[tuple[float, float, float], ...] = ()
    geocodes: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for ring in self.polygons:
            if len(ring) < 4 or ring[0] != ring[-1]:
                raise ValueError("a polygon is a closed ring of at least four points")
            for latitude, longitude in ring:
                Position(latitude=latitude, longitude=longitude)
        for latitude, longitude, radius_m in self.circles:
            Position(latitude=latitude, longitude=longitude)
            at_least_zero("radius_m", radius_m)


class Alert(Value, frozen=True, tag="alert", tag_field="kind"):
    """A warning or an emergency. ``cancelled`` ends the alert of the same subject."""

    event: str
    categories: tuple[str, ...] = ()
    severity: Severity | None = None
    urgency: Urgency | None = None
    certainty: Certainty | None = None
    headline: str | None = None
    description: str | None = None
    instruction: str | None = None
    language: str | None = None
    position: Position | None = None
    area: Area | None = None
    raised_by: Identity = NOBODY
    cancelled: bool = False

    def __post_init__(self) -> None:
        if not self.event:
            raise ValueError("an alert names its event")


class PatientCounts(Value, frozen=True):
    """Patients by precedence. A category the originator did not give is None, and is never filled from another."""

    urgent: int | None = None
    urgent_surgical: int | None = None
    priority: int | None = None
    routine: int | None = None
    convenience: int | None = None

    def __post_init__(self) -> None:
        whole_counts(self.urgent, self.urgent_surgical, self.priority, self.routine, self.convenience)


class PatientOrigins(Value, frozen=True):
    """Patients by nationality and status (9-line, line 8)."""

    us_military: int | None = None
    us_civilian: int | None = None
    non_us_military: int | None = None
    non_us_civilian: int | None = None
    enemy_prisoner: int | None = None
    child: int | None = None

    def __post_init__(self) -> None:
        whole_counts(
            self.us_military,
            self.us_civilian,
            self.non_us_military,
            self.non_us_civilian,
            self.enemy_prisoner,
            self.child,
        )


class Security(StrEnum):
    """9-line, line 6: security of the pick-up site."""

    NO_ENEMY = "N"
    POSSIBLE_ENEMY = "P"
    ENEMY = "E"
    ESCORT_REQUIRED = "X"


class Marking(StrEnum):
    """9-line, line 7: how the pick-up site is marked."""

    PANELS = "panels"
    PYROTECHNIC = "pyrotechnic"
    SMOKE = "smoke"
    NONE = "none"
    OTHER = "other"


class Patient(Value, frozen=True):
    """One patient, ZMIST: Zap number, Mechanism, Injuries, Signs, Treatment."""

    title: str | None = None
    zap: str | None = None
    mechanism: str | None = None
    injuries: str | None = None
    signs: str | None = None
    treatment: str | None = None


class Medevac(Value, frozen=True, tag="medevac", tag_field="kind"):
    """A medical evacuation request (9-line).

    ``code_variant`` says which national reading the counts came in (``atak``, ``takpacket``, ``nato``, ``us``), since
    the letter B means two things. ``zone`` describes the pick-up site in named remarks (``obstacles``, ``winds_from``).
    ``structured`` False: the originator sent only free text, and nothing is invented.
    """

    position: Position | None = None
    title: str | None = None
    frequency_mhz: float | None = None
    precedence_word: str | None = None
    patients: PatientCounts = PatientCounts()
    origins: PatientOrigins = PatientOrigins()
    equipment: tuple[str, ...] = ()
    litter: int | None = None
    ambulatory: int | None = None
    security: Security | None = None
    marking: Marking | None = None
    marking_detail: str | None = None
    terrain: tuple[str, ...] = ()
    terrain_slope_direction: str | None = None
    cbrn: tuple[str, ...] = ()
    zone: tuple[tuple[str, str], ...] = ()
    zone_remarks: str | None = None
    casualties: tuple[Patient, ...] = ()
    remarks: str | None = None
    requested_by: Identity = NOBODY
    code_variant: str | None = None
    structured: bool = True

    def __post_init__(self) -> None:
        whole_counts(self.litter, self.ambulatory)
        at_least_zero("frequency_mhz", self.frequency_mhz)


class Report(Value, frozen=True, tag="report", tag_field="kind"):
    """A situation or incident report: what happened, where, with which human consequences."""

    event: str
    status: str | None = None
    position: Position | None = None
    area: Area | None = None
    occurred: datetime | None = None
    narrative: str | None = None
    killed: int | None = None
    injured: int | None = None
    missing: int | None = None
    displaced: int | None = None
    evacuated: int | None = None
    reported_by: Identity = NOBODY
    language: str | None = None

    def __post_init__(self) -> None:
        in_utc(self.occurred)
        whole_counts(self.killed, self.injured, self.missing, self.displaced, self.evacuated)
        if self.narrative is not None and len(self.narrative) > TEXT_MAX:
            raise ValueError("narrative too long")


class Status(Value, frozen=True, tag="status", tag_field="kind"):
    """The state of a system or platform. ``technical`` and ``operational`` are the originator's words."""

    technical: str | None = None
    operational: str | None = None
    battery_percent: float | None = None
    fuel: tuple[tuple[str, float], ...] = ()
    ammunition: tuple[tuple[str, float], ...] = ()
    text: str | None = None

    def __post_init__(self) -> None:
        percent("battery_percent", self.battery_percent)
        for _, level in (*self.fuel, *self.ammunition):
            at_least_zero("a level of fuel or ammunition", level)


class Shape(StrEnum):
    """What the points of a Graphic mean."""

    POINT = "point"
    LINE = "line"
    POLYGON = "polygon"
    CIRCLE = "circle"
    ELLIPSE = "ellipse"


class Graphic(Value, frozen=True, tag="graphic", tag_field="kind"):
    """A drawing. Circles and ellipses have one point (the centre) and half-axes in metres."""

    shape: Shape
    points: tuple[Position, ...]
    major_m: float | None = None
    minor_m: float | None = None
    rotation_deg: float | None = None
    title: str | None = None
    stroke: str | None = None
    fill: str | None = None
    remarks: str | None = None

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("a graphic needs a point")
        at_least_zero("major_m", self.major_m)
        at_least_zero("minor_m", self.minor_m)
        bearing("rotation_deg", self.rotation_deg)


class Task(Value, frozen=True, tag="task", tag_field="kind"):
    """An order. Denied between partners unless an agreement names tasks; never sent to weapons or effectors."""

    verb: str
    target: str | None = None
    position: Position | None = None
    parameters: tuple[tuple[str, str], ...] = ()


class Delete(Value, frozen=True, tag="delete", tag_field="kind"):
    """The originator takes back its report about ``target`` (a subject)."""

    target: str
    hard: bool = False


class FileReference(Value, frozen=True, tag="file", tag_field="kind"):
    """A file that exists elsewhere; never fetched by a gateway."""

    name: str
    mime: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    uri: str | None = None

    def __post_init__(self) -> None:
        at_least_zero("size_bytes", self.size_bytes)


class Opaque(Value, frozen=True, tag="opaque", tag_field="kind"):
    """Bytes that are routed and label-checked but not understood, for a unit of the same format."""

    format: str
    data: bytes


Body: TypeAlias = (
    Track
    | Contact
    | Chat
    | Receipt
    | Alert
    | Medevac
    | Report
    | Status
    | Graphic
    | Task
    | Delete
    | FileReference
    | Opaque
)
