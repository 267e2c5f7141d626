"""Reading XML from strangers, and writing it: no DTD, no entities, no network, bounded size and depth. Pure.

lxml alone would still expand internal entities or load a DTD, so a document with a DOCTYPE is refused before any of
it is used, and the parser is told to resolve nothing. Only encodings that keep ASCII are read (UTF-8, ISO-8859-1,
windows-1252), because in any other the DOCTYPE could hide from the search.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import partial
from threading import Lock
from typing import TypeAlias

from lxml import etree

XmlElement: TypeAlias = etree._Element  # noqa: SLF001  # lxml has no public name for it
SIZE_MAX = 1_048_576  # bytes
DEPTH_MAX = 64  # elements; the deepest real sample (CAP with a signature) has 9
ELEMENTS_MAX = 10_000  # the largest drawing that is read has half as many, a batch of 500 NFFI tracks 8 000
ATTRIBUTES_MAX = 256  # of one element
NAMES_MAX = 1024  # different names of elements and attributes; libxml2 keeps every name for as long as the thread lives
NAMES_COUNTED_FROM = 16_384  # bytes; less cannot hold many
SMALL = 4 * ATTRIBUTES_MAX  # bytes; too few for so many attributes (`` a=""`` each)
_DECLARATION_MAX = 128  # bytes; honest ones have 60
_USUAL = (  # beginnings of what is read; any other is looked at
    b"<e",
    b"<d",
    b"<?xml version='1.0' encoding='UTF-8' standalone='yes'?>",
    b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>',
    b"<?xml version='1.0' encoding='UTF-8'?>",
    b'<?xml version="1.0" encoding="UTF-8"?>',
)
_DECLARATION = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml\s")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_NAMES = re.compile(rb"[<\s]([A-Za-z_:\x80-\xff][^\s<>/=\"']{0,200})[\s/>=]")
_PIECE, _OVERLAP = 32_768, 256  # bytes
_ENCODINGS = frozenset({b"utf-8", b"us-ascii", b"ascii", b"iso-8859-1", b"windows-1252"})
_MARKUP = re.compile("[&<>\"'\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # XML 1.0, section 2.2
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
REPLACEMENT = "\ufffd"  # what stands for a character that XML 1.0 cannot carry


class XmlFault(StrEnum):
    """Why a document is refused."""

    TOO_LARGE = "too-large"
    MALFORMED = "malformed"
    UNSAFE = "unsafe"


class XmlError(ValueError):
    """The document is refused; the text never holds content."""

    def __init__(self, fault: XmlFault, where: str) -> None:
        super().__init__(f"{fault}: {where}")
        self.fault = fault


class _Collector:
    """A parser's target that builds no tree: the attributes of elements by tag, of two with one tag the first.

    Python is not entered for an element: what the parser calls is the dictionary itself.
    """

    def __init__(self) -> None:
        self.found: dict[str, dict[str, str]] = {}
        self.start = self.found.setdefault

    def close(self) -> dict[str, dict[str, str]]:
        """What one document had; the parser calls this at its end, also where it fails."""
        return {tag: given or {} for tag, given in self.found.items()}  # lxml's own empty mapping is no Mapping


_safe_parser = partial(
    etree.XMLParser,
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    dtd_validation=False,
    huge_tree=False,
    remove_comments=True,
    remove_pis=True,
)
_parser = _safe_parser()
_collector = _Collector()
_flat_parser = _safe_parser(target=_collector)  # type: ignore[arg-type]  # lxml asks for the methods that are wanted
_flat_turn = Lock()  # a parser that is fed has one document at a time


def parse(data: bytes) -> XmlElement:
    """Parse one document and give its root. Raise XmlError on anything unsafe, too large or not well formed."""
    _refuse_unsafe(data)
    try:
        root = etree.fromstring(data, _parser)
    except (etree.XMLSyntaxError, ValueError, LookupError):
        raise XmlError(XmlFault.MALFORMED, "not well formed") from None
    # Each level but the last has an end tag, each element a "<", each attribute a "=": too few are no trouble.
    if data.count(b"</") >= DEPTH_MAX or data.count(b"=") > ATTRIBUTES_MAX or data.count(b"<") > ELEMENTS_MAX:
        _bounded(root)
    return root


def parse_flat(data: bytes, inner: bytes, outer: bytes = b"") -> dict[str, dict[str, str]] | None:
    """Parse a document of empty elements in one or two others: their attributes by tag, in order. Raise XmlError.

    That is what nearly all CoT is. ``inner`` and ``outer`` are the only end tags there are, and the document ends with
    them; no two elements are alike. None where a document is anything else, which ``parse`` reads. A tree costs as much
    again as the parsing: every element and every attribute would have to be asked for.
    """
    _, end, tail = data.rpartition(inner)
    if not end or tail.strip() != outer or b"&" in data:  # a reference comes out of this parser half resolved
        return None
    _refuse_unsafe(data)
    with _flat_turn:
        _collector.found.clear()
        try:
            _flat_parser.feed(data)
            found: dict[str, dict[str, str]] = _flat_parser.close()  # type: ignore[assignment]  # what the target gives
        except (etree.XMLSyntaxError, ValueError, LookupError):
            raise XmlError(XmlFault.MALFORMED, "not well formed") from None
        if _flat_parser.feed_error_log:  # a prefix without its namespace, over which this parser only complains
            return None
    # The end tags at the end are there, since the document is well formed. As many elements were collected as there are
    # "<" but for those and the declaration's: so none was lost under the tag of another, every other element is empty,
    # and there is no comment, no instruction and no CDATA.
    tags = data.count(b"<")
    if len(found) + (2 if outer else 1) + (b"<?xml" in data[:8]) != tags:
        return None
    if data.translate(None, b" \t\r\n").count(b"><") != tags - 1:  # there are words where no element has any
        return None
    if len(data) > SMALL and max(map(len, found.values())) > ATTRIBUTES_MAX:
        raise XmlError(XmlFault.UNSAFE, "too many attributes")
    return found


def attributes_of(element: XmlElement) -> dict[str, str]:
    """The attributes of an element, in order."""
    return dict(element.items())  # type: ignore[arg-type]  # text, since the document is


def escape(value: str) -> str:
    """Text or attribute value as it stands in a document; what XML cannot carry becomes U+FFFD."""
    return value if is_plain(value) else _MARKUP.sub(_escaped, value)


def is_plain(value: str) -> bool:
    """Whether a text stands in a document as it is. Quick to say yes; a no may only mean a rare character."""
    return (
        value.isprintable()
        and "&" not in value
        and "<" not in value
        and '"' not in value
        and ">" not in value
        and "'" not in value
    )


def carries(value: str) -> bool:
    """Whether XML 1.0 can carry every character of a text."""
    return _NOT_XML.search(value) is None


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    named = _ESCAPES.get(character)
    if named is not None:
        return named
    return REPLACEMENT if _NOT_XML.match(character) else f"&#{ord(character)};"


def _refuse_unsafe(data: bytes) -> None:
    """Raise XmlError for what must not even reach the parser."""
    if len(data) > SIZE_MAX:
        raise XmlError(XmlFault.TOO_LARGE, "document")
    if b"!" in data and b"<!DOCTYPE" in data:  # one character first: that search costs next to nothing
        raise XmlError(XmlFault.UNSAFE, "DOCTYPE")
    if b"\0" in data or not (data.startswith(_USUAL) or _is_read(data[:_DECLARATION_MAX])):
        raise XmlError(XmlFault.MALFORMED, "encoding")
    if len(data) > NAMES_COUNTED_FROM:
        if data.count(b"/>") + data.count(b"</") > ELEMENTS_MAX:  # before a tree of them is built
            raise XmlError(XmlFault.UNSAFE, "too many elements")
        if _has_many_names(data):
            raise XmlError(XmlFault.UNSAFE, "too many names")


def _is_read(beginning: bytes) -> bool:
    """Whether a document has no declaration, or one that is whole and names no encoding but one that keeps ASCII."""
    if _DECLARATION.match(beginning) is None:
        return True
    said, end, _ = beginning.partition(b"?>")
    named = _ENCODING.findall(said)
    return bool(end) and said.count(b"encoding") == len(named) and {name.lower() for name in named} <= _ENCODINGS


def _has_many_names(data: bytes) -> bool:
    names: set[bytes] = set()
    for start in range(0, len(data), _PIECE):  # a piece at a time, so that what is found takes little room
        names.update(_NAMES.findall(data, start, start + _PIECE + _OVERLAP))
        if len(names) > NAMES_MAX:
            return True
    return False


def _bounded(root: XmlElement) -> None:
    count, depth = 0, 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        count += event == "start"
        if depth > DEPTH_MAX or count > ELEMENTS_MAX or len(element.attrib) > ATTRIBUTES_MAX:
            raise XmlError(XmlFault.UNSAFE, "too deep, too many elements or too many attributes")
