"""XML from strangers."""

from __future__ import annotations

import resource
import time

import pytest
from lxml import etree

from protocols.xml import DEPTH_MAX, ELEMENTS_MAX, SIZE_MAX, XmlError, XmlFault, attributes_of, carries, escape, parse

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
    ids=range(19),
)
def test_refuses_what_no_honest_sender_needs(data: bytes, fault: XmlFault) -> None:
    start = time.perf_counter()
    with pytest.raises(XmlError) as refused:
        parse(data)

    assert refused.value.fault is fault
    assert time.perf_counter() - start < 0.25


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
