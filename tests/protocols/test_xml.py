"""XML from strangers."""

from __future__ import annotations

import resource
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from protocols.xml import (
    ATTRIBUTES_MAX,
    DEPTH_MAX,
    ELEMENTS_MAX,
    SIZE_MAX,
    XmlElement,
    XmlError,
    XmlFault,
    attributes_of,
    carries,
    escape,
    parse,
    parse_flat,
)

BOMB = (
    b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">'
    + b"".join(b'<!ENTITY %c "%s">' % (99 + i, b"&%c;" % (98 + i) * 10) for i in range(8))
    + b"]><a>&j;</a>"
)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", XmlFault.MALFORMED),
        (b"<a>", XmlFault.MALFORMED),
        (b"<a/><b/>", XmlFault.MALFORMED),
        (b"<a>&b;</a>", XmlFault.MALFORMED),
        (b"\x00\x01\x02", XmlFault.MALFORMED),
        (b"<a>\xff</a>", XmlFault.MALFORMED),
        ("<a/>".encode("utf-16"), XmlFault.MALFORMED),
        ("<?xml version='1.0' encoding='utf-16'?><a/>".encode("utf-16"), XmlFault.MALFORMED),
        (b"<?xml version='1.0' encoding='UTF-7'?><a>+ADw-</a>", XmlFault.MALFORMED),
        (b"<?xml version='1.0'" + b" " * 90 + b"encoding='UTF-7'?><a>+ADw-</a>", XmlFault.MALFORMED),
        (b"<?xml version='1.0'" + b" " * 200 + b"encoding='UTF-7'?><a>+ADw-</a>", XmlFault.MALFORMED),
        (b"<?xml version='1.0' encoding\v='UTF-7'?><a>+ADw-</a>", XmlFault.MALFORMED),
        ("<?xml version='1.0' encoding='cp037'?><!DOCTYPE a><a/>".encode("cp037"), XmlFault.MALFORMED),
        (b"<!DOCTYPE a><a/>", XmlFault.UNSAFE),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><a/>', XmlFault.UNSAFE),
        (BOMB, XmlFault.UNSAFE),
        (b"<a>" * (DEPTH_MAX + 1) + b"</a>" * (DEPTH_MAX + 1), XmlFault.UNSAFE),
        (b"<a>" + b"<b/>" * ELEMENTS_MAX + b"</a>", XmlFault.UNSAFE),
        (b"<a>" * 100_000, XmlFault.MALFORMED),
        (b"<a>" + b" " * SIZE_MAX + b"</a>", XmlFault.TOO_LARGE),
        (b"<a>" + b"".join(b"<n%d/>" % i for i in range(4000)) + b"</a>", XmlFault.UNSAFE),
        (b"<a " + b"".join(b"b%d='' " % i for i in range(50_000)) + b"/>", XmlFault.UNSAFE),
    ],
    ids=range(22),
)
def test_refuses_what_no_honest_sender_needs(data: bytes, fault: XmlFault) -> None:
    start = time.thread_time()
    with pytest.raises(XmlError) as refused:
        parse(data)

    assert refused.value.fault is fault
    assert time.thread_time() - start < 0.25


@pytest.mark.parametrize("element", [b"<b/>", b"<b></b>", b"<b c=''></b>"])
def test_a_flood_of_elements_is_refused_before_a_tree_is_built(element: bytes) -> None:
    flood = b"<a>" + element * (1_000_000 // len(element)) + b"</a>"
    start = time.process_time()
    with pytest.raises(XmlError) as refused:
        parse(flood)

    assert refused.value.fault is XmlFault.UNSAFE
    assert time.process_time() - start < 0.05


def test_reads_the_deepest_and_the_widest_that_is_allowed() -> None:
    parse(b"<a>" * DEPTH_MAX + b"</a>" * DEPTH_MAX)
    assert len(parse(b"<a>" + b"<b/>" * (ELEMENTS_MAX - 1) + b"</a>")) == ELEMENTS_MAX - 1


@pytest.mark.parametrize(
    "data",
    [
        b"<a b='1'>t</a>",
        b"\xef\xbb\xbf<a b='1'>t</a>",
        b"<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n<a b='1'>t</a>",
        b"<?xml version='1.0' encoding='ISO-8859-1'?><a b='1'>t</a>",
        b"<a b='1'>t<!-- a comment --></a>",
        b"<?hint x?><a b='1'>t</a>",
    ],
)
def test_reads_what_honest_senders_write(data: bytes) -> None:
    root = parse(data)

    assert (root.tag, root.text, attributes_of(root), len(root)) == ("a", "t", {"b": "1"}, 0)


def test_a_stream_of_new_names_does_not_fill_the_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for round_ in range(200):
        with pytest.raises(XmlError):
            parse(b"<a>" + b"".join(b"<n%d_%d/>" % (round_, i) for i in range(5000)) + b"</a>")

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 * 1024  # KiB; 110 MB without the bound


def test_an_entity_is_never_expanded_even_in_a_document_that_gets_through() -> None:
    assert parse(b"<a>&lt;&amp;&#65;</a>").text == "<&A"


@pytest.mark.parametrize("text", ["plain", "a<b>&\"'c", "tab\tline\nreturn\r", "\u2028 \x85 \u00a0 é 👍", ""])
def test_what_is_escaped_comes_back(text: str) -> None:
    root = etree.fromstring(f'<a b="{escape(text)}">{escape(text)}</a>'.encode())

    assert root.get("b") == text
    assert (root.text or "") == text
    assert carries(text)


@pytest.mark.parametrize("text", ["\x00", "\x1b", "\ud800", "\ufffe"])
def test_what_xml_cannot_carry_is_replaced(text: str) -> None:
    assert escape(f"a{text}b") == "a\ufffdb"
    assert not carries(text)


FLAT = b"<e a='1' b=''><p x='2'/><d><c y='3'/><g/></d></e>"
NAMES = st.sampled_from(["c", "g", "h", "e", "d", "p", "u:c", "x-y.z", "\u00e9"])
VALUES = st.lists(
    st.sampled_from(["1", " ", "&amp;", "&#38;", "&#10;", "&lt;", "\t", "\n", "\r", "\u00e9", "]]>", "=", "/>"])
)
PIECES = st.one_of(
    st.sampled_from(
        ["<!-- </d> -->", "<?i </d>?>", "<![CDATA[</d>]]>", "t", " ", "\n", "</d>", "<g>t</g>", "&amp;", "&x;"]
    ),
    st.builds(lambda name, at, value: f"<{name} {at}='{''.join(value)}'/>", NAMES, NAMES, VALUES),
)


def flattened(data: bytes) -> dict[str, dict[str, str]] | None:
    return parse_flat(data, b"</d>", b"</e>")


def tags(root: XmlElement) -> dict[str, dict[str, str]]:
    return {str(element.tag): attributes_of(element) for element in [root, *root.iterdescendants()]}


@pytest.mark.parametrize("around", [b"%b", b"\xef\xbb\xbf%b\n", b"<?xml version='1.0' encoding='UTF-8'?>\n%b\r\n "])
def test_a_document_of_two_levels_is_read_flat(around: bytes) -> None:
    found = flattened(around % FLAT)

    assert found == {"e": {"a": "1", "b": ""}, "p": {"x": "2"}, "d": {}, "c": {"y": "3"}, "g": {}}
    assert [type(given) for given in found.values()] == [dict] * 5
    assert list(found) == ["e", "p", "d", "c", "g"]
    assert parse_flat(b"<d><c y='3'/></d>", b"</d>") == {"d": {}, "c": {"y": "3"}}


@pytest.mark.parametrize(
    "data",
    [
        FLAT.replace(b"<g/>", b"<c/>"),  # two alike
        FLAT.replace(b"<g/>", b"<g>t</g>"),
        FLAT.replace(b"<g/>", b"<g></g>"),
        FLAT.replace(b"<g/>", b"<g><h/></g>"),
        FLAT.replace(b"<g/>", b"<!-- <g/> -->"),
        FLAT.replace(b"<g/>", b"<![CDATA[<g/>]]>"),
        FLAT.replace(b"<g/>", b"<?g <g/>?>"),
        FLAT.replace(b"'3'", b"'R&amp;B'"),
        FLAT.replace(b"<g/>", b"<u:g/>"),  # refused there: a prefix of nothing
        FLAT.replace(b"y=", b"u:y="),
        FLAT.replace(b"</d></e>", b"</d><p/></e>"),
        FLAT.replace(b"</d></e>", b"</d></e><!-- -->"),
        b"<e><d/></e>",
        b"",
        b"</d></e>x",
    ],
)
def test_any_other_document_is_left_to_the_tree(data: bytes) -> None:
    assert flattened(data) is None


def test_nothing_of_one_document_is_left_for_the_next() -> None:
    for bad in (FLAT.replace(b"<g/>", b"<g"), FLAT.replace(b"<p ", b"<p x='9' "), FLAT[1:]):
        with pytest.raises(XmlError):
            flattened(bad)
        assert flattened(b"<e><d><z/></d></e>") == {"e": {}, "d": {}, "z": {}}


def test_too_many_attributes_are_refused_flat_too() -> None:
    many = b"".join(b" b%d=''" % i for i in range(ATTRIBUTES_MAX + 1))
    with pytest.raises(XmlError) as refused:
        flattened(FLAT.replace(b"<g/>", b"<g%b/>" % many))

    assert refused.value.fault is XmlFault.UNSAFE


@settings(deadline=None)
@given(
    st.lists(PIECES, max_size=4), st.lists(PIECES, max_size=4), st.sampled_from(["", "<?xml version='1.0'?>", "\ufeff"])
)
def test_flat_or_as_a_tree_a_document_is_the_same(outside: list[str], inside: list[str], before: str) -> None:
    data = f"{before}<e>{''.join(outside)}<d>{''.join(inside)}</d></e>".encode()
    try:
        expected = tags(parse(data))
    except XmlError:
        expected = None
    try:
        found = flattened(data)
    except XmlError:
        assert expected is None
        return
    if found is not None:
        root = parse(data)
        assert found == expected
        assert all(not element.text and not len(element) for element in (*list(root)[:-1], *root[-1]))
        assert root[-1].tag == "d"
