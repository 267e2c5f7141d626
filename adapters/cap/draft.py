"""A CAP document in the making: what it cannot say and what had to be computed is collected on the way."""

from __future__ import annotations

from datetime import datetime

from adapters.cap import kept
from protocols.message import Derived, Loss, LossReason, Message
from protocols.moment import is_whole, write_iso_seconds
from protocols.unsaid import unsaid
from protocols.xml import carries, escape

_ZONE = "-00:00"  # CAP 1.2, 3.3.2: never Z


class Draft:
    """What the parts of a document have in common. ``sent`` is the time of the alert."""

    def __init__(self, message: Message, sent: datetime) -> None:
        self.message = message
        self.sent = sent
        self.losses: list[Loss] = []
        self.derived: list[Derived] = []
        self.used = 0  # of what was kept
        self.carried: set[str] = {"label", "mode", "times.observed", "times.created"}

    def all_losses(self) -> tuple[Loss, ...]:
        """What was noted while writing, and every field that was not looked at."""
        if self.used == len(self.message.extras):
            self.carried.add("extras")
        return tuple(dict.fromkeys([*self.losses, *unsaid(self.message, self.carried)]))

    def lose(self, field: str, reason: LossReason, *, approximated: bool = False) -> None:
        """Note a field that did not come through whole."""
        self.carried.add(field)
        self.losses.append(Loss(field=field, reason=reason, approximated=approximated))

    def kept(self, *names: str) -> str:
        """Elements that were kept for the way home. They may come from another gateway, so they are looked at again."""
        found = [each for each in self.message.extras if each.format == kept.FORMAT and each.name in names]
        sound = [each for each in found if kept.is_sound(each)]
        self.used += len(sound)
        return "".join(kept.write(each) for name in names for each in sound if each.name == name)

    def words(self, name: str, text: str | None, field: str | None = None) -> str:
        """An element with text; what XML cannot carry is replaced. Empty text makes no element."""
        if field is not None:
            self.carried.add(field)
        if not text:
            return ""
        if not carries(text):
            self.lose(field or name, LossReason.CHARSET, approximated=True)
        return f"<{name}>{escape(text)}</{name}>"

    def time(self, name: str, at: datetime | None, field: str) -> str:
        """An element with a time, in whole seconds."""
        self.carried.add(field)
        if at is None:
            return ""
        if not is_whole(at):
            self.lose(field, LossReason.PRECISION, approximated=True)
        return f"<{name}>{write_time(at)}</{name}>"


def write_time(at: datetime) -> str:
    """A time as CAP wants it."""
    return write_iso_seconds(at, zone=_ZONE)
