"""The sending half of a session at QoS 2: a parcel with an id is delivered once, also if this process is killed. Pure.

What is noted in ``Inflight`` decides, not memory. A parcel that comes again after a restart is sent again under its old
identifier where the broker may or may not have it (a broker drops the repeat, MQTT 5, 4.3.3), waits for its completion
where the broker has it, and is not sent at all once it is done.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

from gateway.links import SendRefusal
from gateway.links.ledger import Entry
from gateway.links.mqtt.inflight import Inflight, Phase, key_of

_WINDOW_MAX = 512  # under way; mosquitto looks through all of them at each packet
_PACKET = struct.Struct(">BBH").pack
_PUBREL = 0x62
_IN_USE = 0x91  # packet identifier in use
_UNKNOWN = b"\x92"  # packet identifier not found


class Once:
    """Parcels with an id that are under way, and identifiers that an earlier process left."""

    def __init__(
        self,
        slots: Inflight,
        out: list[bytes],
        identifier: Callable[[], int],
        put_back: Callable[[list[Entry]], None],
    ) -> None:
        self._slots = slots
        self._out = out
        self._identifier = identifier
        self._put_back = put_back  # to be sent as new, before all that waits
        self._under_way: dict[int, Entry] = {}  # in the order of sending
        self._repeats: dict[int, list[Entry]] = {}  # parcels with the key of one under way: they share its answer
        self._again: dict[int, None] = {}  # not yet sent on this connection
        self._twice: set[int] = set()  # sent on an earlier one too: the broker may call the identifier in use
        self._left = dict.fromkeys(slots.pids(Phase.SENT))  # by an earlier process, their parcels not seen since
        self._owed = dict.fromkeys(slots.pids(Phase.RELEASED))  # to be completed, with nobody waiting for it
        self.sent = 0
        self.resent = 0
        self.repeated = 0  # given to us again, and not sent again

    @property
    def unanswered(self) -> int:
        """Parcels sent on this connection and not answered."""
        return len(self._under_way) - len(self._again)

    @property
    def full(self) -> bool:
        """Whether as much is under way as may be."""
        return len(self._under_way) >= _WINDOW_MAX

    @property
    def left(self) -> int:
        """Identifiers that an earlier process used, and whose parcels have not come again."""
        return len(self._left)

    def usable(self, pid: int) -> bool:
        """Whether an identifier is not in use."""
        return self._slots.phase(pid) in (Phase.FREE, Phase.DONE)

    def resume(self, *, session_present: bool) -> int:
        """Start a connection. How many publishes the broker may count that are not going to be sent on it.

        A broker that has lost the session may have passed on what it had: what was not completed is sent as new.
        """
        self._again.clear()
        self._twice.clear()
        if not session_present:
            self._forget()
            return 0
        phase = self._slots.phase
        released = [*self._owed, *(pid for pid in self._under_way if phase(pid) == Phase.RELEASED)]
        self._out.extend(_PACKET(_PUBREL, 2, pid) for pid in released)
        self._again.update((pid, None) for pid in self._under_way if phase(pid) == Phase.SENT)
        return len(released) + len(self._left)

    def claim(self, entries: Iterable[Entry]) -> tuple[list[Entry], int]:
        """Entries that an earlier process has not sent, and how many it has: those go before all that waits."""
        rest, claimed = [], 0
        for entry in entries:
            number = entry.parcel.id
            pid = None if number is None else self._slots.find(key_of(number))
            if pid is None or pid not in self._left:
                rest.append(entry)
                continue
            del self._left[pid]
            self._under_way[pid] = entry
            self._again[pid] = None
            claimed += 1
        return rest, claimed

    def take(self, entry: Entry, number: str) -> int | None:
        """The identifier to send an entry under, noted as sent; None when the broker has it, or is being sent it."""
        key = key_of(number)
        pid = self._slots.find(key)
        if pid is None:
            pid = self._identifier()
            self._slots.send(pid, key)
            self._under_way[pid] = entry
            return pid
        self.repeated += 1
        if self._slots.phase(pid) == Phase.DONE:
            entry.settle(None)
        elif pid in self._under_way:
            self._repeats.setdefault(pid, []).append(entry)
        else:  # released by an earlier process
            self._owed.pop(pid, None)
            self._under_way[pid] = entry
        return None

    def next_again(self) -> tuple[int, Entry] | None:
        """What is to be sent again next, marked as a duplicate."""
        if not self._again:
            return None
        pid = next(iter(self._again))
        del self._again[pid]
        self._twice.add(pid)
        self.resent += 1
        return pid, self._under_way[pid]

    def received(self, pid: int, code: int) -> bool:
        """Act on a PUBREC; False when it refuses a parcel, for ``refuse`` to say why."""
        phase = self._slots.phase(pid)
        if phase == Phase.SENT:
            if pid in self._again or pid in self._left:
                return True  # late, from an earlier connection: it is asked again, or stays in doubt
            if code == _IN_USE and pid not in self._twice:
                self._move(pid)
                return True
            if code >= 0x80 and code != _IN_USE:
                return False
            self._slots.release(pid)
        elif phase != Phase.RELEASED:
            self._out.append(_PACKET(_PUBREL, 3, pid) + _UNKNOWN)
            return True
        self._out.append(_PACKET(_PUBREL, 2, pid))
        return True

    def completed(self, pid: int) -> bool:
        """Act on a PUBCOMP; whether it ends a publish."""
        if self._slots.phase(pid) != Phase.RELEASED:
            return False
        self._slots.finish(pid)
        self._owed.pop(pid, None)
        self._settle(pid, None)
        return True

    def refuse(self, pid: int, refusal: SendRefusal) -> None:
        """Settle what the broker does not take."""
        self._slots.forget(pid)
        self._settle(pid, refusal)

    def give_up(self, keep: int) -> None:
        """Complete the oldest identifiers whose parcels do not come again, all but ``keep``.

        The broker passes on what it has of them; a parcel that comes after all is sent as new.
        """
        while len(self._left) > keep:
            pid = next(iter(self._left))
            del self._left[pid]
            self._disown(pid)

    def _move(self, pid: int) -> None:
        """The broker has something else under this identifier, which our notes do not know: another is taken."""
        self._disown(pid)
        self._put_back([self._under_way.pop(pid), *self._repeats.pop(pid, ())])

    def _disown(self, pid: int) -> None:
        self._slots.disown(pid)
        self._owed[pid] = None
        self._out.append(_PACKET(_PUBREL, 2, pid))

    def _forget(self) -> None:
        for pid in (*self._under_way, *self._left, *self._owed):
            self._slots.forget(pid)
        self.resent += len(self._under_way)
        back = [one for pid, entry in self._under_way.items() for one in (entry, *self._repeats.get(pid, ()))]
        for those in (self._under_way, self._repeats, self._left, self._owed):
            those.clear()
        self._put_back(back)

    def _settle(self, pid: int, refusal: SendRefusal | None) -> None:
        entry = self._under_way.pop(pid, None)
        if entry is None:
            return
        self.sent += refusal is None
        entry.settle(refusal)
        for repeat in self._repeats.pop(pid, ()):
            repeat.settle(refusal)
