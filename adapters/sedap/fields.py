"""What the writers of SEDAP-Express share: a draft of one line, which collects what the line cannot say."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from adapters import Encoded, EncodeError
from adapters.sedap.grammar import (
    FORMAT,
    NAME_BYTES,
    RELAY,
    escape,
    is_field,
    may_keep,
    reported_at,
    write_number,
    write_time,
)
from protocols.message import Derived, Loss, LossReason, Message, Mode
from protocols.quantity import AltitudeDatum, Position, Symbol
from protocols.symbols import to_sidc15
from protocols.unsaid import unsaid

_LETTERS = {
    "PUBLIC": "P", "UNCLASSIFIED": "U", "RESTRICTED": "R", "CONFIDENTIAL": "C", "SECRET": "S", "TOP SECRET": "T",
}  # fmt: skip
_HINT = "classification="


class Draft:
    """One line in the making: its header comes from the message, its content from a writer."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.losses: list[Loss] = []
        self.derived: list[Derived] = []
        self.used: set[str] = set()
        self.carried: set[str] = {"label", "times.observed", "times.created"}

    def kept(self, name: str) -> str:
        """A field that was kept for the way home. It may come from another gateway, so it is looked at again."""
        for each in self.message.extras:
            if each.format == FORMAT and each.name == name and each.inner is not None and may_keep(name, each.inner):
                self.used.add(name)
                return each.inner
        return ""

    def lose(self, field: str, reason: LossReason, *, approximated: bool = False) -> None:
        """Note a field that did not come through whole."""
        self.carried.add(field)
        self.losses.append(Loss(field=field, reason=reason, approximated=approximated))

    def encoded(self, head: str, sender: str, content: Iterable[str], *, number: str = "") -> Encoded:
        """The finished line, and everything that it does not say."""
        fields = [head, number, self._time(), sender, self._letter(), "", "", *content]
        if all(each.format == FORMAT and each.name in self.used for each in self.message.extras):
            self.carried.add("extras")
        losses = [*self.losses, *unsaid(self.message, self.carried)]
        return Encoded(";".join(fields).rstrip(";").encode("latin-1"), tuple(losses), tuple(self.derived))

    def _time(self) -> str:
        times = self.message.times
        at = reported_at(self.message)
        if at is None:
            return ""
        text = write_time(at)
        if text is None:
            self.losses += [Loss(field=f"times.{each}", reason=LossReason.NO_CODE) for each in ("observed", "created")]
            return ""
        if at.microsecond % 1000:
            for each in ("observed", "created"):
                self.lose(f"times.{each}", LossReason.PRECISION, approximated=True)
        if times.observed is None:
            self.derived.append(Derived(field="times.observed", source="times.created", rule="the-only-time-known"))
        elif times.created is None:
            self.derived.append(Derived(field="times.created", source="times.observed", rule="the-only-time-known"))
        elif times.created != times.observed:
            self.lose("times.created", LossReason.NO_FIELD)
        return text

    def _letter(self) -> str:
        """The classification of the label in the document's words; of an unlabelled message as its sender wrote it."""
        label = self.message.label
        if label is not None:
            letter = _LETTERS.get(label.classification.upper())
            if letter is None:  # unmarked it would be taken for less than it is
                raise EncodeError("no letter of SEDAP-Express says this classification")
            self.losses.append(Loss(field="label", reason=LossReason.NO_CODE, approximated=True))
            return letter
        hint = self.message.source.label_hint
        if hint is None or (self.message.source.format == "sedap" and hint.startswith(_HINT)):
            return "" if hint is None else hint.removeprefix(_HINT)
        self.losses.append(Loss(field="source.label_hint", reason=LossReason.NO_FIELD))
        return ""


def sender_of(named: tuple[str, str] | None) -> str:
    """The sender to write: the native one, or the mark of a relay."""
    return RELAY if named is None else named[0]


def own_id(subject: str, named: tuple[str, str] | None) -> str:
    """The id to write: the native one, or the subject."""
    return escape(subject) if named is None else named[1]


def number_or_empty(value: float | None) -> str:
    """A number, or the empty field that says nothing."""
    return "" if value is None else write_number(value)


def altitude(draft: Draft, position: Position, path: str = "position") -> str:
    """An altitude above sea level, or zero on the ground; any other datum would need a geoid."""
    value, datum = position.altitude_m, position.altitude_datum
    field = f"{path}.altitude_m"
    draft.carried.update((field, f"{path}.altitude_datum"))
    if value is None:
        return ""
    if datum is AltitudeDatum.MSL and value != 0.0:
        return write_number(value)
    if datum is AltitudeDatum.AGL and value == 0.0:
        return "0"
    draft.lose(field, LossReason.DATUM)
    return ""


def symbol(draft: Draft, found: Symbol | None) -> str:
    """A 2525C code; its identity letter also says exercise."""
    mode = draft.message.mode
    if mode is Mode.UNSTATED:
        draft.carried.add("mode")
    if found is None:
        return ""
    coded = to_sidc15(found, exercise=True) if mode is Mode.EXERCISE else None
    if coded is not None:
        draft.carried.add("mode")
    coded = coded or to_sidc15(found)
    draft.carried.update(("symbol.affiliation", "symbol.sidc15", "symbol.sidc20", "symbol.cot_type"))
    if coded is None:
        draft.lose("symbol", LossReason.NO_CODE)
        return ""
    if not coded.exact:
        draft.lose("symbol", LossReason.NO_CODE, approximated=True)
    elif found.sidc15 is None:
        draft.derived.append(Derived(field="symbol.sidc15", source="symbol.cot_type", rule="2525C"))
    return coded.code


def name(draft: Draft, field: str, value: str | None, limit: int = NAME_BYTES) -> str:
    """A short text in the characters of a line, cut to so many bytes."""
    draft.carried.add(field)
    if not value:
        return ""
    text = value
    if not is_field(text) or "#" in text:
        plain = "".join(c for c in unicodedata.normalize("NFKD", value) if not unicodedata.combining(c))
        text = "".join(c if is_field(c) and c != "#" else "?" for c in plain)
        draft.lose(field, LossReason.CHARSET, approximated=True)
    if len(text) > limit:
        text = text[:limit]
        draft.lose(field, LossReason.TOO_LONG, approximated=True)
    return text
