"""One element at a time: nothing that is not named is passed over."""

from __future__ import annotations

from enum import StrEnum

import pytest

from protocols.strict_xml import Node, StrictError, StrictFault, Vocabulary


class OrderError(StrictError):
    """Of the documents below."""


class Size(StrEnum):
    """Of a dish."""

    LARGE = "large"


KITCHEN = Vocabulary("urn:kitchen", OrderError)


def opened(inner: str, attributes: str = "", *, text: bool = False) -> Node:
    data = f'<k:order xmlns:k="urn:kitchen" {attributes}>{inner}</k:order>'
    return KITCHEN.open(KITCHEN.parse(data.encode(), "order"), "size count hot", "dish", text=text)


def test_an_element_is_its_attributes_and_its_children_by_name() -> None:
    node = opened("\n <k:dish/>\t<k:dish/> ", 'size="large" count="2" hot="1"')

    assert node.name == "order"
    assert [KITCHEN.name(child) for child in node.parts["dish"]] == ["dish", "dish"]
    assert (node.need("size"), node.one_of("size", Size), node.number("count")) == ("large", Size.LARGE, 2)
    assert node.flag("hot")
    assert not opened("").flag("hot")
    assert opened("<k:dish/>").only("dish").tag == "{urn:kitchen}dish"


@pytest.mark.parametrize(
    ("inner", "attributes", "told"),
    [
        ("<dish/>", "", "wrong-namespace: dish"),
        ('<o:dish xmlns:o="urn:other"/>', "", "wrong-namespace: dish"),
        ("<k:drink/>", "", "unknown: order/drink"),
        ("", 'colour="red"', "unknown: order/@colour"),
        ("", 'k:size="large"', "unknown: order/@{urn:kitchen}size"),
        ("soup", "", "bad-value: text in order"),
        ("<k:dish/>soup", "", "bad-value: text in order"),
        ("\u00a0", "", "bad-value: text in order"),  # a blank for people, not for XML
        (f"<k:{'x' * 90}/>", "", f"unknown: order/{'x' * 40}"),
        ("<k:dish>", "", "malformed: order"),
        ("<!DOCTYPE order>", "", "unsafe: order"),
    ],
)
def test_what_is_not_named_is_refused_and_no_value_is_told(inner: str, attributes: str, told: str) -> None:
    with pytest.raises(OrderError) as caught:
        opened(inner, attributes)
    assert str(caught.value) == told
    assert caught.value.fault == told.partition(":")[0]


def test_text_stands_only_where_it_may() -> None:
    assert opened("soup", text=True).parts == {}
    with pytest.raises(OrderError, match="text in order"):
        opened("soup<k:dish/>more", text=True)


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ("", "missing: order/@size"),
        ('size=""', "missing: order/@size"),
        ('size="small"', "bad-value: order/@size"),
    ],
)
def test_an_attribute_of_a_list_is_one_of_it(attributes: str, told: str) -> None:
    with pytest.raises(OrderError, match=f"^{told}$"):
        opened("", attributes).one_of("size", Size)


@pytest.mark.parametrize("count", ["", "-1", "1.0", "two", "\u0662", "9" * 19])
def test_a_number_is_whole_and_bounded(count: str) -> None:
    with pytest.raises(OrderError, match="order/@count"):
        opened("", f'count="{count}"').number("count")


def test_a_flag_says_yes_or_no() -> None:
    with pytest.raises(OrderError, match="bad-value: order/@hot"):
        opened("", 'hot="yes"').flag("hot")


@pytest.mark.parametrize(("inner", "fault"), [("", StrictFault.MISSING), ("<k:dish/><k:dish/>", StrictFault.REPEATED)])
def test_a_child_that_must_stand_once_stands_once(inner: str, fault: StrictFault) -> None:
    with pytest.raises(OrderError, match="order/dish") as caught:
        opened(inner).only("dish")
    assert caught.value.fault is fault
