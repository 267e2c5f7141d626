"""COMMAND, STATUS, HEARTBEAT and ACKNOWLEDGE (chapters IV.2.7 to IV.2.9, IV.2.12) to bodies."""

from __future__ import annotations

from adapters import DecodeError, Fault
from adapters.sedap.grammar import OWN, TYPES, Line, Meaning, keep, number, read_base64, read_words
from adapters.sedap.positions import read_position
from protocols.body import Receipt, ReceiptState, Status, Task
from protocols.message import Loss
from protocols.quantity import Position

FLAGS = {0: "add", 1: "replace", 2: "cancel", 3: "cancel-all"}
VERBS = {
    0x00: "power-off", 0x01: "restart", 0x02: "standby", 0x03: "sync-time", 0x04: "send-status", 0x05: "move",
    0x06: "rotate", 0x07: "loiter", 0x08: "scan-area", 0x09: "take-photo", 0x0A: "make-video", 0x0B: "live-video",
    0x0C: "engagement", 0xEE: "sanitize", 0xFF: "generic",
}  # fmt: skip
TECHNICAL = {0: "off", 1: "initializing", 2: "degraded", 3: "operational", 4: "fault"}
OPERATIONAL = {0: "not-operational", 1: "degraded", 2: "operational"}
_TEXT_BYTES = 65_536  # of a status; the document sets no bound
_PLACES = {"move": ("tolerance_m", "at"), "loiter": ("radius_m",)}  # what follows latitude, longitude and altitude


def command(line: Line) -> Meaning:
    """An order. A flag or type that the document does not have is refused: orders are never guessed."""
    recipient, own_id, flag, kind = line.content[:4]
    if not recipient or not flag:
        raise DecodeError(Fault.MISSING, "command")
    how = _coded(flag, FLAGS, "command.flag")
    if kind:
        verb = _coded(kind, VERBS, "command.type")
    elif how in ("cancel", "cancel-all"):
        verb = how
    else:
        raise DecodeError(Fault.MISSING, "command.type")
    given = list(line.content[4:])
    while given and not given[-1]:
        given.pop()
    parameters = [("flag", how), ("command_id", own_id)] if own_id else [("flag", how)]
    position: Position | None = None
    names = [str(place) for place in range(1, len(given) + 1)]
    if verb in _PLACES and given:
        latitude, longitude, altitude, *given = [*given, "", "", ""]
        position = read_position((latitude, longitude, altitude))
        names = [*_PLACES[verb], *names]
    parameters += [(name, value) for name, value in zip(names, given, strict=False) if value]
    body = Task(verb=verb, target=recipient, position=position, parameters=tuple(parameters))
    return Meaning(line.event_subject(), body)


def status(line: Line) -> Meaning:
    """The state of the sender. Levels are percent of what is full."""
    technical, operational, ammunition, fuel, battery, command_id, state, host, media, words = line.content[:10]
    losses: list[Loss] = []
    batteries = levels(battery, "status.battery")  # the canonical form has one battery without a name
    extras = keep(losses, battery=battery, command_id=command_id, command_state=state, host=host, media=media)
    body = Status(
        technical=_coded(technical, TECHNICAL, "status.technical") if technical else None,
        operational=_coded(operational, OPERATIONAL, "status.operational") if operational else None,
        battery_percent=min((percent for _, percent in batteries), default=None),
        fuel=levels(fuel, "status.fuel"),
        ammunition=levels(ammunition, "status.ammunition"),
        text=read_words(read_base64(words, "status.text", _TEXT_BYTES)) if words else None,
    )
    return Meaning(line.subject(OWN), body, losses, extras=extras)


def heartbeat(line: Line) -> Meaning:
    """The sender lives, and says no more."""
    return Meaning(line.subject(OWN), Status(), addressees=tuple(name for name in line.content[0].split("#") if name))


def receipt(line: Line) -> Meaning:
    """Something arrived at the sender; what is named by its type and number only."""
    recipient, name, own_number = line.content[:3]
    if not recipient or not name or not own_number:
        raise DecodeError(Fault.MISSING, "acknowledge")
    if name.upper() not in TYPES or len(own_number) > 2 or not own_number.isalnum():
        raise DecodeError(Fault.MALFORMED, "acknowledge")
    of = line.of(recipient, f"{name.upper()}-{own_number.upper().zfill(2)}")
    return Meaning(line.event_subject(), Receipt(of=of, state=ReceiptState.DELIVERED))


def _coded(text: str, codes: dict[int, str], where: str) -> str:
    """A hexadecimal code, with or without leading zero."""
    try:
        value = codes.get(int(text, 16)) if len(text) <= 2 else None
    except ValueError:
        value = None
    if value is None:
        raise DecodeError(Fault.UNSUPPORTED if len(text) <= 2 else Fault.MALFORMED, where)
    return value


def levels(text: str, where: str) -> tuple[tuple[str, float], ...]:
    """Read ``name#percent#name#percent``. Raise DecodeError."""
    if not text:
        return ()
    parts = text.removesuffix("#").split("#")
    if len(parts) % 2:
        raise DecodeError(Fault.MALFORMED, where)
    levels = []
    for name, level in zip(parts[::2], parts[1::2], strict=True):
        percent = number(level, where, 0.0, 100.0)
        if percent is None:
            raise DecodeError(Fault.MISSING, where)
        levels.append((name, percent))
    return tuple(levels)
