"""Nobody's name survives: a canary in every text of every kind, and nothing of it comes out."""

from __future__ import annotations

import hashlib
from typing import get_args

import msgspec
import pytest
from hypothesis import given

from protocols.anonymity import KEPT, SUBJECTS, anonymous, can_be_anonymous
from protocols.body import Body, Chat, Opaque
from tests.protocols.strategies import bodies

CANARY = "HAWK-1 Kowalski"
# Texts that stay: what a report is about in the words of a code list, never free text about somebody.
CODES = {"event", "categories", "language", "precedence_word", "equipment", "terrain", "cbrn", "code_variant"}
SYMBOLS = {"sidc15", "sidc20", "cot_type"}


def alias(subject: str) -> str:
    return hashlib.sha256(b"key" + subject.encode()).hexdigest()[:32]


def texts(value: object, name: str = "") -> list[tuple[str, str]]:
    """Every text in a report, with the name of the field that it stands in."""
    if isinstance(value, str):
        return [(name, value)]
    if isinstance(value, bytes):
        return [(name, value.decode(errors="replace"))]
    if isinstance(value, msgspec.Struct):
        return [found for field in value.__struct_fields__ for found in texts(getattr(value, field), field)]
    if isinstance(value, tuple):
        return [found for each in value for found in texts(each, name)]
    return []


def with_canary(value: object) -> object:
    """The same report with the canary in every text that can be any text."""
    if isinstance(value, str) and type(value) is str:
        return CANARY
    if isinstance(value, msgspec.Struct):
        changes = {field: with_canary(getattr(value, field)) for field in value.__struct_fields__}
        return msgspec.structs.replace(value, **changes)
    if isinstance(value, tuple):
        return tuple(with_canary(each) for each in value)
    return value


@given(bodies)
def test_no_name_survives_in_any_text(body: Body) -> None:
    if not can_be_anonymous(type(body)):
        return
    marked = with_canary(body)

    left = anonymous(marked, alias)  # type: ignore[arg-type]

    assert [name for name, text in texts(left) if "HAWK" in text and name not in CODES | SYMBOLS] == []


@given(bodies)
def test_what_stays_is_what_was_said(body: Body) -> None:
    if not can_be_anonymous(type(body)):
        return
    left = anonymous(body, alias)

    for name in set(KEPT[type(body)]) - {"position", "points", "area", *SUBJECTS}:
        assert getattr(left, name) == getattr(body, name)
    for name in set(body.__struct_fields__) - set(KEPT[type(body)]):
        default = next(field.default for field in msgspec.structs.fields(body) if field.name == name)
        assert getattr(left, name) == default


def test_every_kind_is_listed_or_refused() -> None:
    kinds = {str(kind.__struct_config__.tag) for kind in get_args(Body) if can_be_anonymous(kind)}

    assert kinds == {"track", "contact", "alert", "medevac", "report", "status", "graphic", "receipt", "delete"}
    for kind, names in KEPT.items():
        assert set(names) <= set(kind.__struct_fields__)


@pytest.mark.parametrize(
    "body", [Chat(text=CANARY), Opaque(format="cot", data=CANARY.encode())], ids=["chat", "opaque"]
)
def test_refuses_what_is_text_throughout(body: Body) -> None:
    with pytest.raises(ValueError, match="without names"):
        anonymous(body, alias)
