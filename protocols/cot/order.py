"""Tasks that a gateway may carry (``t-...``) and file announcements (``b-f-t-r``).

Commands to weapons are never read and never written, whatever an agreement says. A file is only named: nobody fetches
it on the way.
"""

from __future__ import annotations

from protocols.body import FileReference, Task
from protocols.cot.chat import place
from protocols.cot.event import CotError, CotFault, Details, Event, children_of, is_type, pairs_of, text_of
from protocols.cot.markup import CannotSayError, Element, Part
from protocols.ledger import Ledger

FILE = "b-f-t-r"
PARAMETERS_MAX = 64
ENGAGE = frozenset({"engage", "strike", "destroy", "attack", "fire", "target"})
_WEAPONS = ("t-k", "t-a-k", "t-a-c", "t-a-s", "t-a-e", "t-p-k", "t-p-a-k", "t-p-a-c")  # MITRE: strike, CAS, SEAD, EW
_PARTS = ("task", "request")


def is_weapon(cot_type: str) -> bool:
    """Whether a type is a command to a weapon."""
    return any(cot_type == code or cot_type.startswith(code + "-") for code in _WEAPONS)


def read_task(event: Event, details: Details, unread: list[str]) -> Task:
    """A task: its type is the verb, its object the first link, its parameters the attributes of task and request."""
    targets = [uid for node in details.links if (uid := node.get("uid"))]
    parameters: list[tuple[str, str]] = []
    for part in _PARTS:
        node = details.first.get(part)
        if node is not None:
            parameters += [(f"{part}.{name}", value) for name, value in pairs_of(node)]
            if len(parameters) > PARAMETERS_MAX or len(children_of(node)) or text_of(node).strip():
                unread.append(f"detail/{part}")
    return Task(
        verb=event.type,
        target=targets[0] if targets else None,
        position=place(event.point),
        parameters=tuple(parameters[:PARAMETERS_MAX]),
    )


def write_task(body: Task) -> Part:
    """A task that began as CoT; verbs of other formats have no CoT type. Raise CannotSayError."""
    if not body.verb.startswith("t-") or body.verb.startswith("t-x") or not is_type(body.verb):
        raise CannotSayError("CoT has no task of this verb")
    if is_weapon(body.verb) or any(value.lower() in ENGAGE for _, value in body.parameters):
        raise CannotSayError("commands to weapons are never carried")
    details = [] if body.target is None else [Element("link", {"relation": "t-o", "uid": body.target, "type": "a-u"})]
    for part in _PARTS:
        given = {name[len(part) + 1 :]: value for name, value in body.parameters if name.startswith(part + ".")}
        if given:
            details.append(Element(part, given))
    if any(not name.startswith(("task.", "request.")) for name, _ in body.parameters):
        raise CannotSayError("CoT has no place for a parameter of the task")
    return Part(body.verb, details, body.position, how="h-e", stale_s=3600)


def read_file(details: Details, unread: list[str]) -> FileReference:
    """A file that somebody offers. Raise CotError when it is not named."""
    name = details.get("fileshare", "filename") or details.get("fileshare", "name")
    if name is None:
        raise CotError(CotFault.MISSING, "detail/fileshare@filename")
    size = details.get("fileshare", "sizeInBytes") or ""
    is_size = size.isascii() and size.isdigit() and len(size) < 16
    if size and not is_size:
        unread.append("size_bytes")
    return FileReference(
        name=name,
        size_bytes=int(size) if is_size else None,
        sha256=details.get("fileshare", "sha256"),
        uri=details.get("fileshare", "senderUrl"),
    )


def write_file(body: FileReference, shown: str | None, ledger: Ledger) -> Part:
    """A file announcement; ``shown`` is what it is called where that is not the name of the file."""
    if not body.name:
        raise CannotSayError("a file without a name")
    ledger.drop_given("", body, "mime")
    given = {"filename": body.name, "name": shown or body.name}
    given |= {"senderUrl": body.uri} if body.uri is not None else {}
    given |= {"sha256": body.sha256} if body.sha256 is not None else {}
    given |= {"sizeInBytes": str(body.size_bytes)} if body.size_bytes is not None else {}
    return Part(FILE, [Element("fileshare", given)], how="h-e", stale_s=3600)
