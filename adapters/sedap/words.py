"""Chats, alerts, medical evacuation requests and reports to TEXT (chapter IV.2.5).

SEDAP-Express has no evacuation request and no report, so these go as filled forms (``protocols.form``) which people
read and which read back; so do alerts, unless they are one plain text of a SEDAP-Express sender.
"""

from __future__ import annotations

import re

from adapters import Encoded, EncodeError
from adapters.sedap.fields import Draft, name
from adapters.sedap.grammar import (
    RELAY,
    TEXT_BYTES,
    escape,
    is_field,
    milliseconds,
    native,
    reported_at,
    write_base64,
)
from adapters.sedap.texts import DIALECTS, plain_alert
from protocols import form
from protocols.body import Alert, Chat, Receipt, Report
from protocols.form import Filled
from protocols.message import LossReason, Message

ALERT, NOTICE, CHAT = "1", "3", "4"  # one digit: some readers know no leading zero
_RECIPIENT_BYTES = 1024
_NATIVE = re.compile(r"TEXT-([0-9A-F]{2}|)-([0-9A-F]{12})")
_CODES = {dialect: str(code) for code, dialect in DIALECTS.items()}


def write_chat(message: Message, body: Chat) -> Encoded:
    """A chat, with its author's name in brackets where a gateway relays it."""
    if not body.text:
        raise EncodeError("a TEXT needs words")
    draft = Draft(message)
    draft.carried.add("text")
    sender, number, reference = _named(draft, message)
    words = body.text
    author = body.sender.callsign
    if sender == RELAY:
        draft.carried.add("sender.callsign")
        if author or words.startswith("["):
            words = f"[{_author(draft, author)}] {words}"
    elif author == (sender or None):
        draft.carried.add("sender.callsign")
    kind = _CODES.get(message.source.dialect or "", CHAT) if message.source.format == "sedap" else CHAT
    recipient = "#".join(name(draft, "to", to, _RECIPIENT_BYTES) for to in body.to)
    draft.carried.add("to")
    encoding, field = _words(draft, "text", words)
    return draft.encoded("TEXT", sender, [recipient, kind, encoding, field, reference], number=number)


def write_filled(message: Message, body: Filled) -> Encoded:
    """A filled form: alerts and requests as alerts, reports and receipts as notices."""
    draft = Draft(message)
    sender, number, reference = _named(draft, message)
    draft.carried.update(type(body).__struct_fields__)
    words = body.description if isinstance(body, Alert) and sender != RELAY else None
    if words is None or form.read(words) is not None or plain_alert(words, sender or None) != body:
        words, cut = form.fit(body, TEXT_BYTES * 3 // 4)
        draft.lose("body", LossReason.STRUCTURE, approximated=True)
        for each in sorted(cut):
            draft.lose(each, LossReason.TOO_LONG, approximated=True)
    kind = NOTICE if isinstance(body, Report | Receipt) else ALERT
    encoding, field = _words(draft, "description", words)
    return draft.encoded("TEXT", sender, ["", kind, encoding, field, reference], number=number)


def _named(draft: Draft, message: Message) -> tuple[str, str, str]:
    """Sender, number and reference. A text is its own sender's only when number and time are those of its subject."""
    if message.mode == "unstated":
        draft.carried.add("mode")
    named, at = native(message.subject), reported_at(message)
    found = None if named is None else _NATIVE.fullmatch(named[1])
    if named is None or found is None or at is None or f"{milliseconds(at):012X}" != found[2]:
        return RELAY, "", escape(message.subject)
    sender = named[0]
    about = [ref for ref in message.references if ref.relation == "reference"]
    other = native(about[0].subject) if len(about) == 1 else None
    if other is None or other[0] != sender or len(message.references) != 1:
        return sender, found[1], ""
    draft.carried.add("references")
    return sender, found[1], other[1]


def _author(draft: Draft, author: str | None) -> str:
    if author is None:
        return ""
    plain = "".join("?" if character in "[]\n" else character for character in author)
    if plain != author:
        draft.lose("sender.callsign", LossReason.CHARSET, approximated=True)
    return plain


def _words(draft: Draft, field: str, words: str) -> tuple[str, str]:
    """Encoding and text, in base64 where the characters need it, cut to the document's bytes."""
    plain = is_field(words) and "#" not in words
    room = TEXT_BYTES if plain else TEXT_BYTES * 3 // 4
    coding = "latin-1" if plain else "utf-8"
    if len(words.encode(coding)) > room:
        draft.lose(field, LossReason.TOO_LONG, approximated=True)
        words = words.encode(coding)[:room].decode(coding, errors="ignore")
    return ("NONE", words) if plain else ("BASE64", write_base64(words))
