"""Where a message comes from is where it arrived; where it goes is what the routes say, in their order."""

from __future__ import annotations

import pytest

from gateway import routing
from gateway.config import LocalUnit
from gateway.routing import Table
from tests.gateway.tables import a_config


@pytest.mark.parametrize(
    ("link", "topic", "unit"),
    [
        ("national", "tak/alpha/hawk-1", "alpha/patrols"),
        ("national", "tak/alpha", "alpha/patrols"),
        ("national", "tak/alpha/a/b/c", "alpha/patrols"),
        ("national", "cell/alpha", "alpha/cell"),
        ("national", "cell/alpha/x", None),
        ("national", "tak/bravo/x", None),
        ("coalition", "tak/alpha/hawk-1", None),  # the same topic on another link is somebody else
        ("", "cell/alpha", None),
    ],
)
def test_a_topic_of_a_link_is_one_unit(link: str, topic: str, unit: str | None) -> None:
    found = Table(a_config()).unit_at(link, topic)

    assert (found.id if found else None) == unit


def test_the_memory_of_topics_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing, "TOPICS_MAX", 3)
    table = Table(a_config())

    for number in range(20):
        assert table.unit_at("national", f"tak/alpha/{number}") is not None
        assert table.unit_at("national", f"nobody/{number}") is None

    assert len(table._topics) <= 3


def test_a_route_without_kinds_takes_every_kind_so_that_the_agreement_decides() -> None:
    table = Table(a_config())

    assert [way.destination.id for way in table.ways("alpha/patrols", "track")] == [
        "bravo/ops",
        "charlie/map",
        "alpha/cell",
    ]
    assert [way.destination.id for way in table.ways("alpha/patrols", "task")] == ["bravo/ops"]
    assert [way.agreement.id for way in table.ways("alpha/patrols", "track")] == [
        "alpha-bravo",
        "alpha-charlie",
        "alpha-inside",
    ]


@pytest.mark.parametrize("source", ["alpha/cell", "charlie/map", "delta/ops", ""])
def test_nothing_goes_from_where_no_route_begins(source: str) -> None:
    assert list(Table(a_config()).ways(source, "track")) == []


def test_a_unit_never_gets_its_own_message_back() -> None:
    both = 'from = ["alpha/patrols", "alpha/cell"]\nto = ["alpha/cell", "alpha/patrols"]'
    table = Table(a_config(('from = ["alpha/patrols"]\nto = ["alpha/cell"]', both)))

    assert "alpha/cell" not in [way.destination.id for way in table.ways("alpha/cell", "track")]
    assert "alpha/patrols" not in [way.destination.id for way in table.ways("alpha/patrols", "track")]


def test_a_way_knows_whether_its_end_is_ours() -> None:
    ways = {way.destination.id: way.local for way in Table(a_config()).ways("alpha/patrols", "track")}

    assert ways["bravo/ops"] is None
    assert isinstance(ways["alpha/cell"], LocalUnit)
