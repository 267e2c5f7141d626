"""Status and receipts to STATUS, HEARTBEAT and ACKNOWLEDGE (chapters IV.2.8, IV.2.9, IV.2.12)."""

from __future__ import annotations

import re

from adapters import Encoded, EncodeError
from adapters.sedap.fields import Draft, name
from adapters.sedap.grammar import OWN, TYPES, native, write_base64, write_number
from adapters.sedap.orders import OPERATIONAL, TECHNICAL, levels
from adapters.sedap.words import write_filled
from protocols.body import Receipt, ReceiptState, Status
from protocols.message import LossReason, Message

_FULL = 100.0  # percent
_CODES = {word: str(code) for code, word in TECHNICAL.items()}
_OPERATIONAL_CODES = {word: str(code) for code, word in OPERATIONAL.items()}
_NAMED = re.compile(r"([A-Z]+)-([0-9A-F]{2})(?:-.*)?")


def write_status(message: Message, body: Status) -> Encoded:
    """The state of a SEDAP-Express sender; the format has no field for whose state another one is."""
    named = native(message.subject)
    if named is None or named[1] != OWN:
        raise EncodeError("STATUS has no field for whose state it is")
    draft = Draft(message)
    draft.carried.add("mode" if message.mode == "unstated" else "text")
    if body == Status():
        draft.carried.add("addressees")
        recipient = "#".join(name(draft, "addressees", each, 1024) for each in message.addressees)
        return draft.encoded("HEARTBEAT", named[0], [recipient])
    content = [
        _coded(draft, "technical", body.technical, _CODES),
        _coded(draft, "operational", body.operational, _OPERATIONAL_CODES),
        _levels(draft, "ammunition", body.ammunition),
        _levels(draft, "fuel", body.fuel),
        _battery(draft, body),
        *(draft.kept(name) for name in ("command_id", "command_state", "host", "media")),
        write_base64(body.text or ""),
    ]
    draft.carried.update(("battery_percent", "text"))
    return draft.encoded("STATUS", named[0], content)


def write_receipt(message: Message, body: Receipt) -> Encoded:
    """An acknowledgement that a SEDAP-Express message arrived; every other receipt is a notice for people to read."""
    named = native(body.of)
    found = None if named is None else _NAMED.fullmatch(named[1])
    if named is None or found is None or found[1] not in TYPES or body.state is not ReceiptState.DELIVERED:
        return write_filled(message, body)
    draft = Draft(message)
    draft.carried.update(("of", "state"))
    draft.carried.add("mode" if message.mode == "unstated" else "of")
    own = native(message.subject)
    if own is None or not own[1].startswith("ACKNOWLEDGE-"):
        draft.lose("subject", LossReason.NO_FIELD)
    sender, number = ("COMITY", "") if own is None else (own[0], _number(own[1]))
    return draft.encoded("ACKNOWLEDGE", sender, [named[0], found[1], found[2]], number=number)


def _number(own_id: str) -> str:
    found = _NAMED.fullmatch(own_id)
    return "" if found is None else found[2]


def _coded(draft: Draft, field: str, word: str | None, codes: dict[str, str]) -> str:
    draft.carried.add(field)
    code = codes.get(word or "", "")
    if word and not code:
        draft.lose(field, LossReason.NO_CODE)
    return code


def _battery(draft: Draft, body: Status) -> str:
    """The batteries by name where they are known, else the one level without a name."""
    if body.battery_percent is None:
        return ""
    named = draft.kept("battery")
    try:
        same = min(percent for _, percent in levels(named, "battery")) == body.battery_percent
    except ValueError:  # also DecodeError: no such levels
        same = False
    return named if same else f"#{write_number(body.battery_percent)}"


def _levels(draft: Draft, field: str, levels: tuple[tuple[str, float], ...]) -> str:
    draft.carried.add(field)
    shares = [(what, percent) for what, percent in levels if percent <= _FULL]
    if len(shares) != len(levels):  # no share of what is full, which a reader refuses
        draft.lose(field, LossReason.NO_CODE, approximated=bool(shares))
    return "#".join(f"{name(draft, field, what)}#{write_number(percent)}" for what, percent in shares)
