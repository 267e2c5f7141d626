"""Who takes part and who can be addressed: ids that are fit to stand in a topic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.label import Clearance
from protocols.topics import is_topic
from protocols.unit import LiaisonUnit, Partner, PartnerKind, is_partner_id, is_unit_id, partner_of

OPEN = Clearance(policy="MISSION", classification="UNCLASSIFIED")


@pytest.mark.parametrize("text", ["a", "alpha", "un-ocha", "a" * 31, "f16"])
def test_these_are_partner_ids(text: str) -> None:
    assert is_partner_id(text)
    assert Partner(id=text, kind=PartnerKind.NGO).id == text


@pytest.mark.parametrize(
    "text", ["", "Alpha", "1alpha", "-a", "a" * 32, "al pha", "al/pha", "a+", "a#", "alpha\n", "älpha", "a.b", "a_b"]
)
def test_these_are_not_partner_ids(text: str) -> None:
    assert not is_partner_id(text)
    with pytest.raises(ValueError, match="partner id"):
        Partner(id=text, kind=PartnerKind.NATION)


@pytest.mark.parametrize("text", ["alpha/patrols", "alpha/1-coy", "a/" + "b" * 63])
def test_these_are_unit_ids(text: str) -> None:
    assert is_unit_id(text)
    assert LiaisonUnit(id=text, clearance=OPEN).partner == text.partition("/")[0]


@pytest.mark.parametrize(
    "text", ["", "alpha", "alpha/", "/patrols", "alpha/a/b", "alpha/A", "alpha/-a", "a/" + "b" * 64, "alpha/a\n", "a/+"]
)
def test_these_are_not_unit_ids(text: str) -> None:
    assert not is_unit_id(text)
    with pytest.raises(ValueError, match="unit id"):
        LiaisonUnit(id=text, clearance=OPEN)


@given(st.text(max_size=40))
def test_an_id_is_always_one_topic_level(text: str) -> None:
    if is_partner_id(text):
        assert is_topic(text)
        assert "/" not in text
    assert not is_unit_id(text) or is_partner_id(partner_of(text))
