"""How a TAK server and its client agree to leave XML for TAK Protocol version 1 on a stream (protocol.txt). Pure.

The server offers versions (``t-x-takp-v``), the client asks for one (``t-x-takp-q``), the server answers
(``t-x-takp-r``); after a yes both write version 1. An answer later than a minute after the question means no.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from protocols.cot.event import CotError, Event, children_of, parse_event
from protocols.cot.markup import Draft, Element, write_event

OFFER, REQUEST, RESPONSE = "t-x-takp-v", "t-x-takp-q", "t-x-takp-r"
PATIENCE = timedelta(seconds=60)
VERSIONS_MAX = 16


class Offer(NamedTuple):
    """The versions that a server speaks."""

    versions: tuple[int, ...]


class Request(NamedTuple):
    """The version that a client asks for."""

    version: int


class Response(NamedTuple):
    """Whether the server agrees."""

    accepted: bool


Step: TypeAlias = Offer | Request | Response


def read_step(data: bytes) -> Step | None:
    """What step of the handshake an XML event is, or None where it is none. Raise CotError where it is no event."""
    event = parse_event(data)
    if event.type == OFFER:
        versions = [_version(value) for value in _values(event, "TakProtocolSupport", "version")]
        return Offer(tuple(version for version in versions if version))
    if event.type == REQUEST:
        return Request(next(map(_version, _values(event, "TakRequest", "version")), 0))
    if event.type == RESPONSE:
        return Response("true" in _values(event, "TakResponse", "status"))
    return None


def write_step(step: Step, uid: str, now: datetime) -> bytes:
    """A step of the handshake as an XML event of the sender ``uid``."""
    if isinstance(step, Offer):
        cot_type, said = OFFER, [Element("TakProtocolSupport", {"version": str(v)}) for v in step.versions]
    elif isinstance(step, Request):
        cot_type, said = REQUEST, [Element("TakRequest", {"version": str(step.version)})]
    else:
        cot_type, said = RESPONSE, [Element("TakResponse", {"status": "true" if step.accepted else "false"})]
    control = Element("TakControl", inner="".join(element.xml() for element in said))
    return write_event(Draft(cot_type, uid, now, now, now + PATIENCE, "m-g", None, [control]))


def answer(step: Step, spoken: Sequence[int] = (1,)) -> Step | None:
    """The next step of someone who speaks these versions; None where there is nothing more to say."""
    if isinstance(step, Offer):
        shared = set(step.versions) & set(spoken)
        return Request(max(shared)) if shared else None
    return Response(accepted=step.version in spoken) if isinstance(step, Request) else None


def _values(event: Event, tag: str, attribute: str) -> list[str]:
    control = event.details.first.get("TakControl")
    found = [] if control is None else [child for child in children_of(control) if child.tag == tag]
    return [child.get(attribute, "") for child in found[:VERSIONS_MAX]]


def _version(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


__all__ = ["PATIENCE", "CotError", "Offer", "Request", "Response", "Step", "answer", "read_step", "write_step"]
