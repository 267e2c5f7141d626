"""Hypothesis strategies over the real structs: any report that can be built, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st

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
from protocols.label import Category, CategoryType, Label
from protocols.message import (
    Authenticity,
    Derived,
    Hop,
    Loss,
    LossReason,
    Message,
    Mode,
    Original,
    Precedence,
    Quality,
    Reference,
    Source,
    Times,
)
from protocols.quantity import Affiliation, AltitudeDatum, Kinematics, Position, Symbol

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
words = st.none() | texts
named = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
lists = st.lists(texts, max_size=3).map(tuple)
counts = st.none() | st.integers(0, 1000)
sizes = st.none() | st.floats(0, 1e6)
bearings = st.none() | st.floats(0, 360, exclude_max=True)
percents = st.none() | st.floats(0, 100)
flags = st.none() | st.booleans()
moments = st.none() | st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis wants naive bounds
latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)

positions = st.builds(
    Position,
    latitude=latitudes,
    longitude=longitudes,
    altitude_m=st.none() | st.floats(-12_000, 1e6),
    altitude_datum=st.sampled_from(AltitudeDatum),
    circular_error_m=sizes,
    linear_error_m=sizes,
    fix_source=words,
)
places = st.none() | positions
symbols = st.none() | st.builds(
    Symbol, affiliation=st.sampled_from(Affiliation), sidc15=words, sidc20=words, cot_type=words
)
kinematics = st.builds(
    Kinematics, course_deg=bearings, heading_deg=bearings, speed_mps=sizes, climb_mps=st.none() | st.floats(-100, 100)
)
identities = st.builds(Identity, callsign=words, team=words, role=words, system=words, device=words, phone=words)
points = st.tuples(latitudes, longitudes)
rings = st.lists(points, min_size=3, max_size=5).map(lambda corners: (*corners, corners[0]))
areas = st.none() | st.builds(
    Area,
    description=words,
    polygons=st.lists(rings, max_size=2).map(tuple),
    circles=st.lists(st.tuples(latitudes, longitudes, st.floats(0, 1e5)), max_size=2).map(tuple),
    geocodes=st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
)
patients = st.builds(Patient, title=words, zap=words, mechanism=words, injuries=words, signs=words, treatment=words)
levels = st.lists(st.tuples(texts, st.floats(0, 100)), max_size=2).map(tuple)
pairs = st.lists(st.tuples(texts, texts), max_size=2).map(tuple)

bodies: st.SearchStrategy[Body] = st.one_of(
    st.builds(
        Track,
        position=positions,
        symbol=symbols,
        identity=identities,
        kinematics=kinematics,
        battery_percent=percents,
        ready=flags,
        in_distress=flags,
        remarks=words,
    ),
    st.builds(
        Contact,
        position=positions,
        symbol=symbols,
        identity=identities,
        kinematics=kinematics,
        sensors=lists,
        mmsi=words,
        icao=words,
        length_m=sizes,
        width_m=sizes,
        height_m=sizes,
        remarks=words,
    ),
    st.builds(Chat, text=texts, room=words, to=lists, sender=identities, thread=words, language=words, position=places),
    st.builds(Receipt, of=texts, state=st.sampled_from(ReceiptState), reason=words),
    st.builds(
        Alert,
        event=named,
        categories=lists,
        severity=st.none() | st.sampled_from(Severity),
        urgency=st.none() | st.sampled_from(Urgency),
        certainty=st.none() | st.sampled_from(Certainty),
        headline=words,
        description=words,
        instruction=words,
        language=words,
        position=places,
        area=areas,
        raised_by=identities,
        cancelled=st.booleans(),
    ),
    st.builds(
        Medevac,
        position=places,
        title=words,
        frequency_mhz=sizes,
        precedence_word=words,
        patients=st.builds(PatientCounts, urgent=counts, priority=counts, routine=counts),
        origins=st.builds(PatientOrigins, us_military=counts, child=counts),
        equipment=lists,
        litter=counts,
        ambulatory=counts,
        security=st.none() | st.sampled_from(Security),
        marking=st.none() | st.sampled_from(Marking),
        marking_detail=words,
        terrain=lists,
        cbrn=lists,
        zone=pairs,
        zone_remarks=words,
        casualties=st.lists(patients, max_size=2).map(tuple),
        remarks=words,
        requested_by=identities,
        code_variant=words,
        structured=st.booleans(),
    ),
    st.builds(
        Report,
        event=texts,
        status=words,
        position=places,
        area=areas,
        occurred=moments,
        narrative=words,
        killed=counts,
        injured=counts,
        reported_by=identities,
        language=words,
    ),
    st.builds(
        Status,
        technical=words,
        operational=words,
        battery_percent=percents,
        fuel=levels,
        ammunition=levels,
        text=words,
    ),
    st.builds(
        Graphic,
        shape=st.sampled_from(Shape),
        points=st.lists(positions, min_size=1, max_size=3).map(tuple),
        major_m=sizes,
        minor_m=sizes,
        rotation_deg=bearings,
        title=words,
        stroke=words,
        fill=words,
        remarks=words,
    ),
    st.builds(Task, verb=texts, target=words, position=places, parameters=pairs),
    st.builds(Delete, target=texts, hard=st.booleans()),
    st.builds(FileReference, name=texts, mime=words, size_bytes=counts, sha256=words, uri=words),
    st.builds(Opaque, format=texts, data=st.binary(max_size=20)),
)
labels = st.builds(
    Label,
    policy=named,
    classification=named,
    categories=st.lists(
        st.builds(
            Category,
            type=st.sampled_from(CategoryType),
            tag=named,
            values=st.lists(named, min_size=1, max_size=3).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
)
messages = st.builds(
    Message,
    id=st.text("0123456789abcdef", min_size=32, max_size=32),
    subject=named,
    body=bodies,
    source=st.builds(Source, format=texts, version=words, dialect=words, system=words, label_hint=words),
    times=st.builds(
        Times,
        observed=moments,
        created=moments,
        received=moments,
        valid_from=moments,
        valid_until=moments,
        whole_seconds=st.booleans(),
    ),
    origin=words,
    authenticity=st.sampled_from(Authenticity),
    label=st.none() | labels,
    precedence=st.none() | st.sampled_from(Precedence),
    mode=st.sampled_from(Mode),
    exercise=words,
    addressees=lists,
    references=st.lists(st.builds(Reference, relation=texts, subject=texts, type=words), max_size=2).map(tuple),
    provenance=st.lists(st.builds(Hop, system=texts, at=moments), max_size=2).map(tuple),
    quality=st.builds(Quality, how=words, reliability=words, credibility=words),
    original=st.none() | st.builds(Original, format=texts, data=st.binary(max_size=20)),
    loss=st.lists(
        st.builds(Loss, field=texts, reason=st.sampled_from(LossReason), approximated=st.booleans()), max_size=2
    ).map(tuple),
    derived=st.lists(st.builds(Derived, field=texts, source=texts, rule=texts), max_size=2).map(tuple),
    version=st.tuples(st.just(1), st.integers(0, 9)),
)
