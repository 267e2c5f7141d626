"""The small events: delete (``t-x-d-d``), ping and pong, and our own form of a situation report.

CoT has no situation report. Ours is a spot marker (``b-m-p-s-m``), which every TAK client draws, with the report as a
filled form in its remarks.
"""

from __future__ import annotations

from protocols import form
from protocols.body import Delete, Report, Status
from protocols.cot.alert import somewhere
from protocols.cot.detail import write_remarks
from protocols.cot.event import CotError, CotFault, Details, Event
from protocols.cot.markup import CannotSayError, Element, Part
from protocols.ledger import Ledger
from protocols.message import Message

DELETE = "t-x-d-d"
PING, PONG = "t-x-c-t", "t-x-c-t-r"
REPORT = "b-m-p-s-m"
_BEATS = {PING: "ping", PONG: "pong"}
_PYTAK_BEATS = {"takPing": "ping", "takPong": "pong"}  # PyTAK says both as deletes without a link


def heartbeat(event: Event, details: Details) -> str | None:
    """``ping`` or ``pong`` where an event only says that a client is alive, else None."""
    if event.type == DELETE and not details.links:
        return _PYTAK_BEATS.get(event.uid)
    return _BEATS.get(event.type)


def write_status(body: Status) -> Part:
    """A heartbeat; CoT has no event for any other state of a system."""
    for cot_type, beat in _BEATS.items():
        if body.technical == beat:
            return Part(cot_type, [], how="m-g", stale_s=60)
    raise CannotSayError("CoT has no event for the state of a system")


def read_delete(details: Details) -> Delete:
    """What the originator takes back. Raise CotError when it does not say."""
    for node in details.links:
        target = node.get("uid")
        if target:
            return Delete(target=target, hard="__forcedelete" in details.first)
    raise CotError(CotFault.MISSING, "detail/link@uid")


def write_delete(message: Message, body: Delete, ledger: Ledger) -> Part:
    """A delete event, with a uid of its own."""
    if not body.target:
        raise CannotSayError("a delete without a target")
    if body.target != message.subject:
        ledger.drop("subject")
    details = [Element("link", {"relation": "p-p", "uid": body.target, "type": "a-u"})]
    if body.hard:
        details.append(Element("__forcedelete"))
    return Part(DELETE, details, uid=f"{body.target}.delete", how="m-r", stale_s=3600)


def read_report(event: Event, details: Details) -> Report | None:
    """A report in our own form, or None when the event is not one."""
    remarks = details.text("remarks") if event.type == REPORT else None
    filled = None if remarks is None else form.read(remarks)
    return filled if isinstance(filled, Report) else None


def write_report(body: Report) -> Part:
    """A report as a spot marker that carries the filled form."""
    position = body.position
    if position is None and body.area is not None:
        position = somewhere(body.area)
    contact = Element("contact", {"callsign": body.event})  # what a TAK client writes beside the marker
    return Part(REPORT, [contact, *write_remarks(form.write(body))], position, how="h-e", stale_s=86_400)
