"""What leaves is coarse, stripped and nameless as the agreement says, and says so."""

from __future__ import annotations

import hashlib
import hmac
from math import acos, cos, radians, sin

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.transform import coarsen, pseudonym, squared, transform
from protocols.agreement import KINDS, Agreement, Transformation
from protocols.anonymity import can_be_anonymous
from protocols.body import (
    Alert,
    Area,
    Chat,
    Delete,
    Graphic,
    Identity,
    Medevac,
    Patient,
    Receipt,
    ReceiptState,
    Report,
    Shape,
    Track,
)
from protocols.message import Extra, Hop, LossReason, Message, Original, Quality, Reference, Source, pack, to_json
from protocols.quantity import AltitudeDatum, Position
from tests.gateway.reports import HERE, a_message, a_track, an_agreement
from tests.protocols.strategies import latitudes, longitudes, messages

KEY = b"k" * 32
CANARY = "HAWK-1 Kowalski"
NAMELESS = tuple(kind for kind, body in KINDS.items() if can_be_anonymous(body))
grids = st.floats(1, 100_000)


def undertaking(**wanted: object) -> Agreement:
    names = bool(wanted.get("drop_identities"))
    kinds = NAMELESS if names else tuple(KINDS)
    kinds = ("track", "contact") if "strip" in wanted else kinds
    return an_agreement(kinds=kinds, transformation=Transformation(**wanted))  # type: ignore[arg-type]


COARSE = undertaking(coarsen_m=1000.0)
WITHOUT_NAMES = undertaking(drop_identities=True)


def by_vectors(one: Position, other: Position) -> float:
    north, south = radians(one.latitude), radians(other.latitude)
    dot = sin(north) * sin(south) + cos(north) * cos(south) * cos(radians(one.longitude - other.longitude))
    return 6_371_008.8 * acos(max(-1.0, min(1.0, dot)))


def test_without_a_transformation_nothing_changes() -> None:
    message = a_message()

    assert transform(message, an_agreement(), b"k" * 32) is message


def test_the_bytes_it_was_read_from_never_leave() -> None:
    message = a_message(original=Original(format="cot", data=b"<event/>"))

    assert transform(message, an_agreement(), b"k" * 32) == a_message()


@given(latitudes, longitudes, grids)
def test_the_error_that_is_given_is_true(latitude: float, longitude: float, grid_m: float) -> None:
    position = Position(latitude=latitude, longitude=longitude)
    coarse = coarsen(position, grid_m)

    assert coarse.circular_error_m is not None
    assert by_vectors(position, coarse) <= coarse.circular_error_m + 0.2  # the judge's own rounding
    assert coarse.circular_error_m == pytest.approx(0.71 * grid_m)


@pytest.mark.parametrize("grid_m", [1_000.0, 33_000.0, 100_000.0])
def test_the_error_is_true_all_the_way_to_the_poles(grid_m: float) -> None:
    for latitude in (step * 0.217 for step in range(-414, 415)):
        for longitude in (-180.0, -77.7, -0.3, 12.3, 100.1, 179.9):
            position = Position(latitude=latitude, longitude=longitude)
            assert by_vectors(position, coarsen(position, grid_m)) <= 0.71 * grid_m + 0.2


# A centre is told to a tenth of a metre, which is a twentieth of the smallest cell.
@given(st.floats(-89, 89), st.floats(-179, 179), grids, st.floats(-0.44, 0.44), st.floats(-0.44, 0.44))
def test_all_positions_of_a_cell_become_one(
    latitude: float, longitude: float, grid_m: float, north: float, east: float
) -> None:
    centre = coarsen(Position(latitude=latitude, longitude=longitude), grid_m)
    up = north * grid_m / 111_320
    along = east * grid_m / 111_320 / cos(radians(max(0.0, abs(centre.latitude) - grid_m / 222_640)))
    assume(abs(centre.latitude + up) < 90 and abs(centre.longitude + along) < 180)
    assume(abs(centre.latitude) < 90 and abs(centre.longitude) < 180)  # cells cut by the edge of the world are smaller

    other = Position(latitude=centre.latitude + up, longitude=centre.longitude + along, altitude_m=512.0)

    assert coarsen(other, grid_m) == centre


@given(latitudes, longitudes, grids)
def test_coarsening_again_changes_nothing(latitude: float, longitude: float, grid_m: float) -> None:
    once = coarsen(Position(latitude=latitude, longitude=longitude), grid_m)

    assert coarsen(once, grid_m) == once


def test_a_known_cell() -> None:
    # 1000 m are 0.0089831 degrees; row 5238 begins at 47.05354, its centre lies 0.00449 north of that.
    coarse = coarsen(HERE, 1000.0)

    assert coarse.latitude == pytest.approx(47.05803, abs=1e-5)
    assert coarse.coarsened_to_m == 1000.0


def test_altitude_and_how_it_was_fixed_do_not_survive() -> None:
    exact = Position(
        latitude=47.0, longitude=8.0, altitude_m=512.0, altitude_datum=AltitudeDatum.HAE, linear_error_m=3.0,
        fix_source="GPS HAWK-1",
    )  # fmt: skip

    coarse = coarsen(exact, 100.0)

    assert (coarse.altitude_m, coarse.altitude_datum) == (None, AltitudeDatum.UNKNOWN)
    assert (coarse.linear_error_m, coarse.fix_source) == (None, None)


def test_a_worse_error_is_not_made_better() -> None:
    assert coarsen(Position(latitude=0.0, longitude=0.0, circular_error_m=9_000.0), 100.0).circular_error_m == 9_000.0


def places(value: object) -> list[tuple[float, float]]:
    """Every latitude and longitude in a report, wherever it stands."""
    if isinstance(value, Position):
        return [(value.latitude, value.longitude)]
    if isinstance(value, Area):
        return [corner for ring in value.polygons for corner in ring] + [circle[:2] for circle in value.circles]
    if isinstance(value, msgspec.Struct):
        return [place for name in value.__struct_fields__ for place in places(getattr(value, name))]
    if isinstance(value, tuple):
        return [place for each in value for place in places(each)]
    return []


@given(messages)
def test_no_exact_place_survives_coarsening(message: Message) -> None:
    coarse = transform(message, COARSE, KEY)

    for latitude, longitude in places(coarse.body):
        on_grid = coarsen(Position(latitude=latitude, longitude=longitude), 1000.0)
        assert (on_grid.latitude, on_grid.longitude) == (latitude, longitude)
    assert len(places(coarse.body)) == len(places(message.body))


def test_drawings_and_areas_are_coarsened_too() -> None:
    ring = ((47.0612, 8.2833), (47.07, 8.29), (47.08, 8.30), (47.0612, 8.2833))
    reach = Area(polygons=(ring,), circles=((47.0612, 8.2833, 50.0),))
    drawing = transform(a_message(Graphic(shape=Shape.POINT, points=(HERE,))), COARSE, KEY)
    alert = transform(a_message(Alert(event="Flood", area=reach)), COARSE, KEY)

    assert isinstance(drawing.body, Graphic)
    assert drawing.body.points[0].coarsened_to_m == 1000.0
    assert isinstance(alert.body, Alert)
    assert alert.body.area is not None
    assert alert.body.area.polygons[0][0] == alert.body.area.polygons[0][-1] != ring[0]
    assert alert.body.area.circles[0][2] == 50.0 + 710.0  # still covers what it covered


def test_what_was_taken_is_declared() -> None:
    body = Track(position=HERE, identity=Identity(callsign="HAWK-1"), remarks="secret")
    taken = transform(a_message(body), undertaking(coarsen_m=1000.0, drop_identities=True), KEY)

    assert {(loss.field, loss.reason, loss.approximated) for loss in taken.loss} == {
        (field, LossReason.POLICY, False) for field in ("body.position", "body.identity", "body.remarks", "subject")
    }


def test_named_fields_are_stripped_and_no_others() -> None:
    body = Track(position=HERE, battery_percent=81.0, remarks="secret", identity=Identity(callsign="HAWK-1"))

    stripped = transform(a_message(body), undertaking(strip=("remarks", "battery_percent")), KEY).body

    assert stripped == Track(position=HERE, identity=Identity(callsign="HAWK-1"))


@given(messages, st.booleans())
def test_the_bytes_a_report_was_read_from_never_pass_a_transformation(message: Message, names: bool) -> None:  # noqa: FBT001  hypothesis
    assume(not names or can_be_anonymous(type(message.body)))

    assert transform(message, WITHOUT_NAMES if names else COARSE, KEY).original is None


def marked(message: Message) -> Message:
    """The same with a name wherever a message can hold one."""
    return msgspec.structs.replace(
        message,
        subject=f"ANDROID-{CANARY}",
        source=Source(format="cot", version="2.0", dialect=CANARY, system=CANARY, label_hint=CANARY),
        addressees=(CANARY,),
        references=(Reference(relation="p-p", subject=CANARY, type=CANARY),),
        provenance=(Hop(system=CANARY),),
        quality=Quality(how=CANARY, reliability=CANARY, credibility=CANARY),
        original=Original(format="cot", data=CANARY.encode()),
    )


NAMED = [
    Track(position=msgspec.structs.replace(HERE, fix_source=CANARY), identity=Identity(team=CANARY), remarks=CANARY),
    Alert(event="Flood", headline=CANARY, description=CANARY, instruction=CANARY, raised_by=Identity(phone=CANARY),
          area=Area(description=CANARY, geocodes=((CANARY, CANARY),), circles=((47.0, 8.0, 1.0),))),
    Medevac(title=CANARY, remarks=CANARY, zone=((CANARY, CANARY),), zone_remarks=CANARY, marking_detail=CANARY,
            casualties=(Patient(title=CANARY, zap=CANARY, injuries=CANARY),), requested_by=Identity(callsign=CANARY),
            terrain_slope_direction=CANARY),
    Report(event="Fire", status=CANARY, narrative=CANARY, reported_by=Identity(system=CANARY)),
    Graphic(shape=Shape.POINT, points=(HERE,), title=CANARY, stroke=CANARY, fill=CANARY, remarks=CANARY),
    Receipt(of=CANARY, state=ReceiptState.READ, reason=CANARY),
    Delete(target=CANARY),
]  # fmt: skip


@pytest.mark.parametrize("body", NAMED, ids=lambda body: type(body).__name__)
def test_no_name_leaves_in_any_form(body: Track) -> None:
    left = transform(marked(a_message(body)), WITHOUT_NAMES, KEY)

    for form in (pack(left), to_json(left)):
        assert CANARY.encode() not in form
        assert b"HAWK" not in form


@given(messages)
def test_no_subject_and_no_addressee_of_any_report_leaves(message: Message) -> None:
    assume(can_be_anonymous(type(message.body)))
    left = transform(message, WITHOUT_NAMES, KEY)

    assert left.subject == hmac.new(KEY, message.subject.encode(), hashlib.sha256).hexdigest()[:32]
    assert (left.addressees, left.references, left.provenance, left.quality) == ((), (), (), Quality())
    assert (left.label, left.times, left.mode) == (message.label, message.times, message.mode)


@pytest.mark.parametrize("body", [Chat(text=CANARY)])
def test_a_text_is_refused_rather_than_emptied(body: Chat) -> None:
    with pytest.raises(ValueError, match="without names"):
        transform(a_message(body), WITHOUT_NAMES, KEY)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_pseudonym_is_stable_for_a_key_and_says_nothing_without_it(key: bytes, other: bytes) -> None:
    assume(key != other)

    assert pseudonym(key, "HAWK-1") == pseudonym(key, "HAWK-1")
    assert pseudonym(key, "HAWK-1") != pseudonym(other, "HAWK-1")
    assert pseudonym(key, "HAWK-1") != pseudonym(key, "HAWK-2")
    assert pseudonym(key, "HAWK-1") != hashlib.sha256(b"HAWK-1").hexdigest()[:32]


def test_a_delete_still_names_what_it_takes_back() -> None:
    told = transform(a_message(subject="S-1"), WITHOUT_NAMES, KEY)
    taken = transform(a_message(Delete(target="S-1"), subject="S-1"), WITHOUT_NAMES, KEY)

    assert isinstance(taken.body, Delete)
    assert taken.body.target == told.subject != "S-1"


def test_what_nobody_has_looked_at_stays_unless_the_agreement_says_so() -> None:
    message = replace(a_track(0), extras=(Extra(format="cot", name="takv", inner=""),))
    kept = replace(an_agreement(), transformation=Transformation(keep_extras=True))

    plain = transform(message, an_agreement(), b"k" * 32)

    assert plain.extras == ()
    assert [loss.field for loss in plain.loss] == ["extras"]
    assert transform(message, kept, b"k" * 32) is message


@pytest.mark.parametrize("other", [{"drop_identities": True}, {"coarsen_m": 10.0}, {"strip": ("remarks",)}])
def test_extras_cannot_pass_beside_what_would_have_to_change_them(other: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="keep_extras"):
        Transformation(keep_extras=True, **other)  # type: ignore[arg-type]


SQUARES = [10, 100, 1_000, 10_000, 100_000]


@pytest.mark.parametrize(
    ("square_m", "north", "east"),
    [(1_000, 5_411_500, 448_500), (10_000, 5_415_000, 445_000), (100_000, 5_450_000, 450_000)],
)
def test_a_position_goes_to_the_centre_of_its_grid_square(square_m: int, north: int, east: int) -> None:
    tower = Position(latitude=48.85822, longitude=2.2945, altitude_m=330.0)  # Paris: 31U DQ 48251 11932

    centre = squared(tower, square_m)

    # Metres from the tower, by its grid reference; grid north is half a degree off there, and the scale 0.04 %.
    metres_north = (centre.latitude - tower.latitude) * 111_200
    metres_east = (centre.longitude - tower.longitude) * 111_320 * cos(radians(48.86))
    assert metres_north == pytest.approx(north - 5_411_932, abs=0.015 * square_m)
    assert metres_east == pytest.approx(east - 448_251, abs=0.015 * square_m)
    assert centre.altitude_m is None
    assert centre.coarsened_to_m == square_m


@given(latitudes, longitudes, st.sampled_from(SQUARES))
def test_a_grid_square_says_how_far_off_it_may_be(latitude: float, longitude: float, square_m: int) -> None:
    position = Position(latitude=latitude, longitude=longitude)

    centre = squared(position, square_m)

    assert centre.circular_error_m is not None
    assert by_vectors(position, centre) <= centre.circular_error_m * 1.02 + 1


@given(st.floats(0, 0.002), st.floats(0, 0.002))
def test_every_position_of_a_square_becomes_the_same(north: float, east: float) -> None:
    corner = Position(latitude=47.0593, longitude=8.2760)  # just inside 32T MT 45 12
    inside = Position(latitude=corner.latitude + north, longitude=corner.longitude + east)

    assert squared(inside, 1_000) == squared(corner, 1_000)


def test_an_agreement_on_grid_squares_moves_every_place() -> None:
    agreement = an_agreement(transformation=Transformation(grid_square_m=1_000))

    told = transform(a_message(), agreement, KEY).body

    assert told.position == squared(HERE, 1_000)  # type: ignore[union-attr]


def test_a_grid_and_squares_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="not both"):
        Transformation(coarsen_m=1_000.0, grid_square_m=1_000)


@pytest.mark.parametrize("latitude", [-4.2e-8, -1e-7, -9e-6, -0.0, 0.0, 4.2e-8])
def test_a_position_on_the_equator_has_its_grid_square(latitude: float) -> None:
    centre = squared(Position(latitude=latitude, longitude=0.0), 10)

    assert abs(centre.latitude) < 0.000_2
    assert abs(centre.longitude) < 0.000_2
