"""The small events: delete (``t-x-d-d``), ping and pong, and our own form of a situation report.

CoT has no situation report. Ours is a spot marker (``b-m-p-s-m``), which every TAK client draws, with the narrative in
its remarks, and a detail element ``__comity_report`` that holds the rest for the way back.
"""

from __future__ import annotations

from datetime import datetime

from protocols.body import Delete, Report, Status
from protocols.cot.alert import somewhere
from protocols.cot.chat import place
from protocols.cot.detail import Details, read_identity, write_identity, write_remarks
from protocols.cot.event import CannotSayError, CotError, CotFault, Element, Event, Part
from protocols.ledger import Ledger
from protocols.message import LossReason
from protocols.moment import read_iso, write_iso

DELETE = "t-x-d-d"
PING, PONG = "t-x-c-t", "t-x-c-t-r"
REPORT = "b-m-p-s-m"
REPORT_ELEMENT = "__comity_report"
_COUNTS = ("killed", "injured", "missing", "displaced", "evacuated")
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


def write_delete(body: Delete) -> Part:
    """A delete event."""
    details = [Element("link", {"relation": "p-p", "uid": body.target, "type": "a-u"})]
    if body.hard:
        details.append(Element("__forcedelete"))
    return Part(DELETE, details, None, how="m-r", stale_s=3600)


def read_report(event: Event, details: Details, unread: list[str]) -> Report | None:
    """A report in our own form, or None when the event is not one."""
    node = details.first.get(REPORT_ELEMENT)
    if node is None:
        return None
    counts: dict[str, int] = {}
    for name in _COUNTS:
        text = node.get(name)
        if text is not None and text.isascii() and text.isdigit() and len(text) < 10:
            counts[name] = int(text)
        elif text is not None:
            unread.append(f"body.{name}")
    return Report(
        event=node.get("event") or event.type,
        status=node.get("status") or None,
        position=place(event.position),
        occurred=_occurred(node.get("occurred"), unread),
        narrative=details.text("remarks"),
        reported_by=read_identity(details),
        language=node.get("language") or None,
        killed=counts.get("killed"),
        injured=counts.get("injured"),
        missing=counts.get("missing"),
        displaced=counts.get("displaced"),
        evacuated=counts.get("evacuated"),
    )


def write_report(body: Report, ledger: Ledger) -> Part:
    """A report as a spot marker that carries its own particulars."""
    said = {"event": body.event}
    said |= {name: text for name in ("status", "language") if (text := getattr(body, name))}
    said |= {name: str(count) for name in _COUNTS if (count := getattr(body, name)) is not None}
    if body.occurred is not None:
        said["occurred"] = write_iso(body.occurred)
    position = body.position
    if position is None and body.area is not None:
        position = somewhere(body.area)
        if position is not None:
            ledger.derive("body.position", "body.area", "first-circle-or-mean-of-ring")
    if body.area is not None:
        ledger.drop("body.area", LossReason.NO_FIELD)
    details = [*write_identity(body.reported_by), Element(REPORT_ELEMENT, said), *write_remarks(body.narrative)]
    return Part(REPORT, details, position, how="h-e", stale_s=86_400)


def _occurred(text: str | None, unread: list[str]) -> datetime | None:
    if text is None:
        return None
    try:
        return read_iso(text)
    except ValueError:
        unread.append("body.occurred")
        return None
