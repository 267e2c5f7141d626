"""What a broker may hold of us at QoS 2, in a file that survives kill -9: a state and a key for each packet identifier.

The file is mapped into memory, so noting something is a store and no system call, and whatever was stored before a kill
is there after it (not after a power cut: nothing is synced). Slots are 16 bytes, so none straddles a page: what the
kernel wrote of one is whole. Identifiers are taken round-robin, so the slots after the last taken one are the oldest.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from enum import IntEnum
from hashlib import blake2b
from typing import Self

from gateway.links import LinkError

PIDS = 65_535  # MQTT 5, 2.2.1: identifiers are 1 to 65 535
_SLOT = 16  # bytes: a phase, and a key
_KEY = _SLOT - 1
_SIZE = _SLOT * (PIDS + 1)  # slot 0, which no identifier has, is the header
_MAGIC = b"QoS2"
_OWNER = 10  # bytes of a digest of the client id
_HEADER = len(_MAGIC) + _OWNER
_NOBODY = bytes(_KEY)


class Phase(IntEnum):
    """How far a delivery is (MQTT 5, 4.3.3)."""

    FREE = 0
    SENT = 1  # noted before the PUBLISH goes out: the broker may have it
    RELEASED = 2  # noted before the PUBREL goes out: the broker has it, and may have passed it on
    DONE = 3  # PUBCOMP came; the key stays known until the identifier is used again


_SENT = bytes((Phase.SENT,))


def key_of(number: str) -> bytes:
    """The key of a parcel's id."""
    return blake2b(number.encode(errors="replace"), digest_size=_KEY).digest()


class Inflight:
    """The slots of one client at one broker."""

    def __init__(self, memory: bytearray | mmap.mmap) -> None:
        self._memory = memory
        self._pids: dict[bytes, int] = {}
        for pid in self.pids(Phase.SENT, Phase.RELEASED, Phase.DONE):
            self._know(self._key(pid), pid)

    @classmethod
    def open(cls, path: str, client_id: str) -> Self:
        """The slots of a file, which is made anew when it is not a whole one of this client. Raise LinkError."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                return cls(_mapped(descriptor, _MAGIC + blake2b(client_id.encode(), digest_size=_OWNER).digest()))
            finally:
                os.close(descriptor)  # the mapping keeps one of its own, and the lock with it
        except BlockingIOError:
            raise LinkError(f"inflight_file: {path}: another process uses it") from None
        except OSError as error:
            raise LinkError(f"inflight_file: {path}: {(error.strerror or 'cannot be used').lower()}") from None

    def close(self) -> None:
        """Unmap the file."""
        if isinstance(self._memory, mmap.mmap):
            self._memory.close()

    @property
    def last(self) -> int:
        """The identifier that was taken last, or 0."""
        return int.from_bytes(self._memory[_HEADER:_SLOT], "little")

    def pids(self, *phases: Phase) -> Iterator[int]:
        """The identifiers in one of the phases, longest taken first."""
        noted, newest = self._memory[::_SLOT], self.last
        for pids in (range(newest + 1, PIDS + 1), range(1, newest + 1)):
            yield from (pid for pid in pids if noted[pid] in phases)

    def find(self, key: bytes) -> int | None:
        """The identifier that a key was, or is being, delivered under."""
        return self._pids.get(key)

    def phase(self, pid: int) -> int:
        """How far an identifier is."""
        return self._memory[pid * _SLOT]

    def send(self, pid: int, key: bytes) -> None:
        """Take a free or done identifier for a key. What was done under it is forgotten."""
        memory, at = self._memory, pid * _SLOT
        if memory[at]:
            self._unknow(self._key(pid), pid)
        memory[at : at + _SLOT] = _SENT + key
        memory[_HEADER:_SLOT] = pid.to_bytes(2, "little")
        self._pids[key] = pid

    def release(self, pid: int) -> None:
        """Note that the broker has it."""
        self._memory[pid * _SLOT] = Phase.RELEASED

    def finish(self, pid: int) -> None:
        """Note that the delivery is complete."""
        self._memory[pid * _SLOT] = Phase.DONE

    def forget(self, pid: int) -> None:
        """Note that the broker has nothing of it."""
        self._memory[pid * _SLOT] = Phase.FREE
        self._unknow(self._key(pid), pid)

    def disown(self, pid: int) -> None:
        """Release an identifier whose parcel is not known to be delivered by it: its key is forgotten."""
        self._unknow(self._key(pid), pid)
        at = pid * _SLOT
        self._memory[at + 1 : at + _SLOT] = _NOBODY
        self._memory[at] = Phase.RELEASED

    def _key(self, pid: int) -> bytes:
        at = pid * _SLOT
        return bytes(self._memory[at + 1 : at + _SLOT])

    def _know(self, key: bytes, pid: int) -> None:
        if key != _NOBODY:
            self._pids[key] = pid

    def _unknow(self, key: bytes, pid: int) -> None:
        if self._pids.get(key) == pid:
            del self._pids[key]


def _mapped(descriptor: int, header: bytes) -> mmap.mmap:
    """A file, mapped and locked. One that is torn, of another size or of another client is emptied first."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if os.fstat(descriptor).st_size != _SIZE or os.pread(descriptor, _HEADER, 0) != header:
        os.ftruncate(descriptor, 0)
        # Written rather than left a hole: a store into a hole of a full disk would end the process.
        if os.pwrite(descriptor, bytes(_SIZE), 0) != _SIZE:
            raise OSError(None, "no space left on device")
    memory = mmap.mmap(descriptor, _SIZE)
    memory[:_HEADER] = header
    return memory
