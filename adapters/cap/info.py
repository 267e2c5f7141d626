"""One info block of a CAP alert (CAP 1.2, 3.2.2), as the body of a message."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from lxml import etree

from adapters import DecodeError, Fault
from adapters.cap import kept
from adapters.cap.area import read_places
from adapters.cap.head import Head
from adapters.cap.names import CATEGORIES, KIND, NO_INFO, NO_ONSET, RELAY, TIME
from protocols import form
from protocols.body import NOBODY, Alert, Certainty, Identity, Medevac, Report, Severity, Urgency
from protocols.message import EXTRAS_MAX, Derived, Loss, LossReason
from protocols.moment import read_iso

_KNOWN = frozenset(
    {
        "language", "category", "event", "urgency", "severity", "certainty", "effective", "onset", "expires",
        "senderName", "headline", "description", "instruction", "contact", "area", *kept.OF_INFO,
    }
)  # fmt: skip
_FORMS: dict[str, type] = {"medevac": Medevac, "report": Report}

Word = TypeVar("Word", bound=StrEnum)


class Info:
    """An info block read: its body and times, what was set aside, what had to be derived."""

    def __init__(self, head: Head, element: etree._Element | None, *, cancelled: bool = False) -> None:
        self.head = head
        self.losses = list(head.losses)
        self.extras = head.extras
        self.derived: list[Derived] = []
        self.valid_from: datetime | None = None
        self.valid_until: datetime | None = None
        self.observed: datetime | None = None
        self.body: Alert | Medevac | Report
        if element is None:
            self.derived.append(Derived(field="event", source="msgType", rule=NO_INFO))
            self.body = Alert(event=head.kind, cancelled=cancelled)
            return
        self._times(element)
        self.losses += head.unread(element, _KNOWN)
        parameters = self._parameters(element)
        others = head.children(element, kept.OF_INFO)
        if parameters:
            others = [each for each in others if head.text(each, "valueName") not in parameters]
        self.extras += kept.read(others, self.losses)
        if len(self.extras) > EXTRAS_MAX:
            self.extras = self.extras[:EXTRAS_MAX]
            self.losses.append(Loss(field="extras", reason=LossReason.TOO_LONG, approximated=True))
        if TIME in parameters:
            self.observed = self._time(parameters[TIME], TIME)
        self.body = self._filled(element, parameters.get(KIND)) or self._alert(element, cancelled=cancelled)
        if KIND in parameters and isinstance(self.body, Alert):
            self._unreadable("parameter")

    def _parameters(self, element: etree._Element) -> dict[str, str]:
        """A gateway's own parameters; everybody else's are kept as they are."""
        if self.head.sender != RELAY:
            return {}
        found = {self.head.text(each, "valueName"): each for each in self.head.children(element, ("parameter",))}
        return {name: self.head.text(found[name], "value") for name in (KIND, TIME) if name in found}

    def _filled(self, element: etree._Element, kind: str | None) -> Medevac | Report | None:
        """The request or report that a gateway relayed as an alert; None when it is not there, whole and unchanged."""
        expected = _FORMS.get(kind or "")
        filled = None if expected is None else form.read(self._words(element, "description") or "")
        return filled if isinstance(filled, Medevac | Report) and type(filled) is expected else None

    def _alert(self, element: etree._Element, *, cancelled: bool) -> Alert:
        event = self.head.text(element, "event")
        if not event:
            raise DecodeError(Fault.MISSING, "info.event")
        place = read_places(element.findall(self.head.namespace + "area"), self.losses)
        return Alert(
            event=event,
            categories=self._categories(element),
            severity=self._word(element, "severity", Severity),
            urgency=self._word(element, "urgency", Urgency),
            certainty=self._certainty(element),
            headline=self._words(element, "headline"),
            description=self._words(element, "description"),
            instruction=self._words(element, "instruction"),
            language=self.head.text(element, "language") or None,
            position=place.position,
            area=place.area,
            raised_by=self._person(element),
            cancelled=cancelled,
        )

    def _person(self, element: etree._Element) -> Identity:
        name, phone = self._words(element, "senderName"), self.head.text(element, "contact")
        return Identity(callsign=name, phone=phone or None) if name or phone else NOBODY

    def _words(self, element: etree._Element, name: str) -> str | None:
        """Text for people, with its white space; None when there is nothing else."""
        text = element.findtext(self.head.namespace + name) or ""
        return text if text.strip() else None

    def _categories(self, element: etree._Element) -> tuple[str, ...]:
        words = [(each.text or "").strip() for each in element.findall(self.head.namespace + "category")]
        known = tuple(word for word in words if word in CATEGORIES)
        if len(known) != len(words) or not words:
            self._unreadable("categories", approximated=bool(known))
        return known

    def _word(self, element: etree._Element, name: str, words: type[Word]) -> Word | None:
        text = self.head.text(element, name)
        try:
            return words(text.lower())
        except ValueError:
            self._unreadable(name)
            return None

    def _certainty(self, element: etree._Element) -> Certainty | None:
        """CAP 1.2, 3.2.2: "Very Likely", of CAP 1.0, is to be taken for "Likely"."""
        if self.head.text(element, "certainty") == "Very Likely":
            self.losses.append(Loss(field="certainty", reason=LossReason.NO_CODE, approximated=True))
            return Certainty.LIKELY
        return self._word(element, "certainty", Certainty)

    def _times(self, element: etree._Element) -> None:
        times = {name: self.head.text(element, name) for name in ("onset", "effective", "expires")}
        onset, effective, self.valid_until = (self._time(text, name) for name, text in times.items())
        self.valid_from = onset or effective
        if onset is None and effective is not None:
            self.derived.append(Derived(field="times.valid_from", source="effective", rule=NO_ONSET))
        elif onset is not None and effective is not None and effective != onset:
            self.losses.append(Loss(field="effective", reason=LossReason.NO_FIELD))

    def _time(self, text: str, name: str) -> datetime | None:
        if not text:
            return None
        try:
            return read_iso(text, zone=None)
        except ValueError:
            self._unreadable(name)
            return None

    def _unreadable(self, field: str, *, approximated: bool = False) -> None:
        self.losses.append(Loss(field=field, reason=LossReason.UNREADABLE, approximated=approximated))
