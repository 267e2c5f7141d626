"""GeoChat and its receipts.

A chat that began as CoT keeps its uid as subject. One from another format is written as
``GeoChat.COMITY.<room>.<subject>``, which is what TAK clients listen to, and read back as its own subject.
"""

from __future__ import annotations

from msgspec.structs import replace

from protocols.body import Chat, Receipt, ReceiptState
from protocols.cot.detail import read_identity, write_identity
from protocols.cot.event import CotError, CotFault, Details, Event, Point, children_of, text_of
from protocols.cot.markup import CannotSayError, Element, Part
from protocols.ledger import Ledger
from protocols.message import LossReason, Message
from protocols.quantity import Position
from protocols.xml import escape

EVERYBODY = "All Chat Rooms"
NOT_SAID = "COMITY"  # in the place of a sender's uid
RELAYED = f"GeoChat.{NOT_SAID}."
RECIPIENTS_MAX = 256
_ROOT = "RootContactGroup"

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
    room, identity = body.room or EVERYBODY, body.room or EVERYBODY
    if body.room == "" or not {"", EVERYBODY, body.room}.isdisjoint(body.to):
        ledger.derive("room", "to", "a-room-is-no-recipient")
        ledger.derive("to", "room", "a-room-is-no-recipient")
    if body.room is None and not body.to:
        ledger.derive("room", "to", "nobody-named-is-everybody")
    elif body.room is None and len(body.to) == 1:
        room = identity = body.to[0]
    elif body.room is None and body.to:
        room = identity = "Group"
        ledger.derive("room", "to", "several-recipients-are-a-group")
    uids = [sender, identity] if room == EVERYBODY or room in body.to else [sender, *body.to[:RECIPIENTS_MAX]]
    if room == EVERYBODY and body.to:
        uids += body.to[:RECIPIENTS_MAX]
    if len(body.to) > RECIPIENTS_MAX:
        ledger.approximate("to", LossReason.TOO_LONG)
    own = message.subject.startswith("GeoChat.")
    uid = message.subject if own else f"{RELAYED}{room.replace('.', '_')}.{message.subject}"
    chat = {
        "parent": _ROOT if room in (EVERYBODY, *body.to) else "UserGroups",
        "groupOwner": "false",
        "messageId": message.subject.rpartition(".")[2] if own else message.subject,
        "chatroom": room,
        "id": identity,
    } | ({"senderCallsign": body.sender.callsign} if body.sender.callsign else {})
    members = Element("chatgrp", {f"uid{index}": uid for index, uid in enumerate(uids)} | {"id": identity})
    remarks = {"source": f"BAO.F.ATAK.{sender}", "to": identity}
    return Part(
        "b-t-f",
        [
            Element("__chat", chat, members.xml()),
            *write_identity(body.sender),
            Element("remarks", remarks, escape(body.text)),
        ],
        body.position,
        how="h-g-i-g-o",
        stale_s=86_400,
        uid=uid,
    )


def read_receipt(event: Event, details: Details) -> Receipt:
    """A delivery or read receipt, or a reply to a tasking. Raise CotError when it names no message."""
    linked = [uid for node in details.links if (uid := node.get("uid"))]
    chats = [uid for uid in linked if uid.startswith("GeoChat.")]
    of = chats[0] if chats else details.get("__chatreceipt", "messageId") or (linked[0] if linked else None)
    if of is None:
        raise CotError(CotFault.MISSING, "detail/link@uid")
    state = _STATES.get(event.type)
    if state is None and event.type.startswith("y-c-f"):
        state = ReceiptState.FAILED
    if state is None:
        raise CotError(CotFault.UNSUPPORTED, "event@type")
    return Receipt(of=chat_subject(of), state=state, reason=details.text("remarks"))


def write_receipt(body: Receipt) -> Part:
    """A receipt, linked to the subject that it is about. Raise CannotSayError when it is about nothing."""
    if not body.of:
        raise CannotSayError("a receipt without what it is of")
    link = Element("link", {"uid": body.of, "relation": "p-p", "type": "b-t-f"})
    remarks = [Element("remarks", inner=escape(body.reason))] if body.reason else []
    return Part(_TYPES[body.state], [link, *remarks], None, how="h-g-i-g-o", stale_s=3600)


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
