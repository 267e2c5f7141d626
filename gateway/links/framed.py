"""What both ends of a byte stream share: cutting it into frames, and knowing when the far machine has what was written.

The far side's program never says that it has a frame; its machine acknowledges bytes, and that is all there is.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
from typing import NamedTuple

from gateway.links import Settings
from gateway.links.address import Address
from gateway.links.backoff import Pace
from gateway.links.fault import LostError
from gateway.links.inbox import Inbox
from gateway.links.plain import PlainFrame, Split, Tally, lines, topic_of
from gateway.links.upkeep import Upkeep

READ = 65_536
LARGE_S = 0.02  # between looks at a frame that is larger than a read and not whole yet
_POLL_S = (0.0005, 0.05)  # how often the send queue is looked at: soon at first


class Intake(NamedTuple):
    """Where the frames of a link's streams go; one for every stream of the link."""

    settings: Settings
    topic: str
    split: Split
    tally: Tally
    inbox: Inbox[PlainFrame]
    room: asyncio.Event

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Take frames from one stream until it ends; stop reading while too much waits. Raise LostError."""
        rest = b""
        while data := await reader.read(READ):
            self.tally.bytes_received += len(data)
            try:
                frames, rest = self.split(rest + data)
            except ValueError:
                raise LostError("the far side does not speak this format") from None
            if len(rest) > self.settings.packet_max:
                raise LostError("a frame is too large")
            if self.settings.subscriptions:
                self.inbox.put([PlainFrame(self.topic, one, self.tally, self.room.set) for one in frames])
            while self.tally.open >= self.settings.receive_maximum or self.inbox.full:
                self.room.clear()
                await self.room.wait()
            if len(rest) > READ:
                # A frame that comes byte by byte is looked at anew each time: that must not take all of our time.
                await asyncio.sleep(LARGE_S)
        raise LostError("the far side closed the connection")


class ByteStream(NamedTuple):
    """Where the far side is, and how what it sends is cut into frames."""

    address: Address
    split: Split = lines


class FramedLink(Upkeep[PlainFrame]):
    """What links over byte streams have in common: all but connecting and writing."""

    def __init__(self, name: str, settings: Settings, where: ByteStream, pace: Pace = Pace()) -> None:  # noqa: B008 - an immutable value
        super().__init__(name, settings, pace)
        self._address = where.address
        self._tally = Tally()
        self._room = asyncio.Event()
        topic = topic_of(settings, name)
        self._intake = Intake(settings, topic, where.split, self._tally, self._inbox, self._room)

    def _taken(self) -> None:
        self._room.set()


async def taken(writer: asyncio.StreamWriter) -> None:
    """Return when the far side's machine has acknowledged all that was written. Raise LostError."""
    end: socket.socket = writer.get_extra_info("socket")
    pause_s = _POLL_S[0]
    # Below TLS there is a buffer that cannot be looked at; it is handed to the kernel within one turn.
    looks = 2 if writer.get_extra_info("ssl_object") is not None else 1
    while not writer.transport.is_closing():
        if not writer.transport.get_write_buffer_size():
            waiting = fcntl.ioctl(end.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
            if struct.unpack("i", waiting)[0] == 0:
                looks -= 1
                if not looks:
                    return
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, _POLL_S[1])
    raise LostError("connection lost")


def notice_death(end: socket.socket, keep_alive_s: int) -> None:
    """Let the kernel end a connection whose far side is gone without a word."""
    if not keep_alive_s:
        return
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (
        ("TCP_KEEPIDLE", keep_alive_s),
        ("TCP_KEEPINTVL", max(1, keep_alive_s // 4)),
        ("TCP_KEEPCNT", 2),
    ):
        if (number := getattr(socket, name, None)) is not None:
            options.append((socket.IPPROTO_TCP, number, value))
    if (number := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
        options.append((socket.IPPROTO_TCP, number, 1500 * keep_alive_s))
    for level, number, value in options:
        with contextlib.suppress(OSError):  # a platform that has the name and not the option
            end.setsockopt(level, number, value)
