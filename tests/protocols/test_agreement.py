"""An agreement that cannot be kept is not made; what it does not name is not agreed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from protocols.agreement import KINDS, Agreement, Ceiling, Direction, Transformation
from protocols.anonymity import can_be_anonymous
from protocols.body import Area
from protocols.label import Clearance
from protocols.message import Mode, Precedence

FROM = datetime(2026, 1, 1, tzinfo=UTC)
UNTIL = datetime(2027, 1, 1, tzinfo=UTC)


def an_agreement(**more: object) -> Agreement:
    given = {
        "id": "alpha-bravo",
        "partners": ("alpha", "bravo"),
        "kinds": ("track",),
        "directions": (Direction(sender="alpha", to="bravo"),),
        "highest": Clearance(policy="MISSION", classification="RESTRICTED"),
        "valid_from": FROM,
        "valid_until": UNTIL,
    } | more
    return Agreement(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"partners": ()}, "names its partners"),
        ({"partners": ("alpha", "Bravo")}, "names its partners"),
        ({"valid_from": datetime(2026, 1, 1)}, "UTC"),  # noqa: DTZ001  what is refused
        ({"valid_until": datetime(2027, 1, 1)}, "UTC"),  # noqa: DTZ001  the same
        ({"review": datetime(2026, 6, 1)}, "UTC"),  # noqa: DTZ001  the same
        ({"valid_from": FROM.astimezone(timezone(timedelta(hours=1)))}, "UTC"),
        ({"valid_until": FROM}, "after valid_from"),
        ({"valid_until": FROM - timedelta(days=1)}, "after valid_from"),
        ({"directions": (Direction(sender="alpha", to="charlie"),)}, "not of the agreement"),
        ({"directions": (Direction(sender="delta", to="bravo"),)}, "not of the agreement"),
        ({"kinds": ("track", "trakc")}, "no such kind: trakc"),
        ({"transformation": Transformation(strip=("remarsk",))}, "strip"),
        ({"transformation": Transformation(strip=("position",))}, "strip"),  # a track cannot be without it
        ({"kinds": ("alert",), "transformation": Transformation(strip=("remarks",))}, "strip"),
        ({"kinds": ("track", "chat"), "transformation": Transformation(drop_identities=True)}, "without names: chat"),
        ({"modes": (Mode.OPERATION, Mode.EXERCISE)}, "an agreement each"),
        ({"modes": (Mode.UNSTATED, Mode.OPERATION, Mode.TEST)}, "an agreement each"),
        ({"area": Area()}, "nothing lies in it"),
        ({"onward": ("bravo",)}, "these have directions"),
        ({"onward": ("Charlie",)}, "names partners"),
        ({"oldest_s": 0.9}, "oldest_s"),
        ({"oldest_s": float("nan")}, "oldest_s"),
        ({"oldest_s": 60.0, "transformation": Transformation(delay_s=60.0)}, "older than oldest_s"),
        ({"kinds": ("opaque",), "transformation": Transformation(drop_identities=True)}, "without names: opaque"),
    ],
    ids=str,
)
def test_refuses_what_cannot_be_kept(fault: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        an_agreement(**fault)


@pytest.mark.parametrize("delay", [0.0, 0.9, -1.0, 21_600.5, float("nan"), float("inf")])
def test_refuses_a_delay_that_is_none_or_outlasts_its_epoch(delay: float) -> None:
    with pytest.raises(ValueError, match="delay_s"):
        Transformation(delay_s=delay)


@pytest.mark.parametrize("grid", [0.0, 0.5, -100.0, 100_001.0, float("nan"), float("inf")])
def test_refuses_a_grid_that_hides_nothing_or_everything(grid: float) -> None:
    with pytest.raises(ValueError, match="coarsen_m"):
        Transformation(coarsen_m=grid)


def test_one_way_is_not_both_ways() -> None:
    agreement = an_agreement()

    assert agreement.goes("alpha", "bravo")
    assert not agreement.goes("bravo", "alpha")
    assert not agreement.goes("alpha", "charlie")
    assert not agreement.goes("", "bravo")


def test_a_direction_must_be_named_even_inside_a_partner() -> None:
    assert not an_agreement().goes("alpha", "alpha")


def test_exercise_and_simulation_must_be_named() -> None:
    assert set(an_agreement().modes) == {Mode.OPERATION, Mode.UNSTATED}
    assert an_agreement().precedence is Ceiling.OVERRIDE


def test_what_is_text_throughout_cannot_go_without_names() -> None:
    closed = {kind for kind, body in KINDS.items() if not can_be_anonymous(body)}

    assert closed == {"chat", "file", "task", "opaque"}


def test_the_highest_precedence_is_written_by_name() -> None:
    agreement = msgspec.convert(msgspec.to_builtins(an_agreement()) | {"precedence": "flash"}, Agreement)

    assert agreement.precedence.precedence is Precedence.FLASH
    with pytest.raises(msgspec.ValidationError, match="precedence"):
        msgspec.convert(msgspec.to_builtins(an_agreement()) | {"precedence": 4}, Agreement)


def test_every_precedence_has_a_name() -> None:
    assert [ceiling.precedence for ceiling in Ceiling] == list(Precedence)
