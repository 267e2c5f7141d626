"""There and back: a report that went through another format and home is known as the same report.

Duplicates and loops are found by the canonical id alone, so it must survive every way that a report can go.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import adapters
from adapters import EncodeError
from protocols.message import Message

FIXTURES = Path(__file__).parent.parent / "fixtures"
HOMES = ("cap", "sedap")
FORMATS = tuple(name for name in adapters.names() if adapters.load(name).READS)
WHOLE_SECONDS = ("nffi",)  # a finer time, and with it the canonical id, does not come through these


def samples(name: str) -> list[Path]:
    found = sorted((FIXTURES / name).glob("*"))
    return [path for path in found if path.suffix != ".json" and not path.name.startswith("bad-")]


def crossing(message: Message, home: str, away: str) -> list[Message]:
    """The report as it is read abroad and at home again; nothing where one of the two cannot say it."""
    first, second = adapters.load(home), adapters.load(away)
    try:
        (abroad,) = second.decode(second.encode(message).data)
        return [abroad, *first.decode(first.encode(abroad).data)]
    except EncodeError:
        return []


@pytest.mark.parametrize("away", [name for name in FORMATS if name not in WHOLE_SECONDS])
@pytest.mark.parametrize(
    "path", [path for home in HOMES for path in samples(home)], ids=lambda p: f"{p.parent.name}-{p.stem}"
)
def test_a_report_is_known_by_the_same_id_abroad_and_at_home(path: Path, away: str) -> None:
    for message in adapters.load(path.parent.name).decode(path.read_bytes()):
        for met in crossing(message, path.parent.name, away):
            assert (met.subject, met.id) == (message.subject, message.id)


def test_most_kinds_do_cross() -> None:
    crossed = set()
    for home in HOMES:
        for path in samples(home):
            for message in adapters.load(home).decode(path.read_bytes()):
                crossed |= {(message.kind, away) for away in FORMATS if crossing(message, home, away)}

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
