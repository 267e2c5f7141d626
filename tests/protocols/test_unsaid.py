"""What a format could not say is listed with its path, and what it said is not."""

from __future__ import annotations

from datetime import UTC, datetime

from protocols.body import Identity, Track
from protocols.label import Label
from protocols.message import Loss, LossReason, Message, Mode, Quality, Source, Times
from protocols.quantity import Position
from protocols.unsaid import unsaid

AT = datetime(2026, 3, 15, tzinfo=UTC)
MESSAGE = Message(
    id="1",
    subject="a",
    body=Track(
        position=Position(latitude=1.0, longitude=0.0, circular_error_m=0.0),
        identity=Identity(callsign="A", team="Cyan"),
        ready=False,
    ),
    source=Source(format="cot"),
    origin="alpha/patrol",
    label=Label(policy="P", classification="C"),
    times=Times(observed=AT, received=AT, whole_seconds=True),
    mode=Mode.EXERCISE,
    quality=Quality(how="m-g"),
)
ALL = {
    "position.latitude",
    "position.longitude",
    "position.circular_error_m",
    "identity.callsign",
    "identity.team",
    "ready",
    "times.observed",
    "label",
    "mode",
    "quality.how",
}


def paths(carried: set[str]) -> set[str]:
    losses = unsaid(MESSAGE, carried)
    assert all(loss == Loss(field=loss.field, reason=LossReason.NO_FIELD) for loss in losses)
    return {loss.field for loss in losses}


def test_every_field_with_a_value_is_listed_once_also_zero_and_false() -> None:
    assert paths(set()) == ALL
    assert len(unsaid(MESSAGE, set())) == len(ALL)


def test_what_was_carried_is_not_listed_nor_what_is_below_it() -> None:
    assert paths(ALL) == set()
    assert paths({"position", "identity", "times", "quality"}) == {"ready", "label", "mode"}
