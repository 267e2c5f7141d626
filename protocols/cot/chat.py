"""GeoChat and its receipts.

A chat that began as CoT keeps its uid as subject. One from another format is written as
``GeoChat.COMITY.<room>.<subject>``, which is what TAK clients listen to, and read back as its own subject.
"""

from __future__ import annotations

from lxml import etree
from msgspec.structs import replace

from protocols.body import Chat, Receipt, ReceiptState
from protocols.cot.detail import read_identity, write_identity
from protocols.cot.event import CotError, CotFault, Details, Event, Point, children_of, is_type, text_of
from protocols.cot.markup import CannotSayError, Element, Part
from protocols.ledger import Ledger
from protocols.message import Extra, LossReason, Message
from protocols.quantity import Position
from protocols.xml import XmlError, escape, parse

EVERYBODY = "All Chat Rooms"
NOT_SAID = "COMITY"  # in the place of a sender's uid
RELAYED = f"GeoChat.{NOT_SAID}."
RECIPIENTS_MAX = 256
_ROOT = "RootContactGroup"

_SAID = ("id", "parent", "groupOwner", "messageId")  # of a conversation, where it is not what is written by default
_STATES = {
    "b-t-f-d": ReceiptState.DELIVERED,
    "b-t-f-r": ReceiptState.READ,
    "y-a-r": ReceiptState.DELIVERED,
    "y-a-w": ReceiptState.ACCEPTED,
    "y-c-s": ReceiptState.ACCEPTED,
    "y-c-f-d": ReceiptState.REFUSED,
    "y-c-f-s": ReceiptState.EXPIRED,
}
_TYPES = {
    ReceiptState.DELIVERED: "b-t-f-d",
    ReceiptState.READ: "b-t-f-r",
    ReceiptState.ACCEPTED: "y-a-w",
    ReceiptState.REFUSED: "y-c-f-d",
    ReceiptState.FAILED: "y-c-f",
    ReceiptState.EXPIRED: "y-c-f-s",
}


_SAME = frozenset({"b-t-f-d", "b-t-f-r", "y-a-r", "y-a-w", "y-c-f", "y-c-f-d", "y-c-f-s"})  # no more than their state


def chat_subject(uid: str) -> str:
    """The subject of a GeoChat uid: itself, or what it relays."""
    if not uid.startswith(RELAYED):
        return uid
    _, _, subject = uid[len(RELAYED) :].partition(".")
    return subject or uid


def read_chat(event: Event, details: Details) -> Chat:
    """A chat line (b-t-f). Raise CotError when there is no text element at all."""
    remarks = details.first.get("remarks")
    if remarks is None:
        raise CotError(CotFault.MISSING, "detail/remarks")
    room = details.get("__chat", "chatroom") or details.get("__chat", "chatRoom") or details.get("__chat", "id")
    uids = _members(details)
    direct = _direct_to(details, uids)
    if room is None and EVERYBODY in uids:
        room = EVERYBODY
    callsign = details.get("__chat", "senderCallsign")
    sender = read_identity(details)
    return Chat(
        text=text_of(remarks),
        room=None if direct is not None else room,
        to=(direct,) if direct is not None else tuple([uid for uid in uids[1:] if uid not in (room, EVERYBODY)]),
        sender=sender if callsign is None else replace(sender, callsign=callsign),
        position=place(event.point),
    )


def place(point: Point) -> Position | None:
    """The position of an event that need not have one."""
    return None if point.is_nowhere else point.position()


def write_chat(message: Message, body: Chat, ledger: Ledger) -> Part:
    """A chat line. Several recipients without a room become a group of that name."""
    ledger.drop_given("", body, "language", "thread")
    sender = next((r.subject for r in message.references if r.relation == "p-p"), NOT_SAID)
    usual, more = usual_chat(message.subject, body), ""
    room = usual["id"]
    for extra in message.extras:
        if extra.format == "cot" and extra.name == "@chat":
            usual |= {name: text for name, text in extra.attributes if name in _SAID and text}
            more = extra.inner or ""
    identity = usual["id"]
    if body.room == "" or not {"", EVERYBODY, body.room}.isdisjoint(body.to):
        ledger.derive("room", "to", "a-room-is-no-recipient")
        ledger.derive("to", "room", "a-room-is-no-recipient")
    if body.room is None and not body.to:
        ledger.derive("room", "to", "nobody-named-is-everybody")
    elif body.room is None and len(body.to) > 1:
        ledger.derive("room", "to", "several-recipients-are-a-group")
    uids = [sender, room] if room == EVERYBODY or room in body.to else [sender, *body.to[:RECIPIENTS_MAX]]
    if room == EVERYBODY and body.to:
        uids += body.to[:RECIPIENTS_MAX]
    if len(body.to) > RECIPIENTS_MAX:
        ledger.approximate("to", LossReason.TOO_LONG)
    own = message.subject.startswith("GeoChat.")
    uid = message.subject if own else f"{RELAYED}{room.replace('.', '_')}.{message.subject}"
    chat = usual | {"chatroom": room} | ({"senderCallsign": body.sender.callsign} if body.sender.callsign else {})
    members = Element("chatgrp", {f"uid{index}": uid for index, uid in enumerate(uids)} | {"id": identity})
    remarks = {"source": f"BAO.F.ATAK.{sender}", "to": identity}
    return Part(
        "b-t-f",
        [
            Element("__chat", chat, members.xml() + (more if _is_sound(more) else "")),
            *write_identity(body.sender),
            Element("remarks", remarks, escape(body.text)),
        ],
        body.position,
        how="h-g-i-g-o",
        stale_s=86_400,
        uid=uid,
    )


def usual_chat(subject: str, body: Chat) -> dict[str, str]:
    """What ``__chat`` says of a conversation unless a client said something else: ``id`` is also its room."""
    room = body.room
    if room is None and body.to:
        room = body.to[0] if len(body.to) == 1 else "Group"
    room = room or EVERYBODY
    return {
        "parent": _ROOT if room in (EVERYBODY, *body.to) else "UserGroups",
        "groupOwner": "false",
        "messageId": subject.rpartition(".")[2] if subject.startswith("GeoChat.") else subject,
        "id": room,
    }


def unusual_chat(event: Event, body: Chat) -> Extra | None:
    """What a client said of a conversation that is not usual, and what is in ``__chat`` beside its group."""
    node = event.details.first.get("__chat")
    if node is None:
        return None
    usual = usual_chat(chat_subject(event.uid), body)
    said = tuple([(name, text) for name in _SAID if (text := node.get(name)) and text != usual[name]])
    others = [child for child in children_of(node) if child.tag != "chatgrp"]
    inner = "".join([etree.tostring(child, encoding="unicode", with_tail=False) for child in others])
    return Extra(format="cot", name="@chat", attributes=said, inner=inner or None) if said or inner else None


def read_receipt(event: Event, details: Details) -> Receipt | None:
    """A delivery or read receipt, or a reply to a tasking; None for a reply that is no receipt.

    Raise CotError when it names no message.
    """
    state = _state_of(event.type)
    if state is None:
        return None
    linked = [uid for node in details.links if (uid := node.get("uid"))]
    chats = [uid for uid in linked if uid.startswith("GeoChat.")]
    of = chats[0] if chats else details.get("__chatreceipt", "messageId") or (linked[0] if linked else None)
    if of is None:
        raise CotError(CotFault.MISSING, "detail/link@uid")
    return Receipt(of=chat_subject(of), state=state, reason=details.text("remarks"))


def receipt_type(state: ReceiptState) -> str:
    """The type that a receipt is written as unless it came as another one."""
    return _TYPES[state]


def says_more(cot_type: str) -> bool:
    """Whether a receipt's type says more than its state: success is more than wilco, no assets more than failed."""
    return cot_type not in _SAME


def write_receipt(body: Receipt, kept_type: str | None) -> Part:
    """A receipt, linked to the subject that it is about. Raise CannotSayError when it is about nothing."""
    if not body.of:
        raise CannotSayError("a receipt without what it is of")
    link = Element("link", {"uid": body.of, "relation": "p-p", "type": "b-t-f"})
    remarks = [Element("remarks", inner=escape(body.reason))] if body.reason else []
    cot_type = _TYPES[body.state]
    if kept_type is not None and is_type(kept_type) and _state_of(kept_type) is body.state:
        cot_type = kept_type
    return Part(cot_type, [link, *remarks], None, how="h-g-i-g-o", stale_s=3600)


def _state_of(cot_type: str) -> ReceiptState | None:
    state = _STATES.get(cot_type)
    return ReceiptState.FAILED if state is None and cot_type.startswith("y-c-f") else state


def _is_sound(inner: str) -> bool:
    """Whether XML that may come from another gateway stays inside its element."""
    try:
        parse(f"<x>{inner}</x>".encode(errors="replace"))
    except XmlError:
        return False
    return True


def chat_sender(details: Details) -> str | None:
    """The uid of who sent a chat, as its group lists it; none where it is only our mark for "not said"."""
    uids = _members(details)
    return uids[0] if uids and uids[0] != NOT_SAID else None


def _members(details: Details) -> list[str]:
    chat = details.first.get("__chat")
    groups = [] if chat is None else [child for child in children_of(chat) if child.tag == "chatgrp"]
    if not groups:
        return []
    uids = [groups[0].get(f"uid{index}") for index in range(RECIPIENTS_MAX)]
    return [uid for uid in uids if uid]


def _direct_to(details: Details, uids: list[str]) -> str | None:
    """The recipient's uid of a direct message, which ATAK writes as a room that two share and that is one of them."""
    identity = details.get("__chat", "id")
    if identity is None or identity == EVERYBODY or len(uids) > 2:
        return None
    alone = not uids and details.get("__chat", "parent") == _ROOT and identity == details.get("remarks", "to")
    return identity if alone or identity in uids[1:] else None
