"""The detail of a TAK event read without a parser, held against the parser."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.cot.event import CotError, Event
from protocols.cot.markup import Draft, Element
from protocols.tak import MESH, event_of, mesh, read_frame, write_message
from protocols.wire import write_bytes, write_double, write_int, write_text
from protocols.xml import XmlError, attributes_of, parse

FLOW = '<_flow-tags_ TAK-Server-1="2026-05-04T09:10:11Z"/>'
PIECES = [
    *(
        '<uid Droid="HERON 21"/>',
        '<uid Droid="HERON 22" />',
        "<a b='c'/>",
        "<archive/>",
        "<link uid='1'/>",
        "<x>",
        "</x>",
    ),
    *(FLOW, "<_flow-tags_ A='1' B=\"2\" />", '<_flow-tags_ A="1" A="2"/>', '<_flow-tags_ A="&lt;"/>', "<_flow-tags_/>"),
    *('<_flow-tags_ xmlns="a" B="1"/>', '<_flow-tags_ B="it\'s"/>', "<_flow-tags_ B=''/>", '<_flow-tags_ B="/>"/>'),
    *(
        "text",
        "&amp;",
        "]]>",
        "<!-- ",
        " -->",
        "<![CDATA[",
        "<?p?>",
        "<?",
        "\n  ",
        "ä",
        '<r t="',
        '"/>',
        "<detail/>",
        "</detail>",
    ),
    *("<contact callsign='XML'/>", "<p:q/>", "<remarks>r</remarks>", "<a b='1' b='2'/>", "<", "'", "\x00"),
]


def read_event(xml: str, *messages: bytes) -> Event:
    fields = write_text(1, "a-f-G") + write_text(5, "u") + write_int(6, 1) + write_double(10, 1.0)
    detail = write_bytes(1, xml.encode()) + b"".join(messages)
    found = read_frame(MESH + write_bytes(2, fields + write_bytes(15, detail)))
    assert found is not None
    return event_of(*found)


def by_parser(xml: str) -> tuple[dict[str, dict[str, str]], list[dict[str, str]]]:
    """What the parser alone makes of the elements: of those with one tag the first, but of links all."""
    found: dict[str, dict[str, str]] = {}
    nodes = list(parse(f"<detail>{xml}</detail>".encode()))
    for node in nodes:
        found.setdefault(node.tag, attributes_of(node))
    found.pop("link", None)
    return found, [attributes_of(node) for node in nodes if node.tag == "link"]


@given(st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
@example('<_flow-tags_ A="1" A="2"/>')
@example("<_flow-tags_ A='1'/><uid Droid='2'/><_flow-tags_ A='3'/>")
@example("<uid Droid='1'/><_flow-tags_ A='1'/><uid Droid='2'/>")
def test_a_detail_says_what_the_parser_says(xml: str) -> None:
    try:
        expected, links = by_parser(xml)
    except XmlError:
        with pytest.raises(CotError):
            read_event(xml)
        return
    details = read_event(xml).details

    assert [(tag, dict(node.items())) for tag, node in details.first.items()] == list(expected.items())
    assert [dict(node.items()) for node in details.links] == links


def test_the_same_detail_with_other_flow_tags_is_another() -> None:
    first = read_event('<uid Droid="A"/><_flow-tags_ S="1"/>').details.first
    second = read_event('<uid Droid="A"/><_flow-tags_ S="2"/>').details.first

    assert dict(first["_flow-tags_"].items()) == {"S": "1"}
    assert dict(second["_flow-tags_"].items()) == {"S": "2"}


@pytest.mark.parametrize(
    "xml",
    [
        '<a b="<_flow-tags_ S="1"/>"/>',
        '<a b="x>"<_flow-tags_ S="1"/>/>',
        '<a b="/><_flow-tags_ S="1"/>"/>',
    ],
)
def test_flow_tags_inside_of_something_else_are_not_cut_out(xml: str) -> None:
    with pytest.raises(XmlError):
        parse(f"<detail>{xml}</detail>".encode())
    with pytest.raises(CotError):
        read_event(xml)


def test_flow_tags_within_an_element_are_its_own() -> None:
    assert list(read_event(f"<x>{FLOW}</x>").details.first) == ["x"]


def test_movement_in_an_unusual_order_is_read_alike() -> None:
    usual = write_bytes(7, write_double(1, 8.5) + write_double(2, 271.5))
    turned = write_bytes(7, write_double(2, 271.5) + write_double(1, 8.5))
    for message in (usual, turned):
        track = read_event("", message).details.first["track"]
        assert dict(track.items()) == {"speed": "8.5", "course": "271.5"}


def test_what_is_remembered_of_a_device_is_not_changed_by_who_got_it() -> None:
    message = write_bytes(2, write_text(2, "HERON"))
    for _ in range(2):
        first = read_event('<uid Droid="A"/>', message).details.first
        assert list(first) == ["uid", "contact"]
        first.clear()  # type: ignore[attr-defined]  # which nobody should, and which must harm nobody else


@pytest.mark.parametrize(
    ("element", "number"),
    [
        (Element("track", {"speed": "8.5", "course": "271.5"}), 7),
        (Element("track", {"speed": "fast", "course": "271.5"}), None),
        (Element("track", {"speed": "1_0", "course": "271.5"}), None),
        (Element("track", {"speed": "8.5"}), None),
        (Element("track", {"speed": "8.5", "course": "1", "slope": "0"}), None),
        (Element("status", {"battery": "87"}), 5),
        (Element("status", {"battery": "\u00b2"}), None),
        (Element("status", {"battery": "9" * 5000}), None),
        (Element("status", {"battery": "87", "readiness": "true"}), None),
        (Element("contact", {"callsign": "HERON", "endpoint": "*:-1:stcp"}), 2),
        (Element("contact", {"callsign": "HERON", "phone": "1"}), None),
        (Element("contact", {"callsign": "HERON"}, "<x/>"), None),
        (Element("uid", {"Droid": "HERON"}), None),
    ],
)
def test_an_element_is_written_as_a_message_only_whole(element: Element, number: int | None) -> None:
    at = datetime(2026, 5, 4, tzinfo=UTC)
    for details in ([element], [element, element]):
        found = read_frame(mesh(write_message(Draft("a-f-G", "u", at, at, at, "m-g", None, details))))
        assert found is not None
        there = [place for place, part in enumerate(found[1], start=1) if part is not None]
        assert there == [number if number is not None and len(details) == 1 else 1]
