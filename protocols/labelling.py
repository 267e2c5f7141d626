"""Which label a message gets, from its own marking: as XML that a policy admits, or by a table. Pure; fails closed.

The XML travels in ``Source.label_hint`` in its canonical form, beside the label that was read from it; a receiver that
has the policy reads it again, and a label that it does not say is not believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from protocols.category import Label
from protocols.equivalence import alternatives
from protocols.label import Policy
from protocols.label_xml import LabelXmlError, XmlLabel, admit, read_label, write_label
from protocols.message import Message

MEMO_MAX = 4_096  # labels whose alternatives are remembered
SEEN_MAX = 256  # XML labels remembered; each at most LABEL_MAX bytes


class _Seen(NamedTuple):
    """XML that was read (None: it says no label), and its canonical form; flawed or unread XML stays as it is."""

    found: XmlLabel | None
    canonical: str


def is_xml(hint: str) -> bool:
    """Whether a marking is XML; no other marking begins like that."""
    return hint.lstrip("\ufeff \t\r\n").startswith("<")


class Labelling:
    """How markings are read under the policies of one table."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._policies = policies
        self._alternatives: dict[Label, tuple[Label, ...]] = {}
        self._seen: dict[str, _Seen] = {}

    def read(self, hint: str, now: datetime) -> tuple[Label | None, str]:
        """The label that XML says, or None, and the XML in its canonical form; as it was, where it is not admitted."""
        found, canonical = self._look(hint)
        label = None if found is None else admit(found, self._policies, now)
        return label, canonical if label is not None else hint

    def is_bound(self, message: Message, now: datetime) -> bool:
        """Whether a message's label is what its own XML says; true without XML, or without the policy.

        Judged by the time at which the label was read, so that a succession on the way changes nothing.
        """
        hint, label = message.source.label_hint, message.label
        if hint is None or label is None or not is_xml(hint) or label.policy not in self._policies:
            return True
        found = self._look(hint).found
        return found is not None and admit(found, self._policies, message.times.received or now) == label

    def alternatives(self, label: Label | None) -> tuple[Label, ...]:
        """What a label is in the other policies."""
        if label is None or len(self._policies) < 2:
            return ()
        found = self._alternatives.get(label)
        if found is None:
            if len(self._alternatives) >= MEMO_MAX:
                self._alternatives.clear()
            found = self._alternatives[label] = alternatives(label, self._policies)
        return found

    def _look(self, hint: str) -> _Seen:
        """What XML says, whoever may rely on it; units write the same label again and again."""
        seen = self._seen.get(hint)
        if seen is None:
            if len(self._seen) >= SEEN_MAX:
                self._seen.clear()
            seen = self._seen[hint] = _look(hint)
        return seen


NOTHING_KNOWN = Labelling({})  # admits no XML, and has no alternatives


def _look(hint: str) -> _Seen:
    try:
        found = read_label(hint.encode())
    except (LabelXmlError, UnicodeEncodeError):
        return _Seen(None, hint)
    return _Seen(found, hint if found.flaws else write_label(found).decode())
