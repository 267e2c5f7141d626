"""TEXT (chapter IV.2.5) to chats, alerts and filled forms.

Type 01 is an alert, the others are chats that remember their type; a filled form (``protocols.form``) is what it says,
under any type. A text that a gateway relays has the subject as its reference, and its author in brackets before it.
"""

from __future__ import annotations

import re

from adapters import DecodeError, Fault
from adapters.sedap.grammar import RELAY, TEXT_BYTES, Line, Meaning, read_base64, read_words, unescape
from protocols import form
from protocols.body import NOBODY, Alert, Chat, Identity
from protocols.message import Loss, LossReason, Reference

EVENT = "Alert"  # the event of an alert that is only text
DIALECTS = {0: "text-undefined", 2: "text-warning", 3: "text-notice"}  # of a chat whose TEXT was not of type 04
_TYPE = re.compile(r"0?[0-4]")
_AUTHOR = re.compile(r"\[([^\[\]\n]*)\] ")


def text(line: Line) -> Meaning:
    """One text. Raise DecodeError when its type or encoding is unknown or it is empty."""
    recipient, kind, encoding, words, reference = line.content[:5]
    if kind and not _TYPE.fullmatch(kind):
        raise DecodeError(Fault.MALFORMED, "text.type")
    if encoding.upper() == "BASE64":
        words = read_words(read_base64(words, "text.text", 2 * TEXT_BYTES))
    elif encoding.upper() not in ("", "NONE"):
        raise DecodeError(Fault.MALFORMED, "text.encoding")
    if not words:
        raise DecodeError(Fault.MISSING, "text.text")
    number = int(kind or "0")
    relayed = line.sender == RELAY and bool(reference)
    subject = unescape(reference) if relayed else line.event_subject()
    about = () if relayed or not reference else (Reference(relation="reference", subject=line.subject(reference)),)
    filled = form.read(words)
    if filled is not None:
        return Meaning(subject, filled, _unheard(recipient), references=about)
    author = line.sender or None
    if relayed:
        author, words = _author(words)
    if number == 1:
        return Meaning(subject, plain_alert(words, author), _unheard(recipient), references=about)
    to = tuple(name for name in recipient.split("#") if name)
    body = Chat(text=words, to=to, sender=_person(author))
    return Meaning(subject, body, [], references=about, dialect=DIALECTS.get(number))


def _unheard(recipient: str) -> list[Loss]:
    """An alert or a form is for everybody."""
    return [Loss(field="to", reason=LossReason.NO_FIELD)] if recipient else []


def plain_alert(words: str, author: str | None) -> Alert:
    """An alert of which only the words are known."""
    return Alert(event=EVENT, description=words, raised_by=_person(author))


def _person(name: str | None) -> Identity:
    return NOBODY if name is None else Identity(callsign=name)


def _author(words: str) -> tuple[str | None, str]:
    found = _AUTHOR.match(words)
    return (None, words) if found is None else (found[1] or None, words[found.end() :])
