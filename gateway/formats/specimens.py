"""One full and one sparse message of every kind: what adapters are tried with. Pure; the times are fixed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from protocols.body import (
    Alert,
    Area,
    Body,
    Certainty,
    Chat,
    Contact,
    Delete,
    FileReference,
    Graphic,
    Identity,
    Marking,
    Medevac,
    Opaque,
    Patient,
    PatientCounts,
    PatientOrigins,
    Receipt,
    ReceiptState,
    Report,
    Security,
    Severity,
    Shape,
    Status,
    Task,
    Track,
    Urgency,
)
from protocols.message import Hop, Message, Mode, Precedence, Quality, Reference, Source, Times, message_id
from protocols.quantity import Affiliation, AltitudeDatum, Kinematics, Position, Symbol

AT = datetime(2026, 3, 15, 14, 22, 10, 250_000, tzinfo=UTC)

_HERE = Position(latitude=45.25, longitude=19.875)
_HERE_FULL = Position(
    latitude=45.25,
    longitude=19.875,
    altitude_m=112.5,
    altitude_datum=AltitudeDatum.HAE,
    circular_error_m=4.5,
    linear_error_m=9.0,
    fix_source="GPS",
)
_FRIEND = Symbol(affiliation=Affiliation.FRIEND, cot_type="a-f-G-U-C")
_WHO = Identity(
    callsign="HERON 21",
    team="Cyan",
    role="Team Lead",
    system="ATAK-CIV 5.2.0",
    device="Pixel 8",
    phone="+15550000021",
    endpoint="*:-1:stcp",
)
_MOVING = Kinematics(course_deg=271.5, heading_deg=270.0, speed_mps=8.5, climb_mps=0.5)
_RING = ((45.2, 19.8), (45.2, 19.9), (45.3, 19.9), (45.2, 19.8))

FULL: Sequence[Body] = (
    Track(
        position=_HERE_FULL,
        symbol=_FRIEND,
        identity=_WHO,
        kinematics=_MOVING,
        battery_percent=88.0,
        ready=True,
        in_distress=False,
        remarks="Radio check done; moving north",
    ),
    Contact(
        position=Position(latitude=45.3, longitude=19.9, altitude_m=98.0, altitude_datum=AltitudeDatum.MSL),
        symbol=Symbol(affiliation=Affiliation.NEUTRAL, sidc15="SNGPEVC--------"),
        identity=Identity(callsign="Bus 7"),
        kinematics=_MOVING,
        sensors=("radar", "optical"),
        mmsi="211234560",
        icao="3C6DD2",
        length_m=12.0,
        width_m=2.5,
        height_m=3.2,
        remarks="Civilian bus, parked",
    ),
    Chat(
        text="Road is clear.\nMoving to the bridge <now> & holding.",
        room="Ops",
        to=("unit-1", "unit-2"),
        sender=_WHO,
        thread="t-1",
        language="en",
        position=_HERE,
    ),
    Receipt(of="GeoChat.unit-1.Ops.17", state=ReceiptState.READ, reason="read at the command post"),
    Alert(
        event="Flood Warning",
        categories=("Met", "Safety"),
        severity=Severity.SEVERE,
        urgency=Urgency.EXPECTED,
        certainty=Certainty.LIKELY,
        headline="River rising",
        description="The river will pass the dyke within six hours.",
        instruction="Leave the low town.",
        language="en-GB",
        position=_HERE,
        area=Area(description="Low town", polygons=(_RING,), circles=((45.25, 19.85, 1500.0),)),
        raised_by=Identity(callsign="HERON 21"),
    ),
    Medevac(
        position=_HERE_FULL,
        title="MED 1",
        frequency_mhz=38.9,
        precedence_word="Urgent",
        patients=PatientCounts(urgent=2, urgent_surgical=1, priority=1, routine=0, convenience=0),
        origins=PatientOrigins(us_military=0, non_us_military=3, child=1),
        equipment=("hoist", "ventilator", "spine board"),
        litter=2,
        ambulatory=2,
        security=Security.POSSIBLE_ENEMY,
        marking=Marking.SMOKE,
        marking_detail="green",
        terrain=("slope", "wires"),
        terrain_slope_direction="NE",
        cbrn=("none detected",),
        zone=(("obstacles", "power line west"), ("winds_from", "NW")),
        zone_remarks="Land facing north",
        casualties=(Patient(title="1", zap="ZA1", mechanism="blast", injuries="leg", signs="stable", treatment="TQ"),),
        remarks="Two walk, two lie",
        requested_by=_WHO,
        code_variant="nato",
    ),
    Report(
        event="SITREP",
        status="ongoing",
        position=_HERE,
        area=Area(description="North bank", circles=((45.25, 19.85, 800.0),)),
        occurred=AT - timedelta(hours=2),
        narrative="Checkpoint open.\nQueue of forty vehicles.",
        killed=0,
        injured=2,
        missing=1,
        displaced=120,
        evacuated=40,
        reported_by=_WHO,
        language="en",
    ),
    Status(
        technical="degraded",
        operational="operational",
        battery_percent=40.0,
        fuel=(("diesel", 55.0),),
        ammunition=(("smoke", 80.0),),
        text="left lamp broken",
    ),
    Graphic(
        shape=Shape.POLYGON,
        points=tuple(Position(latitude=a, longitude=b) for a, b in _RING),
        title="Assembly area",
        stroke="#ff0000ff",
        fill="#ff000040",
        remarks="from 0600",
    ),
    Graphic(
        shape=Shape.ELLIPSE,
        points=(_HERE,),
        major_m=400.0,
        minor_m=150.0,
        rotation_deg=30.0,
        title="Search area",
    ),
    Task(verb="move", target="unit-2", position=_HERE, parameters=(("speed_mps", "5"),)),
    Delete(target="unit-9", hard=True),
    FileReference(
        name="bridge.jpg", mime="image/jpeg", size_bytes=120_000, sha256="ab" * 32, uri="https://files.example/1"
    ),
    Opaque(format="none-such", data=b"\x00\x01"),
)

SPARSE: Sequence[Body] = (
    Track(position=_HERE),
    Contact(position=_HERE),
    Chat(text="ok"),
    Receipt(of="m-1", state=ReceiptState.DELIVERED),
    Alert(event="911 Alert"),
    Alert(event="911 Alert", cancelled=True),
    Medevac(remarks="two hurt at the bridge", structured=False),
    Medevac(patients=PatientCounts(urgent=1)),
    Report(event="INCIDENT"),
    Status(),
    Graphic(shape=Shape.POINT, points=(_HERE,)),
    Task(verb="report"),
    Delete(target="unit-9"),
    FileReference(name="a.txt"),
)


def specimen(body: Body) -> Message:
    """A message about which everything is said that a format might have to carry."""
    return replace(
        sparse(body),
        times=Times(observed=AT, created=AT, valid_from=AT, valid_until=AT + timedelta(minutes=5)),
        precedence=Precedence.PRIORITY,
        mode=Mode.EXERCISE,
        exercise="BLUE HERON",
        addressees=("cell-1",),
        references=(Reference(relation="p-p", subject="unit-1", type="a-f-G-U-C"),),
        provenance=(Hop(system="TAK-Server-1", at=AT),),
        quality=Quality(how="m-g", reliability="B", credibility="2"),
    )


def sparse(body: Body) -> Message:
    """A message about which nothing is said beyond its body and its time."""
    kind = str(type(body).__struct_config__.tag)
    subject = body.target if isinstance(body, Delete) else f"specimen-{kind}"
    family = "position" if kind in ("track", "contact") else kind
    return Message(
        id=message_id(family, subject, AT),
        subject=subject,
        body=body,
        source=Source(format="specimen"),
        times=Times(observed=AT),
    )
