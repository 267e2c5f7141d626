"""Outcomes as a coalition would make them: written by hand, for the console's tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.stream import Outcome
from protocols.body import (
    Alert,
    Body,
    Chat,
    Delete,
    Identity,
    Medevac,
    PatientCounts,
    PatientOrigins,
    Security,
    Severity,
    Track,
)
from protocols.label import Category, CategoryType, Label
from protocols.message import Derived, Loss, LossReason, Message, Precedence, Source, Times
from protocols.quantity import Affiliation, AltitudeDatum, Kinematics, Position, Symbol
from protocols.record import Event, Record

START = datetime(2026, 3, 14, 21, 7, 30, 125_000, tzinfo=UTC)
LABEL = Label(
    policy="UNMISS",
    classification="MISSION RESTRICTED",
    categories=(Category(type=CategoryType.PERMISSIVE, tag="Releasable To", values=("alpha", "bravo")),),
)
OPEN = Label(policy="UNMISS", classification="MISSION UNCLASSIFIED")


def message(body: Body, number: int = 1, **more: object) -> Message:
    """A message as the relay would have stamped it."""
    at = START + timedelta(seconds=number)
    given = {
        "label": LABEL,
        "origin": "alpha/patrol-1",
        "source": Source(format="cot", version="2.0"),
        "times": Times(observed=at, created=at, received=at, valid_until=at + timedelta(minutes=5)),
        **more,
    }
    return Message(id=f"{number:032x}", subject=f"ANDROID-{number:04d}", body=body, **given)  # type: ignore[arg-type]


def outcome(event: Event, about: Message | None = None, data: bytes | None = None, **more: object) -> Outcome:
    """An outcome of one message for one destination."""
    given = {
        "at": START,
        "gateway": "alpha",
        "source": "alpha/patrol-1",
        "destination": "bravo/hq",
        "format_in": "cot",
        "message": None if about is None else about.id,
        "subject_kind": None if about is None else about.kind,
        "label": None if about is None else about.label,
        **more,
    }
    return Outcome(Record(event=event, **given), about, data)  # type: ignore[arg-type]


def track(number: int = 1, callsign: str = "EAGLE 21", **more: object) -> Message:
    """A patrol reports itself, with a loss on reading and a computed course."""
    body = Track(
        position=Position(
            latitude=4.85165 + number / 5000,
            longitude=31.58247 + number / 7000,
            altitude_m=462.4,
            altitude_datum=AltitudeDatum.HAE,
            circular_error_m=8.0,
        ),
        identity=Identity(callsign=callsign, team="Cyan", role="Team Lead", device="EUD 7"),
        kinematics=Kinematics(course_deg=87.4, speed_mps=4.2),
        symbol=Symbol(affiliation=Affiliation.FRIEND, cot_type="a-f-G-U-C-I", sidc15="SFGPUCI----K---"),
        battery_percent=71,
    )
    loss = (
        Loss(field="detail/takv/os", reason=LossReason.NO_FIELD),
        Loss(field="position.altitude_m", reason=LossReason.DATUM, approximated=True),
    )
    derived = (Derived(field="symbol.sidc15", source="symbol.cot_type", rule="CoT 2.0 type to MIL-STD-2525C"),)
    return message(body, number, loss=loss, derived=derived, **more)


def medevac(number: int = 2) -> Message:
    """A nine-line request; lines that were not said stay unsaid."""
    body = Medevac(
        position=Position(latitude=4.86, longitude=31.6),
        frequency_mhz=38.9,
        patients=PatientCounts(urgent=1, priority=2),
        origins=PatientOrigins(non_us_military=2, non_us_civilian=1),
        equipment=("Hoist",),
        litter=1,
        ambulatory=2,
        security=Security.POSSIBLE_ENEMY,
        requested_by=Identity(callsign="LANCER 6"),
        remarks="Convoy hit a mine on the Yei road.",
    )
    return message(body, number, precedence=Precedence.FLASH, label=OPEN)


def alert(number: int = 3, *, cancelled: bool = False) -> Message:
    """An emergency, or its end."""
    body = Alert(
        event="Flash flood",
        severity=Severity.SEVERE,
        headline="River above the bridge at Mongalla",
        description="Water rises 20 cm an hour. The eastern road is closed.",
        instruction="Use the northern route.",
        position=Position(latitude=5.2, longitude=31.77),
        raised_by=Identity(callsign="RELIEF OPS"),
        cancelled=cancelled,
    )
    return message(body, number, precedence=Precedence.IMMEDIATE, label=OPEN, origin="charlie/ops")


def chat(number: int = 4, text: str = "Checkpoint 4 is open again. Convoy may pass.", **more: object) -> Message:
    """A line of talk."""
    return message(Chat(text=text, room="All Chat Rooms", sender=Identity(callsign="EAGLE 6")), number, **more)


def delete(number: int = 5) -> Message:
    """A withdrawal."""
    return message(Delete(target="ANDROID-0001"), number)
