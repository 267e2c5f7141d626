"""A network path that can be cut, stopped, throttled or broken in the middle of a record."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Self


class Records:
    """Where the records of a TLS stream begin and end (RFC 8446, 5.1), without reading what is in them."""

    def __init__(self) -> None:
        self._header = b""
        self._left = 0  # bytes of the record that is under way

    def within(self, data: bytes, part: float) -> int | None:
        """After how many bytes of this data a record is torn, ``part`` of it passed on; None where none can be."""
        position, found = 0, None
        while position < len(data):
            if not self._left:
                header = data[position : position + 5 - len(self._header)]
                self._header += header
                position += len(header)
                if len(self._header) < 5:
                    break
                self._left, self._header = int.from_bytes(self._header[3:5], "big"), b""
            here = min(self._left, len(data) - position)
            if found is None and here and self._left > 1:
                found = position + min(here, max(1, min(self._left - 1, int(part * self._left))))
            self._left -= here
            position += here
        return found


class Path:
    """A TCP relay on a loopback port to another port; what happens on it is set while it runs."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self._rate: float | None = None
        self._cut_after: int | None = None
        self._tear: float | None = None
        self.torn = 0  # records

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self._open.set()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    def cut_within(self, count: int) -> None:
        """Reset every connection after this many more bytes: in the middle of a packet, or of a TLS record."""
        self._cut_after = count

    def tear_record(self, part: float) -> None:
        """Reset every connection when the next TLS record, either way, has passed by this part of it."""
        self._tear = part

    def stop(self) -> None:
        """Pass nothing on, and close nothing: both sides believe that they are connected."""
        self._open.clear()

    def go(self) -> None:
        """Be a good path again."""
        self._open.set()
        self._rate = None

    def throttle(self, bytes_per_s: float) -> None:
        """Pass so little."""
        self._rate = bytes_per_s

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        other: asyncio.StreamWriter | None = None
        try:
            with contextlib.suppress(OSError):
                there, other = await asyncio.open_connection("127.0.0.1", self._target)
                self._writers.add(other)
                both = [asyncio.create_task(self._pump(reader, other)), asyncio.create_task(self._pump(there, writer))]
                try:
                    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for one in both:
                        one.cancel()
                    await asyncio.gather(*both, return_exceptions=True)
        finally:
            for one_side in (writer, other):
                if one_side is not None:
                    self._writers.discard(one_side)
                    one_side.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        records = Records()
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536 if self._rate is None else 256):
                await self._open.wait()
                if self._rate is not None:
                    await asyncio.sleep(len(data) / self._rate)
                if self._cut_after is not None:
                    data = data[: self._cut_after]
                    self._cut_after -= len(data)
                torn = records.within(data, self._tear or 0.5)
                if self._tear is not None and torn is not None:
                    data, self._tear, self._cut_after = data[:torn], None, 0
                    self.torn += 1
                writer.write(data)
                await writer.drain()
                if self._cut_after == 0:
                    self._cut_after = None
                    self.cut()
