"""Messages to CAP 1.2. Alerts; requests for medical evacuation and reports as alerts with a filled form to read.

What a CAP sender named is written with its own sender and identifier; everything else has the sender ``comity`` and its
subject as the identifier. Scope is never Public unless the originator's own alert said so.
"""

from __future__ import annotations

import re
from datetime import datetime

from adapters import Encoded, EncodeError
from adapters.cap.block import write_info
from adapters.cap.draft import Draft, write_time
from adapters.cap.names import MODES, has_block, named, native
from protocols.body import Alert, Medevac, Report
from protocols.message import Derived, Loss, LossReason, Message, Mode, Reference
from protocols.moment import read_iso

_NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
_RELATION = re.compile(r"(alert|update|cancel)@(.+)")
_STATUS = {mode: status for status, mode in MODES.items()}
_HINT = re.compile(r"scope=(Public|Restricted|Private)(?:;restriction=(.*))?", re.DOTALL)


def encode(message: Message) -> Encoded:
    """Write one alert document. Raise EncodeError for what CAP cannot say."""
    body = message.body
    if not isinstance(body, Alert | Medevac | Report):
        raise EncodeError(f"CAP cannot say a {message.kind}")
    sent = message.times.created or message.times.observed
    if sent is None:
        raise EncodeError("CAP needs the time of an alert")
    draft = Draft(message, sent)
    info = write_info(draft, body)
    head = _Head(draft).write(cancelled=isinstance(body, Alert) and body.cancelled)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<alert xmlns="{_NAMESPACE}">{head}{info}</alert>'
    return Encoded(text.encode(), draft.all_losses(), tuple(draft.derived))


class _Head:
    """What stands before the info block."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft

    def write(self, *, cancelled: bool) -> str:
        sender, identifier = named(self.draft.message.subject)
        if has_block(self.draft.message.subject):
            rule = "number-of-the-block-in-the-identifier"
            self.draft.derived.append(Derived(field="subject", source="subject", rule=rule))
        kind, references = self._cancel(sender, identifier) if cancelled else self._update()
        if cancelled:
            sender, identifier = self._cancellation(sender)
        scope, restriction = self._scope()
        words = self.draft.words
        parts = [
            words("identifier", identifier),
            words("sender", sender),
            words("sent", write_time(self.draft.sent)),
            words("status", self._status()),
            words("msgType", kind),
            self.draft.kept("source"),
            words("scope", scope),
            words("restriction", restriction),
            self._addresses(),
            self.draft.kept("code", "note"),
            words("references", references),
            self.draft.kept("incidents"),
        ]
        return "".join(parts)

    def _cancel(self, sender: str, identifier: str) -> tuple[str, str]:
        """The alert to cancel. Its time is known only where it came by CAP; else the cancellation's own stands in."""
        self.draft.carried.add("cancelled")
        sent = next((at for at, ref in self._references() if ref.subject == self.draft.message.subject), None)
        if sent is None:
            self.draft.derived.append(Derived(field="references.sent", source="times.created", rule="time-not-known"))
        else:
            self.draft.carried.add("references")
        return "Cancel", f"{sender},{identifier},{write_time(sent or self.draft.sent)}"

    def _cancellation(self, sender: str) -> tuple[str, str]:
        """Sender and identifier of the cancellation itself: those that it had, else the alert's and one of its own."""
        own = [native(ref.subject) for ref in self.draft.message.references if ref.relation == "identifier"]
        return own[0] if own and own[0] is not None else (sender, f"cancel-{self.draft.message.id}")

    def _update(self) -> tuple[str, str]:
        found = self._references()
        if len(found) == len(self.draft.message.references):
            self.draft.carried.add("references")
        words = []
        for sent, reference in found:
            sender, identifier = named(reference.subject)
            words.append(f"{sender},{identifier},{write_time(sent)}")
        update = any(ref.relation.startswith("update@") for _, ref in found)
        return "Update" if update else "Alert", " ".join(words)

    def _references(self) -> list[tuple[datetime, Reference]]:
        """References of which the time is known, as CAP needs it."""
        found = []
        for reference in self.draft.message.references:
            relation = _RELATION.fullmatch(reference.relation)
            if relation is not None:
                try:
                    found.append((read_iso(relation[2]), reference))
                except ValueError:
                    continue
        return found

    def _status(self) -> str:
        mode = self.draft.message.mode
        if mode is Mode.UNSTATED:
            self.draft.derived.append(Derived(field="mode", source="mode", rule="unstated-is-actual"))
        elif mode not in _STATUS:
            self.draft.lose("mode", LossReason.NO_CODE, approximated=True)
            return "Exercise"
        return _STATUS.get(mode, "Actual")

    def _scope(self) -> tuple[str, str]:
        """Who may see it: as the originator's own alert said, else restricted, with the label in words."""
        source, label = self.draft.message.source, self.draft.message.label
        found = _HINT.fullmatch(source.label_hint or "") if source.format == "cap" else None
        if label is not None:
            self.draft.lose("label", LossReason.STRUCTURE, approximated=found is None)
        if found is not None:
            return found[1], found[2] or ""
        if source.label_hint is not None:
            self.draft.losses.append(Loss(field="source.label_hint", reason=LossReason.NO_FIELD))
        if label is None:
            self.draft.derived.append(Derived(field="scope", source="label", rule="unlabelled-is-restricted"))
        return "Restricted", "not stated" if label is None else str(label)

    def _addresses(self) -> str:
        """Only as they came by CAP: elsewhere addressees are units, not CAP addresses."""
        if self.draft.message.source.format != "cap" or not self.draft.message.addressees:
            return ""
        self.draft.carried.add("addressees")
        words = [f'"{each}"' if re.search(r"\s", each) else each for each in self.draft.message.addressees]
        return self.draft.words("addresses", " ".join(words), "addressees")
