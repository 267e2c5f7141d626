"""How a label or a clearance is written for people, as its policy says (SPIF 2.1 marking elements). Pure.

A policy from a table has no phrases: its values stand after the name of their category.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from protocols.category import Clearance, Label
from protocols.label import Policy
from protocols.lattice import Mark
from protocols.tag import PLAIN, Look, Phrase, Tag

PAGE_BOTTOM = "pageBottom"
_BOTH = "pageTopBottom"
_PLACES = frozenset(
    {"pageTop", PAGE_BOTTOM, _BOTH, "documentStart", "documentEnd", "firstLineOfText", "lastLineOfText", "subject",
     "xHeader", "portionMarking", "inputTitle", "waterMark", "noMarkingDisplay"}
)  # fmt: skip  # codes that say where; without any of them a phrase stands at the bottom of the page


def marking(policy: Policy, label: Label, language: str | None = None, place: str = PAGE_BOTTOM) -> str | None:
    """The marking of a label at a place of a document; None when the policy does not know the label."""
    understood = policy.lattice.understand(label)
    if understood is None:
        return None
    shown = _Shown(policy, language, place)
    marks = sorted(understood.marks())
    rule = shown.classification(policy.classifications[understood.rank])
    words = [shown.policy_name(rule, marks)]
    if not shown.hides_classification(marks):
        words.append(shown.phrase(rule, policy.classifications[understood.rank]))
    words.extend(shown.categories(marks))
    return shown.framed(words)


def clearance_marking(policy: Policy, clearance: Clearance, language: str | None = None) -> str | None:
    """What a holder may see, written as a marking; None when the policy does not know the clearance."""
    held = policy.lattice.hold(clearance)
    if held is None:
        return None
    names = policy.classifications
    cleared = [name for rank, name in enumerate(names) if rank in (held.ranks or range(held.ceiling + 1))]
    shown = _Shown(policy, language, PAGE_BOTTOM)
    return shown.framed(["{" + "|".join(cleared) + "}", *shown.categories(sorted(held.marks))])


class _Shown:
    """The looks of one policy in one language at one place."""

    def __init__(self, policy: Policy, language: str | None, place: str) -> None:
        self._policy = policy
        self._place = place
        wide = (language or "").partition("-")[0] or None
        self._languages = tuple(dict.fromkeys((language, wide, None)))

    def framed(self, words: Iterable[str]) -> str:
        """Words with what the policy puts before, between and after them."""
        look = self._policy.look
        text = (self._part(look, "separator") or " ").join(word for word in words if word)
        return self._part(look, "prefix") + text + self._part(look, "suffix")

    def classification(self, name: str) -> Look:
        """How a classification looks."""
        return next((each.look for each in self._policy.rules if each.name == name), PLAIN)

    def policy_name(self, classification: Look, marks: Sequence[Mark]) -> str:
        """The name of the policy, or the first phrase that replaces it."""
        for look in (self._policy.look, classification, *map(self._look, marks)):
            for phrase in self._said(look, "replacePolicy"):
                if phrase.text is not None:
                    return phrase.text
        return self._policy.name

    def hides_classification(self, marks: Iterable[Mark]) -> bool:
        """Whether a value stands in the place of the classification."""
        return any(True for mark in marks for _ in self._said(self._look(mark), "suppressClassName"))

    def phrase(self, look: Look, name: str) -> str:
        """What is shown of something: its phrase, its name, or nothing."""
        for phrase in self._said(look):
            if "noNameDisplay" in phrase.codes:
                return ""
            return name if phrase.text is None or "replacePolicy" in phrase.codes else phrase.text
        return name

    def categories(self, marks: Iterable[Mark]) -> Iterator[str]:
        """The values of each tag, with what the tag puts before, between and after them."""
        grouped: dict[int, list[str]] = {}
        for mark in marks:
            if word := self.phrase(self._look(mark), mark.name):
                grouped.setdefault(mark.tag, []).append(word)
        for number, words in grouped.items():
            tag = self._tag(number)
            if not tag.values:
                yield f"{tag.set} {', '.join(words)}"
                continue
            separator = self._part(tag.look, "separator") or "/"
            yield self._part(tag.look, "prefix") + separator.join(words) + self._part(tag.look, "suffix")

    def _tag(self, number: int) -> Tag:
        return self._policy.lattice.tags[number]

    def _look(self, mark: Mark) -> Look:
        values = self._tag(mark.tag).values
        return values[mark.place].look if values else PLAIN

    def _said(self, look: Look, code: str | None = None) -> Iterator[Phrase]:
        """The phrases for this place in the first language that has any."""
        for language in self._languages:
            found = [p for p in look.phrases if p.language == language and self._stands(p)]
            found = [p for p in found if code is None or code in p.codes]
            if found:
                yield from found
                return

    def _stands(self, phrase: Phrase) -> bool:
        places = _PLACES.intersection(phrase.codes) or {PAGE_BOTTOM}
        return self._place in places or (_BOTH in places and self._place in {"pageTop", PAGE_BOTTOM})

    def _part(self, look: Look, part: str) -> str:
        for language in self._languages:
            for qualifier in look.qualifiers:
                if qualifier.part == part and qualifier.language == language:
                    return qualifier.text
        return ""
