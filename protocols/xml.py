"""Reading XML from strangers: no DTD, no entities, no network, bounded size and depth. Pure.

lxml alone would still expand internal entities or load a DTD, so a document with a DOCTYPE is refused before any of
it is used, and the parser is told to resolve nothing.
"""

from __future__ import annotations

from enum import StrEnum

from lxml import etree

SIZE_MAX = 1_048_576  # bytes
DEPTH_MAX = 64  # elements; the deepest real sample (CAP with a signature) has 9
ELEMENTS_MAX = 20_000

_DOCTYPE = tuple(b"<!DOCTYPE".decode().encode(codec) for codec in ("ascii", "utf-16-le", "utf-16-be"))


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


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def parse(data: bytes) -> etree._Element:
    """Parse one document and give its root. Raise XmlError on anything unsafe, too large or not well formed."""
    if len(data) > SIZE_MAX:
        raise XmlError(XmlFault.TOO_LARGE, "document")
    if any(mark in data for mark in _DOCTYPE):
        raise XmlError(XmlFault.UNSAFE, "DOCTYPE")
    try:
        root = etree.fromstring(data, _parser())
    except (etree.XMLSyntaxError, ValueError, LookupError):
        raise XmlError(XmlFault.MALFORMED, "not well formed") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise XmlError(XmlFault.UNSAFE, "DOCTYPE")
    _bounded(root)
    return root


def _bounded(root: etree._Element) -> None:
    count, depth = 0, 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        count += event == "start"
        if depth > DEPTH_MAX or count > ELEMENTS_MAX:
            raise XmlError(XmlFault.UNSAFE, "too deep or too many elements")
