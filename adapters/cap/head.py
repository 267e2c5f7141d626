"""What a CAP alert says before its info blocks (CAP 1.2, 3.2.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from lxml import etree

from adapters import DecodeError, Fault
from adapters.cap import kept
from adapters.cap.names import MODES, SCOPES, is_name, subject_of
from protocols.message import Loss, LossReason, Mode, Reference, Source
from protocols.moment import read_iso

REFERENCES_MAX = 200
INFOS_MAX = 50
_RESTRICTION_MAX = 1_024  # characters
_ADDRESSES_MAX = 65_536  # characters
_ADDRESS = re.compile(r'"([^"]*)"|(\S+)')
_ONCE = ("identifier", "sender", "sent", "status", "msgType", "scope")
_AGAIN = ("info", "code", "category", "responseType", "eventCode", "parameter", "resource", "area")  # more than once
_KNOWN = frozenset({*_ONCE, "restriction", "addresses", "references", "info", *kept.OF_ALERT})


class Head:
    """What an alert says about itself, before its info blocks."""

    def __init__(self, root: etree._Element, namespace: str, version: str) -> None:
        self.namespace = "{" + namespace + "}"
        for name in _ONCE:
            if len(root.findall(self.namespace + name)) > 1:
                raise DecodeError(Fault.MALFORMED, name)
        self.identifier, self.sender = self._name(root, "identifier"), self._name(root, "sender")
        self.subject = subject_of(self.sender, self.identifier)
        self.sent = self._sent(root)
        self.kind = self._one_of(root, "msgType", ("Alert", "Update", "Cancel", "Ack", "Error"))
        self.mode = self._mode(root)
        self.source = Source(
            format="cap", version=version, dialect=None, system=self.sender, label_hint=self._hint(root)
        )
        addresses = self.text(root, "addresses")
        if len(addresses) > _ADDRESSES_MAX:
            raise DecodeError(Fault.TOO_LARGE, "addresses")
        self.addressees = tuple(quoted or bare for quoted, bare in _ADDRESS.findall(addresses))
        self.losses = self.unread(root, _KNOWN)
        self.extras = kept.read(self.children(root, kept.OF_ALERT), self.losses)
        self.references = self._references(root)
        self.note = self.text(root, "note") or None
        self.infos = root.findall(self.namespace + "info")
        if len(self.infos) > INFOS_MAX:
            raise DecodeError(Fault.TOO_LARGE, "info")

    def text(self, element: etree._Element, name: str) -> str:
        """The text of the first such child, without the white space around it."""
        return (element.findtext(self.namespace + name) or "").strip()

    def _name(self, root: etree._Element, name: str) -> str:
        text = self.text(root, name)
        if not is_name(text):
            raise DecodeError(Fault.MALFORMED if text else Fault.MISSING, name)
        return text

    def _one_of(self, root: etree._Element, name: str, words: Sequence[str]) -> str:
        text = self.text(root, name)
        if text not in words:
            raise DecodeError(Fault.UNSUPPORTED if text else Fault.MISSING, name)
        return text

    def _mode(self, root: etree._Element) -> Mode:
        """A draft is for nobody to act on, and System is the alerting network's own: both are refused."""
        return MODES[self._one_of(root, "status", tuple(MODES))]

    def _sent(self, root: etree._Element) -> datetime:
        text = self.text(root, "sent")
        if not text:
            raise DecodeError(Fault.MISSING, "sent")
        try:
            return read_iso(text, zone=None)
        except ValueError:
            raise DecodeError(Fault.MALFORMED, "sent") from None

    def _hint(self, root: etree._Element) -> str:
        scope, restriction = self._one_of(root, "scope", SCOPES), self.text(root, "restriction")
        if len(restriction) > _RESTRICTION_MAX:
            raise DecodeError(Fault.TOO_LARGE, "restriction")
        return f"scope={scope};restriction={restriction}" if restriction else f"scope={scope}"

    def _references(self, root: etree._Element) -> tuple[Reference, ...]:
        """Each "sender,identifier,sent" as a subject; the relation keeps the time, for writing it again."""
        read: list[Reference] = []
        words = self.text(root, "references").split()
        if len(words) > REFERENCES_MAX:
            raise DecodeError(Fault.TOO_LARGE, "references")
        for word in words:
            parts = word.split(",")
            try:
                sender, identifier, sent = parts
                relation = f"{self.kind.lower()}@{read_iso(sent, zone=None).isoformat()}"
                read.append(Reference(relation=relation, subject=subject_of(sender, identifier)))
            except ValueError:
                self.losses.append(Loss(field="references", reason=LossReason.UNREADABLE))
        return tuple(read)

    def unread(self, element: etree._Element, known: frozenset[str]) -> list[Loss]:
        """A loss where there is what is not of CAP, or not where CAP has it, or again; a signature is one."""
        tags = {self.namespace + name for name in known}
        whole = {self.namespace + name for name in kept.CONTAINERS}
        again = {self.namespace + name for name in _AGAIN}
        strange = kept.has_text(element)
        for child in element:
            tag = child.tag
            if tag not in tags:
                strange = strange or len(child) > 0 or kept.is_text(child.text)
            elif len(child) and tag not in whole:
                strange = True
            elif tag not in again:
                tags.discard(tag)  # the next one is one too many
        return [Loss(field="element", reason=LossReason.NO_FIELD)] if strange else []

    def children(self, element: etree._Element, names: Sequence[str]) -> list[etree._Element]:
        """The children of these names, in the order of the names."""
        return [child for name in names for child in element.findall(self.namespace + name)]
