"""Topics: MQTT topic filters, and the mailboxes of the coalition leg. Pure; meaning is never taken from a topic.

A mailbox topic is ``comity/1/<to>/<from>/d/<shard>``, ``.../k/<eid>`` or ``.../c``, built from validated ids only. Of
an announcement that goes in several frames each stands retained in a topic of its own, ``.../k/<eid>-<number>``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from protocols.unit import is_partner_id

TOPIC_MAX = 512  # bytes; MQTT allows 65 535, no honest publisher needs them
SHARDS = 16  # mailboxes a sender writes to, so that workers can share a box without sharing state


class Slot(StrEnum):
    """The three kinds of mailbox topic."""

    DATA = "d"
    KEYS = "k"
    CONTROL = "c"


class Mailbox(NamedTuple):
    """A parsed mailbox topic; ``tail`` is the shard or the epoch id."""

    to: str
    sender: str
    slot: Slot
    tail: str


def data_topic(to: str, sender: str, eid: bytes) -> str:
    """Where an envelope goes."""
    return f"comity/1/{_id(to)}/{_id(sender)}/d/{shard(eid)}"


def shard(eid: bytes) -> int:
    """Which of a sender's mailboxes the envelopes of an epoch go to."""
    return eid[0] % SHARDS


def key_topic(to: str, sender: str, eid: bytes) -> str:
    """Where a key announcement is retained."""
    return f"comity/1/{_id(to)}/{_id(sender)}/k/{eid.hex()}"


def control_topic(to: str, sender: str) -> str:
    """Where key requests go."""
    return f"comity/1/{_id(to)}/{_id(sender)}/c"


def data_filter(to: str) -> str:
    """What a gateway subscribes to for its envelopes."""
    return f"comity/1/{_id(to)}/+/d/#"


def control_filter(to: str) -> str:
    """What a gateway subscribes to for key requests."""
    return f"comity/1/{_id(to)}/+/c"


def key_filter(to: str) -> str:
    """What a gateway subscribes to for retained key announcements."""
    return f"comity/1/{_id(to)}/+/k/#"


def parse_mailbox(topic: str) -> Mailbox | None:
    """Read a mailbox topic, or None when it is not one."""
    match topic.split("/"):
        case ["comity", "1", to, sender, "d" | "k" as slot, tail] if is_partner_id(to) and is_partner_id(sender):
            return Mailbox(to, sender, Slot(slot), tail.partition("-")[0])
        case ["comity", "1", to, sender, "c"] if is_partner_id(to) and is_partner_id(sender):
            return Mailbox(to, sender, Slot.CONTROL, "")
        case _:
            return None


def is_topic(topic: str) -> bool:
    """Whether something may be published there (MQTT 5, 4.7: no wildcards, no NUL; here also bounded)."""
    return 0 < len(topic.encode(errors="replace")) <= TOPIC_MAX and not set(topic) & set("+#*>\0")


def is_filter(text: str) -> bool:
    """Whether a text is a valid topic filter (MQTT 5, 4.7.1): wildcards fill a whole level, ``#`` the last."""
    levels = text.split("/")
    if not text or len(text.encode(errors="replace")) > TOPIC_MAX or "\0" in text:
        return False
    return all(level in {"+", "#"} or not set(level) & set("+#") for level in levels) and "#" not in levels[:-1]


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a filter covers a topic (MQTT 5, 4.7; ``$`` topics only when named)."""
    if topic.startswith("$") != topic_filter.startswith("$"):
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(levels) or level not in {"+", levels[place]}:
            return False
    return len(wanted) == len(levels)


def overlap(one: str, other: str) -> bool:
    """Whether some topic matches both filters."""
    if one.startswith("$") != other.startswith("$"):
        return False
    ours, theirs = one.split("/"), other.split("/")
    for mine, yours in zip(ours, theirs, strict=False):
        if "#" in {mine, yours}:
            return True
        if mine != yours and "+" not in {mine, yours}:
            return False
    longer = ours if len(ours) > len(theirs) else theirs
    shorter = min(len(ours), len(theirs))
    empty = shorter == 1 and "" in {ours[0], theirs[0]}  # what "/#" has beside "/" and below is no topic
    return len(longer) == shorter or (longer[shorter:] == ["#"] and not empty)


def _id(partner: str) -> str:
    if not is_partner_id(partner):
        raise ValueError("not a partner id")
    return partner
