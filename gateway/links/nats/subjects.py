"""MQTT topics as NATS subjects and back, exactly as nats-server's own MQTT listener writes them. Pure.

``a/b`` is ``a.b``; a dot inside a level is ``//``; an empty level is ``/``. White space, ``*``, ``>`` and topics that
begin with ``$`` or ``_INBOX`` (the server's own subjects) have no subject.
"""

from __future__ import annotations

import re

_UNSAYABLE = re.compile(r"[\x00-\x20\x7f*>]")
_OWN = ("$", "_INBOX")
SUBJECT_MAX = 2048  # bytes; a server closes the connection over a control line of more than 4096


class BadTopicError(ValueError):
    """A topic or filter that no subject can carry."""


def subject(topic: str) -> str:
    """The subject of a topic. Raise BadTopicError for a filter, or for what a subject cannot carry."""
    if "+" in topic or "#" in topic:
        raise BadTopicError("a topic has no wildcards")
    return _bounded(_convert(topic))


def filters(topic_filter: str) -> tuple[str, ...]:
    """The subjects of a topic filter: two where it ends with ``/#``, which also means the level above."""
    levels = topic_filter.split("/")
    if any(level not in {"+", "#"} and ("+" in level or "#" in level) for level in levels) or "#" in levels[:-1]:
        raise BadTopicError("a wildcard stands alone in its level")
    if topic_filter == "#":
        return (">",)
    if levels[-1] == "#":
        above = topic_filter[:-2]
        return (_wild(above), f"{_wild(above)}.>")
    return (_wild(topic_filter),)


def topic(name: str) -> str:
    """The topic of a subject."""
    if "/" not in name:
        return name.replace(".", "/")
    out, index = [], 0
    while index < len(name):
        sign = name[index]
        if sign == "/" and name[index + 1 : index + 2] in {".", "/"}:
            out.append("/" if name[index + 1] == "." else ".")
            index += 1
        elif sign == ".":
            out.append("/")
        elif sign != "/":
            out.append(sign)
        index += 1
    return "".join(out)


def covers(wide: str, narrow: str) -> bool:
    """Whether every subject that ``narrow`` means is meant by ``wide`` too."""
    theirs = narrow.split(".")
    for index, level in enumerate(ours := wide.split(".")):
        if level == ">":
            return index < len(theirs)
        if index >= len(theirs) or theirs[index] == ">" or (level not in {"*", theirs[index]}):
            return False
    return len(ours) == len(theirs)


def least(names: list[str]) -> list[str]:
    """The subjects without those that another one covers, in order: a stream refuses overlaps within itself."""
    unique = list(dict.fromkeys(names))
    return [one for one in unique if not any(other != one and covers(other, one) for other in unique)]


def token(text: str) -> str:
    """A name that can stand in an API subject: of a stream or a consumer."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)[:64]


def _bounded(name: str) -> str:
    if len(name.encode(errors="replace")) > SUBJECT_MAX:
        raise BadTopicError("longer than a subject can be")
    return name


def _wild(text: str) -> str:
    """The subject of a filter whose wildcards each stand alone."""
    return _bounded(".".join("*" if level == "+" else level for level in _convert(text).split(".")))


def _convert(text: str) -> str:
    if not text or _UNSAYABLE.search(text) or text.startswith(_OWN):
        raise BadTopicError("no subject can carry it")
    if "." not in text and "//" not in text and text[0] != "/" and text[-1] != "/":
        return text.replace("/", ".")
    out: list[str] = []
    for index, sign in enumerate(text):
        if sign == ".":
            out.append("//")
        elif sign != "/":
            out.append(sign)
        elif not out or out[-1][-1] == ".":
            out.append("/.")
        elif index == len(text) - 1 or text[index + 1] == "/":
            out.append("./")
        else:
            out.append(".")
    if out[-1][-1] == ".":
        out.append("/")
    return "".join(out)
