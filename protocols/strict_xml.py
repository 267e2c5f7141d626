"""XML of which every element and attribute must be understood, since what is not may be a restriction. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, TypeVar

from protocols.xml import XmlElement, XmlError, attributes_of, parse

SPACES = " \t\r\n"  # of XML (1.0, section 2.3); wider blanks are characters like others
_NAME_MAX = 40  # characters of a name that are told
_NUMBER = re.compile(r"[0-9]{1,18}")
_E = TypeVar("_E", bound=StrEnum)


class StrictFault(StrEnum):
    """Why a document is refused."""

    MALFORMED = "malformed"
    UNSAFE = "unsafe"
    TOO_LARGE = "too-large"
    WRONG_NAMESPACE = "wrong-namespace"
    UNKNOWN = "unknown"
    MISSING = "missing"
    REPEATED = "repeated"
    BAD_VALUE = "bad-value"
    VERSION = "version"


class StrictError(ValueError):
    """A document is refused; the text names the element or attribute, never a value."""

    def __init__(self, fault: StrictFault, where: str) -> None:
        super().__init__(f"{fault}: {where}")
        self.fault = fault


class Node(NamedTuple):
    """One element: its attributes, and its children by name. Its methods raise ``error``."""

    name: str
    attributes: Mapping[str, str]
    parts: Mapping[str, Sequence[XmlElement]]
    error: type[StrictError]

    def need(self, attribute: str) -> str:
        """An attribute that must be there, and say something."""
        value = self.attributes.get(attribute)
        if not value:
            raise self.error(StrictFault.MISSING, f"{self.name}/@{attribute}")
        return value

    def number(self, attribute: str) -> int:
        """An attribute that is a whole number."""
        if _NUMBER.fullmatch(self.need(attribute)) is None:
            raise self.bad(attribute)
        return int(self.need(attribute))

    def flag(self, attribute: str) -> bool:
        """An attribute that is an xs:boolean; absent is false."""
        value = self.attributes.get(attribute, "false")
        if value not in {"true", "false", "1", "0"}:
            raise self.bad(attribute)
        return value in {"true", "1"}

    def one_of(self, attribute: str, kind: type[_E]) -> _E:
        """An attribute that is one of a list."""
        value = self.need(attribute)
        try:
            return kind(value)
        except ValueError:
            raise self.bad(attribute) from None

    def only(self, part: str) -> XmlElement:
        """A child that stands exactly once."""
        found = self.parts.get(part, ())
        if len(found) != 1:
            raise self.error(StrictFault.REPEATED if found else StrictFault.MISSING, f"{self.name}/{part}")
        return found[0]

    def bad(self, attribute: str) -> StrictError:
        """What is raised for an attribute that says something else than it may."""
        return self.error(StrictFault.BAD_VALUE, f"{self.name}/@{attribute}")


class Vocabulary(NamedTuple):
    """The elements of one namespace, and what is raised for a document that has others."""

    namespace: str
    error: type[StrictError]

    def parse(self, data: bytes, what: str) -> XmlElement:
        """The root of a document."""
        try:
            return parse(data)
        except XmlError as error:
            raise self.error(StrictFault(error.fault.value), what) from None

    def name(self, element: XmlElement) -> str:
        """An element's name, bounded, once its namespace is ours."""
        namespace, _, name = str(element.tag).rpartition("}")
        if namespace[1:] != self.namespace:  # empty where there is none
            raise self.error(StrictFault.WRONG_NAMESPACE, name[-_NAME_MAX:])
        return name[-_NAME_MAX:]

    def open(self, element: XmlElement, attributes: str = "", children: str = "", *, text: bool = False) -> Node:
        """An element with only these attributes and children (names with spaces between), and text where it may."""
        name = self.name(element)
        found = attributes_of(element)
        if found and (unknown := found.keys() - attributes.split()):
            raise self.error(StrictFault.UNKNOWN, f"{name}/@{min(unknown)[-_NAME_MAX:]}")
        known = children.split()
        parts: dict[str, list[XmlElement]] = {}
        between = [None if text else element.text]
        for child in element:
            local = self.name(child)
            if local not in known:
                raise self.error(StrictFault.UNKNOWN, f"{name}/{local}")
            parts.setdefault(local, []).append(child)
            between.append(child.tail)
        if any(piece and piece.strip(SPACES) for piece in between):
            raise self.error(StrictFault.BAD_VALUE, f"text in {name}")
        return Node(name, found, parts, self.error)
