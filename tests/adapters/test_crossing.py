"""There and back: a report that goes through another format and home differs only by what was declared on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

import adapters
from adapters import EncodeError
from gateway.conformance import differences
from protocols.message import Message

FIXTURES = Path(__file__).parent.parent / "fixtures"
HOMES = ("cap", "sedap")
FORMATS = tuple(name for name in adapters.names() if adapters.load(name).READS)
WHOLE_SECONDS = ("nffi",)  # a finer time, and with it the canonical id, does not come through these


def samples(name: str) -> list[Path]:
    found = sorted((FIXTURES / name).glob("*"))
    return [path for path in found if path.suffix != ".json" and not path.name.startswith("bad-")]


def covered(path: str, declared: set[str]) -> bool:
    return any(path == field or path.startswith(field + ".") for field in declared)


def crossing(message: Message, home: str, away: str) -> tuple[Message, set[str]] | None:
    """What comes home, and every field that was declared on the way; None where one of the two cannot say it."""
    first, second = adapters.load(home), adapters.load(away)
    try:
        there = second.encode(message)
        (abroad,) = second.decode(there.data)
        back = first.encode(abroad)
    except EncodeError:
        return None
    (returned,) = first.decode(back.data)
    losses = {each.field for each in (*there.loss, *back.loss)}
    return returned, losses | {each.field for each in (*there.derived, *back.derived)}


@pytest.mark.parametrize("away", FORMATS)
@pytest.mark.parametrize(
    "path", [path for home in HOMES for path in samples(home)], ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_what_comes_home_differs_only_by_what_was_declared(path: Path, away: str) -> None:
    home = path.parent.name
    for message in adapters.load(home).decode(path.read_bytes()):
        found = crossing(message, home, away)
        if found is None:
            continue
        returned, declared = found
        assert [each for each in differences(message, returned) if not covered(each, declared)] == []
        assert returned.subject == message.subject
        if away not in WHOLE_SECONDS:
            assert returned.id == message.id


def test_most_kinds_do_cross() -> None:
    crossed = set()
    for home in HOMES:
        for path in samples(home):
            for message in adapters.load(home).decode(path.read_bytes()):
                crossed |= {(message.kind, away) for away in FORMATS if crossing(message, home, away) is not None}

    assert crossed >= {
        ("track", "cot"),
        ("track", "nffi"),
        ("contact", "cot"),
        ("chat", "cot"),
        ("alert", "cot"),
        ("alert", "sedap"),
        ("alert", "cap"),
        ("medevac", "cot"),
        ("medevac", "sedap"),
        ("medevac", "cap"),
        ("delete", "cot"),
    }
